"""Are counts more even than independent sources would make them?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2


def under_dispersion(counts: NDArray[np.int64], sizes: NDArray[np.int64]) -> tuple[float, float, int]:
    """Lower-tail test of Fisher's index of dispersion, pooled over windows.

    counts: shape (sum(sizes),), the counts of the sources present in window 0, then of window 1, and so on.
    sizes: shape (windows,), how many sources each window holds.
    Returns the ratio ``X² / degrees of freedom`` (1 when independent and equally busy, more when unequally busy,
    near 0 when work is dealt in turn), the p-value of so small a ratio, and the degrees of freedom.

    Null: within a window, every source draws its events independently at one rate. Sources with unequal rates
    only raise the ratio, so the p-value stays valid (super-uniform) for them.
    Source: Fisher (1950), the significance of deviations from expectation in a Poisson series.
    """
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int64)
    usable = sizes >= 2
    if not usable.any():
        return float("nan"), 1.0, 0
    totals = np.add.reduceat(counts.astype(np.float64), starts)
    squares = np.add.reduceat(counts.astype(np.float64) ** 2, starts)
    usable &= totals > 0
    mean = np.divide(totals, sizes, out=np.ones_like(totals), where=usable)
    statistic = np.where(usable, squares / mean - totals, 0.0).sum()
    freedom = int((sizes[usable] - 1).sum())
    if freedom == 0:
        return float("nan"), 1.0, 0
    return float(statistic / freedom), float(chi2.cdf(statistic, freedom)), freedom
