"""Tail bounds that hold without knowing the exact law."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def chernoff_upper(x: ArrayLike, mean: ArrayLike) -> NDArray[np.float64]:
    """Nats of evidence that a count is too high: a lower bound on ``-log P(X >= x)``.

    x, mean: counts and their expectation, any broadcastable shapes. Holds for sums of independent, not necessarily
    identical, indicators with that total mean, and for hypergeometric counts. Zero where ``x <= mean``.

    Source: the Chernoff bound ``P(X >= x) <= exp(-(x log(x/mean) - x + mean))``; for sampling without
    replacement, Hoeffding (1963), theorem 4.
    """
    count = np.asarray(x, dtype=np.float64)
    expected = np.maximum(np.asarray(mean, dtype=np.float64), 1e-300)
    safe = np.maximum(count, 1e-300)
    bound = count * np.log(safe / expected) - count + expected
    return np.where(count > expected, np.maximum(bound, 0.0), 0.0)
