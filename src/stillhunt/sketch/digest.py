"""SipHash-2-4 of every text (spec/sketch.md, step 5.1), and which texts are the same.

Source: J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stillhunt.sketch.texts import Texts

_U = np.uint64


def text_ids(texts: Texts, rows: NDArray[np.int64], key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SipHash-2-4 of the bytes of the text at each of ``rows`` under ``key`` (two words), shape (len(rows),)."""
    out = np.empty(len(rows), dtype=np.uint64)
    _siphash(texts.data, texts.offsets, rows, key, out)
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


@njit(nogil=True, cache=True, boundscheck=False)
def _siphash(data, offsets, rows, key, out):  # type: ignore[no-untyped-def]
    for i in range(len(rows)):
        text = data[offsets[rows[i]] : offsets[rows[i] + 1]]
        n = len(text)
        whole = n // 8
        a = key[0] ^ _U(0x736F6D6570736575)
        b = key[1] ^ _U(0x646F72616E646F6D)
        c = key[0] ^ _U(0x6C7967656E657261)
        d = key[1] ^ _U(0x7465646279746573)
        for q in range(whole):
            p = 8 * q
            m = (
                _U(text[p])
                | _U(text[p + 1]) << _U(8)
                | _U(text[p + 2]) << _U(16)
                | _U(text[p + 3]) << _U(24)
                | _U(text[p + 4]) << _U(32)
                | _U(text[p + 5]) << _U(40)
                | _U(text[p + 6]) << _U(48)
                | _U(text[p + 7]) << _U(56)
            )
            d ^= m
            a, b, c, d = _round(a, b, c, d)
            a, b, c, d = _round(a, b, c, d)
            a ^= m
        m = _U(n) << _U(56)
        for p in range(8 * whole, n):
            m |= _U(text[p]) << _U(8 * (p - 8 * whole))
        d ^= m
        a, b, c, d = _round(a, b, c, d)
        a, b, c, d = _round(a, b, c, d)
        a ^= m
        c ^= _U(0xFF)
        for _ in range(4):
            a, b, c, d = _round(a, b, c, d)
        out[i] = a ^ b ^ c ^ d


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
