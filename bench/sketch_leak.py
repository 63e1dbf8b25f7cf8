"""What docs/limits.md says of sketches in figures: closed forms, and what one who holds the key does on one core."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from bench.result import Row
from numba import njit
from numpy.typing import NDArray

from stillhunt.sketch.digest import text_ids
from stillhunt.sketch.keys import SketchKey, key_words
from stillhunt.sketch.minhash import EMPTY, sketch_texts
from stillhunt.sketch.texts import texts_of
from stillhunt.sketch.theory import DIGEST_BITS, PART_BITS, band_agrees, chance_pairs, jaccard_sd

GUESSES = 500_000
READ_BACK = 3
"""Short texts whose slots are read back."""

_U = np.uint64


def leak_rows(texts: Sequence[str]) -> list[Row]:
    """Every figure that the page quotes."""
    return [*_closed_forms(), _guesses(), *_read_back(texts)]


def _closed_forms() -> list[Row]:
    rows = []
    for bits, name in ((DIGEST_BITS, "band or digest, 32 bits"), (64, "prompt code or text id, 64 bits")):
        for texts in (10**6, 10**8, 10**10):
            pairs = float(chance_pairs(texts, bits))
            rows.append(
                Row(f"{name}, {texts:.0e} distinct texts", "pairs equal by chance", pairs, "", "closed form")
            )
    pieces = 27**5 / 2 / 2**PART_BITS
    rows.append(Row("half a band", "pieces of letters and blanks that fit", pieces, "", "closed form"))
    for similarity in (0.0, 0.5, 0.8, 0.9, 0.95):
        case = f"texts of similarity {similarity}"
        rows.append(Row(case, "bands equal", float(band_agrees(similarity)), "", "closed form"))
        sd = float(jaccard_sd(similarity, 1000))
        rows.append(Row(case, "sd of the estimate", sd, "", "closed form"))
    return rows


def _guesses() -> Row:
    guesses = texts_of(pa.array([f"Could you list the rivers of region {i} for me?" for i in range(GUESSES)]))
    key = key_words(SketchKey("k", bytes(range(32)))).text
    text_ids(guesses, np.arange(10), key)
    start = time.process_time()
    text_ids(guesses, np.arange(GUESSES), key)
    rate = GUESSES / (time.process_time() - start)
    return Row("who holds the key", "guessed texts tested", rate, "1/s", None, GUESSES)


def _read_back(texts: Sequence[str]) -> list[Row]:
    # Texts of printable ASCII short enough that nearly every shingle has a slot of its own.
    short = [text for text in texts if 20 <= len(text) <= 40 and text.isascii() and text.isprintable()]
    key = SketchKey("k", bytes(range(32)))
    words = key_words(key).shingle
    right = slots = shingles = 0
    start = time.process_time()
    for text in short[:READ_BACK]:
        folded = text.lower()
        true = {folded[i : i + 5] for i in range(len(folded) - 4)}
        (sketch,) = sketch_texts(pa.array([text]), key)
        used = np.flatnonzero(sketch != EMPTY)
        read = [_shingles_of(int(slot), int(sketch[slot]), words) for slot in used]
        right += sum(len(found) == 1 and found[0] in true for found in read)
        slots += len(used)
        shingles += len(true)
    seconds = time.process_time() - start
    return [
        Row("who holds the key", "slots read back", right / slots, "", "text", slots),
        Row("who holds the key", "shingles read back", right / shingles, "", "text", shingles),
        Row("who holds the key", "time to read a slot back", seconds / slots, "s", None, slots),
    ]


def _shingles_of(slot: int, value: int, words: NDArray[np.uint64]) -> list[str]:
    """The shingles of printable characters that fall into this slot with this value."""
    k0, k1, k2, k3 = (int(word) for word in words)
    inverses = [_U(pow(k | 1, -1, 2**64)) for k in (k1, k3)]
    found = np.zeros(16, dtype=np.uint64)
    count = _search(_U((slot << 32 | value) << 26), _U(k0), _U(k2), inverses[0], inverses[1], found)
    return ["".join(chr(int(x) >> 12 * i & 0xFFF) for i in range(5)) for x in found[:count]]


@njit(nogil=True)
def _search(known, k0, k2, by_k1, by_k3, found):  # type: ignore[no-untyped-def]
    count = 0
    for low in range(1 << 26):
        x = (known | _U(low)) * by_k3 ^ k2
        x ^= x >> _U(32)
        x = x * by_k1 ^ k0
        if x >> _U(60) != 0:
            continue
        printable = True
        for i in range(5):
            symbol = x >> _U(12 * i) & _U(0xFFF)
            printable &= _U(32) <= symbol < _U(127)
        if printable and count < len(found):
            found[count] = x
            count += 1
    return count
