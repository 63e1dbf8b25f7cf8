"""Windows of traffic whose prompts are not spread as benign ones are: maximum mean discrepancy, after arXiv 2606.05725.

The paper embeds prompts by a neural network; none can be fetched here, so a prompt's embedding is the signed hashing of
its character n-grams (n = 3 to 5), scaled to length one. The rest is the paper's: Gaussian kernel, windows of 1,500
requests, a reference of benign traffic, and a threshold from benign windows alone. :mod:`bench.rivals.mmd_windows`
holds it against the published figures. A window names nobody, so three readings make it a score of accounts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from bench.rivals.log import RivalLog, Scores
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import coo_array

WINDOW = 1500
"""Requests of a window, and of the reference."""
DIMENSIONS = 512
FEATURES = 512
_SEED = 7

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Options:
    """reading: ``window``, the mean over an account's requests of the statistic of the window of all traffic that each
    fell in; ``witness``, the mean of how much likelier each prompt is in its window than in the reference, times the
    root of their number; ``own``, the statistic of the account's own prompts, times their number. distinct: prompts
    that an account repeats count once; for ``own``."""

    reading: str
    distinct: bool = False


GRID = (Options("window"), Options("witness"), Options("own"), Options("own", distinct=True))


def account_shift(log: RivalLog, options: Options) -> Scores:
    """The chosen reading; an account without prompts comes last, in ``own`` one of a single prompt too.

    The reference is drawn from the whole log: a percent of hostile requests hardly moves it. The kernel is replaced by
    random Fourier features (Rahimi and Recht, NIPS 2007), whose means give the statistics of all accounts in one pass.
    """
    if options.distinct:
        rows = log.table(
            "SELECT DISTINCT account, prompt FROM log WHERE prompt IS NOT NULL ORDER BY account, prompt"
        )
    else:
        rows = log.table("SELECT account, prompt FROM log WHERE prompt IS NOT NULL ORDER BY time, request_id")
    accounts = len(log.accounts)
    account, vectors = rows["account"].to_numpy(), embed(rows["prompt"])
    counts = np.bincount(account, minlength=accounts)
    if len(account) == 0:
        return np.full(accounts, -np.inf)
    rng = np.random.default_rng(_SEED)
    reference = vectors[rng.choice(len(vectors), min(WINDOW, len(vectors)), replace=False)]
    spread = rng.normal(0.0, np.sqrt(2.0 / bandwidth(reference)), (DIMENSIONS, FEATURES)).astype(np.float32)
    shift = rng.uniform(0.0, 2.0 * np.pi, FEATURES).astype(np.float32)
    usual = fourier(reference, spread, shift).mean(axis=0, dtype=np.float64)
    sums, squares, each = np.zeros((accounts, FEATURES)), np.zeros(accounts), np.zeros(len(vectors))
    for start in range(0, len(vectors), WINDOW):
        part = slice(start, start + WINDOW)
        found = fourier(vectors[part], spread, shift)
        apart = found.mean(axis=0, dtype=np.float64) - usual
        each[part] = apart @ apart if options.reading == "window" else found @ apart
        if options.reading == "own":
            rows_of = (np.ones(len(found)), (account[part], np.arange(len(found))))
            sums += coo_array(rows_of, (accounts, len(found))) @ found.astype(np.float64)
            squares += np.bincount(account[part], (found**2).sum(axis=1), accounts)
    some = np.maximum(counts, 1)
    if options.reading == "own":
        pairs = ((sums**2).sum(axis=1) - squares) / np.maximum(1, some * (some - 1))
        statistic = pairs - 2 * (sums @ usual) / some + usual @ usual
        return np.where(counts > 1, counts * statistic, -np.inf)
    total = np.bincount(account, each, accounts)
    return np.where(counts > 0, total / (some if options.reading == "window" else np.sqrt(some)), -np.inf)


def fourier(vectors: Vectors, spread: Vectors, shift: Vectors) -> Vectors:
    """(n, FEATURES): features whose inner product is nearly the kernel."""
    return np.cos(vectors @ spread + shift) * np.float32(np.sqrt(2.0 / FEATURES))


def embed(texts: pa.ChunkedArray) -> Vectors:
    """(n, DIMENSIONS) of unit length; zero for texts of fewer than three bytes. Equal texts are embedded once."""
    coded = texts.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    words = [each.encode() for each in coded.dictionary.to_pylist()]
    starts = np.zeros(len(words) + 1, dtype=np.int64)
    np.cumsum([len(each) for each in words], out=starts[1:])
    found = np.zeros((len(words), DIMENSIONS), dtype=np.float32)
    _hash_grams(np.frombuffer(b"".join(words), dtype=np.uint8), starts, found)
    return found[coded.indices.to_numpy()]


@njit(nogil=True)
def _hash_grams(data, starts, found):  # type: ignore[no-untyped-def]
    for row in range(len(starts) - 1):
        for first in range(starts[row], starts[row + 1] - 2):
            value = np.uint64(0)
            for place in range(first, min(first + 5, starts[row + 1])):
                value = (value + np.uint64(data[place]) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
                if place - first >= 2:
                    mixed = (value ^ (value >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
                    column = (mixed >> np.uint64(40)) % np.uint64(found.shape[1])
                    found[row, column] += 1.0 if mixed >> np.uint64(63) else -1.0
        length = 0.0
        for column in range(found.shape[1]):
            length += found[row, column] ** 2
        if length > 0:
            for column in range(found.shape[1]):
                found[row, column] /= np.sqrt(length)


def bandwidth(vectors: Vectors) -> float:
    """Median of the squared distances between different vectors."""
    squared = np.maximum(0.0, 2.0 - 2.0 * (vectors @ vectors.T))[np.triu_indices(len(vectors), 1)]
    return float(np.median(squared)) if len(squared) and np.median(squared) > 0 else 1.0


def kernel(left: Vectors, right: Vectors, width: float) -> NDArray[np.float32]:
    """Gaussian kernel of unit vectors: exp(-|x - y|² / width)."""
    return np.exp((left @ right.T - 1.0) * np.float32(2.0 / width))
