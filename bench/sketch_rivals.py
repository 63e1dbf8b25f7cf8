"""The same sketch by other means: list of texts in, 64 values a text out. Each is the fastest way that was found to use
its library in bulk. Neither library cuts shingles of five characters, so Python does. What comes out is left as the
library gives it; :func:`values` makes an array of it, outside of what is timed."""

from __future__ import annotations

import os

os.environ["RAYON_NUM_THREADS"] = "1"  # before rensa starts its threads

import types
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from datasketch import MinHash
from numba import njit
from numpy.typing import NDArray
from rensa import RMinHash

from stillhunt.schema.requests import SKETCH_SLOTS
from stillhunt.sketch import minhash
from stillhunt.sketch.keys import SketchKey, key_words
from stillhunt.sketch.minhash import EMPTY, sketch_rows
from stillhunt.sketch.texts import texts_of

Sketches = NDArray[np.uint32]
Method = Callable[[Any, int], Any]
"""Texts and a seed to sketches."""
AT_ONCE = 256
"""Texts whose shingles numpy hashes at once: few enough for the processor's cache."""

_U = np.uint64
_ODD = _U(0x9E3779B97F4A7C15)


def keyed(texts: pa.Array, seed: int) -> Sketches:
    """Ours, from an Arrow array."""
    words = key_words(SketchKey("k", seed.to_bytes(32, "big")))
    return sketch_rows(texts_of(texts), np.arange(len(texts)), words.shingle)[0]


def keyed_from_list(texts: Sequence[str], seed: int) -> Sketches:
    """Ours, from a list of Python strings."""
    return keyed(pa.array(texts, pa.large_string()), seed)


def unkeyed(texts: pa.Array, _seed: int) -> Sketches:
    """Our kernel, compiled with a hash that takes no key: its multipliers are constants and nothing is added."""
    flat = texts_of(texts)
    out = np.empty((len(texts), SKETCH_SLOTS), dtype=np.uint32)
    no_key = np.zeros(4, dtype=np.uint64)
    _SKETCH_UNKEYED(
        flat.data, flat.offsets, np.arange(len(texts)), no_key, out, np.empty(len(texts), dtype=np.int32)
    )
    return out


@njit(nogil=True, boundscheck=False, error_model="numpy")
def _hash_unkeyed(symbols, pairs, hashes, key):  # type: ignore[no-untyped-def]
    for j in range(len(hashes) + 2):
        pairs[j] = np.uint32(symbols[j]) | np.uint32(symbols[j + 1]) << np.uint32(12)
    for j in range(len(hashes)):
        x = _U(pairs[j]) | _U(pairs[j + 2]) << _U(24) | _U(symbols[j + 4]) << _U(48)
        x *= _ODD
        x ^= x >> _U(32)
        hashes[j] = x * _ODD


_SKETCH_UNKEYED = njit(nogil=True, boundscheck=False, error_model="numpy")(
    types.FunctionType(minhash._sketch.py_func.__code__, {**vars(minhash), "_hash": _hash_unkeyed})
)


def rensa_plain(texts: Sequence[str], seed: int) -> list[Any]:
    """rensa's MinHash, in bulk from strings."""
    return [RMinHash.digest_matrix_from_token_sets(_shingles(texts), SKETCH_SLOTS, seed)]


def rensa_rho(texts: Sequence[str], seed: int) -> list[Any]:
    """rensa's one-pass sketch ("rho"), in bulk from strings."""
    return [RMinHash.digest_matrix_from_token_sets_rho(_shingles(texts), SKETCH_SLOTS, seed)]


def rensa_rho_hashed(texts: Sequence[str], seed: int) -> list[Any]:
    """The same from hashes that numpy makes of many texts at once: the library's own hashing is not used."""
    make = RMinHash.digest_matrix_from_flat_token_hashes_rho
    return [make(*_hashes(part), SKETCH_SLOTS, seed) for part in _parts(texts)]


def rensa_plain_hashed(texts: Sequence[str], seed: int) -> list[Any]:
    """rensa's MinHash from such hashes."""
    make = RMinHash.digest_matrix_from_flat_token_hashes
    return [make(*_hashes(part), SKETCH_SLOTS, seed) for part in _parts(texts)]


def datasketch_sha1(texts: Sequence[str], seed: int) -> list[Any]:
    """datasketch's bulk interface as it comes, which hashes with SHA-1."""
    return MinHash.bulk(_byte_shingles(texts), num_perm=SKETCH_SLOTS, seed=seed)  # type: ignore[no-any-return]


def datasketch_crc32(texts: Sequence[str], seed: int) -> list[Any]:
    """The same with the cheapest hash of the standard library in place of SHA-1."""
    return MinHash.bulk(  # type: ignore[no-any-return]
        _byte_shingles(texts), num_perm=SKETCH_SLOTS, seed=seed, hashfunc=zlib.crc32
    )


def values(made: Any) -> Sketches:
    """What a method gave, as an array of shape (n, 64)."""
    if isinstance(made, np.ndarray):
        return made
    if isinstance(made[0], MinHash):
        return np.array([each.hashvalues for each in made])
    return np.concatenate([np.array(part.to_rows(), dtype=np.uint32) for part in made])


def jaccard(a: Sketches, b: Sketches) -> NDArray[np.float64]:
    """The share of equal values, of ours without slots that are empty in both."""
    used = ((a != EMPTY) | (b != EMPTY)).sum(axis=1)
    return ((a == b) & (a != EMPTY)).sum(axis=1) / np.maximum(used, 1)


def _shingles(texts: Sequence[str]) -> Iterator[list[str]]:
    # Of the ways to cut in Python that were tried (slices, a set, itertools), this one is the fastest.
    return (list(map("".join, zip(t, t[1:], t[2:], t[3:], t[4:], strict=False))) for t in texts)


def _byte_shingles(texts: Sequence[str]) -> Iterator[list[bytes]]:
    for text in texts:
        raw = text.encode()
        yield [raw[i : i + 5] for i in range(len(raw) - 4)]


def _parts(texts: Sequence[str]) -> Iterator[list[bytes]]:
    for start in range(0, len(texts), AT_ONCE):
        yield [text.encode() for text in texts[start : start + AT_ONCE]]


def _hashes(texts: Sequence[bytes]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Five bytes put together in a word and multiplied, for every place in every text; and where each text's begin."""
    raw = np.frombuffer(b"".join(texts) + bytes(4), dtype=np.uint8).astype(np.uint64)
    word = raw[:-4] | raw[1:-3] << _U(8) | raw[2:-2] << _U(16) | raw[3:-1] << _U(24) | raw[4:] << _U(32)
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    ends = np.cumsum(lengths)
    whole = np.ones(len(word), dtype=np.bool_)
    for back in range(1, 5):
        whole[np.maximum(ends - back, ends - lengths)[lengths > 0]] = False
    offsets = np.concatenate([[0], np.cumsum(np.maximum(lengths - 4, 0))]).astype(np.uint64)
    return (word * _ODD)[whole], offsets
