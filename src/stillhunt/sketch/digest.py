"""SipHash-2-4 of every text (spec/sketch.md, step 5.1), and which texts are the same.

Source: J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stillhunt.sketch.texts import Texts

_U = np.uint64
_LANES = 32
_AHEAD = 32


def text_ids(texts: Texts, rows: NDArray[np.int64], key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SipHash-2-4 of the bytes of the text at each of ``rows`` under ``key`` (two words), shape (len(rows),)."""
    out = np.empty(len(rows), dtype=np.uint64)
    order = np.argsort(texts.offsets[rows] - texts.offsets[rows + 1])
    _siphash(texts.data, texts.offsets, rows, order, key, out)
    return out


def distinct(ids: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Groups equal ``ids``: (index of each group's first, shape (m,), ascending; group of each id, shape (n,))."""
    group = np.empty(len(ids), dtype=np.int64)
    first = np.empty(len(ids), dtype=np.int64)
    size = 16
    while size < 2 * len(ids):
        size *= 2
    count = _group(ids, np.full(size, -1, dtype=np.int64), first, group)
    return first[:count].copy(), group


@njit(inline="always")
def _rotate(x, bits):  # type: ignore[no-untyped-def]
    return (x << _U(bits)) | (x >> _U(64 - bits))


@njit(inline="always")
def _round(a, b, c, d):  # type: ignore[no-untyped-def]
    a += b
    b = _rotate(b, 13) ^ a
    a = _rotate(a, 32)
    c += d
    d = _rotate(d, 16) ^ c
    a += d
    d = _rotate(d, 21) ^ a
    c += b
    b = _rotate(b, 17) ^ c
    c = _rotate(c, 32)
    return a, b, c, d


@njit(nogil=True, boundscheck=False, error_model="numpy")
def _absorb(words, a, b, c, d):  # type: ignore[no-untyped-def]
    # One word of every lane; the compiler takes several lanes at a time.
    for lane in range(len(words)):
        m = words[lane]
        w, x, y, z = _round(a[lane], b[lane], c[lane], d[lane] ^ m)
        w, x, y, z = _round(w, x, y, z)
        a[lane] = w ^ m
        b[lane] = x
        c[lane] = y
        d[lane] = z


@njit(nogil=True, boundscheck=False, error_model="numpy")
def _deal(text, words):  # type: ignore[no-untyped-def]
    # The words of ``text``, eight bytes each, little-endian.
    for q in range(len(words)):
        p = _U(8 * q)
        words[q] = (
            _U(text[p])
            | _U(text[p + _U(1)]) << _U(8)
            | _U(text[p + _U(2)]) << _U(16)
            | _U(text[p + _U(3)]) << _U(24)
            | _U(text[p + _U(4)]) << _U(32)
            | _U(text[p + _U(5)]) << _U(40)
            | _U(text[p + _U(6)]) << _U(48)
            | _U(text[p + _U(7)]) << _U(56)
        )


@njit(nogil=True, boundscheck=False, error_model="numpy")
def _finish(text, a, b, c, d):  # type: ignore[no-untyped-def]
    # The bytes behind the last whole word and the length, then the four last rounds.
    n = len(text)
    m = _U(n) << _U(56)
    for p in range(n - n % 8, n):
        m |= _U(text[p]) << _U(8 * (p % 8))
    d ^= m
    a, b, c, d = _round(a, b, c, d)
    a, b, c, d = _round(a, b, c, d)
    a ^= m
    c ^= _U(0xFF)
    for _ in range(4):
        a, b, c, d = _round(a, b, c, d)
    return a ^ b ^ c ^ d


@njit(nogil=True, cache=True, boundscheck=False, error_model="numpy")
def _siphash(data, offsets, rows, order, key, out):  # type: ignore[no-untyped-def]
    # ``order`` has the longest text first, so that the lanes of a group that still read are always the first ones.
    words = np.empty((_AHEAD, _LANES), dtype=np.uint64)
    a, b = np.empty(_LANES, dtype=np.uint64), np.empty(_LANES, dtype=np.uint64)
    c, d = np.empty(_LANES, dtype=np.uint64), np.empty(_LANES, dtype=np.uint64)
    for group in range(0, len(order), _LANES):
        members = order[group : group + _LANES]
        a[:] = key[0] ^ _U(0x736F6D6570736575)
        b[:] = key[1] ^ _U(0x646F72616E646F6D)
        c[:] = key[0] ^ _U(0x6C7967656E657261)
        d[:] = key[1] ^ _U(0x7465646279746573)
        read = 0
        reading = len(members)
        while reading > 0:
            last = rows[members[reading - 1]]
            left = (offsets[last + 1] - offsets[last]) // 8 - read
            if left == 0:
                reading -= 1
                text = data[offsets[last] : offsets[last + 1]]
                out[members[reading]] = _finish(text, a[reading], b[reading], c[reading], d[reading])
                continue
            ahead = min(left, _AHEAD)
            for lane in range(reading):
                _deal(data[offsets[rows[members[lane]]] + 8 * read :], words[:ahead, lane])
            for q in range(ahead):
                _absorb(words[q, :reading], a, b, c, d)
            read += ahead


@njit(nogil=True, cache=True, boundscheck=False)
def _group(ids, table, first, group):  # type: ignore[no-untyped-def]
    mask = _U(len(table) - 1)
    count = 0
    for i in range(len(ids)):
        place = ids[i] & mask
        while table[place] >= 0 and ids[first[table[place]]] != ids[i]:
            place = (place + _U(1)) & mask
        if table[place] < 0:
            table[place] = count
            first[count] = i
            count += 1
        group[i] = table[place]
    return count
