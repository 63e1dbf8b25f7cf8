"""How many of the hostile accounts are flagged, and how many of the honest: simulated logs through the whole scan.

Every log is made from a seed that was not looked at while signals, kinds and settings were chosen. Run:
``python -m bench.detection [--scale small|full] [--profile NAME ...]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.asked import last_run, parser, told
from bench.page import table, write_between
from bench.result import Row, bounds, share
from bench.simulated import ScannedLog, flags, grouped, scanned_log, seeds_of

from stillhunt.simulate.scenarios import SCENARIOS

SEEDS = {"small": {"demo": 2, "honest": 2}, "full": dict.fromkeys(SCENARIOS, 3) | {"demo": 10, "honest": 20}}
"""Logs of each profile, unless profiles or a number of logs are asked for."""


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
    count(scanned_log(profile, seed), tally)


def count(one: ScannedLog, tally: Tally) -> None:
    """Adds one scanned log to the counts of its profile."""
    truth, found = one.truth, one.found
    tally.seconds.append(one.seconds)
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
    """Writes the figures into docs/explanation/benchmark.md, between its marks: a line for each profile, then all."""
    value = {(row["case"], row["metric"]): row for row in measured}
    head = ["profile", "logs", "hostile accounts", "flagged: recall", "lowest of a log", "in any campaign",
            "precision", "distillation campaigns", "honest accounts flagged", "resellers and trial farms flagged",
            "scan"]  # fmt: skip
    lines = []
    for profile in dict.fromkeys(row["case"] for row in measured):
        campaigns = value[profile, "distillation campaigns"]
        cells = [f"`{profile}`", str(campaigns["n"])]
        if (profile, "account recall") in value:
            recall = value[profile, "account recall"]
            others = ("lowest recall of a log", "in a campaign of any kind", "precision")
            cells += [f"{recall['n']:,}", _told(recall)]
            cells += [f"{value[profile, name]['value']:.3f}" for name in others]
        else:
            cells += ["0", "", "", "", ""]
        cells += [f"{campaigns['value']:.0f}"]
        cells += [
            _count(value[profile, f"{who} flagged"])
            for who in ("honest accounts", "resellers and trial farms")
        ]
        lines.append([*cells, f"{value[profile, 'scan']['value']:.0f} s"])
    write_between("detection", table(head, lines))
    write_between("harm", table(["of all these logs", "flagged", "95 % interval"], list(_pooled(measured))))


def _told(row: Mapping[str, Any]) -> str:
    return f"{row['value']:.3f} ({row['low']:.3f}–{row['high']:.3f})"


def _count(row: Mapping[str, Any]) -> str:
    return f"{round(row['value'] * row['n']):,} of {row['n']:,}"


def _pooled(measured: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    """Harm over all logs, no two of which have an account in common."""
    for who in ("honest accounts", "resellers and trial farms"):
        mine = [row for row in measured if row["metric"] == f"{who} flagged"]
        flagged, of = sum(round(row["value"] * row["n"]) for row in mine), sum(row["n"] for row in mine)
        low, high = bounds(flagged, of)
        yield [who, f"{flagged:,} of {of:,}: {flagged / max(of, 1):.4%}", f"{low:.4%} to {high:.4%}"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses, measures, prints."""
    given = parser("detection", __doc__, SEEDS).parse_args(arguments)
    if (last := last_run("detection", given)) is not None:
        tell(last)
        return
    measured: list[Row] = []
    for profile in given.profile or SEEDS[given.scale]:
        tally = Tally()
        for seed in seeds_of(profile, given.seeds or SEEDS[given.scale].get(profile, 3)):
            measure(profile, seed, tally)
            print(
                f"{profile}: {tally.logs} logs, {tally.caught} of {tally.hostile} hostile accounts flagged, "
                f"{tally.honest_flagged + tally.abuse_flagged} others",
                flush=True,
            )
        measured += rows(profile, tally)
    told("detection", given, measured, tell)


if __name__ == "__main__":
    main()
