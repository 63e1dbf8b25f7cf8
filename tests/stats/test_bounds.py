"""Tail bounds against exact tails."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom, hypergeom, poisson_binom
from super_uniform import excess

from stillhunt.stats.bounds import chernoff_upper, hoeffding_lower


@given(n=st.integers(1, 400), p=st.floats(0.001, 0.999), x=st.integers(0, 400))
def test_never_claims_more_than_the_exact_binomial_tail(n: int, p: float, x: int) -> None:
    exact = -binom.logsf(x - 1, n, p)
    assert float(chernoff_upper(x, n * p)) <= exact + 1e-9


@given(
    population=st.integers(2, 200),
    marked=st.integers(0, 200),
    drawn=st.integers(1, 200),
    x=st.integers(0, 200),
)
def test_holds_for_sampling_without_replacement(population: int, marked: int, drawn: int, x: int) -> None:
    marked, drawn = min(marked, population), min(drawn, population)
    exact = -hypergeom.logsf(x - 1, population, marked, drawn)
    assert float(chernoff_upper(x, drawn * marked / population)) <= exact + 1e-9


@given(chances=st.lists(st.floats(0.001, 0.999), min_size=1, max_size=30), x=st.integers(0, 30))
def test_holds_for_indicators_of_unequal_chance(chances: list[float], x: int) -> None:
    tail = float(poisson_binom.sf(x - 1, chances))
    bound = float(chernoff_upper(x, sum(chances)))
    assert tail <= np.exp(-bound) + 1e-12


def test_known_values() -> None:
    assert float(chernoff_upper(10, 5)) == pytest.approx(10 * np.log(2) - 5)
    assert float(chernoff_upper(5, 5)) == 0.0
    assert float(chernoff_upper(3, 5)) == 0.0
    assert float(chernoff_upper(0, 0)) == 0.0
    assert np.isfinite(chernoff_upper(3, 0))
    assert chernoff_upper(3, 0) > 1_000


def test_is_near_the_exact_tail_where_evidence_is_strong() -> None:
    x = np.array([20, 40, 80])
    exact = -binom.logsf(x - 1, 100_000, 1e-4)
    assert (chernoff_upper(x, 10.0) > 0.85 * exact - 3).all()


def test_broadcasts() -> None:
    assert chernoff_upper(np.arange(6).reshape(3, 2), np.array([1.0, 2.0])).shape == (3, 2)


@given(n=st.integers(1, 400), p=st.floats(0.01, 0.99), x=st.integers(0, 400))
def test_a_low_average_is_never_made_more_of_than_the_exact_binomial_tail(n: int, p: float, x: int) -> None:
    x = min(x, n)
    assert float(hoeffding_lower(x / n, p, n)) <= -binom.logcdf(x, n, p) + 1e-9


def test_known_values_of_low_averages() -> None:
    assert float(hoeffding_lower(0.0, 1 / 3, 10)) == pytest.approx(10 * np.log(1.5))
    assert float(hoeffding_lower(0.25, 0.5, 8)) == pytest.approx(2 * np.log(0.5) + 6 * np.log(1.5))
    assert hoeffding_lower([0.4, 0.5, 1.0, 1.7], 0.4, [5, 5, 5, 5]).tolist() == [0.0] * 4
    assert float(hoeffding_lower(0.1, 0.4, 0)) == 0.0
    assert float(hoeffding_lower(-1e-12, 0.4, 3)) == pytest.approx(3 * np.log(1 / 0.6))


def test_a_low_average_of_more_values_is_stronger_evidence() -> None:
    nats = hoeffding_lower(np.linspace(0.0, 0.3, 7)[:, None], 0.3, np.array([10, 20, 40]))
    assert nats.shape == (7, 3)
    assert (np.diff(nats, axis=0) < 0).all()
    assert nats[:, 1] == pytest.approx(2 * nats[:, 0])


@pytest.mark.parametrize("mean", [0.0, 1.0, -0.2, 1.5, float("nan")])
def test_a_mean_outside_the_range_of_the_values_is_refused(mean: float) -> None:
    with pytest.raises(ValueError, match="mean between 0 and 1"):
        hoeffding_lower(0.1, mean, 3)


@pytest.mark.parametrize("n", [2, 10, 200])
@pytest.mark.parametrize("shape", [(0.05, 0.1), (0.5, 1.0), (3.0, 6.0)])
def test_p_values_of_low_averages_are_super_uniform(n: int, shape: tuple[float, float]) -> None:
    """For laws of mean 1/3 from almost two-valued to narrow; the second is that of the square of a uniform value."""
    average = beta.rvs(*shape, size=(20_000, n), random_state=np.random.default_rng(n)).mean(axis=1)
    p = np.exp(-hoeffding_lower(average, 1 / 3, n))
    assert excess(p) == {}
    assert (p < 1).mean() > 0.3
