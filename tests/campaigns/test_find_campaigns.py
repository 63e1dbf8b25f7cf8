"""The whole flow: a planted log, a simulated one, and the same result from the same input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from logs import table
from planted import FIRM, SMALL, VENDOR, Population, found_in, planted, run, sure

from stillhunt.campaigns.result import Campaigns
from stillhunt.cli.scanning import Input, scan
from stillhunt.config import Settings
from stillhunt.schema.campaigns import CAMPAIGNS, EVIDENCE_TABLES, FLAG_MEMBERSHIP, MEMBERS
from stillhunt.schema.progress import Silent
from stillhunt.schema.requests import LAKE_REQUESTS
from stillhunt.simulate.files import write
from stillhunt.simulate.scenarios import scaled, scenario
from stillhunt.simulate.simulation import stream, window

STAGES = ["summarise", "candidates", "weigh", "cluster", "judge", "explain"]


def test_every_pool_is_found_with_its_members_alone(found: Campaigns) -> None:
    for pool in (SMALL, VENDOR, FIRM):
        members = sure(found)[str(found_in(found, pool.ids)["campaign_id"])]
        assert len(members & set(pool.ids)) >= 0.9 * pool.accounts, pool.name
        assert not members - set(pool.ids), pool.name


def test_kinds_are_told_apart(found: Campaigns) -> None:
    assert found_in(found, SMALL.ids)["kind"] == "distillation"
    assert found_in(found, FIRM.ids)["kind"] == "shared_team"


def test_no_independent_account_is_flagged(found: Campaigns) -> None:
    kinds = {row["campaign_id"]: row["kind"] for row in found.campaigns.to_pylist()}
    flagged = {
        row["account_id"]
        for row in found.members.to_pylist()
        if row["membership"] >= FLAG_MEMBERSHIP and kinds[row["campaign_id"]] == "distillation"
    }
    assert flagged <= set(SMALL.ids)
    assert len(flagged) >= 18


def test_tables_have_their_schemas(found: Campaigns) -> None:
    assert found.campaigns.schema.equals(CAMPAIGNS)
    assert found.members.schema.equals(MEMBERS)
    assert {name: table.schema for name, table in found.evidence.items()} == EVIDENCE_TABLES
    assert found.campaigns.num_rows >= 3
    scores = found.campaigns["score"].to_pylist()
    assert scores == sorted(scores, reverse=True)


def test_what_left_by_capability_and_model_adds_up_to_the_harm(found: Campaigns) -> None:
    sums = (
        found.evidence["harm"]
        .group_by("campaign_id")
        .aggregate(
            [(name, "sum") for name in ("requests", "output_tokens", "reasoning_tokens", "list_price_usd")]
        )
    )
    parts = {row["campaign_id"]: row for row in sums.to_pylist()}
    assert any(row["harm"]["reasoning_tokens"] for row in found.campaigns.to_pylist())
    for row in found.campaigns.to_pylist():
        part = parts[row["campaign_id"]]
        assert part["requests_sum"] == row["requests"]
        for name in ("output_tokens", "reasoning_tokens", "list_price_usd"):
            assert part[f"{name}_sum"] == pytest.approx(row["harm"][name]), name


def test_every_stage_is_timed_in_order() -> None:
    _, stages = run(planted(2, 150, (SMALL,)))
    assert [stage.name for stage in stages.done] == STAGES
    assert all(stage.seconds >= 0 and stage.peak_memory_mb > 0 for stage in stages.done)


def told(found: Campaigns) -> tuple[list[object], list[object], list[str], dict[str, pa.Table]]:
    return (
        found.campaigns.to_pylist(),
        found.members.to_pylist(),
        [finding.to_json() for finding in found.findings],
        dict(found.evidence),
    )


def test_two_runs_are_equal(found: Campaigns) -> None:
    assert told(run(planted(1))[0]) == told(found)


def test_the_order_of_rows_does_not_matter(found: Campaigns) -> None:
    log = planted(1)
    turned = Population(
        log.requests.take(pa.array(range(log.requests.num_rows - 1, -1, -1))),
        log.accounts.take(pa.array(range(log.accounts.num_rows - 1, -1, -1))),
    )
    again = run(turned)[0]
    assert again.campaigns.to_pylist() == found.campaigns.to_pylist()
    assert again.members.to_pylist() == found.members.to_pylist()


def test_another_seed_of_the_null_logs_finds_the_same_pools(found: Campaigns) -> None:
    again = run(planted(1), seed=5)[0]
    for pool in (SMALL, VENDOR, FIRM):
        assert found_in(again, pool.ids)["campaign_id"] == found_in(found, pool.ids)["campaign_id"]


def test_a_log_that_feeds_almost_nothing_finds_nothing() -> None:
    log = planted(1)
    bare = log.requests.select(["time", "account_id"])
    requests = table({name: bare[name] for name in bare.column_names}, LAKE_REQUESTS)
    found, _ = run(Population(requests, log.accounts.slice(0, 0)))
    assert found.campaigns.num_rows == 0
    assert found.members.num_rows == 0
    assert found.findings == ()
    assert {signal.name for signal in found.signals} == {"starts_together"}


def test_a_simulated_log_from_end_to_end(tmp_path: Path) -> None:
    whole = scenario("demo")
    # Few people, pools of their full size, and twice the traffic, so that pools show in it.
    chosen = replace(scaled(whole, 0.3), operators=whole.operators, thin=2 * whole.thin)
    write(stream(chosen, 3, 1.0), window(chosen), tmp_path / "log")
    outcome = scan(Input([str(tmp_path / "log")]), tmp_path / "out", Settings(null_runs=10), Silent())
    truth = {row["account_id"]: row for row in pq.read_table(tmp_path / "log" / "truth.parquet").to_pylist()}
    kinds = {row["campaign_id"]: row["kind"] for row in outcome.campaigns.campaigns.to_pylist()}
    flagged = {
        row["account_id"]
        for row in outcome.campaigns.members.to_pylist()
        if row["membership"] >= FLAG_MEMBERSHIP and kinds[row["campaign_id"]] == "distillation"
    }
    for pool in whole.operators:
        mine = {name for name, row in truth.items() if row["campaign"] == pool.name}
        members = max(sure(outcome.campaigns).values(), key=lambda members: len(members & mine))
        assert len(members & mine) > 0.5 * len(mine), pool.name
        assert members <= mine, pool.name
    hostile = {name for name, row in truth.items() if row["kind"] == "distillation"}
    right = flagged & hostile
    assert 0.7 * len(truth) < outcome.accounts <= len(truth)
    assert len(flagged - hostile) <= max(1, 0.02 * len(flagged))
    assert len(right) >= 0.5 * len(hostile)
    assert pq.read_table(tmp_path / "out" / "members.parquet").equals(outcome.campaigns.members)
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
