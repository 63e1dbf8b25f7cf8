"""The evidence tables that findings cite."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from logs import at, make_log, numbers, seen

from stillhunt.campaigns.evidence import Evidence, weigh
from stillhunt.campaigns.log import Log
from stillhunt.campaigns.neighbours import neighbours
from stillhunt.campaigns.pipeline import collect
from stillhunt.campaigns.signals.model import SIGNALS_V1
from stillhunt.campaigns.summarise import countries
from stillhunt.campaigns.tables import (
    ARTEFACTS_PER_SIGNAL,
    BINS,
    DRAWN_EDGES,
    Named,
    artefacts,
    edges,
    harm,
    harvest,
    register_members,
    timeline,
)
from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.campaigns import ARTEFACTS, EDGES, HARM_BY_MODEL, HARVEST, TIMELINE

Row = dict[str, Any]


def sent(account: str, hours: float, **facts: Any) -> Row:
    return {"account_id": account, "time": at(hours)} | facts


def named(log: Log, groups: Mapping[str, tuple[str, ...]]) -> list[Named]:
    made = [Named(name, numbers(log, *ids)) for name, ids in groups.items()]
    register_members(log, made)
    return made


def test_a_timeline_is_complete_and_equally_spaced(engine: DuckDB) -> None:
    rows = [
        sent("a", 0),
        sent("a", 0.1),
        sent("b", 5),
        sent("x", 2),
        sent("x", 2.05),
        sent("y", 2),
        sent("c", 9.9),
    ]
    log = make_log(engine, rows)
    group = named(log, {"c1": ("a", "b"), "c2": ("c",)})
    found = timeline(log, group)
    assert found.schema.equals(TIMELINE)
    mine = [row for row in found.to_pylist() if row["campaign_id"] == "c1"]
    times = [row["time"] for row in mine]
    assert len({(b - a) for a, b in pairwise(times)}) == 1
    assert (times[0], times[-1]) == (at(0), at(hours=9, minutes=50))
    assert len(mine) <= BINS
    told = {row["time"]: (row["requests"], row["active_accounts"], row["background_requests"],
                          row["background_accounts"]) for row in mine}  # fmt: skip
    assert {time: each for time, each in told.items() if any(each)} == {
        at(0): (2, 1, 0, 0), at(2): (0, 0, 3, 2), at(5): (1, 1, 0, 0)
    }  # fmt: skip
    assert sum(row["requests"] for row in found.to_pylist()) == 4


def test_a_long_log_has_longer_bins(engine: DuckDB) -> None:
    log = make_log(engine, [sent("a", 0), sent("b", 24 * 92)])
    found = timeline(log, named(log, {"c": ("a",)}))
    assert 100 < found.num_rows <= BINS


def test_harvest_adds_up_and_is_held_against_the_background(engine: DuckDB) -> None:
    rows = [
        sent("a", 0, capability="grading", output_tokens=10),
        sent("a", 1, capability="grading", output_tokens=20),
        sent("b", 1, capability="writing", output_tokens=None),
        sent("b", 1, capability="mathematics", output_tokens=5),
        sent("b", 2, capability=None, output_tokens=99),
        sent("x", 1, capability="writing", output_tokens=7),
        sent("y", 1, capability="writing"),
        sent("y", 1, capability="grading"),
        sent("y", 1, capability="other"),
    ]
    log = make_log(engine, rows)
    named(log, {"c": ("a", "b")})
    found = harvest(log)
    assert found.schema.equals(HARVEST)
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        ("c", "grading", 2, 30, 0.5, 0.25),
        ("c", "mathematics", 1, 5, 0.25, 0.0),
        ("c", "writing", 1, 0, 0.25, 0.5),
    ]


def test_without_capabilities_nothing_is_harvested(engine: DuckDB) -> None:
    log = make_log(engine, [sent("a", 0), sent("b", 0)])
    named(log, {"c": ("a",)})
    assert harvest(log).num_rows == 0
    assert harvest(log).schema.equals(HARVEST)


def test_harm_is_told_by_capability_and_model_and_adds_up(engine: DuckDB) -> None:
    rows = [
        sent("a", 0, capability="grading", model="large", output_tokens=1_000, reasoning=True),
        sent("b", 1, capability="grading", model="large", output_tokens=500, reasoning=None),
        sent("b", 2, capability="grading", model="small", output_tokens=4_000, reasoning=False),
        sent("a", 3, capability=None, model="small", output_tokens=None, reasoning=True),
        sent("x", 1, capability="grading", model="large", output_tokens=9_000, reasoning=True),
    ]
    log = make_log(engine, rows)
    named(log, {"c": ("a", "b")})
    found = harm(log, 20.0)
    assert found.schema.equals(HARM_BY_MODEL)
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        ("c", "grading", "small", 1, 4_000, 0, pytest.approx(0.08)),
        ("c", "grading", "large", 2, 1_500, 1_000, pytest.approx(0.03)),
        ("c", None, "small", 1, 0, 0, 0.0),
    ]


def test_harm_is_counted_where_the_log_names_neither_model_nor_tokens(engine: DuckDB) -> None:
    log = make_log(engine, [sent("a", 0), sent("a", 1), sent("b", 0)])
    named(log, {"c": ("a",)})
    (row,) = harm(log, 15.0).to_pylist()
    assert tuple(row.values()) == ("c", None, None, 2, 0, 0, 0.0)


def sharing(engine: DuckDB) -> tuple[Log, Evidence, dict[int, str]]:
    """Twelve accounts on one card and one device, of 200; every other pair of accounts shares a card; everybody has
    one client."""
    group = [f"m{i:02d}" for i in range(12)]
    others = [f"o{i:03d}" for i in range(188)]
    facts = {"user_agent": "sdk", "tls_fingerprint": "t"}
    rows = [sent(name, 1, device_id="lab", **facts) for name in group]
    rows += [sent(name, 1, device_id=f"own {name}", **facts) for name in others]
    people = [{"account_id": name, "payment_fingerprint": "virtual"} for name in group]
    people += [{"account_id": name, "payment_fingerprint": f"card {i // 2}"} for i, name in enumerate(others)]
    log = make_log(engine, rows, people)
    found = collect(log, seen(log), SIGNALS_V1)
    return log, weigh(found, countries(log)), {s: each.names for s, (_, each) in enumerate(found)}


def test_artefacts_are_named_counted_and_the_rare_ones_only(engine: DuckDB) -> None:
    log, evidence, names = sharing(engine)
    group = named(log, {"c": tuple(f"m{i:02d}" for i in range(12))})
    found = artefacts(log, evidence, names, group)
    assert found.schema.equals(ARTEFACTS)
    rows = {row["signal"]: row for row in found.to_pylist()}
    assert set(rows) == {"shares_payment"}
    card = rows["shares_payment"]
    assert (card["artefact"], card["members"], card["accounts"]) == ("payment instrument virtual", 12, 12)
    assert card["channel"] == "payment"
    assert card["expected"] == pytest.approx(12 * 12 / 200, rel=0.1)
    bound = 12 * np.log(12 / card["expected"]) - 12 + card["expected"]
    assert card["log10_p"] == pytest.approx(-bound / np.log(10))


def test_what_everybody_has_is_no_evidence(engine: DuckDB) -> None:
    """One client program for the whole log: each member is expected to have it."""
    log, evidence, names = sharing(engine)
    everyone = named(log, {"c": tuple(f"o{i:03d}" for i in range(188))})
    assert "shares_client_stack" not in artefacts(log, evidence, names, everyone)["signal"].to_pylist()


def test_at_most_a_few_artefacts_of_a_signal_are_told(engine: DuckDB) -> None:
    rows = [sent(f"m{i}", 1, device_id=f"d{j}") for i in range(10) for j in range(9)]
    rows += [sent(f"o{i}", 1, device_id=f"x{i // 2}") for i in range(150)]
    log = make_log(engine, rows)
    found = collect(log, seen(log), SIGNALS_V1)
    evidence = weigh(found, countries(log))
    group = named(log, {"c": tuple(f"m{i}" for i in range(10))})
    told = artefacts(log, evidence, {s: each.names for s, (_, each) in enumerate(found)}, group)
    assert told["signal"].to_pylist() == ["shares_device"] * ARTEFACTS_PER_SIGNAL
    assert set(told["artefact"].to_pylist()) <= {f"device d{j}" for j in range(9)}


def test_edges_join_members_by_name_and_channel(engine: DuckDB) -> None:
    log, evidence, _ = sharing(engine)
    members = tuple(f"m{i:02d}" for i in range(12))
    found = edges(log, evidence, neighbours(evidence), named(log, {"c": members}))
    assert found.schema.equals(EDGES)
    rows = found.to_pylist()
    assert {row["account_a"] for row in rows} | {row["account_b"] for row in rows} == set(members)
    assert len(rows) == 12 * 11 // 2 <= DRAWN_EDGES
    assert len({frozenset((row["account_a"], row["account_b"])) for row in rows}) == len(rows)
    assert all(row["weight"] > 0 for row in rows)
    assert {channel for row in rows for channel in row["channels"]} >= {"infrastructure", "payment"}


def test_no_campaigns_give_empty_tables(engine: DuckDB) -> None:
    log, evidence, names = sharing(engine)
    none = named(log, {})
    for found, schema in (
        (timeline(log, none), TIMELINE),
        (artefacts(log, evidence, names, none), ARTEFACTS),
        (edges(log, evidence, neighbours(evidence), none), EDGES),
    ):
        assert found.schema.equals(schema)
        assert found.num_rows == 0
