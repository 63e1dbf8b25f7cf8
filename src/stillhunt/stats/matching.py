"""Do two actors draw from one stock? e-values from one draw of each, for actors of any size and any inner likeness.

An actor (a campaign, or an account by itself) holds artefacts; ``q(a)`` is the share of artefact ``a`` in what it
holds. Bet on one artefact drawn from actor B that it comes from the holdings of actor A: the stake is multiplied by
``q_A(a)`` over the share of ``a`` among the draws of all others, B's own draw counted in,

    q_A(a) (n + 1) / (1 + sum over the n others j of q_j(a)).

Null: given A, one draw from B and one draw from each of the others are exchangeable. Then the bet has expectation at
most 1. With draws for the others in place of their expectations, it is a weight per artefact, summed over the n + 1
draws and divided by n + 1: the sum of ``q_A`` over the artefacts that occur, at most 1. Expectations make it
smaller, since ``1 / (1 + x)`` is convex (Jensen). The mean over B's draws, ``sum of q_A q_B / share``, is therefore an
e-value, whatever B's accounts have in common: a thousand accounts with one card are one draw, and so it never exceeds
n + 1. What others use as well wins nothing.

Source: own; e-values after Vovk and Wang (2021), the exchangeability argument after conformal prediction (Vovk,
Gammerman and Shafer 2005).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STAKE = 0.5
"""Share of the stake that is bet. The product over several bets then is the mean over all choices among them, so a bet
that loses costs ``log 2`` and decides nothing."""
AFTER_H = np.array([1.0, 6.0, 24.0])
"""Mean delays, hours, at which whoever succeeds is bet to begin; that stake is divided evenly."""
BEFORE_H = 1.0
"""The same for beginning before, when accounts fail that are not closed yet."""
AFTER = 0.75
"""Share of the stake on beginning after, not before."""


def share_elsewhere(held: NDArray[np.float64], others: float) -> NDArray[np.float64]:
    """Share of each artefact among the draws of ``others`` actors, who hold ``held`` of it in sum, and one draw."""
    share: NDArray[np.float64] = (1.0 + held) / (1.0 + others)
    return share


def match(
    own: NDArray[np.float64], theirs: NDArray[np.float64], elsewhere: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What each artefact adds to the e-value; shares in either's holdings and elsewhere, all of shape (artefacts,)."""
    adds: NDArray[np.float64] = own * theirs / elsewhere
    return adds


def succession(delay_h: float, usual_per_h: float) -> float:
    """e-value that a beginning ``delay_h`` hours after an end (negative: before) is tied to it.

    usual_per_h: density of beginnings at that moment under the null, in which they do not heed the end. The bet is a
    mixture of exponential delays to either side; over the null it is a ratio of densities, so its expectation is 1.
    """
    after = AFTER * np.mean(np.exp(-delay_h / AFTER_H) / AFTER_H) if delay_h >= 0 else 0.0
    before = (1.0 - AFTER) * np.exp(delay_h / BEFORE_H) / BEFORE_H if delay_h < 0 else 0.0
    return float((after + before) / usual_per_h)


def staked(e: NDArray[np.float64] | float) -> float:
    """Nats of a mean of e-values when STAKE is bet on it; 0 of none."""
    values = np.atleast_1d(e)
    return float(np.log1p(STAKE * (values.mean() - 1.0))) if len(values) else 0.0
