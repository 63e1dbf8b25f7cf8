"""The reported scale: the profile letter-full at a hundredth, a tenth and in full, scanned by the whole command in a
process of its own, beside DuckDB's scan of the same columns.

Memory and CPU seconds are those of the whole process. A log is made once and kept in ``bench/out/scale`` for the next
run. ``--fraction`` measures other sizes; ``--page`` writes the last run, and what it comes to for ten billion requests
a day, into the page on scale."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from bench.page import write_between
from bench.result import OUT, Row, beside_last, share, show, write
from bench.scale_plan import costs, measured, plan

from stillhunt.cli.status import DONE, FOUND
from stillhunt.engines.duckdb import DuckDB, parquet
from stillhunt.sources.lake import open_lake

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "scale.md"
FRACTIONS = {"small": (0.01,), "full": (0.01, 0.1, 1.0)}
COLUMNS = (
    "time", "account_id", "org_id", "session_id", "model", "input_tokens", "output_tokens", "cached_input_tokens",
    "max_tokens", "temperature", "reasoning", "tools", "status", "finish_reason", "client_ip", "country", "user_agent",
    "tls_fingerprint", "device_id", "reasoning_signature", "prompt_sketch", "system_sketch", "prompt_chars",
    "capability",
)  # fmt: skip
"""What a scan reads of ``requests``."""
FLOOR = """
import sys, duckdb
con = duckdb.connect(config={"memory_limit": sys.argv[3]})
values = ", ".join(f"max({name})" for name in sys.argv[2].split(","))
con.execute(f"SELECT {values} FROM read_parquet('{sys.argv[1]}/requests/*.parquet')").fetchone()
"""


@dataclass(frozen=True)
class Ran:
    """What one process took. peak_mb: largest resident set, in MB (10^6 bytes)."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    status: int


def run(command: Sequence[str]) -> Ran:
    """Runs a command to its end, its output dropped."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    told = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (DONE, FOUND):
        sys.stderr.write(told.decode(errors="replace"))
    cpu = usage.ru_utime + usage.ru_stime
    return Ran(time.perf_counter() - begin, cpu, usage.ru_maxrss * 1024 / 1e6, process.returncode)


def measure(fraction: float, seed: int, memory: str) -> list[Row]:
    """One size: making it, DuckDB's scan, the scan, and what was found."""
    lake, out = OUT / "scale" / f"{fraction:g}-{seed}", OUT / "scale" / f"{fraction:g}-{seed}-result"
    stillhunt = str(Path(sys.executable).parent / "stillhunt")
    rows: list[Row] = []
    made = None
    if not (lake / "lake.json").exists():
        command = ["simulate", "--profile", "letter-full", "--scale", f"{fraction:g}", "--seed", str(seed)]
        made = run([stillhunt, *command, "--out", str(lake)])
    requests = json.loads((lake / "lake.json").read_text())["rows"]["written"]
    case = f"{requests / 1e6:.3g} M rows"
    if made is not None:
        rows += of_process(case, "simulate", made, requests)
    rows += size_of(case, lake, requests)
    size = sum(path.stat().st_size for path in lake.rglob("*.parquet"))
    rows.append(Row(case, "lake: bytes per row", size / requests, "bytes", n=requests))
    floor = run([sys.executable, "-c", FLOOR, str(lake), ",".join(COLUMNS), memory])
    rows += of_process(case, "DuckDB", floor, requests)
    shutil.rmtree(out, ignore_errors=True)
    scanned = run([stillhunt, "scan", str(lake), "--out", str(out), "--memory", memory])
    rows += of_process(case, "scan", scanned, requests)
    if scanned.status not in (DONE, FOUND):
        return rows
    ratio = scanned.cpu_seconds / floor.cpu_seconds
    rows.append(Row(case, "scan: CPU seconds over DuckDB's", ratio, "times", "DuckDB's scan", requests))
    for stage in json.loads((out / "run.json").read_text())["stages"]:
        name = f"stage {stage['name']}"
        rows.append(Row(case, f"{name}: wall", stage["seconds"], "s", n=requests))
        rows.append(Row(case, f"{name}: CPU", stage["cpu_seconds"], "s", n=requests))
        rows.append(Row(case, f"{name}: peak memory so far", stage["peak_memory_mb"], "MB", n=requests))
    return rows + found(case, out, pq.read_table(lake / "truth.parquet"))


def size_of(case: str, lake: Path, requests: int) -> list[Row]:
    """Rows, accounts and links of the signal that has most of them: prompt templates that two accounts share."""
    with DuckDB() as engine:
        (counted,) = engine.table(
            f"""
            WITH uses AS (
                SELECT DISTINCT account_id, prompt_sketch[1:4] AS band
                FROM {parquet(open_lake(lake).request_files)} WHERE prompt_sketch IS NOT NULL
            ), shared AS (SELECT count(*) AS n FROM uses GROUP BY band HAVING n > 1)
            SELECT (SELECT sum(n) FROM shared) AS links, (SELECT count(DISTINCT account_id) FROM uses) AS accounts
            """
        ).to_pylist()
    return [
        Row(case, "requests", requests, "rows"),
        Row(case, "accounts", counted["accounts"], "accounts"),
        Row(case, "links: templates per account", float(counted["links"]) / counted["accounts"], "links"),
    ]


def of_process(case: str, name: str, ran: Ran, requests: int) -> list[Row]:
    """What a process took, per log and per row."""
    return [
        Row(case, f"{name}: wall", ran.seconds, "s", n=requests),
        Row(case, f"{name}: CPU", ran.cpu_seconds, "s", n=requests),
        Row(case, f"{name}: peak memory", ran.peak_mb, "MB", n=requests),
        Row(case, f"{name}: rows per second", requests / ran.seconds, "rows/s", n=requests),
        Row(case, f"{name}: CPU per row", ran.cpu_seconds / requests * 1e6, "us", n=requests),
    ]


def found(case: str, out: Path, truth: pa.Table) -> list[Row]:
    """Recall and precision of the campaign that holds most of the hostile accounts, whatever kind it is said to be,
    and of the accounts that are flagged."""
    hostile = set(truth.filter(pc.equal(truth["kind"], "distillation"))["account_id"].to_pylist())
    members = pq.read_table(out / "members.parquet")
    members = members.filter(pc.greater_equal(members["membership"], 0.5))
    kinds = {row["campaign_id"]: row["kind"] for row in pq.read_table(out / "campaigns.parquet").to_pylist()}
    by_campaign: dict[str, set[str]] = {name: set() for name in kinds}
    for row in members.to_pylist():
        by_campaign[row["campaign_id"]].add(row["account_id"])
    largest = max(by_campaign, key=lambda name: len(by_campaign[name] & hostile), default=None)
    flagged = {
        account for name, kind in kinds.items() if kind == "distillation" for account in by_campaign[name]
    }
    sets: dict[str, set[Any]] = {"flagged accounts": flagged}
    if largest is not None:
        sets[f"largest find ({kinds[largest]})"] = by_campaign[largest]
    return [
        each
        for name, accounts in sets.items()
        for each in (
            share(case, f"{name}: recall", len(accounts & hostile), len(hostile)),
            share(case, f"{name}: precision", len(accounts & hostile), len(accounts)),
        )
    ]


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=FRACTIONS, default="full")
    parser.add_argument(
        "--fraction", type=float, action="append", help="size, as a share of 300 million rows"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--memory", default="4GB", help="given to the scan and to DuckDB")
    parser.add_argument(
        "--page", action="store_true", help="write the last run into docs/explanation/scale.md"
    )
    given = parser.parse_args()
    if given.page:
        known = costs([Row(**row) for row in json.loads((OUT / "scale.json").read_text(encoding="utf-8"))])
        write_between("scale", measured(known), PAGE)
        write_between("plan", plan(known), PAGE)
        return
    rows: list[Row] = []
    for fraction in given.fraction or FRACTIONS[given.scale]:
        rows += measure(fraction, given.seed, given.memory)
    show(rows)
    print(write("scale", beside_last("scale", rows) if given.fraction else rows))


if __name__ == "__main__":
    main()
