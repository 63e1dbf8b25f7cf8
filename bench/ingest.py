"""``make bench-ingest``: what ingest costs.

1. CPU seconds from text Parquet to a lake of sketches, beside the CPU seconds in which DuckDB reads the same columns
   of the same file and hands them over as Arrow batches. One thread each, in processes of their own, taking turns;
   imports and compilation are not counted, everything else is: reading, checks, sketches, labels, the search for
   repeated ids and texts, writing, digests.
2. Peak memory of ``stillhunt ingest`` on JSON lines larger than memory should need, and on the two shapes that tempt a
   reader to hold too much: Parquet in one row group, and CSV.
3. With real data: a log from real arrival rates and real prompts through ``ingest`` and ``scan``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from bench.exchanges import DATA, Texts, exchanges, texts
from bench.real_log import write_real_log
from bench.result import OUT, Row, show, write

import stillhunt.cli  # noqa: F401  the sides inherit what a command sets for Arrow
from stillhunt.engines.duckdb import ROW_GROUP_ROWS, DuckDB, parquet
from stillhunt.schema.progress import Silent
from stillhunt.sketch.keys import KeyRing, key_for
from stillhunt.sources.ingest import Destination, ingest
from stillhunt.sources.logs import open_logs

SLICE_ROWS = 10_000
MOST_TIMES_DUCKDB = 3.0
MOST_MEMORY_GB = 2.0


@dataclass(frozen=True)
class Scale:
    """Sizes: rows of the Parquet file, runs of each side, bytes of JSON lines, bytes of the other shapes, and rows that
    the real clients send."""

    rows: int
    runs: int
    jsonl_bytes: int
    shape_bytes: int
    clients_rows: int


SCALES = {
    "small": Scale(120_000, 3, 10**9, 5 * 10**8, 150_000),
    "full": Scale(250_000, 5, 10**10, 2 * 10**9, 1_000_000),
}


@dataclass(frozen=True)
class Ran:
    """What a command took: wall seconds, CPU seconds, peak resident memory in bytes, and what it printed."""

    status: int
    seconds: float
    cpu_s: float
    peak_bytes: int
    output: str


def main() -> None:
    """Runs the bench, or one side of the comparison in a process of its own."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--scale", choices=SCALES, default="full")
    arguments.add_argument("--side", choices=("duckdb", "ingest"), help=argparse.SUPPRESS)
    arguments.add_argument("--log", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.side is not None:
        print(json.dumps(duckdb_side(given.log) if given.side == "duckdb" else ingest_side(given.log)))
        return
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ingest-", dir=OUT) as name:
        rows = run(SCALES[given.scale], Path(name))
    show(rows)
    print(f"\nwritten to {write('ingest', rows)}")


def run(scale: Scale, folder: Path) -> list[Row]:
    """Every case, in ``folder``."""
    pools = texts()
    print(
        f"texts: {pools.origin}; {os.cpu_count()} cores; DuckDB {duckdb.__version__}, pyarrow {pa.__version__}"
    )
    rows = [row for codec in ("zstd", "snappy") for row in beside_duckdb(codec, scale, pools, folder)]
    rows += memory_of_jsonl(scale, pools, folder)
    rows += memory_of_shapes(scale, pools, folder)
    if DATA.is_dir():
        rows += real_log(scale, folder)
    else:
        print("no ../shared/data: the log from real arrivals and prompts is left out")
    return rows


# --- 1. beside DuckDB -----------------------------------------------------------------------------------------


def beside_duckdb(codec: str, scale: Scale, pools: Texts, folder: Path) -> list[Row]:
    """Both sides on one file, taking turns."""
    log = folder / f"{codec}.parquet"
    first = exchanges(pools, 0, SLICE_ROWS)
    text_bytes = 0
    with pq.ParquetWriter(log, first.schema, compression=codec) as writer:
        waiting: list[pa.Table] = []
        for start in range(0, scale.rows, SLICE_ROWS):
            part = exchanges(pools, start, SLICE_ROWS)
            text_bytes += sum(part[name].nbytes for name in ("system_prompt", "prompt", "completion"))
            waiting.append(part)
            if sum(each.num_rows for each in waiting) >= ROW_GROUP_ROWS or start + SLICE_ROWS >= scale.rows:
                writer.write_table(pa.concat_tables(waiting))
                waiting = []
    taken: dict[str, list[float]] = {"duckdb": [], "ingest": []}
    for _ in range(scale.runs):
        for side, seconds in taken.items():
            answer = json.loads(_module("--side", side, "--log", str(log)).output.splitlines()[-1])
            assert answer["rows"] == scale.rows, (side, answer)
            seconds.append(answer["cpu_s"])
    log.unlink()
    best = {side: min(seconds) for side, seconds in taken.items()}
    ratios = sorted(ours / theirs for ours, theirs in zip(taken["ingest"], taken["duckdb"], strict=True))
    case, n, against = f"text Parquet, {codec}", scale.rows, "DuckDB reads the same columns"
    return [
        Row(case, "text", text_bytes / 1e9, "GB", None, n),
        Row(case, "DuckDB to Arrow", best["duckdb"], "CPU s", None, n, best["duckdb"], max(taken["duckdb"])),
        Row(case, "ingest to a lake", best["ingest"], "CPU s", None, n, best["ingest"], max(taken["ingest"])),
        Row(case, "ratio", best["ingest"] / best["duckdb"], "times", against, n, ratios[0], ratios[-1]),
        Row(case, "ratio asked for, at most", MOST_TIMES_DUCKDB, "times", against),
    ]


def duckdb_side(log: Path) -> dict[str, float]:
    """Reads every column and hands it over as Arrow batches, one after another."""
    pa.set_cpu_count(1)
    connection = duckdb.connect(config={"threads": "1"})
    connection.sql("SELECT 1").to_arrow_reader().read_all()
    before = _cpu_s()
    rows = sum(
        batch.num_rows for batch in connection.sql(f"SELECT * FROM {parquet([log])}").to_arrow_reader(65_536)
    )
    return {"cpu_s": _cpu_s() - before, "rows": rows}


def ingest_side(log: Path) -> dict[str, float]:
    """From the file to a whole lake, after a few rows of warming up."""
    pa.set_cpu_count(1)
    keys = KeyRing(key_for(b"bench"))
    with tempfile.TemporaryDirectory(dir=log.parent) as name:
        few = Path(name) / "few.parquet"
        with pq.ParquetFile(log) as file:
            pq.write_table(pa.Table.from_batches([next(file.iter_batches(100))]), few)
        _ingested(few, Path(name) / "few", keys)
        before = _cpu_s()
        rows = _ingested(log, Path(name) / "lake", keys)
        return {"cpu_s": _cpu_s() - before, "rows": rows}


def _ingested(log: Path, out: Path, keys: KeyRing) -> int:
    with DuckDB(threads=1, temp_dir=out.parent) as engine:
        report = ingest(
            open_logs([str(log)]), Destination(out), keys, engine, now=datetime.now(UTC), progress=Silent()
        )
    return report.written


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# --- 2. memory ------------------------------------------------------------------------------------------------


def memory_of_jsonl(scale: Scale, pools: Texts, folder: Path) -> list[Row]:
    """JSON lines in files of about a gigabyte, through the real command."""
    logs = folder / "jsonl"
    logs.mkdir()
    size = rows = 0
    while size < scale.jsonl_bytes:
        path = logs / f"part-{rows:09d}.jsonl"
        for _ in range(10):
            _append_json(exchanges(pools, rows, SLICE_ROWS), path)
            rows += SLICE_ROWS
            if size + path.stat().st_size >= scale.jsonl_bytes:
                break
        size += path.stat().st_size
    made = _ingest_command(logs, folder)
    _remove(logs)
    return _memory_rows("JSON lines", size, rows, made)


def _append_json(rows: pa.Table, path: Path) -> None:
    """DuckDB writes JSON faster than Python does."""
    piece = path.with_suffix(".piece")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("rows", rows)
        connection.execute(f"COPY rows TO '{piece}' (FORMAT json)")
    with path.open("ab") as whole:
        whole.write(piece.read_bytes())
    piece.unlink()


def memory_of_shapes(scale: Scale, pools: Texts, folder: Path) -> list[Row]:
    """Parquet in one row group, and CSV."""
    found: list[Row] = []
    count = scale.shape_bytes // 7_500 // SLICE_ROWS * SLICE_ROWS
    table = pa.concat_tables(exchanges(pools, start, SLICE_ROWS) for start in range(0, count, SLICE_ROWS))
    one_group = folder / "one-group.parquet"
    pq.write_table(table, one_group, row_group_size=count, use_dictionary=False)
    found += _memory_rows(
        "Parquet, one row group", one_group.stat().st_size, count, _ingest_command(one_group, folder)
    )
    one_group.unlink()
    as_csv = folder / "log.csv"
    with duckdb.connect() as connection:
        connection.register("rows", table)
        connection.execute(f"COPY rows TO '{as_csv}' (FORMAT csv, HEADER)")
    del table
    found += _memory_rows("CSV", as_csv.stat().st_size, count, _ingest_command(as_csv, folder))
    as_csv.unlink()
    return found


def _ingest_command(log: Path, folder: Path) -> Ran:
    """``stillhunt ingest`` with a bound of 1 GB on queries."""
    lake = folder / "lake"
    ran = _command(
        "ingest", str(log), "--out", str(lake), "--memory", "1GB", "--key-file", str(folder / "key")
    )
    assert ran.status == 0, ran.output
    _remove(lake)
    return ran


def _memory_rows(case: str, size: int, rows: int, ran: Ran) -> list[Row]:
    return [
        Row(case, "size", size / 1e9, "GB", None, rows),
        Row(case, "wall clock", ran.seconds, "s", None, rows),
        Row(case, "CPU", ran.cpu_s, "CPU s", None, rows),
        Row(case, "peak memory", ran.peak_bytes / 1e9, "GB", None, rows),
        Row(case, "peak memory asked for, below", MOST_MEMORY_GB, "GB"),
    ]


# --- 3. real arrivals, real prompts ---------------------------------------------------------------------------


def real_log(scale: Scale, folder: Path) -> list[Row]:
    """Ingests and scans it with the real commands; says what was found of the planted pool, and what else."""
    log = write_real_log(folder / "real.parquet", scale.clients_rows)
    lake, result = folder / "real-lake", folder / "real-result"
    made = _command("ingest", str(log.path), "--out", str(lake), "--key-file", str(folder / "key"))
    assert made.status == 0, made.output
    scanned = _command("scan", str(lake), "--out", str(result))
    assert scanned.status in (0, 1), scanned.output
    campaigns = pq.read_table(result / "campaigns.parquet").to_pylist()
    members = pq.read_table(result / "members.parquet").to_pylist()
    found = {row["account_id"] for row in members if row["membership"] >= 0.5}
    case, n = "real arrivals and prompts", log.rows
    return [
        Row(case, "rows", log.rows, "rows", None, n),
        Row(case, "accounts", log.accounts, "accounts", None, n),
        Row(case, "ingest, wall clock", made.seconds, "s", None, n),
        Row(case, "ingest, peak memory", made.peak_bytes / 1e9, "GB", None, n),
        Row(case, "scan, wall clock", scanned.seconds, "s", None, n),
        Row(case, "scan, peak memory", scanned.peak_bytes / 1e9, "GB", None, n),
        Row(case, "campaigns found", len(campaigns), "campaigns", "1 planted", n),
        Row(case, "planted accounts in a campaign", len(found & log.pool), "accounts", str(len(log.pool)), n),
        Row(case, "other accounts in a campaign", len(found - log.pool), "accounts", "0", n),
    ]


# --- processes ------------------------------------------------------------------------------------------------


def _module(*arguments: str) -> Ran:
    ran = _run([sys.executable, "-m", "bench.ingest", *arguments])
    assert ran.status == 0, ran.output
    return ran


def _command(*arguments: str) -> Ran:
    return _run([str(Path(sys.executable).with_name("stillhunt")), *arguments])


_MEASURE = """
import json, os, resource, subprocess, sys, time
started = time.monotonic()
status = subprocess.run(sys.argv[2:], stdout=2).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
figures = [status, time.monotonic() - started, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024]
open(sys.argv[1], "w").write(json.dumps(figures))
"""


def _run(command: list[str]) -> Ran:
    """Runs a command under a small process that asks the system what it used: a child's peak memory begins at that
    of the process which starts it, and this one may be large."""
    with tempfile.NamedTemporaryFile() as figures:
        measure = [sys.executable, "-S", "-c", _MEASURE, figures.name, *command]
        output = subprocess.run(measure, stderr=subprocess.PIPE, text=True, check=True).stderr
        status, seconds, cpu_s, peak_bytes = json.loads(Path(figures.name).read_text(encoding="utf-8"))
    return Ran(status, seconds, cpu_s, peak_bytes, output)


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


if __name__ == "__main__":
    main()
