"""Spark beside DuckDB on one log: whether they agree, and what the stages that read take of each.

The log is the profile letter-full at a hundredth, three million rows (``--scale small``: at a thousandth), made once
and kept in ``bench/out/scale`` for the next run. Spark is two workers of one core each, started as ``local-cluster``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from bench.result import OUT, Row, show, write
from bench.scale import Ran, run

from stillhunt.cli.status import DONE, FOUND

FRACTIONS = {"small": 0.001, "full": 0.01}
MASTER = "local-cluster[2,1,2048]"
CONF = {"spark.executor.memory": "2g", "spark.sql.shuffle.partitions": "8"}
JUDGING = ("weigh", "cluster", "judge", "report")
"""Stages that run in this process whatever the engine."""
NULL_RUNS = 5
"""The least: judging is not what is measured here, and is the same on both."""


def scanned(lake: Path, out: Path, engine: str) -> Ran:
    """One scan by the whole command, in a process of its own."""
    shutil.rmtree(out, ignore_errors=True)
    stillhunt = str(Path(sys.executable).parent / "stillhunt")
    ran = run(
        [stillhunt, "scan", str(lake), "--out", str(out), "--engine", engine, "--null-runs", str(NULL_RUNS)]
    )
    if ran.status not in (DONE, FOUND):
        raise SystemExit(f"the scan on {engine} ended with status {ran.status}")
    return ran


def of_engine(case: str, engine: str, ran: Ran, out: Path, requests: int) -> list[Row]:
    """Wall and CPU seconds of the command and of its stages that read; CPU includes Spark's processes."""
    stages = json.loads((out / "run.json").read_text(encoding="utf-8"))["stages"]
    reading = [stage for stage in stages if stage["name"] not in JUDGING]
    judged = sum(stage["cpu_seconds"] for stage in stages if stage["name"] in JUDGING)
    rows = [
        Row(case, f"{engine}: wall of the command", ran.seconds, "s", n=requests),
        Row(
            case,
            f"{engine}: wall of the stages that read",
            sum(s["seconds"] for s in reading),
            "s",
            n=requests,
        ),
        Row(case, f"{engine}: CPU of all but judging", ran.cpu_seconds - judged, "s", n=requests),
    ]
    rows += [Row(case, f"{engine}: stage {s['name']}: wall", s["seconds"], "s", n=requests) for s in reading]
    return rows


def agreement(case: str, one: Path, other: Path) -> list[Row]:
    """How many members and campaigns both results have alike, and how far their figures lie apart."""
    members = [_by(each / "members.parquet", "account_id", "campaign_id") for each in (one, other)]
    campaigns = [_by(each / "campaigns.parquet", "campaign_id") for each in (one, other)]
    both = members[0].keys() & members[1].keys()
    shared = campaigns[0].keys() & campaigns[1].keys()
    apart = [abs(members[0][key]["membership"] - members[1][key]["membership"]) for key in both]
    q_apart = [abs(campaigns[0][key]["q_value"] - campaigns[1][key]["q_value"]) for key in shared]
    return [
        Row(case, "members on either", len(members[0].keys() | members[1].keys()), "accounts"),
        Row(case, "members on one alone", len(members[0].keys() ^ members[1].keys()), "accounts"),
        Row(case, "campaigns on either", len(campaigns[0].keys() | campaigns[1].keys()), "campaigns"),
        Row(case, "campaigns on one alone", len(campaigns[0].keys() ^ campaigns[1].keys()), "campaigns"),
        Row(case, "largest difference of a membership", max(apart, default=0.0), "", n=len(apart)),
        Row(case, "largest difference of a q-value", max(q_apart, default=0.0), "", n=len(q_apart)),
    ]


def _by(path: Path, *names: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {tuple(row[name] for name in names): row for row in pq.read_table(path).to_pylist()}


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=FRACTIONS, default="full")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    fraction = FRACTIONS[given.scale]
    lake = OUT / "scale" / f"{fraction:g}-{given.seed}"
    if not (lake / "lake.json").exists():
        arguments = ["--profile", "letter-full", "--scale", f"{fraction:g}", "--seed", str(given.seed)]
        run([str(Path(sys.executable).parent / "stillhunt"), "simulate", *arguments, "--out", str(lake)])
    requests = json.loads((lake / "lake.json").read_text(encoding="utf-8"))["rows"]["written"]
    case = f"{requests / 1e6:.3g} M rows"
    os.environ.setdefault("STILLHUNT_SPARK_MASTER", MASTER)
    os.environ.setdefault("STILLHUNT_SPARK_CONF", json.dumps(CONF))
    rows: list[Row] = []
    outs = []
    for engine in ("duckdb", "spark"):
        outs.append(lake.parent / f"{lake.name}-{engine}")
        rows += of_engine(case, engine, scanned(lake, outs[-1], engine), outs[-1], requests)
    rows += agreement(case, *outs)
    show(rows)
    print(write("spark", rows))


if __name__ == "__main__":
    main()
