"""Philox 4×32-10 over contexts and tokens (spec/marks.md, section 4.1).

Source of the generator: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_U = np.uint64
_LOW = _U(0xFFFFFFFF)
_M0, _M1 = _U(0xD2511F53), _U(0xCD9E8D57)
_W0, _W1 = _U(0x9E3779B9), _U(0xBB67AE85)
CONTEXT_DOMAIN = _U(0x574D4358)
TOKEN_DOMAIN = _U(0x574D544B)


@njit(nogil=True, cache=True, inline="always")
def _encrypt(c0, c1, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    for _ in range(10):
        p0 = _M0 * c0
        p1 = _M1 * c2
        c0, c1, c2, c3 = (p1 >> _U(32)) ^ c1 ^ k0, p1 & _LOW, (p0 >> _U(32)) ^ c3 ^ k1, p0 & _LOW
        k0 = (k0 + _W0) & _LOW
        k1 = (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@njit(nogil=True, cache=True)
def _absorb(k0, k1, context):  # type: ignore[no-untyped-def]
    width = len(context)
    s0, s1, s2, s3 = CONTEXT_DOMAIN, _U(width), _U(0), _U(0)
    block = np.empty(4, dtype=np.uint64)
    for offset in range(0, width, 4):
        for i in range(4):
            block[i] = _U(context[offset + i]) if offset + i < width else _LOW - _U(i)
        s0, s1, s2, s3 = _encrypt(
            s0 ^ block[0], s1 ^ block[1], s2 ^ block[2], s3 ^ block[3], k0 ^ _U(offset), k1
        )
    return s0, s1, s2, s3


@njit(nogil=True, cache=True)
def _paired(k0, k1, contexts, tokens, words):  # type: ignore[no-untyped-def]
    for i in range(len(tokens)):
        s0, s1, s2, s3 = _absorb(k0, k1, contexts[i])
        token = _U(tokens[i])
        out = _encrypt(token >> _U(2), s0, s1, s2, k0 ^ s3, k1 ^ TOKEN_DOMAIN)
        words[i] = np.uint32(out[int(token & _U(3))])


@njit(nogil=True, cache=True)
def _table(k0, k1, contexts, words):  # type: ignore[no-untyped-def]
    vocabulary = words.shape[1]
    for i in range(len(contexts)):
        s0, s1, s2, s3 = _absorb(k0, k1, contexts[i])
        for block in range((vocabulary + 3) // 4):
            out = _encrypt(_U(block), s0, s1, s2, k0 ^ s3, k1 ^ TOKEN_DOMAIN)
            for j in range(4):
                if 4 * block + j < vocabulary:
                    words[i, 4 * block + j] = np.uint32(out[j])


def philox4x32_10(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """One block of the generator: four words of counter and two of key to four words."""
    out = _encrypt(*(_U(word) for word in counter), *(_U(word) for word in key))
    return int(out[0]), int(out[1]), int(out[2]), int(out[3])


def philox_paired(
    k0: np.uint64, k1: np.uint64, contexts: NDArray[np.uint32], tokens: NDArray[np.uint32]
) -> NDArray[np.uint32]:
    """Words of windows: contexts (n, width), tokens (n,) to (n,)."""
    words = np.empty(len(tokens), dtype=np.uint32)
    _paired(k0, k1, contexts, tokens, words)
    return words


def philox_table(
    k0: np.uint64, k1: np.uint64, contexts: NDArray[np.uint32], vocabulary: int
) -> NDArray[np.uint32]:
    """Words of every token after each context: (b, width) to (b, vocabulary)."""
    words = np.empty((len(contexts), vocabulary), dtype=np.uint32)
    _table(k0, k1, contexts, words)
    return words
