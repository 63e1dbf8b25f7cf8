"""The document: what is counted, what is said, and in which order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scan_result import SHAPES, write_scan_result

from stillhunt.report.compose import compose
from stillhunt.report.document import Document
from stillhunt.report.result import load_result
from stillhunt.schema.campaigns import MEMBERS, OPERATORS

DISTILLATION, FARM, EVALUATION = SHAPES


def _composed(directory: Path) -> Document:
    return compose(load_result(directory))


def _shape(kind: str, number: int) -> object:
    return replace(DISTILLATION, kind=kind, campaign_id=f"c-{number}", accounts=10)


@pytest.mark.parametrize(
    ("kinds", "verdict"),
    [
        ((), "No campaign found among 5,204 accounts"),
        (("distillation",), "1 distillation campaign: 7 accounts flagged out of 5,204"),
        (("evaluation",), "No distillation found among 5,204 accounts, and 1 campaign of other kinds"),
        (
            ("unclear", "reseller"),
            "No distillation found among 5,204 accounts, and 2 campaigns of other kinds",
        ),
        (("distillation", "distillation"), "2 distillation campaigns: 14 accounts flagged out of 5,204"),
        (("distillation", "trial_farm"), "1 distillation campaign: 7 accounts flagged out of 5,204"),
    ],
)
def test_the_verdict_is_one_true_sentence(tmp_path: Path, kinds: tuple[str, ...], verdict: str) -> None:
    shapes = tuple(_shape(kind, number) for number, kind in enumerate(kinds))
    assert _composed(write_scan_result(tmp_path / "r", shapes=shapes, hostile=False)).verdict == verdict


def test_campaigns_come_by_falling_score(document: Document) -> None:
    assert [campaign.kind for campaign in document.campaigns] == ["distillation", "trial_farm", "evaluation"]
    assert [campaign.rank for campaign in document.campaigns] == [1, 2, 3]


def test_distillation_comes_first_however_strong_the_others_are(tmp_path: Path) -> None:
    strong = replace(FARM, score=9_000.0)
    weak = replace(DISTILLATION, campaign_id="c-weak", score=1.5)
    document = _composed(write_scan_result(tmp_path / "r", shapes=(strong, EVALUATION, weak, DISTILLATION)))
    ids = [campaign.campaign_id for campaign in document.campaigns]
    assert ids == [DISTILLATION.campaign_id, "c-weak", strong.campaign_id, EVALUATION.campaign_id]
    assert "2 campaigns of other kinds are listed after them." in document.lead


def test_a_quiet_campaign_is_drawn_in_bins_that_hold_something(tmp_path: Path) -> None:
    quiet = replace(DISTILLATION, accounts=10, per_day=3.0)
    directory = write_scan_result(tmp_path / "r", shapes=(quiet,), hostile=False)
    campaign = _composed(directory).campaigns[0]
    assert campaign.when is not None
    line = campaign.when.timeline
    assert line.counted_s == 3600 < line.step_s <= 86400
    assert len(line.requests) >= 12
    assert sum(line.requests) / len(line.requests) > 4
    assert sum(line.requests) == campaign.requests


def test_only_unlicensed_firm_members_of_a_distillation_are_flagged(document: Document) -> None:
    distillation, farm, _ = document.campaigns
    for member in distillation.members:
        if member.authorised_use is not None:
            assert member.standing == "licensed"
        else:
            assert member.standing == ("flagged" if member.membership >= 0.5 else "below")
    assert distillation.licensed == 1
    assert (
        distillation.flagged == document.flagged == sum(m.standing == "flagged" for m in distillation.members)
    )
    assert {member.standing for member in farm.members} == {"other_kind"}


def test_an_account_of_two_campaigns_is_flagged_once_and_says_so(own_result: Path) -> None:
    path = own_result / "members.parquet"
    rows = pq.read_table(path).to_pylist()
    twice = next(r["account_id"] for r in rows if r["campaign_id"] == FARM.campaign_id)
    rows.append(
        {
            "account_id": twice,
            "campaign_id": DISTILLATION.campaign_id,
            "membership": 0.8,
            "authorised_use": None,
        }
    )
    pq.write_table(pa.Table.from_pylist(rows, MEMBERS), path)
    document = _composed(own_result)
    assert document.flagged == 59
    there = next(m for m in document.campaigns[0].members if m.account_id == twice)
    assert there.also_in == (FARM.campaign_id,)


def test_findings_go_where_their_role_says(document: Document) -> None:
    campaign = document.campaigns[0]
    assert len(campaign.observed) == 4
    assert [claim.log10_p for claim in campaign.inferred] == [-311.2, -31.0, -24.6]
    assert all(claim.null for claim in campaign.inferred)
    assert len(campaign.counter) == 2
    assert len(campaign.readings) == 3
    assert campaign.inferred[1].facts == {"sessions": 41022}


def test_partial_input_is_said_first(document: Document) -> None:
    assert document.notices[0].startswith("Partial input: 55 of ")
    assert "account_id is null (37)" in document.notices[0]
    assert document.scanned.rows_rejected == 55


def test_a_changed_evidence_table_is_noticed(own_result: Path) -> None:
    assert not any("SHA-256" in notice for notice in _composed(own_result).notices)
    path = own_result / "evidence" / "artefacts.parquet"
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    notices = _composed(own_result).notices
    assert [n for n in notices if "artefacts.parquet" in n and "SHA-256 differs" in n]


def test_a_missing_evidence_table_is_noticed(own_result: Path) -> None:
    (own_result / "evidence" / "harvest.parquet").unlink()
    document = _composed(own_result)
    assert any("harvest.parquet is missing" in notice for notice in document.notices)
    assert document.campaigns[0].harvest == ()


def test_signals_that_are_off_name_the_columns_they_need(document: Document) -> None:
    off = {s.name: s.needs for channel in document.scanned.channels for s in channel.signals if not s.active}
    assert off["shares_device"] == ("device_id",)
    assert off["replaces_banned_account"] == ("accounts.closed_at",)
    unwatched = [channel.name for channel in document.scanned.channels if not channel.signals]
    assert "outcome" in unwatched


def test_the_timeline_keeps_every_request(document: Document, result: Path) -> None:
    table = pq.read_table(result / "evidence" / "timeline.parquet")
    for campaign in document.campaigns:
        assert campaign.when is not None
        counted = sum(campaign.when.timeline.requests)
        rows = table.filter(pa.compute.equal(table["campaign_id"], campaign.campaign_id))
        assert counted == sum(rows["requests"].to_pylist()) == campaign.requests
        assert sum(day.requests for day in campaign.when.days) == counted
        assert sum(day.background_requests for day in campaign.when.days) == sum(
            campaign.when.timeline.background_requests
        )


def test_fine_bins_are_joined_and_no_request_is_lost(tmp_path: Path) -> None:
    directory = write_scan_result(tmp_path / "r", shapes=SHAPES[:1], step=timedelta(minutes=10))
    when = _composed(directory).campaigns[0].when
    assert when is not None
    line = when.timeline
    assert (line.counted_s, line.step_s) == (600, 3600)
    assert sum(line.requests) == _composed(directory).campaigns[0].requests
    assert max(line.active_accounts) <= DISTILLATION.accounts


def test_the_hours_of_the_day_are_shares_of_each_side(document: Document) -> None:
    when = document.campaigns[0].when
    assert when is not None
    assert when.hours is not None
    assert when.hours.background is not None
    np.testing.assert_allclose([sum(when.hours.campaign), sum(when.hours.background)], 1.0)
    assert max(when.hours.background) / min(when.hours.background) > 3
    assert max(when.hours.campaign) / min(when.hours.campaign) < 1.5
    assert "times its quietest" in when.rhythm
    assert "216 of the 216 hours" in when.rhythm


def test_bins_longer_than_an_hour_give_no_hours(tmp_path: Path) -> None:
    directory = write_scan_result(tmp_path / "r", shapes=SHAPES[:1], step=timedelta(hours=6))
    when = _composed(directory).campaigns[0].when
    assert when is not None
    assert when.hours is None
    assert "36 of the 36 spells of 6 hours" in when.rhythm


def test_what_is_asked_for_stands_beside_the_background(document: Document) -> None:
    first = document.campaigns[0].harvest[0]
    assert first.capability == "agentic_reasoning"
    assert first.ratio == pytest.approx(0.46 / 0.07)


def test_what_left_is_told_by_capability_and_model_the_dearest_first(document: Document) -> None:
    losses = document.campaigns[0].losses
    assert (losses[0].capability, losses[0].model) == ("agentic_reasoning", "large-2")
    prices = [loss.list_price_usd for loss in losses]
    assert prices == sorted(prices, reverse=True)
    assert prices[0] == pytest.approx(losses[0].output_tokens * 1.5e-5)


def test_tenants_come_as_they_are_numbered(document: Document) -> None:
    tenants = document.campaigns[0].tenants
    assert [tenant.tenant for tenant in tenants] == [1, 2]
    assert tenants[0].share == 0.33
    assert tenants[1].harvested is None


def test_every_campaign_says_how_it_could_be_wrong(document: Document) -> None:
    for campaign in document.campaigns:
        questions = [doubt.question for doubt in campaign.doubts]
        assert "Is the kind right?" in questions
        assert all(doubt.sure and doubt.error for doubt in campaign.doubts)
    farm = document.campaigns[1]
    assert any("account life cycle and payment" in doubt.sure for doubt in farm.doubts)
    assert any(
        "Only one channel speaks: infrastructure" in doubt.sure for doubt in document.campaigns[2].doubts
    )


def test_the_words_name_shapes_and_no_culprits(document: Document) -> None:
    texts = [document.verdict, document.lead]
    for campaign in document.campaigns:
        texts += [campaign.summary, *(d.sure for d in campaign.doubts), *(d.error for d in campaign.doubts)]
    for word in ("attack", "criminal", "steal", "thief", "culprit", "guilty", "malicious"):
        assert not [text for text in texts if word in text.lower()], word


def test_anchors_are_distinct_and_safe(tmp_path: Path) -> None:
    shapes = tuple(
        replace(DISTILLATION, campaign_id=name, accounts=8) for name in ("a b", "a/b", 'x" onclick="')
    )
    document = _composed(write_scan_result(tmp_path / "r", shapes=shapes))
    anchors = [campaign.anchor for campaign in document.campaigns]
    assert len(set(anchors)) == 3
    assert all(anchor.replace("-", "").isalnum() for anchor in anchors)


def test_a_campaign_without_any_evidence_table_still_stands(own_result: Path) -> None:
    for path in (own_result / "evidence").iterdir():
        path.unlink()
    campaign = _composed(own_result).campaigns[0]
    assert campaign.when is None
    assert campaign.summary.endswith("training another model.")


@pytest.mark.parametrize(
    ("others", "named"),
    [
        (1, "c-0: "),
        (2, "c-0 and c-1: "),
        (5, "c-0, c-1, c-2 and 2 more: "),
    ],
)
def test_a_campaign_names_those_of_probably_the_same_operator(
    own_result: Path, others: int, named: str
) -> None:
    rows = [
        {"campaign_id": DISTILLATION.campaign_id, "with_campaign": f"c-{k}", "nats": 20.0 - k}
        for k in reversed(range(others))
    ]
    pq.write_table(pa.Table.from_pylist(rows, OPERATORS), own_result / "evidence" / "operators.parquet")
    summaries = {campaign.campaign_id: campaign.summary for campaign in _composed(own_result).campaigns}
    assert f"Probably the same operator as {named}that is an inference" in summaries[DISTILLATION.campaign_id]
    assert not any("operator" in summaries[shape.campaign_id] for shape in (FARM, EVALUATION))
