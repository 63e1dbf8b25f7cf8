"""What the bench of scale says was found, and what it says a process took."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bench.result import Row
from bench.scale import COLUMNS, found, run
from bench.scale_plan import ACCOUNTS, REQUESTS_A_DAY, costs, plan

from stillhunt.schema.campaigns import MEMBERS
from stillhunt.schema.requests import LAKE_REQUESTS


def test_recall_and_precision_of_the_find_that_holds_most(tmp_path: Path) -> None:
    members = [
        ("a", "big", 0.9),
        ("b", "big", 0.8),
        ("x", "big", 0.7),
        ("c", "big", 0.2),
        ("d", "flagged", 1.0),
    ]
    pq.write_table(
        pa.Table.from_pylist(
            [dict(zip(("account_id", "campaign_id", "membership"), row, strict=True)) for row in members],
            MEMBERS,
        ),
        tmp_path / "members.parquet",
    )
    kinds = {"campaign_id": ["big", "flagged"], "kind": ["reseller", "distillation"]}
    pq.write_table(pa.table(kinds), tmp_path / "campaigns.parquet")
    truth = pa.table({"account_id": list("abcdx"), "kind": ["distillation"] * 4 + ["individual"]})
    values = {row.metric: row.value for row in found("a case", tmp_path, truth)}
    assert values == {
        "flagged accounts: recall": pytest.approx(1 / 4),
        "flagged accounts: precision": 1.0,
        "largest find (reseller): recall": pytest.approx(2 / 4),
        "largest find (reseller): precision": pytest.approx(2 / 3),
    }


def test_a_process_is_measured_as_a_whole() -> None:
    ran = run([sys.executable, "-c", "x = bytearray(80_000_000); sum(range(3_000_000)); raise SystemExit(1)"])
    assert ran.status == 1
    assert ran.peak_mb > 80
    assert 0 < ran.cpu_seconds < 30


def test_the_columns_are_those_of_the_lake() -> None:
    assert set(COLUMNS) <= set(LAKE_REQUESTS.names)


def made_up(case: str, rows: float) -> list[Row]:
    stages = {"open": 1.0, "summarise": 2.0, "candidates": 3.0, "weigh": 10.0, "judge": 30.0}
    values = {
        "requests": rows,
        "accounts": rows / 300,
        "lake: bytes per row": 50.0,
        "DuckDB: CPU per row": 0.5,
        "scan: CPU": 46.0,
        "links: templates per account": 100.0,
        **{f"stage {name}: CPU": seconds for name, seconds in stages.items()},
    }
    return [Row(case, metric, value, "") for metric, value in values.items()]


def test_costs_are_per_row_and_per_account() -> None:
    large, small = costs([*made_up("large", 3e6), *made_up("small", 3e5), Row("else", "requests", 1.0, "")])[
        ::-1
    ]
    assert (large.rows, small.rows) == (3e6, 3e5)
    assert large.reading_us == pytest.approx(6.0 / 3e6 * 1e6)
    assert large.account_ms == pytest.approx(40.0 / 1e4 * 1e3)


def test_the_plan_multiplies_costs() -> None:
    told = "\n".join(plan(costs(made_up("a", 3e6))))
    assert f"{REQUESTS_A_DAY * 50 / 1e12:,.1f} TB" in told
    assert f"{REQUESTS_A_DAY * 0.5 / 3.6e9:,.0f} core-hours" in told
    assert f"{ACCOUNTS * 4.0 / 3.6e6:,.0f} core-hours" in told


def test_what_grows_faster_than_accounts_is_told_as_it_grew() -> None:
    known = costs([*made_up("large", 3e6), *made_up("small", 3e5)])
    grown = ACCOUNTS * 4.0 / 3.6e6 * (ACCOUNTS / 1e4) ** -1.0
    assert f"the two largest logs | {grown:,.0f} core-hours" in "\n".join(plan(known))
