"""When people and machines work: the window of a log, daily rhythms, and starts of sessions drawn from them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from stillhunt.simulate.ids import mix

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 3600 * SECOND
DAY = 24 * HOUR
"""Microseconds."""

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """The time that a log covers: ``start`` in microseconds since 1970 (UTC), ``days`` long."""

    start: int
    days: int

    @property
    def end(self) -> int:
        """First microsecond after the window."""
        return self.start + self.days * DAY


_HOURLY = {
    # Weight of each hour of local time, from midnight.
    "day": (2, 1, 1, 1, 1, 2, 4, 7, 9, 10, 10, 10, 9, 10, 10, 10, 10, 9, 9, 9, 9, 8, 6, 4),
    "office": (0, 0, 0, 0, 0, 0, 2, 6, 14, 18, 18, 16, 9, 13, 17, 18, 16, 11, 6, 3, 2, 1, 1, 0),
    "evening": (4, 2, 1, 1, 1, 1, 2, 3, 4, 4, 5, 5, 6, 6, 6, 7, 8, 9, 11, 13, 15, 15, 12, 8),
    "night": (12, 12, 10, 8, 6, 4, 3, 2, 2, 3, 3, 4, 5, 5, 5, 5, 5, 6, 6, 7, 8, 9, 10, 12),
    "flat": (1,) * 24,
    "nightly": (2, 20, 30, 24, 12, 6, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2),
}
RHYTHMS = tuple(_HOURLY)
"""Names of the rhythms; their places are the codes in ``Habits.rhythm``."""

_STEPS = 24 * 64


def _quantiles() -> F64:
    tables = []
    for weights in _HOURLY.values():
        share = np.r_[0.0, np.cumsum(weights)] / sum(weights)
        tables.append(np.interp(np.linspace(0, 1, _STEPS + 1), share, np.arange(25)))
    return np.array(tables)


_QUANTILES = _quantiles()


@dataclass(frozen=True)
class Habits:
    """When each of n actors starts sessions. All arrays have length n.

    rate: sessions a day, averaged over the calendar. begin, end: microseconds. zone_h: hours ahead of UTC.
    rhythm: code of RHYTHMS. weekend: activity on a weekend day beside a weekday's. day_share: share of days on
    which the actor is active at all.
    """

    rate: F64
    begin: I64
    end: I64
    zone_h: F64
    rhythm: NDArray[np.int8]
    weekend: F64
    day_share: F64

    def take(self, index: NDArray[np.int64]) -> Habits:
        return Habits(*(getattr(self, field.name)[index] for field in fields(self)))


def session_starts(rng: np.random.Generator, habits: Habits) -> tuple[I64, I64]:
    """Starts of sessions: the actor's index and the time in microseconds, sorted by actor, then time.

    Counts are Poisson about the actor's rate; days off, weekends and hours follow the habits.
    """
    n = len(habits.rate)
    zone = (habits.zone_h * HOUR).astype(np.int64)
    first_day = (habits.begin + zone) // DAY - 1
    span = (habits.end + zone) // DAY + 2 - first_day
    kept = (5 + 2 * habits.weekend) / 7 * habits.day_share
    count = rng.poisson(np.where(habits.end > habits.begin, habits.rate * span / kept, 0.0))
    actor = np.repeat(np.arange(n), count)
    day = first_day[actor] + (rng.random(len(actor)) * span[actor]).astype(np.int64)
    place = rng.random(len(actor)) * _STEPS
    step = place.astype(np.int64)
    low = _QUANTILES[habits.rhythm[actor], step]
    high = _QUANTILES[habits.rhythm[actor], step + 1]
    hour = low + (place - step) * (high - low)
    start = day * DAY + (hour * HOUR).astype(np.int64) - zone[actor]
    weekend = (day + 3) % 7 >= 5  # 1 January 1970 was a Thursday
    habit = int(rng.integers(2**31))
    mood = mix((actor.astype(np.uint64) << np.uint64(24)) + day.astype(np.uint64), habit) >> np.uint64(11)
    keep = (start >= habits.begin[actor]) & (start < habits.end[actor])
    keep &= ~weekend | (rng.random(len(actor)) < habits.weekend[actor])
    keep &= mood.astype(np.float64) / 2**53 < habits.day_share[actor]
    actor, start = actor[keep], start[keep]
    order = np.lexsort((start, actor))
    return actor[order], start[order]


def hourly(rhythm: int, time: I64) -> F64:
    """Intensity of a rhythm at UTC times, 1 on average over a day."""
    weights = np.array(_HOURLY[RHYTHMS[rhythm]], dtype=np.float64)
    intensity: F64 = (weights / weights.mean())[time % DAY // HOUR]
    return intensity


def bursts(rng: np.random.Generator, starts: I64, size: NDArray[np.int64], spread: int) -> tuple[I64, I64]:
    """``size`` starts after each of ``starts``, exponentially spread over about ``spread`` microseconds each: the
    index of the burst and the times."""
    which = np.repeat(np.arange(len(starts)), size)
    return which, starts[which] + (rng.exponential(spread, len(which))).astype(np.int64)
