"""e-processes: evidence that may be looked at after every window (spec/marks.md, section 5.6).

Source: V. Vovk and R. Wang, "E-values: calibration, combination and applications", Annals of Statistics 2021; Ville's
inequality: P(the process ever reaches 1 / level) <= level under the null.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from stillhunt.marks.schemes import Scheme
from stillhunt.marks.windows import Windows

F64 = NDArray[np.float64]
TILTS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7)
"""The alternatives that the process averages over."""
WEIGHTED_TILTS = (0.003, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8)
"""The values of t that the weighted process averages over; all below 1, where every moment exists."""


def log_e_value(scheme: Scheme, windows: Windows) -> float | None:
    """The natural logarithm of the e-value over all ``windows``: where the process ends. None without one."""
    if len(windows) == 0 or scheme.log_moment(np.zeros(1)) is None:
        return None
    scores = scheme.scores(windows)
    totals = []
    for tilt in TILTS:
        factors = scheme.log_factors(scores, tilt)
        assert factors is not None
        totals.append(float(factors.sum()))
    return float(logsumexp(totals)) - float(np.log(len(TILTS)))


def log_e_process(scheme: Scheme, scores: F64) -> F64 | None:
    """The natural logarithm of the process after each window, (n,); None for schemes without one."""
    paths = []
    for tilt in TILTS:
        factors = scheme.log_factors(scores, tilt)
        if factors is None:
            return None
        paths.append(np.cumsum(factors))
    return np.asarray(logsumexp(np.array(paths), axis=0) - np.log(len(TILTS)), dtype=np.float64)


def log_e_weighted(scheme: Scheme, scores: F64, weights: F64) -> F64 | None:
    """The natural logarithm of the e-process with weights in [0, 1], after each window, (n,); None without one.

    The mean over fixed t of ``exp(t w score) / E[exp(t w score)]``. It stays an e-process when a window's weight, and
    whether it is scored at all, depend on the key through earlier windows alone: that is what a Chernoff bound with the
    best t does not allow. Source: as above; the grid is fixed, so nothing is chosen after the result.
    """
    if len(weights) != len(scores) or (weights < 0).any() or (weights > 1).any():
        raise ValueError(f"expected {len(scores)} weights in [0, 1]")
    paths = []
    for t in WEIGHTED_TILTS:
        moment = scheme.log_moment(t * weights)
        if moment is None:
            return None
        paths.append(np.cumsum(t * weights * scores - moment))
    return np.asarray(logsumexp(np.array(paths), axis=0) - np.log(len(paths)), dtype=np.float64)


def first_crossing(log_e: F64, level: float) -> int | None:
    """The first window after which the process stands at ``1 / level`` or above, or None: there the null may be
    rejected at ``level``, whatever comes later."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    above = np.flatnonzero(log_e >= -np.log(level))
    return int(above[0]) if len(above) else None
