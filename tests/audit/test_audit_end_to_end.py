"""``stillhunt audit`` on a simulated vendor: the four faults are found, and on the honest vendor nothing is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from audit.vendor_scene import Faults, Vendor
from stillhunt.cli.main import app

FOUR = {"receipts_missing", "answers_altered", "model_differs", "bill_differs"}
SEEDS = range(4)


def audited(vendor: Vendor, *more: str) -> tuple[int, dict[str, Any]]:
    out = vendor.folder / "audit"
    got = CliRunner().invoke(
        app, ["audit", *vendor.arguments, "--out", str(out), "--json", "--overwrite", *more]
    )
    assert got.exit_code in (0, 1, 3), got.output
    told: dict[str, Any] = json.loads(got.stdout)
    return got.exit_code, told


def by_method(told: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for one in told["findings"]:
        found.setdefault(one["method"], []).append(one)
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_found_on_the_honest_vendor(seed: int, tmp_path: Path) -> None:
    code, told = audited(Vendor(tmp_path / "v", seed))
    assert (code, told["findings"], told["left_out"]) == (0, [], [])
    assert (told["counts"]["matched_by_id"], told["counts"]["proofs"]) == (600, 600)
    assert told["counts"]["answers_compared"] == 600
    assert told["bill"]["compared"] == 2 * 2 * 3 * (6 + 1)  # models, keys, measures, days and the whole


@pytest.mark.parametrize("seed", SEEDS)
def test_all_four_faults_are_found_and_nothing_else(seed: int, tmp_path: Path) -> None:
    faults = Faults(
        swapped=3 + seed,
        dropped=0.005,
        withheld=seed % 2 == 0,
        overbilled=0.02,
        what="tokens" if seed < 2 else "cost",
        altered=1,
    )
    vendor = Vendor(tmp_path / "v", seed, faults=faults)
    code, told = audited(vendor)
    found = by_method(told)
    assert (code, set(found)) == (1, FOUR)
    (missing,) = found["receipts_missing"]
    assert set(missing["evidence"]["request_ids"]) == set(vendor.truth["dropped"])
    assert missing["evidence"]["numbers_missing"] == (3 if faults.withheld else 0)
    (altered,) = found["answers_altered"]
    rows = pq.read_table(vendor.folder / "audit" / "tables" / "exchanges.parquet").to_pylist()
    request_of = {row["receipt"]: row["request_id"] for row in rows}
    assert [request_of[one] for one in altered["evidence"]["receipts"]] == vendor.truth["altered"]
    assert {row["request_id"] for row in rows if row["model_differs"]} == set(vendor.truth["swapped"])
    for bill in found["bill_differs"]:
        assert bill["evidence"]["share"] == pytest.approx(0.02, abs=0.004)


@pytest.mark.parametrize(
    ("faults", "method"),
    [
        (Faults(swapped=1), "model_differs"),
        (Faults(dropped=0.005), "receipts_missing"),
        (Faults(overbilled=0.02), "bill_differs"),
        (Faults(altered=1), "answers_altered"),
    ],
)
def test_each_fault_alone_is_the_only_finding(faults: Faults, method: str, tmp_path: Path) -> None:
    code, told = audited(Vendor(tmp_path / "v", 11, 300, 3, faults))
    assert (code, set(by_method(told))) == (1, {method})


@pytest.mark.parametrize("by", ["commitment", "time"])
def test_receipts_are_matched_without_their_id(by: str, tmp_path: Path) -> None:
    code, told = audited(Vendor(tmp_path / "honest", 2, 300, 3, by=by))
    assert (code, told["counts"][f"matched_by_{by}"]) == (0, 300)
    vendor = Vendor(tmp_path / "v", 2, 300, 3, Faults(swapped=2, dropped=0.01, overbilled=0.02), by)
    code, told = audited(vendor)
    assert (code, set(by_method(told))) == (1, FOUR - {"answers_altered"})
