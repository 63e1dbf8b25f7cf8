"""SynthID-Text as transformers ships it (spec/marks.md, sections 4.7 and 5.4).

Source of the scheme: S. Dathathri et al., "Scalable watermarking for identifying large language model outputs",
Nature 634 (2024).

The public hash leaves a weakness that a detector must know: a depth's bit depends on its key only through the key
modulo the table's size, and windows whose hashes agree modulo that size share every bit. So the test counts, for each
of the ``table_size`` values that a key can take there, what the statistic would have been, and adds depths as
independent draws from that list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stillhunt.errors import SettingError
from stillhunt.marks.windows import Windows
from stillhunt.stats.exact import log_lattice_sf

U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]
F64 = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]
_FACTOR = np.uint64(6364136223846793005)


@dataclass(frozen=True, repr=False)
class SynthId:
    """Tournament sampling over one keyed bit per depth.

    keys: one integer per depth. width: tokens of context, transformers' ``ngram_len`` less 1. table: (table_size,)
    bits, a power of two of them.
    """

    keys: tuple[int, ...]
    width: int
    table: NDArray[np.uint8]
    pad: int = 0

    def bits(self, contexts: U32, tokens: U32) -> NDArray[np.uint8]:
        """The bits of windows: (n, width) and (n,) to (n, depth)."""
        keys = np.array(self.keys, dtype=np.uint64)
        found: NDArray[np.uint8] = self.table[_step(_hash(contexts, tokens)[:, None], keys) & self._mask]
        return found

    def choose(self, logits: Floats, contexts: U32, rng: np.random.Generator) -> NDArray[np.int64]:
        noisy = np.log(self.reweigh(logits, contexts)) + rng.gumbel(size=logits.shape)
        return np.asarray(np.argmax(noisy, axis=1), dtype=np.int64)

    def reweigh(self, logits: Floats, contexts: U32) -> F64:
        """Probabilities under the mark: (b, vocabulary), clipped above 0 so that their logarithm is finite."""
        vocabulary = logits.shape[1]
        p = np.exp(logits - logits.max(axis=1, keepdims=True)).astype(np.float64)
        p /= p.sum(axis=1, keepdims=True)
        h = _step(_absorb(contexts)[:, None], np.arange(vocabulary, dtype=np.uint64))
        for key in self.keys:
            g = self.table[_step(h, np.uint64(key)) & self._mask]
            p = p * (1.0 + g - (g * p).sum(axis=1, keepdims=True))
        return np.asarray(np.maximum(p, 1e-300), dtype=np.float64)

    def scores(self, windows: Windows) -> F64:
        """The share of set bits of each window."""
        return np.asarray(self.bits(windows.contexts, windows.tokens).mean(axis=1), dtype=np.float64)

    def log_p(self, windows: Windows, weights: F64 | None = None) -> tuple[float, float]:
        """The number of set bits and the exact ``log p`` over keys drawn uniformly; ``weights`` must be whole."""
        if len(windows) == 0:
            return 0.0, 0.0
        counts = np.ones(len(windows)) if weights is None else weights
        if (counts < 0).any() or (counts != np.floor(counts)).any():
            raise SettingError("SynthID's test takes weights that are whole numbers from 0", "weights")
        residues = (_hash(windows.contexts, windows.tokens) & self._mask).astype(np.int64)
        per_residue = np.bincount(residues, weights=counts, minlength=len(self.table)).astype(np.float64)
        sums = self._sums(per_residue)
        own = sums[np.array([key & (len(self.table) - 1) for key in self.keys])]
        pmf = np.bincount(sums) / len(sums)
        total = int(own.sum())
        return float(total), log_lattice_sf(total, pmf, len(self.keys))

    def log_factors(self, scores: F64, tilt: float) -> F64 | None:
        return None  # bits of windows share a key residue, so no product over windows is an e-value

    def log_moment(self, t: F64) -> F64 | None:
        return None

    @property
    def _mask(self) -> np.uint64:
        return np.uint64(len(self.table) - 1)

    def _sums(self, per_residue: F64) -> NDArray[np.int64]:
        # sums[k] = sum over r of per_residue[r] * table[((r + k) * factor + 1) mod size]: a circular correlation.
        size = len(self.table)
        shifted = self.table[_step(np.arange(size, dtype=np.uint64), np.uint64(0)) & self._mask].astype(
            np.float64
        )
        spectrum = np.conj(np.fft.rfft(per_residue)) * np.fft.rfft(shifted)
        return np.rint(np.fft.irfft(spectrum, size)).astype(np.int64)


def sampling_table(size: int, seed: int) -> NDArray[np.uint8]:
    """The low bits of the first ``size`` outputs of MT19937, seeded as a CPU generator of torch seeds it."""
    state = np.random.MT19937()
    state._legacy_seeding(seed)
    drawn: U64 = state.random_raw(size)
    return (drawn & np.uint64(1)).astype(np.uint8)


def _step(h: U64, word: U64 | np.uint64) -> U64:
    return np.asarray((h + word) * _FACTOR + np.uint64(1), dtype=np.uint64)


def _absorb(contexts: U32) -> U64:
    h = np.ones(len(contexts), dtype=np.uint64)
    for column in contexts.T:
        h = _step(h, column.astype(np.uint64))
    return h


def _hash(contexts: U32, tokens: U32) -> U64:
    return _step(_absorb(contexts), tokens.astype(np.uint64))
