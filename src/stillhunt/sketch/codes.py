"""What a row of the log carries of a text: at most 16 bytes in all (spec/sketch.md, steps 5.2 to 5.4)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stillhunt.schema.requests import SKETCH_SLOTS
from stillhunt.sketch.minhash import EMPTY

BAND_PARTS = 2
"""Parts of a template band. Texts with Jaccard similarity J agree in one part with probability J, independently."""

_U = np.uint64


def bands(sketches: NDArray[np.uint32], key: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """The template band of each sketch of shape (n, 64): four bytes, shape (n, 4). ``key`` has two words a part.
    Steps 5.2 and 5.3.

    A text without shingles has band 0.
    """
    out = np.zeros((len(sketches), BAND_PARTS), dtype="<u2")
    _bands(sketches, key, out)
    return out.view(np.uint8)


def digests(ids: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """The first four bytes of each text id, shape (n, 4)."""
    return ids.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :4]


def prompt_codes(band: NDArray[np.uint8], ids: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Template band and digest of the exact text side by side, shape (n, 8). Step 5.4."""
    return np.hstack([band, digests(ids)])


@njit(nogil=True, cache=True, boundscheck=False)
def _bands(sketches, key, out):  # type: ignore[no-untyped-def]
    width = SKETCH_SLOTS // BAND_PARTS
    none = _U(0xFFFFFFFFFFFFFFFF)
    for i in range(len(sketches)):
        for part in range(BAND_PARTS):
            least = none
            for slot in range(width * part, width * (part + 1)):
                if sketches[i, slot] != EMPTY:
                    least = min(least, _U(sketches[i, slot]) << _U(6) | _U(slot))
            x = (least ^ key[2 * part]) * (key[2 * part + 1] | _U(1))
            x ^= x >> _U(32)
            x *= key[2 * part + 1] | _U(1)
            out[i, part] = x >> _U(48)
