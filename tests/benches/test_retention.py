"""The three modes of a log: what each holds, and that sketches alone give a scan the rows that text gives it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bench import retention
from bench.detection import Tally
from bench.retention import MODES, metadata_only, rows, sketches_only, tell
from folders import START, requests_of, write_log

from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.progress import Silent
from stillhunt.schema.requests import LAKE_REQUESTS, SKETCH_COLUMNS, TEXT_COLUMNS
from stillhunt.sketch.keys import KeyRing, key_for
from stillhunt.sources.ingest import Destination, ingest
from stillhunt.sources.lake import Lake, open_lake
from stillhunt.sources.logs import open_logs

SECRET = "prove that every even number above two is a sum of primes, step by step, number"
OTHER_KEY = KeyRing(key_for(b"another key of thirty-two bytes."))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two days of three accounts; some rows lack a text."""
    day = [
        {
            "time": START + timedelta(minutes=number),
            "account_id": f"a{number % 3}",
            "client_ip": "192.0.2.1",
            "prompt": None if number == 4 else f"{SECRET} {number}",
            "system_prompt": "you are terse" if number % 2 else "",
            "completion": f"{SECRET} is easy",
            "status": 200,
        }
        for number in range(9)
    ]
    later = [{**row, "time": row["time"] + timedelta(days=1)} for row in day]
    accounts = [{"account_id": f"a{number}", "payment_fingerprint": "card"} for number in range(3)]
    write_log(tmp_path / "log", [day, later], accounts)
    return tmp_path / "log"


@pytest.fixture
def engine() -> Iterator[DuckDB]:
    with DuckDB(memory="1GB", threads=1) as engine:
        yield engine


def lake_of(folder: Path, lake: Path, keys: KeyRing, engine: DuckDB) -> Lake:
    given = open_logs([str(folder)])
    ingest(given, Destination(lake), keys, engine, now=datetime.now(UTC), progress=Silent())
    return open_lake(lake)


def test_each_mode_keeps_every_exchange_and_the_accounts(log: Path, tmp_path: Path) -> None:
    whole = requests_of(log)
    facts = [name for name in whole[0] if name not in TEXT_COLUMNS]
    for mode, made in MODES.items():
        if made is None:
            continue
        made(log, tmp_path / mode)
        kept = requests_of(tmp_path / mode)
        assert [{name: row[name] for name in facts} for row in kept] == [
            {name: row[name] for name in facts} for row in whole
        ]
        assert pq.read_table(tmp_path / mode / "accounts.parquet") == pq.read_table(log / "accounts.parquet")


def test_sketches_hold_no_text(log: Path, tmp_path: Path) -> None:
    sketches_only(log, tmp_path / "sketches")
    for part in (tmp_path / "sketches" / "requests").iterdir():
        assert pq.read_schema(part).equals(LAKE_REQUESTS)
    held = requests_of(tmp_path / "sketches")
    assert sum(row["prompt_sketch"] is not None for row in held) == 16
    assert all(row["capability"] is not None for row in held if row["prompt_sketch"] is not None)
    values = {value for row in held for value in row.values() if isinstance(value, str)}
    assert not any("prove" in value or "terse" in value for value in values)
    found = sorted(path.name for path in (tmp_path / "sketches").rglob("*") if path.is_file())
    assert found == ["accounts.parquet", "part-000000.parquet"]


def test_a_scan_reads_the_same_of_sketches_as_of_text_under_one_key(
    log: Path, tmp_path: Path, engine: DuckDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_CUSTOMER", OTHER_KEY)
    sketches_only(log, tmp_path / "sketches")
    of_text = lake_of(log, tmp_path / "lake-text", OTHER_KEY, engine)
    # The scan's own key differs from the one that the log was sketched under, and must not matter.
    scans = KeyRing(key_for(b"what the scan itself sketches by"))
    of_sketches = lake_of(tmp_path / "sketches", tmp_path / "lake-sketches", scans, engine)
    assert of_sketches.coverage == of_text.coverage
    assert pa.concat_tables(map(pq.read_table, of_sketches.request_files)) == pa.concat_tables(
        map(pq.read_table, of_text.request_files)
    )


def test_metadata_holds_nothing_that_was_made_from_text(log: Path, tmp_path: Path, engine: DuckDB) -> None:
    metadata_only(log, tmp_path / "metadata")
    assert not set(requests_of(tmp_path / "metadata")[0]) & {*TEXT_COLUMNS, *SKETCH_COLUMNS}
    lake = lake_of(tmp_path / "metadata", tmp_path / "lake", OTHER_KEY, engine)
    stored = pa.concat_tables(map(pq.read_table, lake.request_files))
    assert all(stored[name].null_count == stored.num_rows for name in SKETCH_COLUMNS)
    off = {"prompts_share_template", "shares_system_prompt", "hands_off_after_refusal"}
    assert off <= set(lake.coverage.missing)
    assert "shares_address" in lake.coverage.active


def kept(caught: int, accused: int, grouped: int = 0) -> Tally:
    return Tally(
        logs=1,
        hostile=50,
        caught=caught,
        grouped=grouped,
        honest=1000,
        honest_flagged=accused,
        seconds=[1.0],
    )


def test_what_a_mode_costs_is_told_in_points_of_recall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = rows("letter", {"text": kept(50, 2), "sketches": kept(49, 1), "metadata": kept(0, 0, 40)})
    value = {row.metric: row for row in made}
    assert value["sketches: recall lost"].value == pytest.approx(2.0)
    assert value["metadata: recall lost"].value == pytest.approx(100.0)
    assert value["metadata: hostile accounts in any campaign"].value == pytest.approx(0.8)
    written: list[str] = []
    monkeypatch.setattr(retention, "write_between", lambda name, lines: written.extend([name, *lines]))
    tell([vars(row) for row in made])
    assert written[0] == "retention"
    cells = [cell.strip() for cell in written[5].split("|")[1:-1]]
    assert cells == [
        "`letter`",
        "metadata",
        "50",
        "0.000 (0.000–0.071)",
        "0.800",
        "none flagged",
        "0",
        "1,000",
    ]
