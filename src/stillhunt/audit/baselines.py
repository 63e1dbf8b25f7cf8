"""Usage baselines per application and key, by hour of the week, and hours that depart from them.

Null: in one slot of the week, the hours of all weeks are draws of one negative binomial law (a Poisson law whose rate
varies, such as bursts). Given their sum, one of ``n`` such draws is beta-binomial whatever the rate, so the test needs
no estimate of it; only the dispersion is estimated, once per series, from the middle of the slots' variance ratios,
so that a few odd hours cannot hide themselves. Hours found are taken out of their slot and the rest is tested again.
Level: Bonferroni over series, measures, hours and both directions.

Source: the conditional law of one negative binomial given a sum of them (a Pólya urn); Holm (1979) for taking out
what was found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betaln, gammaln
from scipy.stats import binom, chi2

from stillhunt.audit.exchanges import Exchange

SLOTS = 168
LEAST_WEEKS = 4
_HOUR_S = 3600
_CUT = 0.97
"""Share of the slots' variance ratios that the dispersion is estimated from: the lower ones."""
_SURE = 2.0
"""Standard errors that are added to the estimate."""


@dataclass(frozen=True, slots=True)
class Departure:
    """One hour of one series that its baseline does not explain. ``usual``: median of the slot's other weeks;
    ``p_value``: already multiplied by the number of tests."""

    application: str
    key: str
    measure: str
    hour: datetime
    value: float
    usual: float
    p_value: float


@dataclass(frozen=True)
class Baselines:
    """What was found among ``series`` of ``hours`` hours; ``tests`` counts the tests that the level is shared by.
    ``weeks`` is 0 where the log is too short."""

    departures: tuple[Departure, ...] = ()
    series: int = 0
    hours: int = 0
    tests: int = 0
    weeks: int = 0


def baselines(exchanges: Sequence[Exchange], level: float) -> Baselines:
    """Tests every series of whole weeks. ``level``: the chance of any departure at all where there is none."""
    begin = _hour(exchanges[0].time) + timedelta(hours=1)
    weeks = int((exchanges[-1].time - begin).total_seconds() // (SLOTS * _HOUR_S))
    if weeks < LEAST_WEEKS:
        return Baselines()
    hours = weeks * SLOTS
    held: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
    for one in exchanges:
        at = int((one.time - begin).total_seconds() // _HOUR_S)
        if 0 <= at < hours:
            held[one.application, one.key].append((at, (one.input_tokens or 0) + (one.output_tokens or 0)))
    tests = len(held) * 2 * 2 * hours
    found: list[Departure] = []
    for (application, key), rows in sorted(held.items()):
        places = np.array([at for at, _ in rows])
        tokens = np.array([size for _, size in rows], dtype=np.float64)
        requests = np.bincount(places, minlength=hours).astype(np.float64)
        unit = max(1.0, float(np.quantile(tokens, 0.99)))
        volume = np.round(np.bincount(places, np.minimum(tokens, unit) / unit, hours)).astype(np.float64)
        totals = np.bincount(places, tokens, hours).astype(np.float64)
        for measure, counts, shown in (
            ("requests", requests, requests),
            ("tokens", volume, totals),
        ):
            for at, p_value in depart(counts.reshape(weeks, SLOTS), level / tests):
                others = np.delete(shown.reshape(weeks, SLOTS)[:, at % SLOTS], at // SLOTS)
                usual = float(np.median(others))
                when = begin + timedelta(hours=int(at))
                found.append(
                    Departure(
                        application, key, measure, when, float(shown[at]), usual, min(1.0, p_value * tests)
                    )
                )
    return Baselines(tuple(found), len(held), hours, tests, weeks)


def depart(counts: NDArray[np.float64], level: float) -> list[tuple[int, float]]:
    """Hours that depart, as (place, one-sided p-value), of counts of shape (weeks, slots); ``level`` is that of one
    test in one direction."""
    size = 1 / max(dispersion(counts), 1e-9)
    left = np.ones(counts.shape, dtype=bool)
    found: list[tuple[int, float]] = []
    while True:
        p = _p_values(counts, left, size)
        worst = np.argmin(p, axis=0)
        values = p[worst, np.arange(counts.shape[1])]
        hits = np.flatnonzero(values < level)
        if len(hits) == 0:
            return found
        for slot in hits:
            week = int(worst[slot])
            left[week, slot] = False
            found.append((week * counts.shape[1] + int(slot), float(values[slot])))


def dispersion(counts: NDArray[np.float64]) -> float:
    """How far the variance within slots exceeds the mean, as ``variance = mean + d mean²``; counts of shape (weeks,
    slots). The lower part of the slots decides; errs upward by two standard errors."""
    weeks = counts.shape[0]
    mean, variance = counts.mean(axis=0), counts.var(axis=0, ddof=1)
    filled = mean > 0
    if filled.sum() < 10:
        return 1.0
    mean, variance = mean[filled], variance[filled]
    freedom = weeks - 1
    cut = chi2.ppf(_CUT, freedom)
    expected = chi2.cdf(cut, freedom + 2) / _CUT  # mean of chi2 / freedom below its quantile
    kept = max(1, int(_CUT * len(mean)))
    aim = max(0.2, 1 - _SURE * float(np.sqrt(2 / (freedom * kept))))

    def excess(d: float) -> float:
        ratios = np.sort(variance / (mean * (1 + d * mean)))[:kept]
        return float(ratios.mean() / expected) - aim

    if excess(0.0) <= 0:
        return 0.0
    return 1e3 if excess(1e3) > 0 else float(brentq(excess, 0.0, 1e3, xtol=1e-6))


def _p_values(counts: NDArray[np.float64], left: NDArray[np.bool_], size: float) -> NDArray[np.float64]:
    """The smaller of both one-sided p-values of each hour given the sum of its slot; 1 where it was taken out."""
    result = np.ones(counts.shape)
    n = left.sum(axis=0)
    totals = (counts * left).sum(axis=0)
    for slot in np.flatnonzero((n >= 3) & (totals > 0)):
        weeks = np.flatnonzero(left[:, slot])
        pmf = _share_of_one(int(totals[slot]), int(n[slot]), size)
        upper = np.minimum(np.cumsum(pmf[::-1])[::-1], 1.0)
        lower = np.minimum(np.cumsum(pmf), 1.0)
        seen = counts[weeks, slot].astype(np.int64)
        result[weeks, slot] = np.minimum(upper[seen], lower[seen])
    return result


def _share_of_one(total: int, n: int, size: float) -> NDArray[np.float64]:
    """P(one of n = k | their sum = total), k = 0 … total: beta-binomial, or binomial without excess."""
    k = np.arange(total + 1)
    if size >= 1e8:
        return np.asarray(binom.pmf(k, total, 1 / n))
    choose = gammaln(total + 1) - gammaln(k + 1) - gammaln(total - k + 1)
    a, b = size, (n - 1) * size
    return np.asarray(np.exp(choose + betaln(k + a, total - k + b) - betaln(a, b)))


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
