"""Keyed one-permutation MinHash of character 5-grams. Numbers in comments are steps of spec/sketch.md.

Source of the estimator: P. Li, A. Owen, C.-H. Zhang, "One permutation hashing", NeurIPS 2012.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from stillhunt.schema.requests import SKETCH_SLOTS
from stillhunt.sketch.keys import SketchKey, key_words
from stillhunt.sketch.texts import Texts, texts_of

SHINGLE = 5
"""Characters in a shingle."""
EMPTY = np.uint32(0xFFFFFFFF)
"""Value of a slot that no shingle fell into."""

_U = np.uint64
_NONE = _U(0xFFFFFFFFFFFFFFFF)
_CHUNK = 1024
_BLOCK = 128


class Similarity(NamedTuple):
    """Estimated Jaccard similarity of two texts' shingle sets, in [0, 1]; its standard error; and the number of
    slots that it rests on. NaN where both texts have no shingle."""

    jaccard: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    slots: NDArray[np.int64]


def sketch_texts(texts: pa.Array, key: SketchKey) -> NDArray[np.uint32]:
    """The sketch of every text of a ``string`` or ``large_string`` array under ``key``: shape (n, 64).

    A null and an empty text have every slot EMPTY.
    """
    flat = texts_of(texts)
    rows = np.flatnonzero(flat.valid)
    sketches, _ = sketch_rows(flat, rows, key_words(key).shingle)
    out = np.full((len(texts), SKETCH_SLOTS), EMPTY, dtype=np.uint32)
    out[rows] = sketches
    return out


def sketch_rows(
    texts: Texts, rows: NDArray[np.int64], key: NDArray[np.uint64]
) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Sketches, shape (len(rows), 64), and lengths in characters, shape (len(rows),), of the texts at ``rows``."""
    out = np.empty((len(rows), SKETCH_SLOTS), dtype=np.uint32)
    chars = np.empty(len(rows), dtype=np.int32)
    _sketch(texts.data, texts.offsets, rows, key, out, chars)
    return out, chars


def estimate_jaccard(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> Similarity:
    """Estimates row by row from sketches of shape (n, 64) under one key (step 4.4).

    Slots that are empty in both say nothing and are left out; what remains is unbiased (Li, Owen, Zhang, theorem 1).
    The standard error is the binomial one over the slots used, an upper bound for sampling without replacement.
    """
    used = ((a != EMPTY) | (b != EMPTY)).sum(axis=-1)
    equal = ((a == b) & (a != EMPTY)).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        jaccard = np.where(used > 0, equal / used, np.nan)
        error = np.sqrt(jaccard * (1 - jaccard) / used)
    return Similarity(jaccard, error, used)


@njit(nogil=True, boundscheck=False, error_model="numpy")
def _fold(source, symbols):  # type: ignore[no-untyped-def]
    # 3.2
    for j in range(len(source)):
        byte = source[j]
        letter = (np.uint8(byte - np.uint8(65)) < np.uint8(26)) << np.uint8(5)
        space = np.uint8(byte - np.uint8(9)) < np.uint8(5)
        symbols[j] = np.uint16(32) if space else np.uint16(byte | letter)


@njit(nogil=True, boundscheck=False, error_model="numpy")
def _decode(source, symbols, current):  # type: ignore[no-untyped-def]
    # 3.2 to 3.4. symbols[0] is the symbol that the bytes before ended in, symbols[1:] take those that begin here.
    count = 0
    for j in range(len(source)):
        byte = np.int64(source[j])
        if byte & 0xC0 == 0x80:
            current = (current << 6 | byte & 0x3F) & 0xFFF
        else:
            count += 1
            if byte >= 0x80:
                current = byte & 0x1F
            elif 65 <= byte < 91:
                current = byte | 32
            elif 9 <= byte < 14:
                current = 32
            else:
                current = byte
        symbols[count] = current
    return count


@njit(nogil=True, boundscheck=False, error_model="numpy")
def _hash(symbols, pairs, hashes, key):  # type: ignore[no-untyped-def]
    # 3.6 and 4.1. Symbols are put together in pairs first, since 32-bit lanes hold twice as many.
    k0, k1, k2, k3 = key[0], key[1] | _U(1), key[2], key[3] | _U(1)
    for j in range(len(hashes) + 2):
        pairs[j] = np.uint32(symbols[j]) | np.uint32(symbols[j + 1]) << np.uint32(12)
    for j in range(len(hashes)):
        x = _U(pairs[j]) | _U(pairs[j + 2]) << _U(24) | _U(symbols[j + 4]) << _U(48)
        x = (x ^ k0) * k1
        x ^= x >> _U(32)
        hashes[j] = (x ^ k2) * k3


@njit(nogil=True, boundscheck=False, error_model="numpy")
def _keep_least(hashes, least):  # type: ignore[no-untyped-def]
    # 4.2 and 4.3. Hashes of one slot agree above its value: the least hash has the least value.
    for j in range(len(hashes)):
        slot = hashes[j] >> _U(58)
        least[slot] = min(least[slot], hashes[j])


@njit(nogil=True, boundscheck=False, error_model="numpy")
def _is_ascii(source):  # type: ignore[no-untyped-def]
    # max() stays in eight bits, where | would widen.
    highest = np.uint8(0)
    for j in range(len(source)):
        highest = max(highest, source[j])
    return highest < np.uint8(0x80)


@njit(nogil=True, boundscheck=False, error_model="numpy")
def _read(part, symbols, have):  # type: ignore[no-untyped-def]
    # Appends the symbols of ``part`` to the ``have`` there are; the last of these may still grow. Returns how many
    # began.
    if _is_ascii(part):
        _fold(part, symbols[have : have + len(part)])
        return len(part)
    added = 0
    for start in range(0, len(part), _BLOCK):
        block = part[start : start + _BLOCK]
        at = have + added
        if _is_ascii(block):
            _fold(block, symbols[at : at + len(block)])
            added += len(block)
        elif at > 0:
            added += _decode(block, symbols[at - 1 :], np.int64(symbols[at - 1]))
        else:
            # 3.3: continuation bytes before any first byte belong to no symbol. They land in symbols[0].
            begun = _decode(block, symbols, np.int64(0))
            symbols[:begun] = symbols[1 : begun + 1]
            added += begun
    return added


@njit(nogil=True, cache=True, boundscheck=False, error_model="numpy")
def _sketch(data, offsets, rows, key, out, chars):  # type: ignore[no-untyped-def]
    # The buffer holds [pending symbol, which may still grow] after up to four symbols that wait for their shingle.
    symbols = np.zeros(_CHUNK + 16, dtype=np.uint16)
    pairs = np.empty(_CHUNK + 16, dtype=np.uint32)
    hashes = np.empty(_CHUNK + 16, dtype=np.uint64)
    least = np.empty(SKETCH_SLOTS, dtype=np.uint64)
    for i in range(len(rows)):
        text = data[offsets[rows[i]] : offsets[rows[i] + 1]]
        least[:] = _NONE
        total = 0
        have = 0  # symbols in the buffer
        start = 0
        while start < len(text):
            part = text[start : start + _CHUNK]
            start += len(part)
            added = _read(part, symbols, have)
            total += added
            have += added
            ready = have - 1 if start < len(text) else have
            if ready >= 5:
                _hash(symbols, pairs, hashes[: ready - 4], key)
                _keep_least(hashes[: ready - 4], least)
                rest = have - (ready - 4)
                for j in range(rest):
                    symbols[j] = symbols[ready - 4 + j]
                have = rest
        if 0 < total < 5:  # 3.6
            symbols[total:5] = 0
            _hash(symbols, pairs, hashes[:1], key)
            _keep_least(hashes[:1], least)
        for slot in range(SKETCH_SLOTS):
            out[i, slot] = np.uint32(least[slot] >> _U(26))
        chars[i] = total
