"""Which pairs of campaigns the bench of attribution counts as right, wrong and untold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pyarrow as pa
from bench.attribution import CLASSES, DIFFERENT, ONE, UNNAMED, Pair, from_pools, hands, pairs, rows
from bench.simulated import Truth

from stillhunt.campaigns.result import Campaigns
from stillhunt.schema.campaigns import CAMPAIGNS, MEMBERS, OPERATORS
from stillhunt.simulate.scenarios import scenario

POOLS = {"c-1": "a", "c-2": "b", "c-3": "x", "c-4": None, "c-5": None, "c-6": "a"}
KINDS = dict.fromkeys(POOLS, "distillation") | {"c-3": "reseller", "c-4": "trial_farm", "c-5": "trial_farm"}


class Found:
    """What a scan found, as far as the bench reads it: campaigns of three accounts, c-1 and c-2 one operator's."""

    campaigns = pa.Table.from_pylist(
        [{"campaign_id": name, "kind": kind} for name, kind in (KINDS | {"c-7": "shared_team"}).items()],
        CAMPAIGNS,
    )
    members = pa.Table.from_pylist(
        [
            {"account_id": f"{name}/{k}", "campaign_id": name, "membership": 0.9}
            for name in (*POOLS, "c-7")
            for k in range(3)
        ],
        MEMBERS,
    )
    evidence = {  # noqa: RUF012
        "operators": pa.Table.from_pylist(
            [{"campaign_id": name, "operator_id": "o-1"} for name in ("c-1", "c-2")], OPERATORS
        )
    }


def truth() -> Truth:
    accounts: dict[str, dict[str, Any]] = {
        f"{name}/{k}": {"campaign": "stray" if k == 0 else pool, "kind": "distillation"}
        for name, pool in (POOLS | {"c-7": None}).items()
        for k in range(3)
    }
    return Truth(accounts, 0)


def test_pools_for_one_laboratory_are_one_hand() -> None:
    operators = scenario("two_pools").operators
    assert set(hands(operators).values()) == {"two_pools-a"}
    apart = [replace(one, labs=()) for one in operators]
    assert hands(apart) == {one.name: one.name for one in apart}
    assert len(set(hands(scenario("first_reports").operators).values())) == 3


def test_pairs_are_held_against_the_truth() -> None:
    found = cast(Campaigns, Found())
    assert from_pools(found, truth()) == POOLS, "by majority; a team is not compared"
    made = list(pairs(found, truth(), {"a": "a", "b": "a"}))
    assert len(made) == 15
    assert [pair for pair in made if pair.joined] == [Pair("distillation", ONE, ("a", "b"), True)]
    assert sum(pair.relation == ONE for pair in made) == 3
    assert [pair.pools for pair in made if pair.relation == UNNAMED] == [("a farm", "a farm")]
    assert {pair.kinds for pair in made if pair.relation == DIFFERENT} == {"other kinds"}


def test_figures_are_shares_of_the_pairs_of_their_sort() -> None:
    measured = [Pair(CLASSES[0], ONE, ("a", "b"), True), Pair(CLASSES[0], ONE, ("a", "b"), False)]
    measured.append(Pair(CLASSES[1], DIFFERENT, ("a", "x"), False))
    figures = {(row.case, row.metric): (row.value, row.n) for row in rows("demo", measured)}
    assert figures == {
        ("demo: distillation", f"pairs {ONE} joined"): (0.5, 2),
        ("demo: other kinds", f"pairs {DIFFERENT} joined"): (0.0, 1),
    }
