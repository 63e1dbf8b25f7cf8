"""Evenness: valid for independent sources, blind to none that takes turns."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2
from super_uniform import excess

from stillhunt.stats.dispersion import evenness_p

DRAWS = 20_000


def p_of(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """p-values of windows of shape (draws, windows, sources), added over windows."""
    mean = counts.mean(axis=2, keepdims=True)
    some = mean[..., 0] > 0
    statistic = np.divide(
        ((counts - mean) ** 2).sum(axis=2), mean[..., 0], out=np.zeros(some.shape), where=some
    ).sum(axis=1)
    freedom = (some * (counts.shape[2] - 1)).sum(axis=1)
    step = 2 / np.maximum(mean[..., 0].max(axis=1), 1e-9)
    return evenness_p(statistic, freedom, step)


@pytest.mark.parametrize(
    ("sources", "rate", "windows"), [(5, 3.0, 1), (20, 1.5, 7), (60, 0.7, 3), (12, 40.0, 5)]
)
def test_super_uniform_for_independent_sources_of_one_rate(sources: int, rate: float, windows: int) -> None:
    random = np.random.default_rng((1, sources, windows))
    assert excess(p_of(random.poisson(rate, (DRAWS, windows, sources)))) == {}


def test_super_uniform_for_sources_of_unequal_rates() -> None:
    random = np.random.default_rng(2)
    rates = random.lognormal(1.0, 0.7, 20)
    assert excess(p_of(random.poisson(rates, (DRAWS, 4, 20)))) == {}


def test_the_test_itself_sees_p_values_that_are_too_small() -> None:
    assert excess(np.random.default_rng(3).random(DRAWS) ** 1.2) != {}


def test_turns_are_seen() -> None:
    random = np.random.default_rng(4)
    dealt = np.full((50, 7, 20), 5) + random.integers(0, 2, (50, 7, 20))
    assert p_of(dealt).max() < 1e-12


def test_closed_form_and_edges() -> None:
    found = evenness_p(np.array([3.0, 0.0, 9.0]), np.array([4, 0, 9]), np.array([0.5, 2.0, 0.0]))
    assert found == pytest.approx([chi2.cdf(3.25, 4), 1.0, chi2.cdf(9.0, 9)])
    tie_of_two = p_of(np.array([[[1, 1]]]))
    assert tie_of_two[0] > 0.5
