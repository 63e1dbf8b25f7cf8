"""How many of the hostile accounts are flagged, and how many of the honest: simulated logs through the whole scan.

Every log is made from a seed that was not looked at while signals, kinds and settings were chosen. Run:
``python -m bench.detection [--scale small|full] [--profile NAME ...]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.asked import last_run, parser, told
from bench.page import table, write_between
from bench.result import Row, share
from bench.simulated import FIRST_SEED, Truth, flags, grouped, scanned_log

from stillhunt.campaigns.result import Campaigns

SEEDS = {"small": 2, "full": 10}
PROFILES = ("demo", "honest")
"""At every scale, unless others are asked for."""


@dataclass
class Tally:
    """Counts of accounts over the logs of one profile. ``campaigns``: distillation campaigns that were reported.
    ``grouped``: hostile accounts in a reported campaign of any kind."""

    logs: int = 0
    hostile: int = 0
    caught: int = 0
    grouped: int = 0
    abuse: int = 0
    abuse_flagged: int = 0
    honest: int = 0
    honest_flagged: int = 0
    campaigns: int = 0
    seconds: list[float] = field(default_factory=list)
    recalls: list[float] = field(default_factory=list)
    precisions: list[float] = field(default_factory=list)


def measure(profile: str, seed: int, tally: Tally) -> None:
    """Counts one log, made and scanned as the command line does it."""
    one = scanned_log(profile, seed)
    tally.seconds.append(one.seconds)
    count(one.truth, one.found, tally)


def count(truth: Truth, found: Campaigns, tally: Tally) -> None:
    """Adds one scanned log to the counts of its profile."""
    accused, flagged = flags(found)
    hostile, abuse, honest = truth.hostile, truth.abuse, truth.honest
    right = len(flagged & hostile)
    tally.logs += 1
    tally.campaigns += len(accused)
    tally.hostile, tally.caught = tally.hostile + len(hostile), tally.caught + right
    tally.grouped += len(grouped(found) & hostile)
    tally.abuse, tally.abuse_flagged = tally.abuse + len(abuse), tally.abuse_flagged + len(flagged & abuse)
    tally.honest, tally.honest_flagged = (
        tally.honest + len(honest),
        tally.honest_flagged + len(flagged & honest),
    )
    if hostile:
        tally.recalls.append(right / len(hostile))
        tally.precisions.append(right / len(flagged) if flagged else 1.0)


def rows(profile: str, tally: Tally) -> list[Row]:
    """The figures of one profile."""
    found = []
    if tally.hostile:
        recall, precision = tally.recalls, tally.precisions
        found += [
            share(profile, "account recall", tally.caught, tally.hostile),
            Row(profile, "lowest recall of a log", min(recall), "share", n=tally.logs),
            share(profile, "in a campaign of any kind", tally.grouped, tally.hostile),
            share(
                profile, "precision", tally.caught, tally.caught + tally.abuse_flagged + tally.honest_flagged
            ),
            Row(profile, "lowest precision of a log", min(precision), "share", n=tally.logs),
        ]
    found += [
        Row(profile, "distillation campaigns", tally.campaigns, "campaigns", n=tally.logs),
        share(profile, "honest accounts flagged", tally.honest_flagged, tally.honest),
        share(profile, "resellers and trial farms flagged", tally.abuse_flagged, tally.abuse),
        Row(profile, "scan", sorted(tally.seconds)[len(tally.seconds) // 2], "s", n=tally.logs),
    ]
    return found


def tell(measured: Sequence[Mapping[str, Any]]) -> None:
    """Writes the figures into docs/explanation/benchmark.md, between its marks."""
    lines = []
    for row in measured:
        between = "" if row["low"] is None else f"{row['low']:.4f} to {row['high']:.4f}"
        value = f"{row['value']:.4f}" if row["unit"] == "share" else f"{row['value']:.4g} {row['unit']}"
        lines.append([f"`{row['case']}`", row["metric"], value, between, f"{row['n']:,}"])
    write_between("detection", table(["profile", "figure", "value", "95 % interval", "of"], lines))


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses, measures, prints."""
    given = parser("detection", __doc__, SEEDS).parse_args(arguments)
    if (last := last_run("detection", given)) is not None:
        tell(last)
        return
    measured: list[Row] = []
    for profile in given.profile or PROFILES:
        tally = Tally()
        for number in range(given.seeds or SEEDS[given.scale]):
            measure(profile, FIRST_SEED + number, tally)
            print(
                f"{profile}: {tally.logs} logs, {tally.caught} of {tally.hostile} hostile accounts flagged, "
                f"{tally.honest_flagged + tally.abuse_flagged} others",
                flush=True,
            )
        measured += rows(profile, tally)
    told("detection", given, measured, tell)


if __name__ == "__main__":
    main()
