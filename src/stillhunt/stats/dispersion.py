"""Are counts more even than independent sources would make them?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2


def evenness_p(
    statistic: NDArray[np.float64], freedom: NDArray[np.int64], step: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Lower-tail p-values of Fisher's dispersion statistic, shape (n,); 1 where there is no degree of freedom.

    statistic: ``sum((x - mean)²) / mean``, added over windows. freedom: sources less one, added over windows.
    step: the smallest amount by which the statistic can change, ``2 / mean`` of the busiest window; half of it is
    added as continuity correction, so that a perfect tie of a few small counts is no proof.

    Null: within a window, every source draws its events independently at one rate. Sources with unequal rates
    only raise the statistic, so the p-value stays valid (super-uniform) for them.
    Source: Fisher (1950), the significance of deviations from expectation in a Poisson series.
    """
    some = freedom > 0
    corrected = statistic + 0.5 * np.where(some, step, 0.0)
    return np.where(some, chi2.cdf(corrected, np.maximum(freedom, 1)), 1.0)
