"""From the sketches of a segment to its codes and postings. Numbers in comments are steps of spec/registry.md."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stillhunt.schema.requests import SKETCH_SLOTS
from stillhunt.sketch.minhash import EMPTY

POSTED = 10
"""Slots that a text is posted under."""
PER_CELL = 16
"""Postings that a cell holds on average, where every text is posted as often as it can be."""
NUMBER_BITS = 24
"""Bits of a posting that number a text; the others are the print."""
CODES = 64
"""Values of a slot's code; the last means that the slot is empty."""
NO_CODE = CODES - 1
CODE_BYTES = SKETCH_SLOTS * 6 // 8

U8 = NDArray[np.uint8]
U32 = NDArray[np.uint32]
I64 = NDArray[np.int64]

_U = np.uint64
_RARITY_BITS = 16


class Postings(NamedTuple):
    """``cells``: (c + 1,), where each cell's postings begin. ``postings``: print and number of a text, by cell."""

    cells: U32
    postings: U32


def codes_of(sketches: U32) -> U8:
    """The code of each slot, (n, 64) values of 0 … 63, from sketches (n, 64)."""
    codes = (sketches % np.uint32(NO_CODE)).astype(np.uint8)
    codes[sketches == EMPTY] = NO_CODE
    return codes


def pack(codes: U8) -> U8:
    """Codes (n, 64) as six bits each: (n, 48) bytes (step 2, ``codes``)."""
    fours = codes.reshape(len(codes), SKETCH_SLOTS // 4, 4).astype(np.uint32)
    numbers = fours[:, :, 0] | fours[:, :, 1] << 6 | fours[:, :, 2] << 12 | fours[:, :, 3] << 18
    raw = numbers.astype("<u4").view(np.uint8).reshape(len(codes), SKETCH_SLOTS // 4, 4)
    return np.ascontiguousarray(raw[:, :, :3]).reshape(len(codes), CODE_BYTES)


def count_codes(codes: U8) -> I64:
    """In how many of the texts (n, 64) each slot has each code: (64, 64)."""
    counts = np.zeros((SKETCH_SLOTS, CODES), dtype=np.int64)
    _count_codes(codes, counts)
    return counts


def cells_for(texts: int) -> int:
    """How many cells a segment of so many texts has."""
    return max(1, texts * POSTED // PER_CELL)


def post(sketches: U32) -> Postings:
    """Posts each text of sketches (n, 64), n < 2^24, under its rarest slots (steps 2.1 and 2.2)."""
    n = len(sketches)
    cells = cells_for(n)
    rarity = np.zeros((SKETCH_SLOTS, 1 << _RARITY_BITS), dtype=np.uint32)
    _count_values(sketches, rarity)
    chosen = np.empty((n, POSTED), dtype=np.uint32)
    used = np.empty(n, dtype=np.uint8)
    ends = np.zeros(cells + 1, dtype=np.int64)
    _choose(sketches, rarity, chosen, used, ends)
    starts = np.cumsum(ends) - ends
    offsets = starts.astype(np.uint32)
    postings = np.empty(int(ends.sum()), dtype=np.uint32)
    _scatter(chosen, used, starts, postings)
    return Postings(offsets, postings)


@njit(nogil=True, inline="always")
def slot_hash(slot, value):  # type: ignore[no-untyped-def]
    """H of step 2.2, 32 bits."""
    h = (_U(value) + _U(1)) * _U(0x9E3779B97F4A7C15) ^ (_U(slot) + _U(1)) * _U(0xD6E8FEB86659FD93)
    h = (h ^ h >> _U(32)) * _U(0xD6E8FEB86659FD93)
    return h >> _U(32)


@njit(nogil=True, cache=True, boundscheck=False)
def _count_codes(codes, counts):  # type: ignore[no-untyped-def]
    for i in range(len(codes)):
        for slot in range(SKETCH_SLOTS):
            counts[slot, codes[i, slot]] += 1


@njit(nogil=True, cache=True, boundscheck=False)
def _count_values(sketches, rarity):  # type: ignore[no-untyped-def]
    for i in range(len(sketches)):
        for slot in range(SKETCH_SLOTS):
            if sketches[i, slot] != EMPTY:
                rarity[slot, slot_hash(slot, sketches[i, slot]) >> _U(32 - _RARITY_BITS)] += 1


@njit(nogil=True, cache=True, boundscheck=False)
def _choose(sketches, rarity, chosen, used, ends):  # type: ignore[no-untyped-def]
    # The rarest slots of each text, by insertion into a short list that is kept in order; of equally rare ones those
    # with the least hash.
    cells = _U(len(ends) - 1)
    best = np.empty(POSTED, dtype=np.uint64)
    for i in range(len(sketches)):
        have = 0
        for slot in range(SKETCH_SLOTS):
            value = sketches[i, slot]
            if value == EMPTY:
                continue
            h = slot_hash(slot, value)
            rank = _U(rarity[slot, h >> _U(32 - _RARITY_BITS)]) << _U(32) | h
            if have == POSTED:
                if rank >= best[POSTED - 1]:
                    continue
                have -= 1
            at = have
            while at > 0 and best[at - 1] > rank:
                best[at] = best[at - 1]
                at -= 1
            best[at] = rank
            have += 1
        used[i] = have
        for k in range(have):
            h = best[k] & _U(0xFFFFFFFF)
            chosen[i, k] = h
            ends[h * cells >> _U(32)] += 1


@njit(nogil=True, cache=True, boundscheck=False)
def _scatter(chosen, used, starts, postings):  # type: ignore[no-untyped-def]
    cells = _U(len(starts) - 1)
    at = starts.copy()
    for i in range(len(chosen)):
        for k in range(used[i]):
            h = _U(chosen[i, k])
            cell = h * cells >> _U(32)
            postings[at[cell]] = np.uint32((h & _U(0xFF)) << _U(NUMBER_BITS)) | np.uint32(i)
            at[cell] += 1
