"""The schemes: how a token is chosen under a mark, and what each window scores (spec/marks.md, sections 4 and 5).

A scheme is a value with two sides. ``choose`` takes logits that temperature and truncation were applied to and
returns tokens; ``scores`` and ``log_p`` are the test. A text chosen without the key scores as the law says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stillhunt.errors import SettingError
from stillhunt.marks.keys import SubKey
from stillhunt.marks.murmur3 import murmur3_coins, murmur3_contexts
from stillhunt.marks.profile import Profile
from stillhunt.marks.synthid import SynthId, sampling_table
from stillhunt.marks.windows import Windows
from stillhunt.marks.words import PAD, U32, HmacWords, Murmur3Words, PhiloxWords, WordFunction
from stillhunt.stats.exact import (
    chernoff_bernoullis,
    chernoff_exponentials,
    log_binomial_sf,
    log_gamma_sf,
    log_two_gammas_sf,
)

F64 = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]


class Scheme(Protocol):
    """What every scheme can do."""

    @property
    def width(self) -> int: ...

    @property
    def pad(self) -> int: ...

    def choose(self, logits: Floats, contexts: U32, rng: np.random.Generator) -> NDArray[np.int64]:
        """Tokens under the mark: logits (b, vocabulary), contexts (b, width) to (b,)."""
        ...

    def scores(self, windows: Windows) -> F64:
        """One score per window, (n,)."""
        ...

    def log_p(self, windows: Windows, weights: F64 | None = None) -> tuple[float, float]:
        """The statistic and ``log p`` of distinct windows; with weights (n,), an upper bound on it."""
        ...

    def log_factors(self, scores: F64, tilt: float) -> F64 | None:
        """Logarithms of the windows' e-factors against one alternative, 0 < tilt < 1: (n,); None without one."""
        ...

    def log_moment(self, t: F64) -> F64 | None:
        """``log E[exp(t score)]`` of a window under the null, elementwise for t in [0, 1); None without one."""
        ...


@dataclass(frozen=True)
class Gumbel:
    """Gumbel-max: the token with the largest logit plus keyed noise. One token's law over keys is unchanged."""

    words: WordFunction
    width: int
    pad: int = int(PAD)

    def choose(self, logits: Floats, contexts: U32, rng: np.random.Generator) -> NDArray[np.int64]:
        return _gumbel_choice(self.words, logits, contexts)

    def scores(self, windows: Windows) -> F64:
        return exponential_scores(self.words.paired(windows.contexts, windows.tokens))

    def log_p(self, windows: Windows, weights: F64 | None = None) -> tuple[float, float]:
        return _exponential_log_p(self.scores(windows), weights)

    def log_factors(self, scores: F64, tilt: float) -> F64 | None:
        return tilted_exponentials(scores, tilt)

    def log_moment(self, t: F64) -> F64 | None:
        return np.asarray(-np.log1p(-t), dtype=np.float64)


@dataclass(frozen=True)
class DualGumbel:
    """Gumbel-max under key A or, by an unkeyed coin with probability ``alpha``, key B (vLLM)."""

    first: WordFunction
    second: WordFunction
    width: int
    alpha: float
    pad: int = int(PAD)

    def choose(self, logits: Floats, contexts: U32, rng: np.random.Generator) -> NDArray[np.int64]:
        second = rng.random(len(contexts)) < self.alpha
        return np.where(
            second,
            _gumbel_choice(self.second, logits, contexts),
            _gumbel_choice(self.first, logits, contexts),
        )

    def scores(self, windows: Windows) -> F64:
        first, second = (
            exponential_scores(words.paired(windows.contexts, windows.tokens))
            for words in (self.first, self.second)
        )
        return (1 - self.alpha) * first + self.alpha * second

    def log_p(self, windows: Windows, weights: F64 | None = None) -> tuple[float, float]:
        scores = self.scores(windows)
        n = len(scores)
        if n == 0:
            return 0.0, 0.0
        if weights is None:
            total = float(scores.sum())
            return total, log_two_gammas_sf(total, n, 1 - self.alpha, self.alpha)
        total = float(weights @ scores)
        both = np.concatenate([(1 - self.alpha) * weights, self.alpha * weights])
        return total, chernoff_exponentials(total, both)

    def log_factors(self, scores: F64, tilt: float) -> F64 | None:
        own, other = tilt * (1 - self.alpha), tilt * self.alpha
        return np.asarray(tilt * scores + np.log1p(-own) + np.log1p(-other), dtype=np.float64)

    def log_moment(self, t: F64) -> F64 | None:
        return np.asarray(-np.log1p(-t * (1 - self.alpha)) - np.log1p(-t * self.alpha), dtype=np.float64)


@dataclass(frozen=True)
class CoinGumbel:
    """Gumbel-max under the key that a keyed coin over the context names (SGLang's dual key)."""

    first: Murmur3Words
    second: Murmur3Words
    width: int
    mixing: float
    pad: int = int(PAD)

    def choose(self, logits: Floats, contexts: U32, rng: np.random.Generator) -> NDArray[np.int64]:
        return np.where(
            self._first(contexts),
            _gumbel_choice(self.first, logits, contexts),
            _gumbel_choice(self.second, logits, contexts),
        )

    def scores(self, windows: Windows) -> F64:
        first, second = (
            words.paired(windows.contexts, windows.tokens) for words in (self.first, self.second)
        )
        return exponential_scores(np.where(self._first(windows.contexts), first, second))

    def log_p(self, windows: Windows, weights: F64 | None = None) -> tuple[float, float]:
        return _exponential_log_p(self.scores(windows), weights)

    def log_factors(self, scores: F64, tilt: float) -> F64 | None:
        return tilted_exponentials(scores, tilt)

    def log_moment(self, t: F64) -> F64 | None:
        return np.asarray(-np.log1p(-t), dtype=np.float64)

    def _first(self, contexts: U32) -> NDArray[np.bool_]:
        coins = murmur3_coins(self.first.key, self.second.key, murmur3_contexts(contexts))
        below: NDArray[np.bool_] = coins < int(self.mixing * 2**32)
        return below


@dataclass(frozen=True)
class Green:
    """A share ``gamma`` of the tokens is green after each context, by its word alone; green logits gain ``delta``."""

    words: WordFunction
    width: int
    gamma: float
    delta: float
    pad: int = int(PAD)

    @property
    def threshold(self) -> int:
        return int(self.gamma * 2**32)

    @property
    def share(self) -> float:
        """The exact probability that a token is green."""
        return self.threshold / 2**32

    def choose(self, logits: Floats, contexts: U32, rng: np.random.Generator) -> NDArray[np.int64]:
        green = self.words.table(contexts, logits.shape[1]) < self.threshold
        return sample(logits + self.delta * green, rng)

    def scores(self, windows: Windows) -> F64:
        return (self.words.paired(windows.contexts, windows.tokens) < self.threshold).astype(np.float64)

    def log_p(self, windows: Windows, weights: F64 | None = None) -> tuple[float, float]:
        scores = self.scores(windows)
        if len(scores) == 0:
            return 0.0, 0.0
        if weights is None:
            total = float(scores.sum())
            return total, log_binomial_sf(int(total), len(scores), self.share)
        total = float(weights @ scores)
        return total, chernoff_bernoullis(total, weights, self.share)

    def log_factors(self, scores: F64, tilt: float) -> F64 | None:
        lifted = self.share + tilt * (1 - self.share)
        hit, miss = np.log(lifted / self.share), np.log1p(-lifted) - np.log1p(-self.share)
        return np.asarray(np.where(scores > 0, hit, miss), dtype=np.float64)

    def log_moment(self, t: F64) -> F64 | None:
        return np.asarray(np.log1p(self.share * np.expm1(t)), dtype=np.float64)


def scheme_of(profile: Profile, subkey: SubKey) -> Scheme:
    """The scheme of ``profile`` under ``subkey``."""
    return schemes_of(profile)(subkey)


def schemes_of(profile: Profile) -> Callable[[SubKey], Scheme]:
    """The scheme of ``profile`` as a function of the subkey; what does not depend on it is computed once."""
    if profile.scheme == "synthid":
        table = sampling_table(profile.table_size, profile.table_seed)
        return lambda subkey: SynthId(subkey.synthid_keys(profile.depth), profile.width, table)
    return lambda subkey: _over_words(profile, subkey)


def _over_words(profile: Profile, subkey: SubKey) -> Scheme:
    if profile.scheme == "gumbel-dual":
        return _dual(profile, subkey)
    words = word_function(profile.prf, subkey)
    if profile.scheme == "green":
        return Green(words, profile.width, profile.gamma, profile.delta)
    return Gumbel(words, profile.width)


def word_function(prf: str, subkey: SubKey) -> WordFunction:
    """The word function ``prf`` under ``subkey``."""
    if prf == "philox":
        return PhiloxWords(subkey.engine_key)
    if prf == "murmur3":
        return Murmur3Words(subkey.engine_key)
    if prf == "hmac-sha256":
        return HmacWords(subkey.secret)
    raise SettingError(f"expected philox, murmur3 or hmac-sha256, got {prf!r}", "prf")


def vllm_dual_keys(key: int) -> tuple[int, int]:
    """Keys A and B that vLLM derives from one engine key (section 4.5)."""
    first, second = (
        int.from_bytes(hashlib.sha256(name + key.to_bytes(8, "big")).digest()[:8], "big")
        for name in (b"key_a", b"key_b")
    )
    return first, second


def exponential_scores(words: U32) -> F64:
    """``-log(1 - word / 2**32)``: at the lower end of the word's cell, so never above the ideal Exp(1) draw, and at
    most 22.2. (A midpoint in float32 rounds to 1 for the top words and would score infinity.)"""
    return np.asarray(-np.log1p(-(words.astype(np.float64) / 2.0**32)), dtype=np.float64)


def tilted_exponentials(scores: F64, tilt: float) -> F64:
    """``log((1 - tilt) exp(tilt * score))``: the e-factor of scores that never exceed Exp(1) draws."""
    return np.asarray(tilt * scores + np.log1p(-tilt), dtype=np.float64)


def uniforms(words: U32, prf: str) -> Floats:
    """What the chooser takes as uniform, in (0, 1) and never 1: as the engine of ``prf`` computes it."""
    if prf == "murmur3":
        return (words.astype(np.float64) + 0.5) / 2.0**32
    return (((words >> np.uint32(8)).astype(np.float64) + 1.0) / (2.0**24 + 1.0)).astype(np.float32)


def sample(logits: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """Ordinary sampling from logits (b, vocabulary), without any mark."""
    return np.asarray(np.argmax(logits + rng.gumbel(size=logits.shape), axis=1), dtype=np.int64)


def _gumbel_choice(words: WordFunction, logits: Floats, contexts: U32) -> NDArray[np.int64]:
    u = uniforms(words.table(contexts, logits.shape[1]), words.name)
    noise = -np.log(-np.log(u))
    return np.asarray(np.argmax(logits.astype(noise.dtype) + noise, axis=1), dtype=np.int64)


def _exponential_log_p(scores: F64, weights: F64 | None) -> tuple[float, float]:
    if len(scores) == 0:
        return 0.0, 0.0
    if weights is None:
        total = float(scores.sum())
        return total, float(log_gamma_sf(total, len(scores)))
    total = float(weights @ scores)
    return total, chernoff_exponentials(total, weights)


def _dual(profile: Profile, subkey: SubKey) -> Scheme:
    if profile.prf == "philox":
        first, second = vllm_dual_keys(subkey.engine_key)
        return DualGumbel(PhiloxWords(first), PhiloxWords(second), profile.width, profile.alpha)
    return CoinGumbel(
        Murmur3Words(subkey.engine_key), Murmur3Words(subkey.second_engine_key), profile.width, profile.mixing
    )
