"""Who belongs to a group, and how surely: the group's own profile against the rest of the log."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from stillhunt.campaigns.evidence import Evidence

ROUNDS = 3
TYPICAL = 0.05
"""Least share of a group that an artefact must have to speak for membership."""


def memberships(
    evidence: Evidence, group: NDArray[np.int32], closed: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Accounts and their memberships in [0, 1], from a first guess at the group.

    closed: accounts that belong to other groups and cannot join. In each family the one artefact that speaks most for
    an account counts ``log(share in the group / share outside)``; a family whose commonest artefact the account lacks
    counts ``log((1 - share in the group) / (1 - share outside))`` against it. The prior is the group's share of the
    log. Repeated, because the profile changes as accounts join and leave. Accounts below 0.5 are dropped unless they
    were in the first guess, where they stay with their low membership.
    """
    members = group
    chance = np.ones(len(group))
    for _ in range(ROUNDS):
        if len(members) < 2:
            break
        odds = _log_odds(evidence, members, chance)
        odds[closed] = -np.inf
        probability = expit(odds)
        keep = probability >= 0.5
        if not keep.any():
            break
        members = np.flatnonzero(keep).astype(np.int32)
        chance = probability[members]
    everyone = np.union1d(members, group).astype(np.int32)
    result = np.zeros(len(everyone))
    result[np.searchsorted(everyone, members)] = chance
    if len(members) >= 2:
        odds = _log_odds(evidence, members, chance)
        outside = np.setdiff1d(group, members)
        result[np.searchsorted(everyone, outside)] = np.minimum(expit(odds[outside]), 0.49)
    return everyone, result


def _log_odds(
    evidence: Evidence, members: NDArray[np.int32], chance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Per account of the log, the log odds of belonging to ``members``."""
    weight = np.zeros(evidence.accounts)
    weight[members] = chance
    link_account = evidence.link_accounts()
    size = weight.sum()
    inside = np.bincount(evidence.artefact, weights=weight[link_account], minlength=len(evidence.signal))
    share_in = (inside + 0.5) / (size + 1.0)
    share_out = (np.maximum(evidence.popularity - inside, 0.0) + 0.5) / (evidence.accounts - size + 1.0)
    odds = np.full(evidence.accounts, np.log(max(size, 1.0) / max(evidence.accounts - size, 1.0)))
    for f in range(len(evidence.families)):
        mine = evidence.family == f
        speaks = mine & (inside >= max(2.0, TYPICAL * size)) & (share_in > share_out)
        if not speaks.any():
            continue
        links = speaks[evidence.artefact]
        gain = np.zeros(evidence.accounts)
        ratio = np.log(share_in / share_out)
        np.maximum.at(gain, link_account[links], ratio[evidence.artefact[links]])
        commonest = int(np.argmax(np.where(mine, share_in * (share_in > share_out), -1.0)))
        lacking = np.log((1.0 - share_in[commonest]) / (1.0 - share_out[commonest]))
        odds += np.where(gain > 0, gain, min(0.0, lacking))
    return odds
