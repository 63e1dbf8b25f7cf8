"""The published experiment on windows, as far as it can be done without its embedder and its data (arXiv 2606.05725).

Benign prompts are cut in two. Windows of one half against the rest of that half give the threshold; windows of the
other half, and mixtures of it with attackers, are judged against as many of the first. No prompt is twice in a
comparison, unless the attackers have fewer than it takes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bench.rivals.mmd import WINDOW, Vectors, bandwidth, kernel
from numpy.typing import NDArray

FRACTIONS = (0.05, 0.1, 0.25, 0.5, 1.0)
PUBLISHED = {0.05: 0.59, 0.1: 0.937, 1.0: 1.0}
"""True-positive rates of windows by the fraction of attackers in them."""
PUBLISHED_FPR = 0.003
_POOL = 4500
"""Most prompts of a pool: the kernel of all is held in memory."""


@dataclass(frozen=True)
class Rates:
    """Windows flagged: of benign ones, and of mixtures by the fraction of attackers; of each, ``windows``."""

    benign: float
    mixed: dict[float, float]
    windows: int


def window_rates(
    benign: Vectors, attackers: Vectors, *, size: int = WINDOW, windows: int = 200, seed: int = 1
) -> Rates:
    """Judges windows of ``size`` prompts. benign, attackers: embedded prompts; of benign ones at least 4 * size."""
    if len(benign) < 4 * size:
        raise ValueError(
            f"expected at least {4 * size} benign prompts for windows of {size}, got {len(benign)}"
        )
    rng = np.random.default_rng(seed)
    benign = benign[rng.permutation(len(benign))[: 2 * _POOL]]
    attackers = attackers[rng.permutation(len(attackers))[:_POOL]]
    half = len(benign) // 2
    everyone = np.concatenate([benign, attackers])
    known, held, hostile = range(half), range(half, len(benign)), range(len(benign), len(everyone))
    gram = kernel(everyone, everyone, bandwidth(benign[: min(half, WINDOW)]))

    def statistics(
        comparisons: int, from_known: int, from_held: int, from_hostile: int
    ) -> NDArray[np.float64]:
        """Squared discrepancy (V-statistic) of windows, each from what else is known to be benign."""
        apart = np.zeros((comparisons, len(everyone)), dtype=np.float32)
        for row in apart:
            drawn = rng.choice(known, half - size + from_known, replace=False)
            row[drawn[: half - size]] = -1.0 / (half - size)
            row[drawn[half - size :]] = 1.0 / size
            row[rng.choice(held, from_held, replace=False)] = 1.0 / size
            np.add.at(row, rng.choice(hostile, from_hostile, replace=from_hostile > len(hostile)), 1.0 / size)
        return np.einsum("ij,ij->i", apart @ gram, apart, dtype=np.float64)

    bound = float(np.quantile(statistics(2 * windows, size, 0, 0), 1 - PUBLISHED_FPR))

    def flagged(fraction: float) -> float:
        some = round(fraction * size)
        return float((statistics(windows, 0, size - some, some) > bound).mean())

    return Rates(flagged(0.0), {fraction: flagged(fraction) for fraction in FRACTIONS}, windows)
