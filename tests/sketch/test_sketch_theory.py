"""Closed forms against counting."""

from __future__ import annotations

import numpy as np
import pytest

from stillhunt.sketch.theory import band_agrees, chance_pairs, jaccard_sd, used_slots


def test_the_number_of_used_slots_is_that_of_throwing_balls() -> None:
    rng = np.random.default_rng(1)
    thrown = rng.integers(0, 64, (20_000, 50))
    used = np.array([len(set(row)) for row in thrown.tolist()])
    chance = used_slots(50)
    assert chance.sum() == pytest.approx(1)
    assert chance @ np.arange(65) == pytest.approx(64 * (1 - (63 / 64) ** 50))
    assert chance @ np.arange(65) == pytest.approx(used.mean(), abs=4.5 * used.std() / np.sqrt(20_000))
    assert used_slots(1).argmax() == 1


def test_the_error_has_its_known_limits() -> None:
    assert jaccard_sd(0.5, 1) == 0
    assert jaccard_sd([0.0, 1.0], 500).tolist() == [0.0, 0.0]
    # Two shingles, one of them in both texts: wrong by one half when they share a slot, which happens once in 64.
    assert jaccard_sd(0.5, 2) == pytest.approx(np.sqrt(0.25 / 64))
    # For many shingles it is that of 64 independent draws, and never above.
    assert jaccard_sd(0.5, 10**7) == pytest.approx(np.sqrt(0.25 / 64), rel=1e-3)
    assert jaccard_sd(0.3, 2559) == pytest.approx(float(jaccard_sd(0.3, 2561)), rel=1e-3)
    assert jaccard_sd([[0.2], [0.4]], [100, 200, 300]).shape == (2, 3)


def test_bands_of_unrelated_texts_agree_by_32_bits() -> None:
    assert band_agrees(0.0) == pytest.approx(2.0**-32)
    assert band_agrees(1.0) == 1
    assert band_agrees(0.8) == pytest.approx(0.64, rel=1e-4)


def test_pairs_by_chance_are_those_of_drawing_at_random() -> None:
    rng = np.random.default_rng(2)
    found = []
    for _ in range(400):
        _, counts = np.unique(rng.integers(0, 2**12, 300), return_counts=True)
        found.append((counts * (counts - 1) // 2).sum())
    expected = float(chance_pairs(300, 12))
    assert np.mean(found) == pytest.approx(expected, abs=4.5 * np.sqrt(expected / 400))
    assert chance_pairs(1, 32) == 0
