"""At least two of n: evidence that does not rest on one channel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def beyond_the_strongest(evidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """Evidence that at least two of n independent families speak, shape (groups, families) to (groups,).

    evidence: ``-log p`` in nats, per group and family, 0 where a family is silent.
    The strongest family is left out and the rest are added: the statistic of Fisher's partial conjunction test for
    u = 2. A group that is defined by one family is perfect in it, so that family proves nothing.
    Source: Benjamini and Heller (2008), screening for partial conjunction hypotheses.
    """
    if evidence.shape[1] == 0:
        return np.zeros(evidence.shape[0])
    result: NDArray[np.float64] = evidence.sum(axis=1) - evidence.max(axis=1)
    return np.maximum(result, 0.0)
