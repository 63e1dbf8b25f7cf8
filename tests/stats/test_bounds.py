"""The Chernoff bound against exact tails."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, hypergeom, poisson_binom

from stillhunt.stats.bounds import chernoff_upper


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
