"""Closed forms: what a mark scores, and how many windows a proof needs. Each is compared with simulation by a test."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma
from scipy.stats import norm

from stillhunt.errors import SettingError
from stillhunt.stats.exact import log_binomial_sf, log_gamma_sf

F64 = NDArray[np.float64]
_MOST = 10**12


def gumbel_mean_score(p: F64) -> float:
    """The mean score of a Gumbel-marked window whose token law is ``p``, shape (vocabulary,): 1 without entropy's help.

    The chosen token's uniform is Beta(1/p, 1), so its score's mean is the harmonic number of 1/p.
    Source: Aaronson (2022); Fernandez et al. (2023), "Three bricks to consolidate watermarks", appendix.
    """
    chosen = p[p > 0]
    return float(chosen @ (digamma(1 / chosen + 1) - digamma(1.0)))


def gumbel_score_variance(p: F64) -> float:
    """The variance of that score: of the harmonic number's law within tokens, and of its mean between them."""
    chosen = p[p > 0]
    mean = digamma(1 / chosen + 1) - digamma(1.0)
    within = polygamma(1, 1.0) - polygamma(1, 1 / chosen + 1)
    return float(chosen @ (within + mean**2) - (chosen @ mean) ** 2)


def green_share(p: F64, gamma: float, delta: float) -> float:
    """The expected green share of a window whose unmarked law is ``p``: a mean over 4,096 seeded green lists."""
    rng = np.random.default_rng(0)
    green = rng.random((4096, len(p))) < gamma
    lifted = p * np.where(green, math.exp(delta), 1.0)
    return float(((lifted * green).sum(axis=1) / lifted.sum(axis=1)).mean())


def windows_needed_green(lift: float, gamma: float, p_value: float, power: float = 0.5) -> int:
    """Distinct windows so that a green share of ``gamma + lift`` gives p < ``p_value`` with probability ``power``.

    The count's lower quantile is taken as normal, its p-value as the exact binomial tail.
    """
    share = gamma + lift
    _checked(lift, p_value, power)
    if not 0 < gamma < share < 1:
        raise SettingError(f"expected 0 < gamma < gamma + lift < 1, got gamma={gamma}, lift={lift}")

    def enough(n: int) -> bool:
        low = n * share - norm.ppf(power) * math.sqrt(n * share * (1 - share))
        k = min(n, max(0, math.floor(low)))
        return log_binomial_sf(k, n, gamma) < math.log(p_value)

    return _least(enough)


def windows_needed_gumbel(
    lift: float, p_value: float, power: float = 0.5, variance: float | None = None
) -> int:
    """Distinct windows so that a mean score of ``1 + lift`` gives p < ``p_value`` with probability ``power``.

    variance: of one score, by default ``(1 + lift)²`` as of an exponential. The sum's lower quantile is taken as
    normal, its p-value as the exact gamma tail.
    """
    _checked(lift, p_value, power)
    spread = (1 + lift) ** 2 if variance is None else variance

    def enough(n: int) -> bool:
        low = n * (1 + lift) - norm.ppf(power) * math.sqrt(n * spread)
        return float(log_gamma_sf(low, n)) < math.log(p_value)

    return _least(enough)


def bernoulli_rate(share: float, gamma: float) -> float:
    """Nats of evidence per window in the long run: the relative entropy of ``share`` to ``gamma``."""
    return share * math.log(share / gamma) + (1 - share) * math.log((1 - share) / (1 - gamma))


def exponential_rate(mean: float) -> float:
    """Nats of evidence per window in the long run at mean score ``mean`` >= 1: Cramér's rate of Exp(1)."""
    return mean - 1 - math.log(mean)


def _checked(lift: float, p_value: float, power: float) -> None:
    if lift <= 0 or not 0 < p_value < 1 or not 0 < power < 1:
        raise SettingError(
            f"expected lift > 0, p_value and power between 0 and 1, got {lift}, {p_value}, {power}"
        )


def _least(enough: Callable[[int], bool]) -> int:
    high = 1
    while not enough(high):
        high *= 2
        if high > _MOST:
            raise SettingError("the lift is too small: more than 10^12 windows would be needed", "lift")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
