from __future__ import annotations

import math

import numpy as np
import pytest

from stillhunt.errors import SettingError
from stillhunt.marks.keys import SubKey
from stillhunt.trace.withheld import issued_choice, rank_test

SUBKEY = SubKey(bytes(range(32)))


def test_the_coin_is_fair_fixed_and_keyed() -> None:
    choices = np.array([issued_choice(SUBKEY, f"prompt {i}", 8) for i in range(4_000)])
    counts = np.bincount(choices, minlength=8)
    assert float(((counts - 500) ** 2 / 500).sum()) < 24.3  # chi-squared, 7 degrees, 0.999
    assert choices[5] == issued_choice(SUBKEY, "prompt 5", 8)
    other = np.array([issued_choice(SubKey(bytes(32)), f"prompt {i}", 8) for i in range(4_000)])
    assert (choices == other).mean() < 0.2
    with pytest.raises(SettingError, match="2 candidates"):
        issued_choice(SUBKEY, "p", 1)


def test_p_values_are_never_too_small_over_coins() -> None:
    """One suspect with preferences of its own, some tied; the coins of 2,000 keys."""
    rng = np.random.default_rng(1)
    preferences = np.round(rng.normal(size=(40, 8)), 1)
    found = [10 ** rank_test(preferences, rng.integers(0, 8, 40)).log10_p for _ in range(2_000)]
    for level in (0.2, 0.05, 0.01):
        share = np.mean(np.array(found) <= level)
        assert level * 0.4 - 0.005 <= share <= level + 4 * math.sqrt(level * (1 - level) / 2_000)


def test_a_suspect_that_saw_the_issued_answers_is_told_exactly() -> None:
    rng = np.random.default_rng(2)
    issued = rng.integers(0, 8, 64)
    preferences = rng.normal(size=(64, 8))
    preferences[np.arange(64), issued] += 20
    found = rank_test(preferences, issued)
    assert found.statistic == 64 * 7
    assert found.log10_p == pytest.approx(-64 * math.log10(8))


def test_ties_and_no_prompts_are_no_evidence() -> None:
    assert rank_test(np.zeros((9, 4)), np.zeros(9, dtype=np.int64)).log10_p == 0.0
    assert rank_test(np.zeros((0, 4)), np.zeros(0, dtype=np.int64)).log10_p == 0.0


@pytest.mark.parametrize(
    ("preferences", "issued"),
    [
        (np.zeros((3, 1)), np.zeros(3, dtype=np.int64)),
        (np.zeros((3, 4)), np.zeros(2, dtype=np.int64)),
        (np.full((1, 4), np.nan), np.zeros(1, dtype=np.int64)),
        (np.zeros((1, 4)), np.array([4])),
        (np.zeros((1, 4)), np.array([-1])),
    ],
)
def test_tables_that_do_not_fit_are_refused(preferences: np.ndarray, issued: np.ndarray) -> None:
    with pytest.raises(SettingError, match="expected"):
        rank_test(preferences, issued)
