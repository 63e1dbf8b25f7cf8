"""Rows from all sides of a key rotation speak one key, where there is one that they share."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.progress import Silent
from stillhunt.sketch.keys import KeyRing, SketchKey
from stillhunt.sources.comparable import comparable
from stillhunt.sources.detect import SourceSettings
from stillhunt.sources.ingest import Destination, ingest
from stillhunt.sources.lake import open_lake
from stillhunt.sources.logs import open_logs

ROTATED = datetime(2026, 5, 1, tzinfo=UTC)
UNTIL = ROTATED + timedelta(days=30)
OLD, NEW = SketchKey("k-old", bytes(range(32))), SketchKey("k-new", bytes(range(1, 33)))
RINGS = {"before": (KeyRing(OLD), -1), "between": (KeyRing(NEW, OLD, UNTIL), 5), "after": (KeyRing(NEW), 35)}


def lake_of(folder: Path, engine: DuckDB, *sides: str) -> str:
    """A lake with one exchange from each of these sides of the rotation, all with the same texts."""
    for number, side in enumerate(sides):
        ring, day = RINGS[side]
        log = folder / f"{number}.jsonl"
        row = {
            "time": (ROTATED + timedelta(days=day, seconds=number)).isoformat(),
            "account_id": f"{number}-{side}",
            "prompt": "Count the boats in the harbour and say which of them are red.",
            "system_prompt": "You count boats.",
            "completion": "There are seven boats, and two are red.",
        }
        log.write_text(json.dumps(row) + "\n")
        settings = SourceSettings((), None, {})
        destination = Destination(folder / "lake", "append" if number else "new")
        opened = open_logs([str(log)], None, settings, None)
        ingest(opened, destination, ring, engine, now=UNTIL + timedelta(days=30), progress=Silent())
    return comparable(open_lake(folder / "lake"), engine)


@pytest.mark.parametrize(
    ("sides", "agreeing", "key"),
    [
        (["before"], 1, "k-old"),
        (["between"], 1, "k-new"),
        (["before", "between"], 2, "k-old"),
        (["between", "after"], 2, "k-new"),
        (["before", "before", "between", "after"], 3, "k-old"),
        (["before", "between", "after", "after"], 3, "k-new"),
        (["before", "after", "after"], 2, "k-new"),
    ],
)
def test_the_key_that_most_rows_have_is_spoken(
    sides: list[str], agreeing: int, key: str, tmp_path: Path
) -> None:
    with DuckDB(memory="200MB", threads=1, temp_dir=tmp_path) as engine:
        source = lake_of(tmp_path, engine, *sides)
        columns = "prompt_sketch, system_sketch, completion_sketch, sketch_key_id"
        rows = engine.table(f"SELECT {columns} FROM {source}").to_pylist()
    assert len(rows) == len(sides)
    shared = [row for row in rows if row["sketch_key_id"] == key]
    assert len(shared) == agreeing
    assert all(row == shared[0] for row in shared)
    assert not [
        row for row in rows if row not in shared and row["prompt_sketch"] == shared[0]["prompt_sketch"]
    ]
