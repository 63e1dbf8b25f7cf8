"""From finitely many null runs to a tail small enough for many candidates.

Within the range of the null scores the tail is counted; a score from a sample of the null groups counts for as many as
it stands for. Beyond the 50 largest null scores it is continued as an
exponential whose rate is the smaller of 1 per nat and the lower 95 % confidence bound of the rate that those
exceedances show. Scores are sums of ``-log p`` bounds, whose tail cannot be heavier than their own rate
says, so the continuation errs towards larger p-values. Source: the peaks-over-threshold method with shape 0
(Davison and Smith 1990), the rate's confidence bound from the gamma law of a sum of exponentials.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

EXCEEDANCES = 50
CONFIDENCE = 0.95


@dataclass(frozen=True)
class NullTail:
    """How often null runs produce a score at least this large.

    scores: the pooled null scores, ascending. at_least: shape (scores + 1,), null groups that score as high as each,
    or higher, and one more; the last is the one alone. runs: null runs they come from. threshold: where the
    continuation begins, in nats. rate: its rate, per nat.
    """

    scores: NDArray[np.float64]
    at_least: NDArray[np.float64]
    runs: int
    threshold: float
    rate: float

    def expected_per_run(self, s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expected number of null candidates per run with a score of at least ``s``, shape (n,) to (n,)."""
        counted = self.at_least[np.searchsorted(self.scores, s, side="left")] / self.runs
        beyond = s > self.threshold
        at_threshold = self.at_least[np.searchsorted(self.scores, self.threshold, side="left")] / self.runs
        continued = at_threshold * np.exp(-self.rate * np.maximum(s - self.threshold, 0.0))
        return np.where(beyond, continued, counted)

    def p_values(self, s: NDArray[np.float64]) -> NDArray[np.float64]:
        """p-values of observed candidates with scores ``s``: the expected number of null candidates that score as
        high in one whole log, per observed candidate, at most 1. Feeding them to Benjamini–Hochberg gives the ratio
        of expected null to observed candidates above each score."""
        return np.minimum(1.0, self.expected_per_run(s) / max(len(s), 1))


def fit_null_tail(
    scores: NDArray[np.float64], runs: int, stands_for: NDArray[np.float64] | None = None
) -> NullTail:
    """A tail from the pooled scores of ``runs`` null runs, shape (n,), nats. stands_for: how many null groups each of
    a random sample stands for, shape (n,); 1 by default."""
    if runs < 1:
        raise ValueError(f"expected at least 1 null run, got {runs}")
    order = np.argsort(scores, kind="stable")
    ordered = np.asarray(scores, dtype=np.float64)[order]
    weight = np.ones(len(scores)) if stands_for is None else stands_for[order]
    at_least = np.concatenate((np.cumsum(weight[::-1])[::-1], [0.0])) + weight.max(initial=1.0)
    positive = ordered[ordered > 0]
    if len(positive) <= EXCEEDANCES:
        threshold = float(positive[0]) if len(positive) else 0.0
        excess = positive - threshold
    else:
        threshold = float(positive[-EXCEEDANCES - 1])
        excess = positive[-EXCEEDANCES:] - threshold
    rate = 1.0
    if excess.sum() > 0:
        mass = weight[len(weight) - len(excess) :]
        n = float(mass.sum() ** 2 / (mass**2).sum())
        rate = chi2.ppf(1 - CONFIDENCE, 2 * n) / (2 * n) * float(mass.sum() / (mass * excess).sum())
    return NullTail(ordered, at_least, runs, threshold, float(min(1.0, rate)))
