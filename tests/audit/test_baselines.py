"""Baselines: no more false alarms than stated where nothing departs, and departures found where they were planted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest

from stillhunt.audit.baselines import SLOTS, baselines, depart, dispersion
from stillhunt.audit.exchanges import Exchange

BEGIN = datetime(2026, 9, 7, tzinfo=UTC)


def counts(rng: np.random.Generator, weeks: int, rate: float, excess: float) -> NDArray[np.float64]:
    """A log's hours under the null: a rate for each hour of the week, and bursts of variance ``excess``."""
    mean = rate * np.exp(np.random.default_rng(7).normal(0, 0.8, SLOTS)) * np.ones((weeks, 1))
    bursts = rng.gamma(1 / excess, excess, mean.shape) if excess else 1.0
    return rng.poisson(mean * bursts).astype(float)


@pytest.mark.parametrize(
    ("weeks", "rate", "excess"), [(4, 20.0, 0.3), (8, 20.0, 0.0), (8, 20.0, 1.0), (8, 0.3, 0.5)]
)
def test_false_alarms_are_no_more_frequent_than_stated(weeks: int, rate: float, excess: float) -> None:
    rng, level, runs = np.random.default_rng(3), 0.1, 150
    alarms = sum(
        bool(depart(counts(rng, weeks, rate, excess), level / (2 * weeks * SLOTS))) for _ in range(runs)
    )
    assert binomtest(alarms, runs, level, alternative="greater").pvalue > 0.01, alarms


@pytest.mark.parametrize("excess", [0.0, 0.2, 1.0])
def test_the_dispersion_is_found_and_odd_hours_do_not_hide_themselves(excess: float) -> None:
    rng = np.random.default_rng(5)
    log = counts(rng, 8, 20.0, excess)
    clean = dispersion(log)
    assert excess - 0.1 * excess <= clean <= excess * 1.3 + 0.02
    log[2, [10, 60, 110]] = 100 * log.mean()
    assert dispersion(log) == pytest.approx(clean, rel=0.25, abs=0.02)


def exchanges(log: NDArray[np.float64], application: str, tokens: int = 100) -> list[Exchange]:
    hours = log.reshape(-1).astype(int)
    return [
        Exchange(
            BEGIN + timedelta(hours=at, seconds=3600 * (n + 0.5) / count),
            application,
            "key-a",
            input_tokens=tokens,
            output_tokens=tokens,
        )
        for at, count in enumerate(hours)
        for n in range(count)
    ]


def test_a_planted_hour_is_found_and_named() -> None:
    rng = np.random.default_rng(11)
    quiet, loud = counts(rng, 5, 5.0, 0.1), counts(rng, 5, 5.0, 0.1)
    loud[3, 40] += 150
    loud[1, 100] = 0
    rows = exchanges(quiet, "quiet") + exchanges(loud, "loud")
    rows.append(Exchange(BEGIN + timedelta(weeks=5, hours=1), "loud", "key-a"))
    found = baselines(
        [Exchange(BEGIN - timedelta(seconds=1), "loud", "key-a"), *sorted(rows, key=lambda one: one.time)],
        0.01,
    )
    assert (found.series, found.weeks, found.tests) == (2, 5, 2 * 2 * 2 * 5 * SLOTS)
    named = {(one.application, one.measure, one.hour) for one in found.departures}
    hour = BEGIN + timedelta(weeks=3, hours=40)
    assert named == {("loud", "requests", hour), ("loud", "tokens", hour)}
    (requests,) = [one for one in found.departures if one.measure == "requests"]
    assert requests.value == loud[3, 40]
    assert requests.usual == np.median(np.delete(loud[:, 40], 3))
    assert requests.p_value < 0.01


def test_a_short_log_has_no_baseline() -> None:
    rows = exchanges(np.ones((3, SLOTS)), "app")
    assert baselines(rows, 0.01).weeks == 0
