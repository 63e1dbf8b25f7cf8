"""A null's tail: counted within its range, continued so that it errs towards larger p-values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from super_uniform import excess

from stillhunt.stats.tails import CONFIDENCE, EXCEEDANCES, fit_null_tail


def test_counted_within_the_range() -> None:
    tail = fit_null_tail(np.arange(1.0, 101.0), runs=10)
    # 100 pooled scores of 10 runs: 51 of them are at least 50, and one more is added for the observed run.
    assert tail.expected_per_run(np.array([50.0])) == pytest.approx([(1 + 51) / 10])
    assert tail.p_values(np.array([50.0, 1e9])) == pytest.approx([1.0, 0.0], abs=1e-6)


def test_continued_beyond_it_at_one_per_nat_at_most() -> None:
    random = np.random.default_rng(20)
    tail = fit_null_tail(random.exponential(0.2, 5_000), runs=20)
    assert tail.rate == 1.0  # the scores fall off at 5 per nat; the continuation trusts one
    far = tail.threshold + np.array([1.0, 2.0])
    expected = tail.expected_per_run(far)
    assert expected[0] / expected[1] == pytest.approx(np.e)


def test_a_heavy_null_slows_the_continuation() -> None:
    """The rate is a lower 95 % confidence bound of the true one, here 1/4: 400 fits, exact binomial test at 1e-4."""
    random = np.random.default_rng(21)
    rates = np.array([fit_null_tail(random.exponential(4.0, 2_000), runs=20).rate for _ in range(400)])
    assert binom.sf((rates > 0.25).sum() - 1, 400, 1 - CONFIDENCE) > 1e-4
    assert 0.15 < np.median(rates) < 0.25


@given(st.lists(st.floats(0, 50), max_size=60), st.integers(1, 20))
@settings(max_examples=60)
def test_expectation_never_rises_with_the_score(scores: list[float], runs: int) -> None:
    tail = fit_null_tail(np.array(scores), runs)
    at = np.linspace(0, 100, 400)
    assert (np.diff(tail.expected_per_run(at)) <= 1e-12).all()


def test_few_or_no_scores() -> None:
    silent = fit_null_tail(np.zeros(40), runs=20)
    assert (silent.threshold, silent.rate) == (0.0, 1.0)
    assert silent.expected_per_run(np.array([3.0])) == pytest.approx([np.exp(-3) * 41 / 20])
    assert fit_null_tail(np.zeros(0), runs=20).p_values(np.array([0.0])) == pytest.approx([1 / 20])
    with pytest.raises(ValueError, match="at least 1 null run"):
        fit_null_tail(np.zeros(1), runs=0)


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_super_uniform_for_one_candidate_per_run(scale: float) -> None:
    """Null and observed scores of one law, exponential with the mean ``scale``; one candidate in each run. Beyond the
    range of the null, p-values must stay valid too: so few null runs that level 0.01 lies in the continuation."""
    random = np.random.default_rng(22)
    p = np.array(
        [
            fit_null_tail(random.exponential(scale, 40), runs=40).p_values(random.exponential(scale, 1))[0]
            for _ in range(8_000)
        ]
    )
    assert excess(p) == {}


def test_many_candidates_are_weighed_by_their_number() -> None:
    tail = fit_null_tail(np.random.default_rng(23).exponential(1.0, 20 * EXCEEDANCES), runs=20)
    one, ten = tail.p_values(np.array([3.0])), tail.p_values(np.full(10, 3.0))
    assert ten == pytest.approx(np.full(10, min(1.0, tail.expected_per_run(np.array([3.0]))[0] / 10)))
    assert one[0] >= ten[0]


@pytest.mark.parametrize("every", [1.0, 4.0, 40.0])
def test_super_uniform_where_a_sample_stands_for_all(every: float) -> None:
    """400 null groups a run, of which one in ``every`` is scored; 4 runs; the observed group is one of 400."""
    random = np.random.default_rng(24)
    size = int(4 * 400 / every)
    p = np.array(
        [
            fit_null_tail(random.exponential(1.0, size), 4, np.full(size, every)).p_values(
                random.exponential(1.0, 400)
            )[0]
            for _ in range(2_000)
        ]
    )
    assert excess(p) == {}


def test_a_sample_draws_the_tail_of_all() -> None:
    scores = np.random.default_rng(25).exponential(2.0, 40_000)
    whole, tenth = fit_null_tail(scores, 10), fit_null_tail(scores[::10], 10, np.full(4_000, 10.0))
    at = np.array([1.0, 4.0, 8.0])
    assert tenth.expected_per_run(at) == pytest.approx(whole.expected_per_run(at), rel=0.35)
    assert tenth.rate == pytest.approx(whole.rate, rel=0.3)
    doubled = fit_null_tail(np.repeat(scores[:500], 2), 10)
    assert fit_null_tail(scores[:500], 10, np.full(500, 2.0)).at_least[0] == doubled.at_least[0] + 1
