"""MurmurHash3-x86-32 over 4-byte words (spec/marks.md, section 4.2).

Source: A. Appleby's MurmurHash3, placed in the public domain; here for inputs that are whole words, seed 0.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_U = np.uint64
_LOW = _U(0xFFFFFFFF)
_PAD = _U(0xFFFFFFFF)


@njit(nogil=True, cache=True, inline="always")
def _rotate(x, by):  # type: ignore[no-untyped-def]
    return ((x << by) | (x >> (_U(32) - by))) & _LOW


@njit(nogil=True, cache=True, inline="always")
def _take(state, word):  # type: ignore[no-untyped-def]
    k = (word * _U(0xCC9E2D51)) & _LOW
    k = (_rotate(k, _U(15)) * _U(0x1B873593)) & _LOW
    return (_rotate(state ^ k, _U(13)) * _U(5) + _U(0xE6546B64)) & _LOW


@njit(nogil=True, cache=True, inline="always")
def _finish(state, words):  # type: ignore[no-untyped-def]
    h = state ^ (_U(4) * words)
    h = ((h ^ (h >> _U(16))) * _U(0x85EBCA6B)) & _LOW
    h = ((h ^ (h >> _U(13))) * _U(0xC2B2AE35)) & _LOW
    return h ^ (h >> _U(16))


@njit(nogil=True, cache=True)
def _contexts(contexts, hashes):  # type: ignore[no-untyped-def]
    for i in range(len(contexts)):
        state, words = _U(0), _U(0)
        for j in range(contexts.shape[1]):
            word = _U(contexts[i, j])
            if word != _PAD:
                state = _take(state, word)
                words += _U(1)
        hashes[i] = _finish(state, words)


@njit(nogil=True, cache=True)
def _paired(k0, k1, hashes, tokens, words):  # type: ignore[no-untyped-def]
    start = _take(_take(_U(0), k0), k1)
    for i in range(len(tokens)):
        words[i] = np.uint32(_finish(_take(_take(start, hashes[i]), _U(tokens[i])), _U(4)))


@njit(nogil=True, cache=True)
def _table(k0, k1, hashes, words):  # type: ignore[no-untyped-def]
    start = _take(_take(_U(0), k0), k1)
    for i in range(len(hashes)):
        state = _take(start, hashes[i])
        for token in range(words.shape[1]):
            words[i, token] = np.uint32(_finish(_take(state, _U(token)), _U(4)))


@njit(nogil=True, cache=True)
def _coins(a0, a1, b0, b1, hashes, coins):  # type: ignore[no-untyped-def]
    start = _take(_take(_take(_take(_U(0), a0), a1), b0), b1)
    for i in range(len(hashes)):
        coins[i] = np.uint32(_finish(_take(start, hashes[i]), _U(5)))


def murmur3_contexts(contexts: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Hashes of contexts without their pads: (n, width) to (n,)."""
    hashes = np.empty(len(contexts), dtype=np.uint64)
    _contexts(contexts, hashes)
    return hashes


def murmur3_paired(
    k0: np.uint64, k1: np.uint64, hashes: NDArray[np.uint64], tokens: NDArray[np.uint32]
) -> NDArray[np.uint32]:
    """Words of (context hash, token) pairs: (n,) and (n,) to (n,)."""
    words = np.empty(len(tokens), dtype=np.uint32)
    _paired(k0, k1, hashes, tokens, words)
    return words


def murmur3_table(
    k0: np.uint64, k1: np.uint64, hashes: NDArray[np.uint64], vocabulary: int
) -> NDArray[np.uint32]:
    """Words of every token after each context: (b,) to (b, vocabulary)."""
    words = np.empty((len(hashes), vocabulary), dtype=np.uint32)
    _table(k0, k1, hashes, words)
    return words


def murmur3_coins(key_a: int, key_b: int, hashes: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """The keyed coin of each context that names its key in the dual scheme: (n,) to (n,)."""
    coins = np.empty(len(hashes), dtype=np.uint32)
    halves = [_U(half) for key in (key_a, key_b) for half in (key & 0xFFFFFFFF, key >> 32)]
    _coins(*halves, hashes, coins)
    return coins
