"""How many of the hostile accounts are flagged, and how many of the honest: simulated logs through the whole scan.

Every log is made from a seed that was not looked at while signals, kinds and settings were chosen (those with a seed
below 500 may have been). Run: ``python -m bench.detection [--scale small|full] [--profile NAME ...]``.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from bench.result import OUT, Row, show, write
from scipy.stats import beta

from stillhunt.campaigns.result import Campaigns
from stillhunt.cli.scanning import Input, scan
from stillhunt.config import Settings
from stillhunt.schema.campaigns import FLAG_MEMBERSHIP
from stillhunt.schema.progress import Silent
from stillhunt.simulate.files import write as write_log
from stillhunt.simulate.scenarios import scenario
from stillhunt.simulate.simulation import stream, window

FIRST_SEED = 501
SEEDS = {"small": 2, "full": 10}
ABUSE = frozenset({"reseller", "trial_farm"})


@dataclass
class Tally:
    """Counts of accounts over the logs of one profile. ``campaigns``: distillation campaigns that were reported."""

    logs: int = 0
    hostile: int = 0
    caught: int = 0
    abuse: int = 0
    abuse_flagged: int = 0
    honest: int = 0
    honest_flagged: int = 0
    campaigns: int = 0
    seconds: list[float] = field(default_factory=list)
    recalls: list[float] = field(default_factory=list)
    precisions: list[float] = field(default_factory=list)


def measure(profile: str, seed: int, tally: Tally) -> None:
    """Simulates one log, scans it as the command line does, and counts."""
    chosen = scenario(profile)
    with tempfile.TemporaryDirectory(prefix="stillhunt-bench-") as folder:
        log, result = Path(folder) / "log", Path(folder) / "result"
        write_log(stream(chosen, seed, 1.0), window(chosen), log)
        started = time.perf_counter()
        outcome = scan(Input([str(log)]), result, Settings(), Silent())
        tally.seconds.append(time.perf_counter() - started)
        kind = {row["account_id"]: row["kind"] for row in pq.read_table(log / "truth.parquet").to_pylist()}
    accused, flagged = flags(outcome.campaigns)
    hostile = {account for account, name in kind.items() if name == "distillation"}
    abuse = {account for account, name in kind.items() if name in ABUSE}
    right = len(flagged & hostile)
    tally.logs += 1
    tally.campaigns += len(accused)
    tally.hostile, tally.caught = tally.hostile + len(hostile), tally.caught + right
    tally.abuse, tally.abuse_flagged = tally.abuse + len(abuse), tally.abuse_flagged + len(flagged & abuse)
    tally.honest += len(kind) - len(hostile) - len(abuse)
    tally.honest_flagged += len(flagged - hostile - abuse)
    if hostile:
        tally.recalls.append(right / len(hostile))
        tally.precisions.append(right / len(flagged) if flagged else 1.0)


def flags(found: Campaigns) -> tuple[set[str], set[str]]:
    """Campaigns of kind distillation, and the accounts that are flagged for them."""
    accused = {row["campaign_id"] for row in found.campaigns.to_pylist() if row["kind"] == "distillation"}
    return accused, {
        row["account_id"]
        for row in found.members.to_pylist()
        if row["campaign_id"] in accused and row["membership"] >= FLAG_MEMBERSHIP
    }


def bounds(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper–Pearson confidence interval of a share."""
    if n == 0:
        return 0.0, 1.0
    tail = (1 - level) / 2
    low = 0.0 if k == 0 else float(beta.ppf(tail, k, n - k + 1))
    high = 1.0 if k == n else float(beta.ppf(1 - tail, k + 1, n - k))
    return low, high


def rows(profile: str, tally: Tally) -> list[Row]:
    """The figures of one profile."""
    found = []
    if tally.hostile:
        recall, precision = tally.recalls, tally.precisions
        found += [
            _share(profile, "account recall", tally.caught, tally.hostile),
            Row(profile, "lowest recall of a log", min(recall), "share", n=tally.logs),
            _share(
                profile, "precision", tally.caught, tally.caught + tally.abuse_flagged + tally.honest_flagged
            ),
            Row(profile, "lowest precision of a log", min(precision), "share", n=tally.logs),
        ]
    found += [
        Row(profile, "distillation campaigns", tally.campaigns, "campaigns", n=tally.logs),
        _share(profile, "honest accounts flagged", tally.honest_flagged, tally.honest),
        _share(profile, "resellers and trial farms flagged", tally.abuse_flagged, tally.abuse),
        Row(profile, "scan", sorted(tally.seconds)[len(tally.seconds) // 2], "s", n=tally.logs),
    ]
    return found


def _share(case: str, metric: str, k: int, n: int) -> Row:
    low, high = bounds(k, n)
    return Row(case, metric, k / n if n else 0.0, "share", n=n, low=low, high=high)


PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "benchmark.md"
_MADE = re.compile(r"(<!-- made: detection -->\n).*?(^<!-- end -->$)", re.MULTILINE | re.DOTALL)


def tell(measured: Sequence[Mapping[str, Any]]) -> None:
    """Writes the figures into docs/explanation/benchmark.md, between its marks."""
    lines = ["| profile | figure | value | 95 % interval | of |", "|---|---|---|---|---|"]
    for row in measured:
        between = "" if row["low"] is None else f"{row['low']:.4f} to {row['high']:.4f}"
        value = f"{row['value']:.4f}" if row["unit"] == "share" else f"{row['value']:.4g} {row['unit']}"
        lines.append(f"| `{row['case']}` | {row['metric']} | {value} | {between} | {row['n']:,} |")
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(
        _MADE.sub(lambda part: part[1] + "\n".join(lines) + "\n" + part[2], page), encoding="utf-8"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=sorted(SEEDS), default="full")
    parser.add_argument("--profile", action="append", help="which profiles; default: demo and honest")
    parser.add_argument("--seeds", type=int, help="how many logs of each profile")
    parser.add_argument(
        "--page", action="store_true", help="write the figures into the docs; alone: those of the last run"
    )
    given = parser.parse_args(arguments)
    if given.page and not given.profile and not given.seeds:
        tell(json.loads((OUT / "detection.json").read_text(encoding="utf-8")))
        return
    measured: list[Row] = []
    for profile in given.profile or ["demo", "honest"]:
        tally = Tally()
        for number in range(given.seeds or SEEDS[given.scale]):
            measure(profile, FIRST_SEED + number, tally)
            print(
                f"{profile}: {tally.logs} logs, {tally.caught} of {tally.hostile} hostile accounts flagged, "
                f"{tally.honest_flagged + tally.abuse_flagged} others",
                flush=True,
            )
        measured += rows(profile, tally)
    show(measured)
    print(f"written to {write('detection', measured)}")
    if given.page:
        tell([asdict(row) for row in measured])


if __name__ == "__main__":
    main()
