"""How soon a campaign is found: simulated logs, scanned day by day as they grow.

    python -m bench.delay [--scale small|full] [--profile NAME ...] [--seeds N] [--page]

A daily scan reads all that the log holds up to midnight (UTC). It knows the accounts that were registered or seen by
then, and of closures only those that have happened. Days of a campaign count from its first exchange: scan 1 is at the
midnight after it. Of each campaign the bench tells the first scan on which at least half of those of its accounts that
have been active by then are flagged for distillation, and which share of all the exchanges of its accounts had left by
then. An account is one of the campaign's when it carries any of its harvest, early or late.

Scans are made on days 1, 2, 3, 4, 5, 7, 10, 14, 21 and 30 of a campaign until it is found; ``low`` of a figure is the
best log's, ``high`` the worst's. A campaign whose reported window is known (facts of the shape) is simulated over that
window, so that the share that has left is a share of the whole. Nothing precedes the window: a campaign that is there
from its first day is judged without any history.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from bench.asked import last_run, parser, told
from bench.page import table, write_between
from bench.result import Row, share, write
from bench.simulated import FIRST_SEED, Truth, flags, make, scanned

from stillhunt.schema.requests import TIMESTAMP
from stillhunt.simulate.scenarios import SCENARIOS, Scenario, scenario

SEEDS = {"small": 1, "full": 3}
PROFILES = {
    "small": ("letter", "small"),
    "full": tuple(name for name, one in SCENARIOS.items() if one.operators),
}
REPORTED_DAYS = {"letter": 45, "two_pools": 92, "relay_sessions": 92, "drip": 20}
"""Windows as reported, of shapes that are not reported over one of two weeks or less."""
LADDER = (1, 2, 3, 4, 5, 7, 10, 14, 21, 30)
"""Daily scans of a campaign that are made, counted from its first exchange."""
HALF = 0.5
SCOUTS = {"probe": ("probe", "probe-volume")}
"""Profiles in which one campaign tries what another then does in volume: the first must be known before that begins."""

EVE = "accounts of the scout flagged at the last midnight before the volume begins"


def cut(log: Path, to: Path, until: datetime) -> None:
    """What a log in folder ``log`` held at a moment: exchanges that had begun, accounts that were registered or seen,
    closures that had happened."""
    (to / "requests").mkdir(parents=True)
    moment = pa.scalar(until, type=TIMESTAMP)
    seen = []
    for part in sorted((log / "requests").iterdir()):
        rows = pq.read_table(part)
        rows = rows.filter(pc.less(rows["time"], moment))
        if rows.num_rows:
            pq.write_table(rows, to / "requests" / part.name, compression="zstd")
            seen.append(pc.unique(rows["account_id"]))
    accounts = pq.read_table(log / "accounts.parquet")
    known = pc.less(accounts["created_at"], moment).fill_null(False)
    if seen:
        known = pc.or_(known, pc.is_in(accounts["account_id"], pa.concat_arrays(seen)))
    accounts = accounts.filter(known)
    closed = accounts["closed_at"]
    place = accounts.schema.get_field_index("closed_at")
    past = pc.if_else(pc.less(closed, moment), closed, pa.scalar(None, TIMESTAMP))
    pq.write_table(accounts.set_column(place, accounts.schema.field(place), past), to / "accounts.parquet")


@dataclass(frozen=True)
class Watched:
    """A campaign of a log: ``first`` and all times of its accounts' exchanges, by account."""

    times: Mapping[str, Sequence[datetime]]

    @property
    def first(self) -> datetime:
        return min(min(times) for times in self.times.values())

    def active(self, until: datetime) -> set[str]:
        """Accounts that had been used by then."""
        return {account for account, times in self.times.items() if min(times) < until}

    def left(self, until: datetime) -> float:
        """The share of exchanges that had been made by then."""
        every = [time for times in self.times.values() for time in times]
        return sum(time < until for time in every) / len(every)


def watched(log: Path, truth: Truth) -> dict[str, Watched]:
    """The campaigns of a log, with what their accounts did."""
    rows = pa.concat_tables(
        pq.read_table(part, columns=["account_id", "time"]) for part in sorted((log / "requests").iterdir())
    )
    rows = rows.filter(pc.is_in(rows["account_id"], pa.array(sorted(truth.hostile), pa.string())))
    times: dict[str, list[datetime]] = {}
    for account, time in zip(rows["account_id"].to_pylist(), rows["time"].to_pylist(), strict=True):
        times.setdefault(account, []).append(time)
    return {
        name: Watched({account: times[account] for account in accounts if account in times})
        for name, accounts in truth.campaigns.items()
    }


def days_to_scan(first: int, days: int) -> list[int]:
    """Days of the log, from 1, at whose end a campaign is looked for; ``first`` is the day of its first exchange."""
    return [first + each - 1 for each in LADDER if first + each - 1 <= days]


def first_found(
    wanted: Mapping[str, Sequence[int]], found_on: Callable[[int], AbstractSet[str]]
) -> dict[str, tuple[int, int | None]]:
    """Per campaign the day on which it is found, and the last day before that on which it was looked for and not found
    (None: it was found at once). Campaigns that are found on no day are left out.

    wanted: per campaign the days to look for it, ascending. found_on: which campaigns the scan of a day finds; asked
    for each day once, in order, and for no day on which nothing is left to look for.
    """
    result: dict[str, tuple[int, int | None]] = {}
    missed: dict[str, int] = {}
    for day in sorted({day for days in wanted.values() for day in days}):
        sought = [name for name, days in wanted.items() if name not in result and day in days]
        if not sought:
            continue
        names = found_on(day)
        for name in sought:
            if name in names:
                result[name] = (day, missed.get(name))
            else:
                missed[name] = day
    return result


@dataclass
class Delays:
    """Of one campaign of a profile: per log in which it was found, the scan, the one before it that missed it (0:
    none), and the share that had left. ``logs``: in which it was looked for."""

    logs: int = 0
    scans: list[int] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)
    left: list[float] = field(default_factory=list)


@dataclass
class Daily:
    """Of one profile: delays by campaign; honest accounts, and those that any scan flagged; scans made; accounts of a
    scout in use before the volume begins, and those of them that were flagged by then."""

    campaigns: dict[str, Delays] = field(default_factory=dict)
    honest: int = 0
    accused: int = 0
    scans: int = 0
    scouts: int = 0
    known: int = 0


def measure(chosen: Scenario, seed: int, daily: Daily) -> None:
    """Simulates one log and scans it day by day until all its campaigns are found."""
    with tempfile.TemporaryDirectory(prefix="stillhunt-bench-") as name:
        folder = Path(name)
        truth = make(folder / "log", chosen, seed)
        campaigns = watched(folder / "log", truth)
        start = datetime.fromisoformat(chosen.start).replace(tzinfo=UTC)
        accused: set[str] = set()
        flagged_on: dict[int, set[str]] = {}

        def found_on(day: int) -> set[str]:
            until = start + timedelta(days=day)
            cut(folder / "log", folder / f"day-{day}", until)
            flagged = flagged_on[day] = flags(scanned(folder / f"day-{day}", folder / f"result-{day}"))[1]
            accused.update(flagged & truth.honest)
            daily.scans += 1
            caught = set()
            for campaign, each in campaigns.items():
                active = each.active(until)
                right = len(active & flagged)
                if active:
                    print(
                        f"{chosen.name}, seed {seed}, day {day}: {campaign}, {right} of {len(active)} active accounts "
                        f"flagged, {each.left(until):.1%} of exchanges have left; "
                        f"{len(flagged & truth.honest)} honest accounts flagged",
                        flush=True,
                    )
                if active and right >= HALF * len(active):
                    caught.add(campaign)
            return caught

        first = {campaign: (each.first - start).days + 1 for campaign, each in campaigns.items()}
        wanted = {campaign: days_to_scan(day, chosen.days) for campaign, day in first.items()}
        found = first_found(wanted, found_on)
        if chosen.name in SCOUTS:
            scout, volume = SCOUTS[chosen.name]
            eve = (campaigns[volume].first - start).days
            if eve not in flagged_on:
                found_on(eve)
            in_use = campaigns[scout].active(start + timedelta(days=eve))
            daily.scouts, daily.known = (
                daily.scouts + len(in_use),
                daily.known + len(in_use & flagged_on[eve]),
            )
    daily.honest, daily.accused = daily.honest + len(truth.honest), daily.accused + len(accused)
    for campaign, each in campaigns.items():
        delays = daily.campaigns.setdefault(campaign, Delays())
        delays.logs += 1
        if campaign in found:
            day, before = found[campaign]
            delays.scans.append(day - first[campaign] + 1)
            delays.missed.append(0 if before is None else before - first[campaign] + 1)
            delays.left.append(each.left(start + timedelta(days=day)))


def rows(chosen: Scenario, daily: Daily) -> list[Row]:
    """The figures of one profile: medians over logs, between the best log's and the worst's."""
    made = []
    for campaign, each in sorted(daily.campaigns.items()):
        case = f"{chosen.name}: {campaign}"
        made.append(Row(case, "days of the campaign's log", chosen.days, "days", n=each.logs))
        made.append(share(case, "logs in which it is found", len(each.scans), each.logs))
        if each.scans:
            for metric, values, unit in (
                ("daily scan on which half its active accounts are flagged", each.scans, "scan"),
                ("last scan before that which missed it", each.missed, "scan"),
                ("exchanges that had left by then", each.left, "share"),
            ):
                middle = float(statistics.median(values))
                low, high = float(min(values)), float(max(values))
                made.append(Row(case, metric, middle, unit, n=len(values), low=low, high=high))
    made.append(share(chosen.name, "honest accounts flagged on any daily scan", daily.accused, daily.honest))
    made.append(Row(chosen.name, "daily scans made", daily.scans, "scans"))
    if daily.scouts:
        made.append(share(chosen.name, EVE, daily.known, daily.scouts))
    return made


def tell(measured: Sequence[Mapping[str, Any]]) -> None:
    """Writes the figures into docs/explanation/benchmark.md, between its marks."""
    value = {(row["case"], row["metric"]): row for row in measured}
    head = ["profile", "campaign", "days of log", "found in", "by daily scan", "exchanges left by then"]
    head += ["honest accounts flagged on any scan"]
    lines = []
    for case, metric in value:
        if metric != "logs in which it is found":
            continue
        profile, campaign = case.split(": ")
        found = value[case, metric]
        days = value[case, "days of the campaign's log"]["value"]
        cells = [f"`{profile}`", f"`{campaign}`", f"{days:.0f}"]
        cells.append(f"{round(found['value'] * found['n'])} of {found['n']} logs")
        scan = value.get((case, "daily scan on which half its active accounts are flagged"))
        left = value.get((case, "exchanges that had left by then"))
        if scan is None or left is None:
            cells += ["", ""]
        else:
            cells.append(f"{scan['value']:g} ({scan['low']:g}–{scan['high']:g})")
            cells.append(f"{left['value']:.1%} ({left['low']:.1%}–{left['high']:.1%})")
        accused = value[profile, "honest accounts flagged on any daily scan"]
        lines.append([*cells, f"{round(accused['value'] * accused['n'])} of {accused['n']:,}"])
    write_between("delay", table(head, lines))
    eves = [row for row in measured if row["metric"] == EVE]
    lines = [[f"`{row['case']}`", f"{round(row['value'] * row['n'])} of {row['n']}",
              f"{row['value']:.3f} ({row['low']:.3f}–{row['high']:.3f})"] for row in eves]  # fmt: skip
    write_between("scouts", table(["profile", EVE, "share"], lines) if eves else [])


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses, measures, prints."""
    given = parser("delay", __doc__, SEEDS).parse_args(arguments)
    if (last := last_run("delay", given)) is not None:
        tell(last)
        return
    measured: list[Row] = []
    for name in given.profile or PROFILES[given.scale]:
        chosen = scenario(name)
        chosen = replace(chosen, days=REPORTED_DAYS.get(name, chosen.days))
        daily = Daily()
        for number in range(given.seeds or SEEDS[given.scale]):
            measure(chosen, FIRST_SEED + number, daily)
        measured += rows(chosen, daily)
        write("delay", measured)
    told("delay", given, measured, tell)


if __name__ == "__main__":
    main()
