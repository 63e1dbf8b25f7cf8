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

WINDOW = 1500
"""Requests of a window, and of the reference."""
DIMENSIONS = 256
MOST = 60
"""Requests of an account that its own prompts are judged by, drawn at random; a bound on time."""
_SEED = 7

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Options:
    """reading: ``window``, the mean over an account's requests of the statistic of the window of all traffic that each
    fell in; ``witness``, the mean of how much likelier each prompt is in its window than in the reference, times the
    root of their number; ``own``, the statistic of the account's own prompts, times their number. distinct:
    prompts that an account repeats count once; for ``own``."""

    reading: str
    distinct: bool = False


GRID = (Options("window"), Options("witness"), Options("own"), Options("own", distinct=True))


def account_shift(log: RivalLog, options: Options) -> Scores:
    """The chosen reading. The reference is drawn from the whole log: a percent of hostile requests hardly moves it."""
    distinct = "DISTINCT" if options.distinct else ""
    order = "" if options.distinct else "ORDER BY time, request_id"
    rows = log.table(f"SELECT {distinct} account, prompt FROM log WHERE prompt IS NOT NULL {order}")
    account, vectors = rows["account"].to_numpy(), embed(rows["prompt"])
    score = np.full(len(log.accounts), -np.inf)
    if len(account) == 0:
        return score
    rng = np.random.default_rng(_SEED)
    reference = vectors[rng.choice(len(vectors), min(WINDOW, len(vectors)), replace=False)]
    width = bandwidth(reference)
    counts = np.bincount(account, minlength=len(log.accounts))
    if options.reading == "own":
        return _own(account, vectors, reference, width, score)
    base = kernel(reference, reference, width)
    each = np.zeros(len(vectors))
    for start in range(0, len(vectors), WINDOW):
        part = vectors[start : start + WINDOW]
        inside, across = kernel(part, part, width), kernel(part, reference, width)
        if options.reading == "window":
            each[start : start + WINDOW] = unbiased(inside) + unbiased(base) - 2 * across.mean()
        else:
            each[start : start + WINDOW] = _others(inside) - across.mean(axis=1)
    total = np.bincount(account, each, len(log.accounts))
    power = 1.0 if options.reading == "window" else 0.5
    return np.where(counts > 0, total / np.maximum(1, counts) ** power, score)


def _own(
    account: NDArray[np.int32], vectors: Vectors, reference: Vectors, width: float, score: Scores
) -> Scores:
    """n times the statistic of each account's n prompts, at least two and at most MOST of them."""
    rng = np.random.default_rng(_SEED)
    base = unbiased(kernel(reference, reference, width))
    order = rng.permutation(len(account))
    order = order[np.argsort(account[order], kind="stable")]
    edges = np.flatnonzero(np.diff(account[order])) + 1
    for group in np.split(order, edges):
        if len(group) < 2:
            continue
        some = vectors[group[:MOST]]
        across = kernel(some, reference, width).mean()
        score[account[group[0]]] = len(some) * (unbiased(kernel(some, some, width)) + base - 2 * across)
    return score


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


def unbiased(inside: NDArray[np.float32]) -> float:
    """Mean of a square kernel matrix off its diagonal."""
    n = len(inside)
    return float((inside.sum(dtype=np.float64) - np.trace(inside)) / (n * (n - 1))) if n > 1 else 0.0


def _others(inside: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean kernel of each row with the other rows."""
    return (inside.sum(axis=1, dtype=np.float64) - np.diag(inside)) / max(1, len(inside) - 1)
