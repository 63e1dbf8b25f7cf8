"""What a scan takes from a lake's own files instead of reading every row again."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from stillhunt.campaigns.log import open_log
from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.progress import Silent
from stillhunt.sketch.keys import KeyRing, key_for
from stillhunt.sources.comparable import comparable
from stillhunt.sources.detect import SourceSettings
from stillhunt.sources.ingest import Destination, ingest
from stillhunt.sources.lake import open_lake
from stillhunt.sources.lake_writer import filled_rows
from stillhunt.sources.logs import open_logs


def test_footers_say_which_columns_are_filled(log: Path, tmp_path: Path) -> None:
    keys = KeyRing(key_for(hashlib.sha256(b"a test's").digest()))
    with DuckDB(memory="1GB", threads=1) as engine:
        read = open_logs([str(log / "requests")], None, SourceSettings(), None)
        now = datetime(2026, 9, 1, tzinfo=UTC)
        ingest(read, Destination(tmp_path / "lake"), keys, engine, now=now, progress=Silent())
        lake = open_lake(tmp_path / "lake")
        counted = open_log(engine, comparable(lake, engine), None)
        known = filled_rows(list(lake.request_files))
        told = open_log(engine, comparable(lake, engine), None, None, known)
    assert 0 < len(counted.filled) < len(lake.schema) + 1
    assert (told.rows, told.filled, told.accounts) == (counted.rows, counted.filled, counted.accounts)
