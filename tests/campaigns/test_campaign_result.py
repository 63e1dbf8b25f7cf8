"""From judged groups to campaigns: ids, licences, false discoveries by kind, harm; and their findings."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from logs import make_evidence, make_moves, make_sessions
from people import ARCHETYPES, REST
from planted import DIGEST, FIRM, SMALL, VENDOR, found_in, planted, run, sure

from stillhunt.campaigns import result
from stillhunt.campaigns.explain import FOR_IT, Case, explain
from stillhunt.campaigns.groups import Conduct
from stillhunt.campaigns.judge import Group
from stillhunt.campaigns.kinds import KindVerdict, judge_kind
from stillhunt.campaigns.moves import hands_off
from stillhunt.campaigns.result import COVERED_BY_USE, Campaigns
from stillhunt.campaigns.signals.hands_off_after_refusal import hands_off_after_refusal
from stillhunt.campaigns.signals.signal import stated_null
from stillhunt.schema.campaigns import FLAG_MEMBERSHIP, KINDS
from stillhunt.schema.digests import table_digest
from stillhunt.schema.findings import Finding
from stillhunt.stats.fdr import benjamini_hochberg


def test_an_id_depends_on_members_and_window_alone() -> None:
    one = result._campaign_id(["a", "b", "c"], "w")
    assert one == result._campaign_id(["c", "a", "b"], "w")
    assert one.startswith("c-")
    assert len(one) == 14
    assert len({one, result._campaign_id(["a", "b"], "w"), result._campaign_id(["a", "b", "c"], "v")}) == 3


def test_ids_stay_when_the_rest_of_the_log_grows(found: Campaigns) -> None:
    """Other accounts in the same window change nothing about a campaign's name."""
    grown, _ = run(planted(1, 520))
    before, after = found_in(found, SMALL.ids)["campaign_id"], found_in(grown, SMALL.ids)["campaign_id"]
    assert sure(found)[str(before)] == sure(grown)[str(after)] == set(SMALL.ids)
    assert before == after


def test_licensed_accounts_are_listed_and_never_flagged(found: Campaigns) -> None:
    campaign = found_in(found, VENDOR.ids)
    assert campaign["kind"] in COVERED_BY_USE["synthetic_data"]
    rows = [row for row in found.members.to_pylist() if row["account_id"] in set(VENDOR.ids)]
    assert len(rows) >= 0.9 * VENDOR.accounts
    assert {(row["membership"], row["authorised_use"]) for row in rows} == {(0.0, "synthetic_data")}
    readings = [
        finding.claim
        for finding in found.findings
        if finding.subject["campaign"] == campaign["campaign_id"] and finding.role == "reading"
    ]
    assert any("licence for synthetic data covers" in claim for claim in readings)


def test_a_licence_for_something_else_covers_nothing() -> None:
    pool = type(VENDOR)(VENDOR.name, VENDOR.accounts, "resale", VENDOR.hour)
    found, _ = run(planted(1, 400, (pool,)))
    campaign = found_in(found, pool.ids)
    assert campaign["kind"] == "distillation"
    rows = [row for row in found.members.to_pylist() if row["account_id"] in set(pool.ids)]
    assert {row["authorised_use"] for row in rows} == {None}
    assert min(row["membership"] for row in rows) >= FLAG_MEMBERSHIP


def test_licences_cover_kinds_that_exist() -> None:
    assert {kind for kinds in COVERED_BY_USE.values() for kind in kinds} <= set(KINDS)
    assert "distillation" not in COVERED_BY_USE["resale"]


def test_an_account_is_sure_of_one_campaign_at_most(found: Campaigns) -> None:
    counts = Counter(
        row["account_id"] for row in found.members.to_pylist() if row["membership"] >= FLAG_MEMBERSHIP
    )
    assert set(counts.values()) == {1}
    sizes = {campaign: len(members) for campaign, members in sure(found).items()}
    assert {row["campaign_id"]: row["accounts"] for row in found.campaigns.to_pylist()} == sizes


def test_harm_is_what_left(found: Campaigns) -> None:
    row = found_in(found, SMALL.ids)
    log = planted(1).requests.to_pylist()
    tokens = sum(each["output_tokens"] for each in log if each["account_id"] in set(SMALL.ids))
    assert row["requests"] == sum(each["account_id"] in set(SMALL.ids) for each in log)
    assert row["harm"] == {
        "output_tokens": tokens,
        "reasoning_tokens": tokens,
        "list_price_usd": pytest.approx(tokens / 1e6 * 15.0),
    }
    assert set(row["capabilities"]) == {"grading", "mathematics"}


def grouped(p: list[float]) -> list[result.Grouped]:
    return [
        result.Grouped(
            f"c{i}",
            Group(np.array([3 * i, 3 * i + 1, 3 * i + 2], dtype=np.int32), np.zeros(1), 1.0, each, each),
            np.array([3 * i, 3 * i + 1, 3 * i + 2], dtype=np.int32),
            np.ones(3),
        )
        for i, each in enumerate(p)
    ]


def test_each_kind_answers_for_its_own_false_discoveries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty sure teams among 1,000 candidates must not carry an ill-founded accusation over the line."""
    p = [1e-6] * 50 + [4e-4]
    assert benjamini_hochberg(np.array(p), tested=1000)[-1] < 0.01
    kinds = iter(["shared_team"] * 50 + ["distillation"])
    monkeypatch.setattr(result, "profiles", lambda log, summary, groups: ([None] * len(groups), None))
    monkeypatch.setattr(
        result,
        "judge_kind",
        lambda *_: (lambda kind: KindVerdict(kind, 0.9, {"distillation": 0.1}, ()))(next(kinds)),
    )

    class Verdicts:
        families, candidates, level = ("timing",), 1000, 0.01

    class Scanned:
        log = summary = None
        verdicts = Verdicts

    found, _ = result._with_kinds(Scanned, grouped(p))  # type: ignore[arg-type]
    assert [each.campaign_id for each in found] == [f"c{i}" for i in range(50)]
    assert [each.group.q for each in found] == pytest.approx([1e-6 * 1000 / 50] * 50)


def of_small(found: Campaigns, role: str) -> list[Finding]:
    campaign = found_in(found, SMALL.ids)["campaign_id"]
    return [each for each in found.findings if each.subject == {"campaign": campaign} and each.role == role]


def test_every_campaign_has_facts_inferences_and_readings(found: Campaigns) -> None:
    roles: dict[str, set[str]] = {}
    for finding in found.findings:
        roles.setdefault(finding.subject["campaign"], set()).add(finding.role)
    assert set(roles) == {row["campaign_id"] for row in found.campaigns.to_pylist()}
    assert all({"observed", "inferred", "reading"} <= each for each in roles.values())
    assert {finding.role for finding in found.findings} <= {"observed", "inferred", "counter", "reading"}


def test_an_inference_states_its_null_and_a_fact_does_not(found: Campaigns) -> None:
    for finding in found.findings:
        assert finding.claim.endswith(".")
        assert finding.inputs_digest == DIGEST
        if finding.role == "inferred" and finding.method != "kinds":
            assert finding.null.endswith("."), finding.claim
        assert Finding.from_json(finding.to_json()) == finding
    assert {finding.null for finding in found.findings if finding.role in ("observed", "reading")} == {""}


def test_tables_are_cited_by_their_digests(found: Campaigns) -> None:
    cited = {
        (finding.evidence["table"], finding.evidence["digest"])
        for finding in found.findings
        if "table" in finding.evidence
    }
    assert cited == {("evidence/artefacts.parquet", table_digest(found.evidence["artefacts"]))}


def test_claims_tell_numbers_of_the_tables(found: Campaigns) -> None:
    row = found_in(found, SMALL.ids)
    facts = of_small(found, "observed")
    assert facts[0].claim.startswith(f"20 accounts sent {row['requests']:,} requests")
    assert facts[0].value == row["requests"]
    rows = {
        each["signal"]: each for each in reversed(found.evidence["artefacts"].to_pylist())
        if each["campaign_id"] == row["campaign_id"]
    }  # fmt: skip
    inferred = {each.method: each for each in of_small(found, "inferred")}
    assert set(rows) <= set(inferred)
    for signal, each in rows.items():
        assert inferred[signal].value == each["members"]
        assert f"{each['members']} of 20 accounts" in inferred[signal].claim
        assert each["artefact"] in inferred[signal].claim
    assert {"takes_turns", "judge"} <= set(inferred)
    assert inferred["judge"].evidence["q_value"] == row["q_value"]
    assert inferred["takes_turns"].value < 0.5


def test_traits_speak_for_the_kind_or_against_it_as_far_as_they_weigh() -> None:
    """Facts are what adds to the kind's score, counter-evidence what takes off it, each from FOR_IT on; a group test
    is told with its expectation where it is unlikely by chance."""
    group, nats = ARCHETYPES["distillation"]
    kind = judge_kind(replace(group, one_place=0.9), REST, nats)
    evidence = make_evidence(20, {hands_off_after_refusal: [[0, 1]]})
    conduct = Conduct(
        make_sessions(np.ones((20, 1), dtype=np.int32)),
        make_moves(20, [(i, i + 1, True, 0.1) for i in range(8)]),
    )
    members = np.arange(9, dtype=np.int32)
    judged = Group(members, np.zeros(len(evidence.families) + 1), 9.0, 1e-6, 1e-4)
    case = Case("c", judged, members, group, kind, [], conduct, {})
    findings = explain(case, REST, evidence, {"inputs_digest": DIGEST, "artefacts": DIGEST})
    told = {
        role: {each.statistic for each in findings if each.role == role and each.method == "kinds"}
        for role in ("observed", "counter")
    }
    adds = {trait.name: kind.adds(trait) for trait in kind.traits}
    assert told["observed"] == {name for name, value in adds.items() if value >= FOR_IT}
    assert told["counter"] == {name for name, value in adds.items() if value <= -FOR_IT}
    assert told["counter"] & {"one_place"}
    assert len(told["observed"]) >= 4
    (handed,) = [each for each in findings if each.method == "hands_off"]
    assert (handed.value, handed.n, handed.channel) == (8.0, 8, "hand_off")
    assert handed.evidence["expected"] == pytest.approx(0.8)
    assert handed.null == stated_null(hands_off)
    assert handed.claim.startswith(
        "Of 8 pairs of accounts that passed on a prompt within ten minutes, 8 did so"
    )
    assert not {"takes_turns", "keeps_time"} & {each.method for each in findings}


def test_counter_evidence_is_told(found: Campaigns) -> None:
    """What the pool does not share is said: every account has a device of its own."""
    campaign = found_in(found, FIRM.ids)["campaign_id"]
    claims = [
        each.claim
        for each in found.findings
        if each.subject["campaign"] == campaign and each.role == "counter"
    ]
    assert claims
    assert any("one hand" in claim or "No rare artefact" in claim for claim in claims)


def test_the_honest_reading_fits_the_firm_and_not_the_pool(found: Campaigns) -> None:
    firm = found_in(found, FIRM.ids)["campaign_id"]
    claims = [
        each.claim for each in found.findings if each.subject["campaign"] == firm and each.role == "reading"
    ]
    assert any(claim.startswith("One customer with many accounts fits: 100%") for claim in claims)
    readings = [each.claim for each in of_small(found, "reading")]
    assert not any(claim.startswith("One customer with many accounts fits") for claim in readings)
