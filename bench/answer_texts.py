"""Any number of texts that look like answers to a sketch: phrases of three words from anywhere in real answers.

Their pieces of five characters are as common as in real answers, and no passage of one comes whole. Where
../shared/data is not there, the simulator's words are the source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from bench.exchanges import DATA, read_lines, texts
from numba import njit
from numpy.typing import NDArray

from stillhunt.sketch.texts import Texts

PHRASE = 3
"""Words of a phrase."""
LONGEST_WORD = 24
"""Characters; what is longer (a link, a list without blanks) would be a passage that texts share."""

I64 = NDArray[np.int64]

_U = np.uint64


@dataclass(frozen=True)
class Phrases:
    """``data``: the source's words, each with a blank behind it; word w begins at ``begins[w]``. ``words``: how many
    words its texts have."""

    data: NDArray[np.uint8]
    begins: I64
    words: I64


def real_answers() -> list[dict[str, str]]:
    """``model``, ``instruction``, ``output`` of real models; empty where the data is not there."""
    path = DATA / "models" / "alpaca_eval_answers.jsonl.zst"
    return [row for row in read_lines(path) if row["output"]] if path.is_file() else []


def phrases(answers: Sequence[str]) -> Phrases:
    """The phrases of ``answers``, or of generated words where there is none."""
    source = [one.split() for one in answers or texts().answers.split("\n\n")]
    words = [f"{word} ".encode() for one in source for word in one if len(word) <= LONGEST_WORD]
    begins = np.concatenate([[0], np.cumsum([len(word) for word in words])])
    return Phrases(
        np.frombuffer(b"".join(words), dtype=np.uint8), begins, np.array([len(one) for one in source])
    )


def made(source: Phrases, first: int, count: int, seed: int = 0, threads: int = 2) -> Iterator[Texts]:
    """Texts number ``first`` to ``first + count`` of an endless row, in as many pieces as ``threads``."""
    edges = np.linspace(first, first + count, threads + 1).astype(np.int64).tolist()
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(lambda at: _piece(source, edges[at], edges[at + 1], seed), range(threads))


def _piece(source: Phrases, first: int, end: int, seed: int) -> Texts:
    runs = np.maximum(np.random.default_rng((seed, first)).choice(source.words, end - first) // PHRASE, 1)
    room = np.empty(int(runs.sum()) * PHRASE * 8 + 1024, dtype=np.uint8)
    offsets = np.zeros(end - first + 1, dtype=np.int64)
    while not _speak(source.data, source.begins, runs, first, seed, room, offsets):
        room = np.empty(2 * len(room), dtype=np.uint8)
    return Texts(room, offsets, np.ones(end - first, dtype=np.bool_))


@njit(nogil=True, cache=True, boundscheck=False)
def _speak(data, begins, runs, start, seed, room, offsets):  # type: ignore[no-untyped-def]
    at = 0
    choices = _U(len(begins) - 1 - PHRASE)
    for i in range(len(runs)):
        # Seeds are mixed well: close ones would begin related streams, and texts would share passages.
        state = (_U(start + i) + _U(1)) * _U(0x9E3779B97F4A7C15) ^ _U(seed + 1) * _U(0xD6E8FEB86659FD93)
        for _ in range(2):
            state = (state ^ state >> _U(30)) * _U(0xBF58476D1CE4E5B9)
            state = (state ^ state >> _U(27)) * _U(0x94D049BB133111EB)
            state ^= state >> _U(31)
        for _ in range(runs[i]):
            state ^= state << _U(13)
            state ^= state >> _U(7)
            state ^= state << _U(17)
            word = np.int64((state >> _U(32)) * choices >> _U(32))
            begin, end = begins[word], begins[word + PHRASE]
            if at + end - begin > len(room):
                return False
            for j in range(begin, end):
                room[at] = data[j]
                at += 1
        offsets[i + 1] = at
    return True
