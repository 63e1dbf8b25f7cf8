"""Graphs for tests of scorers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CSR = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


def csr(dense: NDArray[np.float64]) -> CSR:
    """indptr, indices and weights of a dense matrix."""
    rows, columns = np.nonzero(dense)
    return (
        np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=len(dense))))),
        columns,
        dense[rows, columns],
    )
