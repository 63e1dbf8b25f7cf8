"""The part of the document that is about time: a campaign's timeline beside the background's."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from stillhunt.report.document import Day, Hours, Timeline, When
from stillhunt.report.wording import count, number, unit_of_time

MOST_BINS = 360
"""More bins than this are joined: a chart has no more pixels to show them."""

_LENGTHS_S = tuple(h * 3600 for h in (1, 2, 3, 4, 6, 8, 12, 24, 7 * 24))
"""Lengths that bins are joined to."""
_LONG_WINDOW_S = 28 * 86400
"""From here on a chart shows days: shorter bins would only draw the daily rhythm, which has a chart of its own."""
_HOUR_S = 3600
_LEAST_DAYS_FOR_HOURS = 2
_LEAST_IN_A_BIN = 12
"""Requests of the campaign in the mean bin; with fewer, a line only draws the noise of counting."""
_LEAST_BINS = 24
"""For the sake of :data:`_LEAST_IN_A_BIN`, bins are joined to about this part of the window or a day at most."""


def when(rows: Sequence[dict[str, Any]]) -> When | None:
    """From the rows of one campaign in TIMELINE, in any order; None where there are none."""
    if not rows:
        return None
    rows = sorted(rows, key=lambda row: row["time"])
    steps = [int((b["time"] - a["time"]).total_seconds()) for a, b in pairwise(rows)]
    step_s = min(steps, default=_HOUR_S)
    hours = _hours(rows, step_s)
    return When(
        timeline=_timeline(rows, step_s),
        hours=hours,
        days=_days(rows),
        rhythm=_rhythm(rows, step_s, hours),
    )


def _timeline(rows: Sequence[dict[str, Any]], step_s: int) -> Timeline:
    factor = _joined(len(rows), step_s, sum(row["requests"] for row in rows))
    bins = [rows[at : at + factor] for at in range(0, len(rows), factor)]
    return Timeline(
        start=_utc(rows[0]["time"]),
        counted_s=step_s,
        step_s=step_s * factor,
        last_step_s=step_s * len(bins[-1]),
        requests=tuple(sum(row["requests"] for row in part) for part in bins),
        active_accounts=tuple(max(row["active_accounts"] for row in part) for part in bins),
        background_requests=tuple(sum(row["background_requests"] for row in part) for part in bins),
        background_accounts=tuple(max(row["background_accounts"] for row in part) for part in bins),
    )


def _joined(n: int, step_s: int, requests: int) -> int:
    """How many bins of ``step_s`` seconds become one, of ``n`` that hold ``requests``."""
    window_s = n * step_s
    full_s = min(_LEAST_IN_A_BIN * window_s / max(requests, 1), window_s / _LEAST_BINS, 86400)
    least_s = max(window_s / MOST_BINS, 86400 if window_s >= _LONG_WINDOW_S else step_s, full_s)
    if least_s <= step_s:
        return 1
    for length_s in _LENGTHS_S:
        if length_s >= least_s and length_s % step_s == 0:
            return length_s // step_s
    return math.ceil(least_s / step_s)


def _hours(rows: Sequence[dict[str, Any]], step_s: int) -> Hours | None:
    """None where bins are longer than an hour or the window is too short to tell a daily rhythm."""
    if _HOUR_S % step_s or len(rows) * step_s < _LEAST_DAYS_FOR_HOURS * 24 * _HOUR_S:
        return None
    campaign, background = [0] * 24, [0] * 24
    for row in rows:
        hour = _utc(row["time"]).hour
        campaign[hour] += row["requests"]
        background[hour] += row["background_requests"]
    if not sum(campaign):
        return None
    return Hours(_shares(campaign), _shares(background) if sum(background) else None)


def _shares(counts: Sequence[int]) -> tuple[float, ...]:
    total = sum(counts)
    return tuple(part / total for part in counts)


def _days(rows: Sequence[dict[str, Any]]) -> tuple[Day, ...]:
    by_day: dict[datetime, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_day[_utc(row["time"]).replace(hour=0, minute=0, second=0, microsecond=0)].append(row)
    return tuple(
        Day(
            day=day,
            requests=sum(row["requests"] for row in part),
            active_accounts=max(row["active_accounts"] for row in part),
            background_requests=sum(row["background_requests"] for row in part),
        )
        for day, part in sorted(by_day.items())
    )


def _rhythm(rows: Sequence[dict[str, Any]], step_s: int, hours: Hours | None) -> str:
    busy = sum(1 for row in rows if row["requests"])
    unit = unit_of_time(step_s)
    spells = f"spells of {unit}" if unit[0].isdigit() else f"{unit}s"
    sentences = [f"Requests came in {count(busy)} of the {count(len(rows))} {spells} of the window."]
    if hours is not None:
        own = _swing(hours.campaign)
        sentences.append(f"By hour of the day, the campaign's busiest hour {own}")
        if hours.background is not None:
            sentences[-1] += f"; the busiest hour of all accounts in no campaign {_swing(hours.background)}"
        sentences[-1] += "."
    return " ".join(sentences)


def _swing(shares: Sequence[float]) -> str:
    quiet = min(shares)
    if quiet == 0:
        return "stands beside hours without any request"
    return f"carries {number(round(max(shares) / quiet, 1))} times its quietest"


def _utc(time: datetime) -> datetime:
    return time.astimezone(UTC)
