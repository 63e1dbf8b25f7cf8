"""Finds in one segment the texts that are like a given one. Numbers in comments are steps of spec/registry.md."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stillhunt.schema.requests import SKETCH_SLOTS
from stillhunt.sketch.minhash import EMPTY
from stillhunt.trace.registry.index import NO_CODE, NUMBER_BITS, U8, U32, slot_hash

MOST_READ = 1 << 20
"""Postings of a segment that are read for one text."""
MOST_FOUND = 64
"""Matches of one text in one segment that are kept: those with the highest score."""
ALIKE = 0.3
"""The similarity that a score bets on: with this probability a slot was copied, else it agrees by chance."""
LEAST_SIMILARITY = 0.42
"""Texts that are less alike do not match, whatever their score: answers to one question by different authors often
reach 0.3 to 0.4."""

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_U = np.uint64
_MASK = np.uint32((1 << NUMBER_BITS) - 1)
_ROWS = 256
_OK, _DAMAGED = 0, 1


class Found(NamedTuple):
    """Pairs that match. ``row``: of the texts asked for; ``text``: of the segment; ``score``: step 3.3, in nats;
    ``equal`` of ``filled`` slots have equal codes. ``cut``: (rows,), whether not every posting was read or not
    every match kept."""

    row: I64
    text: I64
    score: F64
    equal: I64
    filled: I64
    cut: NDArray[np.bool_]


class Weights(NamedTuple):
    """What a slot adds to the score, (64, 64) each: where codes agree, and where they do not; of an empty slot 0."""

    agree: F64
    differ: F64


def weights_of(counts: I64, texts: int) -> Weights:
    """The weights of step 3.3, from how many of ``texts`` texts have each code in each slot, (64, 64)."""
    p = (counts + 1) / (texts + counts.shape[1])
    agree, differ = np.log(ALIKE / p + 1 - ALIKE), np.full(p.shape, np.log(1 - ALIKE))
    agree[:, NO_CODE] = differ[:, NO_CODE] = 0.0
    return Weights(agree, differ)


def reach(codes: U8, weights: Weights) -> F64:
    """The score that each text of ``codes`` (n, 64) would have with itself, (n,)."""
    total: F64 = np.take_along_axis(weights.agree, codes.T.astype(np.int64), axis=1).sum(axis=0)
    return total


def similarity(equal: NDArray[np.integer], filled: NDArray[np.integer]) -> F64:
    """Step 3.5: the estimated Jaccard similarity of two texts."""
    share = equal / np.maximum(filled, 1)
    result: F64 = np.maximum(0.0, (share - 1 / NO_CODE) / (1 - 1 / NO_CODE))
    return result


def least_share(similarity: float) -> float:
    """The share of equal codes that gives this similarity."""
    return similarity * (1 - 1 / NO_CODE) + 1 / NO_CODE


def search(
    sketches: U32,
    codes: U8,
    weights: Weights,
    threshold: float,
    segment: tuple[U8, U32, U32],
    *,
    threads: int = 1,
    most_read: int = MOST_READ,
) -> Found:
    """Every text of a segment (packed codes, cells, postings) that matches one of ``sketches``, (n, 64), whose codes
    are ``codes``.

    Raises ValueError where the segment's cells or postings lead out of it.
    """
    blocks = [slice(at, at + _ROWS) for at in range(0, len(sketches), _ROWS)]

    def one(block: slice) -> Found:
        return _block(sketches[block], codes[block], weights, threshold, segment, most_read)

    with ThreadPoolExecutor(max(1, threads)) as pool:
        parts = list(pool.map(one, blocks))
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return Found(none, none, np.zeros(0), none, none, np.zeros(0, dtype=np.bool_))
    rows = np.concatenate([part.row + block.start for part, block in zip(parts, blocks, strict=True)])
    return Found(
        rows,
        np.concatenate([part.text for part in parts]),
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.equal for part in parts]),
        np.concatenate([part.filled for part in parts]),
        np.concatenate([part.cut for part in parts]),
    )


def _block(
    sketches: U32,
    codes: U8,
    weights: Weights,
    threshold: float,
    segment: tuple[U8, U32, U32],
    most_read: int,
) -> Found:
    packed, cells, postings = segment
    n = len(sketches)
    found = np.empty((n, MOST_FOUND, 3), dtype=np.int64)
    scores = np.empty((n, MOST_FOUND), dtype=np.float64)
    counts = np.zeros(n, dtype=np.int64)
    cut = np.zeros(n, dtype=np.bool_)
    status = _search(
        sketches,
        codes,
        weights.agree,
        weights.differ,
        threshold,
        least_share(LEAST_SIMILARITY),
        packed,
        cells,
        postings,
        most_read,
        np.zeros(len(packed), dtype=np.uint8),
        found,
        scores,
        counts,
        cut,
    )
    if status == _DAMAGED:
        raise ValueError("a cell or a posting leads out of the segment")
    kept = np.arange(MOST_FOUND) < counts[:, None]
    row = np.repeat(np.arange(n, dtype=np.int64), counts)
    text, equal, filled = (found[:, :, i][kept] for i in range(3))
    return Found(row, text, scores[kept], equal, filled, cut)


@njit(nogil=True, cache=True, boundscheck=False)
def _search(  # type: ignore[no-untyped-def]
    sketches,
    codes,
    agree,
    differ,
    threshold,
    share,
    packed,
    cells,
    postings,
    most_read,
    met,
    found,
    scores,
    counts,
    cut,
):
    size = _U(len(cells) - 1)
    begins = np.empty(SKETCH_SLOTS, dtype=np.int64)
    ends = np.empty(SKETCH_SLOTS, dtype=np.int64)
    prints = np.empty(SKETCH_SLOTS, dtype=np.uint32)
    gain = np.empty(SKETCH_SLOTS, dtype=np.float64)
    for i in range(len(sketches)):
        lists, base, filled = 0, 0.0, 0
        for slot in range(SKETCH_SLOTS):
            gain[slot] = 0.0
            if sketches[i, slot] == EMPTY:
                continue
            filled += 1
            code = codes[i, slot]
            base += differ[slot, code]
            gain[slot] = agree[slot, code] - differ[slot, code]
            h = slot_hash(slot, sketches[i, slot])
            cell = h * size >> _U(32)
            begin, end = np.int64(cells[cell]), np.int64(cells[cell + _U(1)])
            if begin > end or end > len(postings):
                return _DAMAGED
            at = lists  # 3.2: shortest first
            while at > 0 and ends[at - 1] - begins[at - 1] > end - begin:
                begins[at], ends[at], prints[at] = begins[at - 1], ends[at - 1], prints[at - 1]
                at -= 1
            begins[at], ends[at], prints[at] = begin, end, np.uint32(h & _U(0xFF))
            lists += 1
        left = most_read
        read = lists
        for each in range(lists):
            if ends[each] - begins[each] > left:
                read = each
                cut[i] = True
                break
            left -= ends[each] - begins[each]
            for at in range(begins[each], ends[each]):
                if postings[at] >> np.uint32(NUMBER_BITS) != prints[each]:
                    continue
                text = postings[at] & _MASK
                if text >= len(packed):
                    return _DAMAGED
                met[text] += np.uint8(1)
                if met[text] == 2:
                    score, equal, either = _compare(codes[i], gain, packed[text])
                    if score + base >= threshold and equal >= share * either:
                        place = counts[i]
                        if place == MOST_FOUND:
                            cut[i] = True
                            place = np.argmin(scores[i])
                            if scores[i, place] >= score + base:
                                continue
                        else:
                            counts[i] += 1
                        found[i, place, 0] = text
                        found[i, place, 1] = equal
                        found[i, place, 2] = either
                        scores[i, place] = score + base
        for each in range(read):
            for at in range(begins[each], ends[each]):
                if postings[at] >> np.uint32(NUMBER_BITS) == prints[each]:
                    met[postings[at] & _MASK] = 0
    return _OK


@njit(nogil=True, boundscheck=False)
def _compare(codes, gain, packed):  # type: ignore[no-untyped-def]
    score, equal, either = 0.0, 0, 0
    for four in range(SKETCH_SLOTS // 4):
        number = (
            np.uint32(packed[3 * four])
            | np.uint32(packed[3 * four + 1]) << np.uint32(8)
            | np.uint32(packed[3 * four + 2]) << np.uint32(16)
        )
        for k in range(4):
            slot = 4 * four + k
            code = number & np.uint32(63)
            number >>= np.uint32(6)
            if code == codes[slot]:
                if code != NO_CODE:
                    either += 1
                    equal += 1
                    score += gain[slot]
            else:
                either += 1
    return score, equal, either
