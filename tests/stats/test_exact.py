"""Tails against scipy where scipy does not underflow, and against closed forms where it does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, gamma

from stillhunt.stats.exact import (
    chernoff_bernoullis,
    chernoff_exponentials,
    log_binomial_sf,
    log_gamma_sf,
    log_lattice_sf,
    log_two_gammas_sf,
)


@pytest.mark.parametrize(("x", "shape"), [(0.0, 3), (50.0, 30), (100.0, 100), (1.01e6, 1e6), (3.0, 300)])
def test_gamma_tail_is_scipys(x: float, shape: float) -> None:
    assert float(log_gamma_sf(x, shape)) == pytest.approx(gamma.logsf(x, shape), rel=1e-10, abs=1e-15)


def test_gamma_tail_far_out() -> None:
    # Integer shapes have a finite sum: P(Gamma(3, 1) >= x) = exp(-x) (1 + x + x²/2).
    x = 1000.0
    assert float(log_gamma_sf(x, 3)) == pytest.approx(-x + math.log(1 + x + x * x / 2), rel=1e-12)
    assert float(log_gamma_sf(x, 1)) == pytest.approx(-x, rel=1e-12)


def test_gamma_tail_is_continuous_where_the_method_changes() -> None:
    x = np.linspace(600, 900, 3001)
    tail = log_gamma_sf(x, 40)
    assert tail.min() < -660 < -640 < tail.max()
    assert np.abs(np.diff(np.diff(tail))).max() < 1e-4


@pytest.mark.parametrize(("k", "n", "p"), [(0, 5, 0.5), (5, 5, 0.5), (30, 100, 0.25), (2600, 10_000, 0.25)])
def test_binomial_tail_is_scipys(k: int, n: int, p: float) -> None:
    assert log_binomial_sf(k, n, p) == pytest.approx(binom.logsf(k - 1, n, p), rel=1e-9, abs=1e-12)


def test_binomial_tail_far_out() -> None:
    n, k = 4000, 3990
    exact = [
        math.log(math.comb(n, j)) + j * math.log(0.25) + (n - j) * math.log(0.75) for j in range(k, n + 1)
    ]
    assert log_binomial_sf(k, n, 0.25) == pytest.approx(float(np.logaddexp.reduce(exact)), rel=1e-9)
    assert log_binomial_sf(n, n, 0.25) == pytest.approx(n * math.log(0.25), rel=1e-12)


def test_two_gammas_match_simulation() -> None:
    rng = np.random.default_rng(5)
    total = 0.9 * rng.gamma(20, size=400_000) + 0.1 * rng.gamma(20, size=400_000)
    for x in (15.0, 20.0, 26.0, 30.0):
        seen = float((total >= x).mean())
        error = 4 * math.sqrt(seen * (1 - seen) / len(total))
        assert math.exp(log_two_gammas_sf(x, 20, 0.9, 0.1)) == pytest.approx(seen, abs=error)


def test_two_gammas_at_the_edges() -> None:
    assert log_two_gammas_sf(30, 20, 1.0, 0.0) == pytest.approx(float(log_gamma_sf(30, 20)))
    assert log_two_gammas_sf(30, 20, 0.5, 0.5) == pytest.approx(float(log_gamma_sf(60, 40)))
    both = np.array([0.9, 0.1])
    bound = chernoff_exponentials(400.0, both, np.array([20, 20]))
    assert bound - 6 < log_two_gammas_sf(400, 20, 0.9, 0.1) <= bound


def test_bounds_are_bounds_and_not_far_off() -> None:
    exact = float(log_gamma_sf(400.0, 200))
    bound = chernoff_exponentials(400.0, np.ones(200))
    assert exact <= bound <= exact + 5
    exact = log_binomial_sf(120, 200, 0.25)
    bound = chernoff_bernoullis(120.0, np.ones(200), 0.25)
    assert exact <= bound <= exact + 4
    assert chernoff_exponentials(10.0, np.ones(20)) == 0.0
    assert chernoff_bernoullis(5.0, np.ones(20), 0.25) == 0.0
    assert chernoff_bernoullis(20.0, np.ones(20), 0.25) == pytest.approx(20 * math.log(0.25), abs=0.1)


def test_weighted_bound_holds_in_simulation() -> None:
    rng = np.random.default_rng(8)
    weights = rng.integers(1, 50, 30).astype(float)
    sums = rng.exponential(size=(200_000, 30)) @ weights
    for quantile in (0.9, 0.99, 0.999):
        x = float(np.quantile(sums, quantile))
        assert math.exp(chernoff_exponentials(x, weights)) >= 1 - quantile


def test_lattice_tail_of_coins_is_binomial() -> None:
    pmf = binom.pmf(np.arange(51), 50, 0.5)
    for total in (0, 700, 760, 900, 1200, 1499, 1500):
        assert log_lattice_sf(total, pmf, 30) == pytest.approx(
            log_binomial_sf(total, 1500, 0.5), rel=1e-8, abs=1e-9
        )
    assert log_lattice_sf(1501, pmf, 30) == -math.inf


def test_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="0 <= k <= n"):
        log_binomial_sf(6, 5, 0.5)
    with pytest.raises(ValueError, match="weights >= 0"):
        chernoff_exponentials(1.0, np.array([-1.0]))
    with pytest.raises(ValueError, match="n >= 1"):
        log_two_gammas_sf(1.0, 0, 0.9, 0.1)


def test_lattice_tails_move_with_their_law() -> None:
    pmf = binom.pmf(np.arange(21), 20, 0.3)
    far = np.concatenate([np.zeros(1_000_000), pmf])
    for total in (40, 60, 90):
        moved = log_lattice_sf(total + 8 * 1_000_000, far, 8)
        assert moved == pytest.approx(log_lattice_sf(total, pmf, 8), rel=1e-9)
