"""A small log to ingest: rows as Python values, written in every canonical format; and the command line."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.progress import Silent
from stillhunt.schema.requests import REQUESTS
from stillhunt.sketch.keys import KeyRing, key_for
from stillhunt.sources.ingest import Destination, Log, ingest
from stillhunt.sources.logs import open_logs
from stillhunt.sources.source import IngestReport

START = datetime(2026, 4, 1, tzinfo=UTC)
NOW = datetime(2026, 4, 8, tzinfo=UTC)
KEYS = KeyRing(key_for(b"a key for tests"))


def rows(count: int = 40, first: int = 0, accounts: int = 7) -> list[dict[str, Any]]:
    """Rows a minute apart, in order, each with text of its own."""
    return [
        {
            "time": START + timedelta(minutes=number),
            "request_id": f"r-{number}",
            "account_id": f"a-{number % accounts}",
            "model": "large",
            "input_tokens": 10 + number,
            "output_tokens": 20,
            "temperature": 0.5,
            "stream": number % 2 == 0,
            "status": 200,
            "client_ip": "192.0.2.1",
            "system_prompt": f"You are assistant number {number % 3} of a shop.",
            "prompt": f"How many ways are there to order {number} books on a shelf, and why?",
            "completion": f"There are {number} factorial ways: each place leaves one book fewer.",
        }
        for number in range(first, first + count)
    ]


def table(records: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The rows with the contract's types; columns that no row has are left out."""
    names = [name for name in REQUESTS.names if any(name in record for record in records)]
    return pa.table(
        {
            name: pa.array([record.get(name) for record in records], REQUESTS.field(name).type)
            for name in names
        }
    )


def write_parquet(path: Path, records: Sequence[Mapping[str, Any]], **options: Any) -> Path:
    pq.write_table(table(records), path, **options)
    return path


def write_jsonl(path: Path, records: Sequence[Mapping[str, Any]]) -> Path:
    """One object a line, times in ISO 8601; packed as the name says."""
    data = "".join(json.dumps(record, default=datetime.isoformat) + "\n" for record in records).encode()
    if path.suffix == ".gz":
        data = gzip.compress(data)
    elif path.suffix == ".zst":
        data = zstandard.compress(data)
    path.write_bytes(data)
    return path


def write_csv(path: Path, records: Sequence[Mapping[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(
            {
                name: value.isoformat() if isinstance(value, datetime) else value
                for name, value in record.items()
            }
            for record in records
        )
    return path


def ingested(log: Log | Path, lake: Path, **to: Any) -> IngestReport:
    """Ingests in this process, at a clock of NOW."""
    opened = open_logs([str(log)]) if isinstance(log, Path) else log
    with DuckDB(threads=1, temp_dir=lake.parent) as engine:
        return ingest(opened, Destination(lake, **to), KEYS, engine, now=NOW, progress=Silent())


def rejections(folder: Path) -> list[dict[str, Any]]:
    """What stands in the rejected*.jsonl of a lake or a result."""
    return [
        json.loads(line)
        for path in sorted(folder.glob("rejected*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


@dataclass(frozen=True)
class Ran:
    """What the command did: exit status, and standard output and error with line breaks and wraps made spaces."""

    status: int
    out: str
    err: str


def command(name: str) -> str:
    """A program of the environment that the tests run in."""
    return str(Path(sys.executable).with_name(name))


def environment(home: Path) -> dict[str, str]:
    """Settings that keep a run off the person's own key."""
    return {**os.environ, "STILLHUNT_SKETCH_KEY_FILE": str(home / "sketch.key"), "COLUMNS": "200"}


def stillhunt(*arguments: str | Path, home: Path, **settings: str) -> Ran:
    """Runs the real command line in a process of its own."""
    done = subprocess.run(
        [command("stillhunt"), *map(str, arguments)],
        capture_output=True,
        check=False,
        env={**environment(home), **settings},
        timeout=300,
    )
    out, err = (" ".join(each.decode("utf-8").split()) for each in (done.stdout, done.stderr))
    return Ran(done.returncode, out, err)
