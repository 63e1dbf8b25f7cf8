"""Who belongs to a group, and how surely: how much better the group explains an account's links than the log does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from stillhunt.campaigns.grow import Space, odds_against

ROUNDS = 3
FOUND = 0.05
"""Prior probability of belonging, for an account of a group that passed."""
JOINS = 0.99
"""Membership from which an account that was missed helps to describe the group."""


def memberships(
    space: Space, group: NDArray[np.int32], closed: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Accounts and their memberships in [0, 1], from a first guess at the group.

    closed: accounts that belong to other groups and cannot join. The membership is the posterior probability under the
    likelihood ratios by which groups grow, each account against the others. The prior is FOUND for those whom the
    search put into the group, since the group as found has passed, and the group's share of the log for all others.
    Repeated, because the group sharpens as accounts leave and join; only sure joiners may shape it, so that it cannot
    drift. Accounts of the first guess that fall below one half stay listed with their low membership.
    """
    described = group
    odds = np.zeros(len(closed))
    for _ in range(ROUNDS):
        odds = log_odds(space, described)
        odds[group] += odds_against(len(closed), float(len(described))) + np.log(FOUND / (1 - FOUND))
        odds[closed] = -np.inf
        surely = odds >= np.log(JOINS / (1 - JOINS))
        surely[group] |= odds[group] >= 0
        grown = np.flatnonzero(surely).astype(np.int32)
        if len(grown) < 2 or np.array_equal(grown, described):
            break
        described = grown
    listed = np.union1d(np.flatnonzero(odds >= 0), group[~closed[group]]).astype(np.int32)
    return listed, expit(odds[listed])


def log_odds(space: Space, members: NDArray[np.int32]) -> NDArray[np.float64]:
    """Per account of the log, the log odds of belonging with ``members``; minus infinity where it shares nothing."""
    accounts = space.evidence.accounts
    odds = np.full(accounts, -np.inf)
    touching, nats = space.fit(members)
    odds[touching] = nats - odds_against(accounts, float(len(members)))
    return odds
