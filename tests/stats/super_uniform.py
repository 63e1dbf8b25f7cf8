"""Are p-values super-uniform? A stated, seeded test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

LEVELS = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5)
SIGNIFICANCE = 1e-4
"""Of the test itself, over all its levels."""


def excess(p: NDArray[np.float64]) -> dict[float, float]:
    """The levels at which more of the p-values lie than a super-uniform law allows: at each level the exact one-sided
    binomial test of ``P(p <= level) <= level``, at SIGNIFICANCE divided by the number of levels (Bonferroni). Gives the
    observed share of each level at fault; empty when none is."""
    shares = {level: float((p <= level).mean()) for level in LEVELS}
    return {
        level: share
        for level, share in shares.items()
        if binom.sf(round(share * len(p)) - 1, len(p), level) < SIGNIFICANCE / len(LEVELS)
    }
