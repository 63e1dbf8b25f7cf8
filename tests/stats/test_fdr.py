"""False discovery rates: closed forms, and the level under the null and beside true findings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import binom, false_discovery_control, norm

from stillhunt.stats.fdr import benjamini_hochberg, e_benjamini_hochberg

RUNS = 4_000
LEVEL = 0.1
P = arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 1))


def too_many(hits: int, runs: int, level: float) -> bool:
    """Whether ``hits`` of ``runs`` contradict a rate of at most ``level``: exact binomial test at 1e-4."""
    return bool(binom.sf(hits - 1, runs, level) < 1e-4)


@given(P)
def test_q_values_are_those_of_scipy(p: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p), rtol=1e-12)


@given(P)
def test_q_values_keep_the_order_and_lie_above_the_p_values(p: NDArray[np.float64]) -> None:
    q = benjamini_hochberg(p)
    assert (q >= p * (1 - 1e-12)).all()
    assert (q <= 1).all()
    order = np.argsort(p)
    assert (np.diff(q[order]) >= 0).all()


def test_empty() -> None:
    assert benjamini_hochberg(np.zeros(0)).shape == (0,)
    assert e_benjamini_hochberg(np.zeros(0), 0.1).shape == (0,)


@given(P, st.integers(0, 200))
def test_those_that_were_not_picked_count_as_one(p: NDArray[np.float64], others: int) -> None:
    picked = benjamini_hochberg(p, tested=len(p) + others)
    whole = benjamini_hochberg(np.concatenate((p, np.ones(others))))
    np.testing.assert_allclose(picked, whole[: len(p)], rtol=1e-12)


def test_fewer_tests_than_p_values_are_refused() -> None:
    assert benjamini_hochberg(np.zeros(0), tested=7).shape == (0,)
    assert benjamini_hochberg(np.array([0.01, 0.04]), tested=4).tolist() == pytest.approx([0.04, 0.08])
    with pytest.raises(ValueError, match="got 2 for 3"):
        benjamini_hochberg(np.array([0.1, 0.2, 0.3]), tested=2)


def test_picking_the_smallest_keeps_the_level_only_with_all_that_were_tested() -> None:
    random = np.random.default_rng(13)
    told, untold = 0, 0
    for _ in range(RUNS):
        p = np.sort(random.random(50))[:10]
        told += bool((benjamini_hochberg(p, tested=50) <= LEVEL).any())
        untold += bool((benjamini_hochberg(p) <= LEVEL).any())
    assert not too_many(told, RUNS, LEVEL)
    assert too_many(untold, RUNS, LEVEL)


def test_bh_holds_its_level_when_nothing_is_true() -> None:
    random = np.random.default_rng(10)
    hits = sum(bool((benjamini_hochberg(random.random(50)) <= LEVEL).any()) for _ in range(RUNS))
    assert not too_many(hits, RUNS, LEVEL)
    assert hits > 0.8 * LEVEL * RUNS  # exact for independent uniform p-values: no power is thrown away


def test_bh_holds_its_level_beside_true_findings() -> None:
    random = np.random.default_rng(11)
    shares, found = [], 0
    for _ in range(RUNS):
        z = random.normal(0, 1, 60) + np.where(np.arange(60) < 20, 3.0, 0.0)
        rejected = benjamini_hochberg(norm.sf(z)) <= LEVEL
        shares.append(rejected[20:].sum() / max(rejected.sum(), 1))
        found += int(rejected[:20].sum())
    error = np.std(shares) / np.sqrt(RUNS)
    assert np.mean(shares) <= LEVEL * 40 / 60 + 4 * error
    assert found > 0.5 * 20 * RUNS


def test_e_bh_holds_its_level_under_dependence() -> None:
    """All likelihood ratios of one run share a common shock: BH on p-values has no guarantee here, e-BH has."""
    random = np.random.default_rng(12)
    hits = 0
    for _ in range(RUNS):
        z = np.sqrt(0.7) * random.normal() + np.sqrt(0.3) * random.normal(0, 1, 50)
        e = np.exp(2.0 * z - 2.0)
        hits += bool(e_benjamini_hochberg(e, LEVEL).any())
    assert not too_many(hits, RUNS, LEVEL)


def test_e_bh_by_hand() -> None:
    e = np.array([100.0, 1.0, 15.0, 0.0])
    assert e_benjamini_hochberg(e, 0.1).tolist() == [True, False, False, False]
    assert e_benjamini_hochberg(np.array([100.0, 1.0, 20.0, 0.0]), 0.1).tolist() == [True, False, True, False]
    with pytest.raises(ValueError, match="between 0 and 1"):
        e_benjamini_hochberg(e, 1.0)
