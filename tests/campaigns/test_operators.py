"""A pool is banned and its traffic moves to a second pool: what follows a ban, the table of operators, the findings."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
from logs import at, links, make_log, numbers, prompt, seen, signal_of, system

from stillhunt.campaigns import tables
from stillhunt.campaigns.attribution import SUCCESSION, Actor, Tie, attribute
from stillhunt.campaigns.evidence import Evidence, weigh
from stillhunt.campaigns.log import Log
from stillhunt.campaigns.operators import explain_ties, may_be_compared, operators, to_name
from stillhunt.campaigns.pipeline import collect
from stillhunt.campaigns.result import Campaigns
from stillhunt.campaigns.signals.model import SIGNALS_V1
from stillhunt.campaigns.successions import CARRIED, UNKNOWN_H, Calendar, calendar, first_uses, follows, wave
from stillhunt.campaigns.summarise import countries, summarise
from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.campaigns import OPERATORS

BANNED_H, DAYS = 120.0, 10
BEFORE = [f"before-{i}" for i in range(8)]
AFTER = [f"after-{i}" for i in range(8)]


def moved(engine: DuckDB, moves_h: float = BANNED_H + 0.5) -> Log:
    """The first pool sends one system prompt until it is closed; the second, that of another customer from the third
    day on, and the first's from hour ``moves_h`` on. Three hundred strangers use popular prompts."""
    generator = np.random.default_rng(3)
    rows: list[dict[str, Any]] = []

    def send(account: str, hour: float, word: str) -> None:
        rows.append(
            {
                "time": at(hour),
                "account_id": account,
                "system_sketch": system(word),
                "prompt_sketch": prompt(f"{len(rows):04d}", f"{len(rows):04d}"),
                "client_ip": f"ip-{account}",
            }
        )

    for hour in range(1, 24 * DAYS):
        if hour < BANNED_H:
            send(BEFORE[hour % 8], hour, "mine")
        if hour >= 50:
            send(AFTER[hour % 8], hour + 0.1, "othr")
            if hour >= math.floor(moves_h):
                send(AFTER[(hour + 3) % 8], max(hour, moves_h), "mine")
    for i in range(300):
        for hour in generator.uniform(0, 24 * DAYS, 3):
            send(f"user-{i}", hour, f"pop{generator.integers(9)}")
    people = [
        {
            "account_id": name,
            "closed_at": at(BANNED_H + i / 3) if name in BEFORE else None,
            "created_at": at(-900 - 30 * i),
        }
        for i, name in enumerate([*BEFORE, *AFTER])
    ]
    return make_log(engine, rows, people)


def compared(log: Log, kind: str = "distillation") -> tuple[Evidence, list[Actor], list[Tie]]:
    actors = [
        Actor(name, kind, numbers(log, *ids), True)
        for name, ids in (("c-before", BEFORE), ("c-after", AFTER))
    ]
    tables.register_members(log, [tables.Named(actor.campaign_id, actor.members) for actor in actors])
    evidence = weigh(collect(log, seen(log), SIGNALS_V1), countries(log))
    return evidence, actors, attribute(log, evidence, summarise(log), actors, 0.05)


def test_a_pool_that_takes_over_is_the_same_operator(engine: DuckDB) -> None:
    log = moved(engine)
    _, _, (tie,) = compared(log)
    assert set(tie.speaking) == {"client", SUCCESSION}
    (succession,) = tie.successions
    assert succession.began_h - succession.wave.begins_h == pytest.approx(0.5)
    assert succession.wave.accounts == len(BEFORE)
    assert tie.q < 0.05


def test_one_that_has_used_it_all_along_is_not(engine: DuckDB) -> None:
    """The same prompt, taken up two days before the ban: a client may be common, and one family does not suffice."""
    assert compared(moved(engine, BANNED_H - 48))[2] == []


def test_the_table_and_the_findings_tell_facts_from_inference(engine: DuckDB) -> None:
    log = moved(engine)
    evidence, actors, ties = compared(log)
    names = {s: signal.collect(log).names for s, signal in enumerate(evidence.signals)}
    words = tables.artefact_names(log, evidence, names, to_name(evidence, ties))
    table = operators(evidence, actors, ties, words)
    assert table.schema == OPERATORS
    rows = table.to_pylist()
    assert [(row["campaign_id"], row["with_campaign"]) for row in rows] == [
        ("c-before", "c-after"),
        ("c-after", "c-before"),
    ]
    assert len({row["operator_id"] for row in rows}) == 1
    for row in rows:
        assert row["nats"] == pytest.approx(sum(part["nats"] for part in row["families"]))
    first, last = rows[0]["reasons"]
    assert first == (
        "8 of 8 accounts, and 8 of 8 of campaign c-after, sent one system prompt (system prompt 6d696e65), which 0 "
        "other accounts of the log share."
    )
    assert last == (
        "8 of 8 accounts of campaign c-before were closed within 3 h; 0.5 hours after the first closure, campaign "
        "c-after began to use what the two share (system prompt 6d696e65)."
    )
    findings = explain_ties(
        evidence, actors, ties, words, {"inputs_digest": "sha256:0", "operators": "sha256:1"}
    )
    roles = [finding.role for finding in findings if finding.subject["campaign"] == "c-before"]
    assert roles == ["observed", "observed", "inferred", "counter", "reading"]
    (inferred,) = (f for f in findings if f.role == "inferred" and f.subject["campaign"] == "c-before")
    assert "Probably the same operator as campaign c-after" in inferred.claim
    assert inferred.null
    assert inferred.evidence["table"] == "evidence/operators.parquet"
    assert all(finding.null == "" for finding in findings if finding.role in ("observed", "reading"))


def test_an_operator_is_what_pairs_connect(engine: DuckDB) -> None:
    """Ids depend on the campaigns alone, and reach through a third campaign."""
    log = moved(engine)
    evidence, actors, (tie,) = compared(log)
    bare = replace(tie, artefacts=(), successions=())
    many = [replace(actors[k % 2], campaign_id=f"c-{k}") for k in range(5)]
    found = operators(
        evidence, many, [replace(bare, a=0, b=2), replace(bare, a=2, b=4), replace(bare, a=1, b=3)], {}
    )
    by_campaign = {row["campaign_id"]: row["operator_id"] for row in found.to_pylist()}
    assert (
        by_campaign["c-0"]
        == by_campaign["c-2"]
        == by_campaign["c-4"]
        != by_campaign["c-1"]
        == by_campaign["c-3"]
    )
    again = operators(evidence, many, [replace(bare, a=4, b=0), replace(bare, a=0, b=2)], {})
    assert {row["operator_id"] for row in again.to_pylist()} == {by_campaign["c-0"]}


def test_a_wave_is_closures_that_follow_one_another() -> None:
    closed = np.array([3.0, 50.0, 52.0, 53.5, 56.0, np.nan, np.nan, 70.0])
    found = wave(closed)
    assert found is not None
    assert (found.begins_h, found.ends_h, found.accounts) == (50.0, 56.0, 4)
    assert wave(np.append(closed, [np.nan] * 2)) is None, "fewer than half"
    assert wave(np.array([1.0, 2.0])) is None, "fewer than three"
    assert wave(np.full(4, np.nan)) is None


def test_beginnings_that_may_lie_before_the_log_are_not_asked() -> None:
    days = Calendar(np.array([30.0, 31.0, 200.0, 230.0]), np.full(4, np.nan), 240.0)
    struck = wave(np.array([100.0, 100.0, 101.0]))
    assert struck is not None
    assert follows(days, (0, 1), struck, UNKNOWN_H - 1, None) is None
    near = follows(days, (0, 1), struck, 100.5, None)
    assert near is not None
    assert near.e > 20


def test_an_hour_in_which_many_begin_says_less() -> None:
    quiet = Calendar(np.linspace(24, 240, 200), np.full(200, np.nan), 240.0)
    launch = Calendar(np.full(200, 100.0), np.full(200, np.nan), 240.0)
    assert quiet.usual_per_h(100.0) == pytest.approx(1 / 216, rel=0.1)
    assert launch.usual_per_h(100.0) == pytest.approx(1 / 6)
    assert launch.usual_per_h(200.0) == pytest.approx(1 / 216)


def test_successions_of_independent_beginnings_are_e_values() -> None:
    """Beginnings of a launch, or even ones, against bans at any time: the mean of the bets is no more than 1."""
    generator = np.random.default_rng(8)
    bets = []
    for _ in range(300):
        begun = np.where(
            generator.random(300) < 0.3, generator.normal(120, 8, 300), generator.uniform(24, 240, 300)
        )
        days = Calendar(np.clip(begun, UNKNOWN_H, 240), np.full(300, np.nan), 240.0)
        for start in days.first_h[:10]:
            struck = wave(np.full(3, generator.uniform(24, 240)))
            assert struck is not None
            one = follows(days, (0, 1), struck, float(start), None)
            assert one is not None
            bets.append(one.e)
    values = np.array(bets)
    assert values.std() > 0
    assert values.mean() <= 1.0 + 4 * values.std() / math.sqrt(len(values))


def test_carried_artefacts_are_those_of_their_signals(engine: DuckDB) -> None:
    """First uses are found under the identity that the signal gave, at the first exchange that shows the artefact."""
    log = moved(engine)
    (names,) = {tuple(sorted(CARRIED))}
    assert set(names) <= {signal.name for signal in SIGNALS_V1}
    _, actors, _ = compared(log)
    signal = next(signal for signal in SIGNALS_V1 if signal.name == "shares_system_prompt")
    found = signal.collect(log)
    assert "system prompt 6d696e65" in links(log, found)
    begins = pc.min(summarise(log)["first_seen"])
    identities = found.links["artefact"].unique().to_pylist()
    wanted = [(actor.campaign_id, signal.name, identity) for actor in actors for identity in identities]
    hours = {
        campaign: sorted(h for (c, _), h in first_uses(log, wanted, begins).items() if c == campaign)
        for campaign in ("c-before", "c-after")
    }
    start = (begins.as_py() - at(0)).total_seconds() / 3600
    assert hours["c-before"] == pytest.approx([1.0 - start])
    assert hours["c-after"] == pytest.approx([50.1 - start, BANNED_H + 0.5 - start])
    assert calendar(log, summarise(log)).closed_h[numbers(log, *BEFORE)].min() == pytest.approx(
        BANNED_H - start
    )


@pytest.mark.parametrize("name", sorted(CARRIED))
def test_every_carried_key_gives_the_signal_s_identities(engine: DuckDB, name: str) -> None:
    rows = [
        {
            "time": at(hour),
            "account_id": f"a{hour % 3}",
            "client_ip": f"ip{hour % 2}",
            "device_id": f"d{hour % 2}",
            "system_sketch": system(f"s{hour % 2}"),
            "prompt_sketch": prompt(f"p{hour % 2}", f"{hour}"),
        }
        for hour in range(12)
    ]
    log = make_log(engine, rows)
    (signal,) = [signal for signal in SIGNALS_V1 if signal.name == name]
    identities = set(signal_of(signal.collect).collect(log).links["artefact"].to_pylist())
    by_key = log.engine.table(f"SELECT DISTINCT identity_of({CARRIED[name]}) AS artefact FROM exchanges")
    assert identities == set(by_key["artefact"].to_pylist())
    assert len(identities) == 2


def test_teams_and_licensed_campaigns_are_not_compared(found: Campaigns) -> None:
    assert may_be_compared("distillation", 10, 9)
    assert not may_be_compared("distillation", 10, 10)
    assert not any(may_be_compared(kind, 10, 0) for kind in ("shared_team", "evaluation", "unclear"))
    assert found.evidence["operators"].num_rows == 0, "the planted pools are independent"
