"""Upper tails of sums whose law is known, as natural logarithms, so that they do not end at 1e-308."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import betainc, expit, gammaincc, gammaln, logsumexp

_UNDERFLOW = 1e-280
_TERMS = 2_000_000


def log_gamma_sf(x: ArrayLike, shape: ArrayLike) -> NDArray[np.float64]:
    """``log P(Gamma(shape, 1) >= x)``; x, shape: any broadcastable shapes, ``shape`` > 0.

    Source: the regularised incomplete gamma function; below 1e-280 its continued fraction (DLMF 8.9.2).
    """
    at, a = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(shape, dtype=np.float64))
    tail = gammaincc(a, np.maximum(at, 0.0))
    with np.errstate(divide="ignore"):
        result = np.log(tail)
    deep = tail < _UNDERFLOW
    if deep.any():
        result = np.array(result)
        result[deep] = _log_gamma_fraction(at[deep], a[deep])
    return np.asarray(np.minimum(result, 0.0), dtype=np.float64)


def log_binomial_sf(k: int, n: int, p: float) -> float:
    """``log P(Binomial(n, p) >= k)``.

    Source: the regularised incomplete beta function; below 1e-280 the sum of the tail's terms, which fall off faster
    than a geometric series.
    """
    if not 0 <= k <= n or not 0 < p < 1:
        raise ValueError(f"expected 0 <= k <= n and 0 < p < 1, got k={k}, n={n}, p={p}")
    if k == 0:
        return 0.0
    tail = float(betainc(k, n - k + 1, p))
    if tail >= _UNDERFLOW:
        return min(0.0, float(np.log(tail)))
    j = np.arange(k, n + 1, dtype=np.float64)[:_TERMS]
    first = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) + k * np.log(p) + (n - k) * np.log1p(-p)
    ratios = (n - j[:-1]) / (j[:-1] + 1) * (p / (1 - p))
    return float(first + np.log1p(np.cumprod(ratios).sum()))


def log_two_gammas_sf(x: float, n: int, a: float, b: float) -> float:
    """``log P(a G + b H >= x)`` for independent G, H ~ Gamma(n, 1), integer n, a, b >= 0; never too small.

    Source: Moschopoulos (1985): with b < a the sum is b times a mixture of Gamma(2n + k), k negative binomial. What the
    mixture leaves out is added as if it always exceeded x. Above 200,000 windows: the Chernoff bound.
    """
    a, b = max(a, b), min(a, b)
    if b < 0 or a == 0 or n < 1:
        raise ValueError(f"expected n >= 1 and weights >= 0, one of them > 0, got n={n}, {a}, {b}")
    if b == 0 or a == b:
        return float(log_gamma_sf(x / a, n if b == 0 else 2 * n))
    chernoff = chernoff_exponentials(x, np.array([a, b]), np.array([n, n]))
    if n > 200_000:
        return chernoff
    ratio = b / a
    terms = int(4 * n / ratio) + 64
    while True:
        k = np.arange(terms, dtype=np.float64)
        mix = gammaln(n + k) - gammaln(n) - gammaln(k + 1) + n * np.log(ratio) + k * np.log1p(-ratio)
        kept = float(logsumexp(mix + log_gamma_sf(x / b, 2 * n + k)))
        left_out = log_binomial_sf(terms, n + terms - 1, 1 - ratio)
        if left_out < kept - 20:
            return min(0.0, float(np.logaddexp(kept, left_out)))
        if terms > _TERMS:
            return chernoff
        terms *= 2


def chernoff_exponentials(
    x: float, weights: NDArray[np.float64], copies: NDArray[np.int64] | None = None
) -> float:
    """An upper bound on ``log P(sum of w E >= x)``, E independent Exp(1), each weight ``copies`` times.

    Source: Chernoff: min over t of ``-t x - sum log(1 - t w)``, which holds for every weight and number of terms.
    """
    w = np.asarray(weights, dtype=np.float64)
    m = np.ones(len(w)) if copies is None else np.asarray(copies, dtype=np.float64)
    if (w < 0).any():
        raise ValueError("expected weights >= 0, got a negative one")
    m, w = m[w > 0], w[w > 0]
    if len(w) == 0 or x <= float(m @ w):
        return 0.0
    top = 1.0 / float(w.max())

    def slope(t: float) -> float:
        return x - float((m * w / (1 - t * w)).sum())

    edge = top * (1 - 1e-12)
    t = edge if slope(edge) > 0 else float(brentq(slope, 0.0, edge, xtol=1e-14 * top))
    return min(0.0, float(-t * x - m @ np.log1p(-t * w)))


def chernoff_bernoullis(x: float, weights: NDArray[np.float64], p: float) -> float:
    """An upper bound on ``log P(sum of w B >= x)``, B independent Bernoulli(p), 0 < p < 1. Source: Chernoff."""
    w = np.asarray(weights, dtype=np.float64)
    if (w < 0).any():
        raise ValueError("expected weights >= 0, got a negative one")
    total = float(w.sum())
    if x <= p * total:
        return 0.0
    if x >= total * (1 + 1e-12):
        return -np.inf
    w = w / (total / len(w))
    x = x * len(w) / total
    odds = np.log(p / (1 - p))

    def slope(t: float) -> float:
        return x - float(w @ expit(t * w + odds))

    high = 1.0
    while slope(high) > 0 and high < 1e4:
        high *= 2
    t = high if slope(high) > 0 else float(brentq(slope, 0.0, high, xtol=1e-12))
    moments = np.logaddexp(np.log1p(-p), np.log(p) + t * w)
    return float(min(0.0, -t * x + moments.sum()))


def log_lattice_sf(total: int, pmf: NDArray[np.float64], copies: int) -> float:
    """``log P(X_1 + … + X_copies >= total)``, X independent on 0, 1, … with probabilities ``pmf``, shape (m,).

    Exact to about nine digits however small: the law is tilted so that ``total`` is its mean, convolved by FFT, and
    tilted back. Source: Esscher's transform; Daniels (1954).
    """
    support = np.flatnonzero(pmf > 0)
    total -= copies * int(
        support[0]
    )  # the law is shifted to begin at 0: its range, not its mean, sets the cost
    pmf = pmf[support[0] : support[-1] + 1]
    support -= support[0]
    if total <= 0:
        return 0.0
    if total > copies * support[-1]:
        return -np.inf
    if total == copies * support[-1]:
        return copies * float(np.log(pmf[support[-1]]))
    values = support.astype(np.float64)
    log_p = np.log(pmf[support])

    def tilted(theta: float) -> tuple[float, NDArray[np.float64]]:
        terms = log_p + theta * values
        norm = float(logsumexp(terms))
        return norm, np.exp(terms - norm)

    target = total / copies
    theta = 0.0
    if float(np.exp(log_p) @ values) < target:
        high = 1.0 / max(float(values[-1]), 1.0)
        while float(tilted(high)[1] @ values) < target:
            high *= 2
        theta = float(brentq(lambda t: float(tilted(t)[1] @ values) - target, 0.0, high, xtol=1e-14 * high))
    norm, weights = tilted(theta)
    length = copies * (len(pmf) - 1) + 1
    dense = np.zeros(len(pmf))
    dense[support] = weights
    size = 1 << (length - 1).bit_length()
    law = np.maximum(np.fft.irfft(np.fft.rfft(dense, size) ** copies, size)[:length], 0.0)
    excess = np.arange(length - total, dtype=np.float64)
    mass = float(np.sum(law[total:] * np.exp(-theta * excess)))
    return min(0.0, copies * norm - theta * total + float(np.log(mass)))


def _log_gamma_fraction(x: NDArray[np.float64], a: NDArray[np.float64]) -> NDArray[np.float64]:
    # Lentz's method; x lies far above a here, where the fraction converges quickly.
    b = x + 1.0 - a
    c = np.full_like(x, 1e300)
    d = 1.0 / b
    h = d.copy()
    for i in range(1, 20_000):
        step = -i * (i - a)
        b = b + 2.0
        d = 1.0 / (step * d + b)
        c = b + step / c
        factor = c * d
        h = h * factor
        if np.all(np.abs(factor - 1.0) < 1e-13):
            break
    return np.asarray(-x + a * np.log(x) - gammaln(a) + np.log(h), dtype=np.float64)
