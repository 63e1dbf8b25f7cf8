"""The coarse capability that a prompt asks for (spec/sketch.md, section 7)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from stillhunt.schema.requests import MODEL_CAPABILITIES
from stillhunt.sketch.rules import (
    DIGIT,
    FEATURES,
    FOREIGN,
    INSIDE,
    MARKS,
    MARKS_FROM,
    NEWLINE,
    SPACE,
    START,
    SYMBOLS,
    WORD_INSIDE,
    Rules,
    default_rules,
    symbols_of_bytes,
)
from stillhunt.sketch.texts import Texts, texts_of

HEAD = 512
"""Bytes read from the start of a prompt."""
TAIL = 256
"""Bytes read from its end, where a prompt is longer than both."""
LANES = 4
"""Texts that the automaton reads at once."""
LANE = 4096
"""Symbols that a lane holds."""
OTHER = MODEL_CAPABILITIES.index("other")

_U = np.uint64
_W = np.uintp
_QUESTION = MARKS_FROM + MARKS.index("?")
_SYMBOL_OF = symbols_of_bytes()
_COUNTS_OF = np.zeros(
    256, dtype=np.uint64
)  # line breaks in the lower half, punctuation of programs in the upper
_COUNTS_OF[ord("\n")] = 1
_COUNTS_OF[[ord(mark) for mark in "()[]{}<>=;_\\`"]] = 1 << 32
_FEATURES = len(FEATURES)


def label_texts(texts: pa.Array, rules: Rules | None = None) -> pa.Array:
    """The capability label of every text, null for a null. The result has type string."""
    flat = texts_of(texts)
    codes = label_rows(flat, np.arange(len(texts)), rules)
    names = pa.array(MODEL_CAPABILITIES)
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=~flat.valid), names).cast(pa.string())


def label_rows(texts: Texts, rows: NDArray[np.int64], rules: Rules | None = None) -> NDArray[np.int8]:
    """Index into MODEL_CAPABILITIES of the text at each of ``rows``, shape (len(rows),).

    The label with the highest score wins, the earlier one in a tie; ``other`` where no score is above zero.
    """
    scores = score_rows(texts, rows, rules if rules is not None else default_rules())
    best = scores.argmax(axis=1)
    return np.where(scores.max(axis=1) > 0, best, OTHER).astype(np.int8)


def score_rows(texts: Texts, rows: NDArray[np.int64], rules: Rules) -> NDArray[np.int32]:
    """The sum of weights of each label, shape (len(rows), len(MODEL_CAPABILITIES))."""
    scores = np.zeros((len(rows), len(MODEL_CAPABILITIES)), dtype=np.int32)
    _score(texts.data, texts.offsets, rows, rules, (_SYMBOL_OF, _COUNTS_OF), scores)
    return scores


@njit(nogil=True, boundscheck=False, error_model="numpy")
def _read(source, symbol_of, counts_of, stream):  # type: ignore[no-untyped-def]
    # One symbol a byte, and the features that bytes add up to.
    counted = _U(0)
    for j in range(len(source)):
        byte = source[j]
        stream[j] = symbol_of[byte]
        counted += counts_of[byte]
    return counted


@njit(nogil=True, boundscheck=False, error_model="numpy")
def _mark_inside(before, stream, out):  # type: ignore[no-untyped-def]
    # ``before[j]`` is the symbol that stands before ``stream[j]``.
    numbers = 0
    for j in range(len(stream)):
        inside = (before[j] >= np.uint8(FOREIGN)) & (stream[j] >= np.uint8(FOREIGN))
        out[j] = stream[j] + np.uint8(INSIDE) * np.uint8(inside)
        numbers += out[j] == np.uint8(DIGIT)
    return numbers


@njit(nogil=True, boundscheck=False)
def _run(lanes, length, automaton, hits, found):  # type: ignore[no-untyped-def]
    # Runs the automaton over four lanes of ``length`` symbols at once, so that its look-ups overlap, and lists where
    # parts end: the place in the upper half of a hit, the state in the lower.
    step, first_end = automaton.step.ravel(), _W(automaton.first_end)
    s0 = s1 = s2 = s3 = _W(0)
    n0 = n1 = n2 = n3 = _W(0)
    for place in range(length):
        j = _W(place)
        s0 = _W(step[s0 * _W(SYMBOLS) + _W(lanes[0, j])])
        s1 = _W(step[s1 * _W(SYMBOLS) + _W(lanes[1, j])])
        s2 = _W(step[s2 * _W(SYMBOLS) + _W(lanes[2, j])])
        s3 = _W(step[s3 * _W(SYMBOLS) + _W(lanes[3, j])])
        at = j << _W(16)
        hits[0, n0] = at | s0
        hits[1, n1] = at | s1
        hits[2, n2] = at | s2
        hits[3, n3] = at | s3
        n0 += _W(s0 >= first_end)
        n1 += _W(s1 >= first_end)
        n2 += _W(s2 >= first_end)
        n3 += _W(s3 >= first_end)
    found[0], found[1], found[2], found[3] = n0, n1, n2, n3


@njit(nogil=True, boundscheck=False)
def _take(text, tables, raw, lane):  # type: ignore[no-untyped-def]
    # Writes the symbols of one text to ``lane``; returns how many there are and the five features.
    symbol_of, counts_of = tables
    raw[0] = START
    raw[1] = NEWLINE
    if len(text) <= HEAD + TAIL:
        counted = _read(text, symbol_of, counts_of, raw[2:])
        count = 2 + len(text)
    else:
        counted = _read(text[:HEAD], symbol_of, counts_of, raw[2:])
        raw[2 + HEAD] = NEWLINE
        counted += _read(text[len(text) - TAIL :], symbol_of, counts_of, raw[3 + HEAD :])
        count = 3 + HEAD + TAIL
    lane[0] = START
    numbers = _mark_inside(raw[: count - 1], raw[1:count], lane[1:count])
    last = count - 1
    while last > 1 and raw[last] <= SPACE:
        last -= 1
    question = np.int64(raw[last] == _QUESTION)
    return count, (
        len(text),
        np.int64(counted & _U(0xFFFFFFFF)),
        numbers,
        np.int64(counted >> _U(32)),
        question,
    )


@njit(nogil=True, boundscheck=False)
def _weigh(values, measures, scores):  # type: ignore[no-untyped-def]
    for k in range(len(measures)):
        holds = True
        for f in range(_FEATURES):
            holds &= measures[k, f] <= values[f] <= measures[k, _FEATURES + f]
        if holds:
            scores[measures[k, -2]] += measures[k, -1]


@njit(nogil=True, boundscheck=False)
def _settle(lane, hits, members, rules, work, scores):  # type: ignore[no-untyped-def]
    # Goes through the hits in one lane, text by text: which phrases the parts that end there begin, go on with, or
    # end.
    is_open, ended = work
    slots, phrases, opening = rules.slots, rules.phrases, rules.opening
    ends, ends_from, first_end = rules.automaton.ends, rules.automaton.ends_from, rules.automaton.first_end
    k = 0
    for m in range(len(members)):
        row, until = members[m]
        for slot in range(len(is_open)):
            is_open[slot] = opening[slot]
        while k < len(hits) and np.int64(hits[k] >> np.uint32(16)) < until:
            at = np.int64(hits[k] >> np.uint32(16))
            end = np.int64(hits[k] & np.uint32(0xFFFF)) - first_end
            k += 1
            for e in range(ends_from[end], ends_from[end + 1]):
                slot = ends[e, 0]
                if not is_open[slot]:
                    continue
                if ends[e, 2] and at + 1 < until and lane[at + 1] >= WORD_INSIDE:
                    continue
                phrase = slots[slot, 0]
                first = phrases[phrase, 0]
                if slot > first:
                    apart = at - ends[e, 1] + 1 - ended[phrase]
                    if apart <= 0:
                        continue
                    if apart > slots[slot, 2]:
                        is_open[slot] = False
                        continue
                ended[phrase] = at
                if slots[slot, 1]:
                    scores[row, phrases[phrase, 1]] += phrases[phrase, 2]
                    is_open[first : slot + 1] = False
                else:
                    is_open[slot + 1] = True


@njit(nogil=True, cache=True, boundscheck=False)
def _score(data, offsets, rows, rules, tables, scores):  # type: ignore[no-untyped-def]
    raw = np.empty(HEAD + TAIL + 4, dtype=np.uint8)
    lanes = np.empty((LANES, LANE), dtype=np.uint8)
    hits = np.empty((LANES, LANE + 1), dtype=np.uint32)
    found = np.zeros(LANES, dtype=np.int64)
    filled = np.zeros(LANES, dtype=np.int64)
    members = np.empty((LANES, LANE // 3 + 1, 2), dtype=np.int64)
    held = np.zeros(LANES, dtype=np.int64)
    work = (np.zeros(len(rules.opening), dtype=np.bool_), np.zeros(len(rules.phrases), dtype=np.int64))
    i = 0
    while i < len(rows):
        filled[:] = 0
        held[:] = 0
        while i < len(rows):
            shortest = filled.argmin()
            if filled[shortest] + HEAD + TAIL + 3 > LANE:
                break
            text = data[offsets[rows[i]] : offsets[rows[i] + 1]]
            count, values = _take(text, tables, raw, lanes[shortest, filled[shortest] :])
            _weigh(values, rules.measures, scores[i])
            filled[shortest] += count
            members[shortest, held[shortest], 0] = i
            members[shortest, held[shortest], 1] = filled[shortest]
            held[shortest] += 1
            i += 1
        length = filled.max()
        for lane in range(LANES):
            lanes[lane, filled[lane] : length] = NEWLINE
        _run(lanes, length, rules.automaton, hits, found)
        for lane in range(LANES):
            _settle(lanes[lane], hits[lane, : found[lane]], members[lane, : held[lane]], rules, work, scores)
