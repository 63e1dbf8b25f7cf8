"""Closed forms: how well a sketch estimates, and how often a code agrees by chance (docs/limits.md)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stillhunt.schema.requests import SKETCH_SLOTS

PART_BITS = 16
"""Bits of one of the two parts of a template band."""
DIGEST_BITS = 32
"""Bits of the digest of the exact text in a row."""
_SURELY_FULL = 40 * SKETCH_SLOTS
"""From this many shingles on, a slot is empty with a probability below 64 exp(-40)."""


def jaccard_sd(jaccard: ArrayLike, union: ArrayLike) -> NDArray[np.float64]:
    """Standard deviation of the estimate from two full sketches, any broadcastable shapes.

    jaccard: the true similarity. union: the number of shingles that either text has, at least 1.
    Source: P. Li, A. Owen, C.-H. Zhang, "One permutation hashing", NeurIPS 2012, theorem 2.
    """
    j, f = np.broadcast_arrays(np.asarray(jaccard, dtype=np.float64), np.asarray(union, dtype=np.int64))
    sizes, place = np.unique(f.ravel(), return_inverse=True)
    rest = np.maximum(sizes - 1, 1)
    per_slot = np.array([_mean_of_inverse(int(size)) for size in sizes])
    factor = np.where(sizes > 1, per_slot * (1 + 1 / rest) - 1 / rest, 0.0)
    variance: NDArray[np.float64] = j * (1 - j) * np.maximum(factor, 0.0)[place].reshape(f.shape)
    return np.sqrt(variance)


def used_slots(union: int) -> NDArray[np.float64]:
    """Probability that ``union`` shingles fall into 0, 1, ..., 64 different slots, shape (65,)."""
    taken = np.arange(SKETCH_SLOTS + 1)
    chance = np.zeros(SKETCH_SLOTS + 1)
    chance[0] = 1.0
    for _ in range(union):
        grown = chance[:-1] * (SKETCH_SLOTS - taken[:-1]) / SKETCH_SLOTS
        chance *= taken / SKETCH_SLOTS
        chance[1:] += grown
    return chance


def band_agrees(jaccard: ArrayLike) -> NDArray[np.float64]:
    """Probability that the template bands of two different texts of this similarity are equal, for texts with so
    many shingles that both halves of their slots hold some. Each part agrees when the least value of its half
    belongs to both texts, or else when 16 bits collide."""
    j = np.asarray(jaccard, dtype=np.float64)
    return np.square(j + (1 - j) * 2.0**-PART_BITS)


def chance_pairs(texts: ArrayLike, bits: int) -> NDArray[np.float64]:
    """Expected pairs among ``texts`` different, unrelated texts whose codes of ``bits`` bits are equal."""
    n = np.asarray(texts, dtype=np.float64)
    return n * (n - 1) / 2 * 2.0**-bits


def _mean_of_inverse(union: int) -> float:
    """E[1 / used slots]."""
    if union >= _SURELY_FULL:
        return 1 / SKETCH_SLOTS
    return float((used_slots(union)[1:] / np.arange(1, SKETCH_SLOTS + 1)).sum())
