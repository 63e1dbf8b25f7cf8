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


def hoeffding_lower(average: ArrayLike, mean: float, n: ArrayLike) -> NDArray[np.float64]:
    """Nats of evidence that an average is too low: a lower bound on ``-log P(average <= a)``.

    average: of ``n`` independent values in [0, 1] with expectation ``mean``, any broadcastable shapes. Zero where
    ``average >= mean``. Source: Hoeffding (1963), theorem 1: ``P <= exp(-n KL(a || mean))``.
    """
    if not 0.0 < mean < 1.0:
        raise ValueError(f"expected a mean between 0 and 1, got {mean}")
    a = np.clip(np.asarray(average, dtype=np.float64), 0.0, 1.0)
    low = np.where(a > 0.0, a * np.log(np.maximum(a, 1e-300) / mean), 0.0)
    high = np.where(a < 1.0, (1.0 - a) * np.log(np.maximum(1.0 - a, 1e-300) / (1.0 - mean)), 0.0)
    return np.where(a < mean, np.asarray(n, dtype=np.float64) * np.maximum(low + high, 0.0), 0.0)
