"""False discovery control over many tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def benjamini_hochberg(p: NDArray[np.float64], tested: int | None = None) -> NDArray[np.float64]:
    """q-values of p-values, shape (n,) to (n,). tested: how many hypotheses the n were picked from, at least n;
    default n. The p-values of those that were not picked count as 1.

    Controls the false discovery rate when the p-values are independent or positively dependent.
    Source: Benjamini and Hochberg (1995), the step-up procedure read backwards.
    """
    n = len(p)
    m = n if tested is None else tested
    if m < n:
        raise ValueError(f"expected at least as many tests as p-values, got {m} for {n}")
    if n == 0:
        return p.astype(np.float64)
    order = np.argsort(p)
    stepped = p[order] * m / np.arange(1, n + 1)
    q = np.minimum.accumulate(stepped[::-1])[::-1]
    result = np.empty(n)
    result[order] = np.minimum(q, 1.0)
    return result


def e_benjamini_hochberg(e: NDArray[np.float64], level: float) -> NDArray[np.bool_]:
    """Which hypotheses to reject at false discovery rate ``level``, from e-values of shape (m,).

    Holds under any dependence between the e-values. Source: Wang and Ramdas (2022), false discovery rate control
    with e-values.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    m = len(e)
    order = np.argsort(-e)
    enough = e[order] * np.arange(1, m + 1) >= m / level
    rejected = np.zeros(m, dtype=bool)
    if enough.any():
        rejected[order[: int(np.flatnonzero(enough)[-1]) + 1]] = True
    return rejected
