"""Who belongs to a group, and how surely: the group's own profile against the rest of the log."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.grow import Space, odds_against

ROUNDS = 3
FOUND = 0.2
"""Prior probability of belonging, for an account of a group that passed."""
JOINS = 0.99
"""Membership from which an account that was missed helps to describe the group."""
TYPICAL = 0.05
"""Least share of a group that an artefact must have to speak for membership."""


def memberships(
    space: Space, group: NDArray[np.int32], closed: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Accounts and their memberships in [0, 1], from a first guess at the group.

    closed: accounts that belong to other groups and cannot join. The log odds are the mean of two readings, which err
    in different places: the bets by which groups grow (``bet_odds``) are weak for accounts with many artefacts, and the
    spread of scores in the log (``tail_odds``) is weak for pools that share no one thing. The prior is the group's
    share of the log; in the bets it is FOUND for those whom the search put into the group, since the group as found
    has passed. Repeated, because the group sharpens as accounts leave and join; only sure joiners may shape it, so that
    it cannot drift. Accounts of the first guess that fall below one half stay listed with their low membership.
    """
    described = group
    odds = np.zeros(len(closed))
    for _ in range(ROUNDS):
        bets = bet_odds(space, described)
        bets[group] += odds_against(len(closed), float(len(described))) + np.log(FOUND / (1 - FOUND))
        odds = 0.5 * (bets + tail_odds(space.evidence, described))
        odds[closed] = -np.inf
        surely = odds >= np.log(JOINS / (1 - JOINS))
        surely[group] |= odds[group] >= 0
        grown = np.flatnonzero(surely).astype(np.int32)
        if len(grown) < 2 or np.array_equal(grown, described):
            break
        described = grown
    listed = np.union1d(np.flatnonzero(odds >= 0), group[~closed[group]]).astype(np.int32)
    return listed, expit(odds[listed])


def bet_odds(space: Space, members: NDArray[np.int32]) -> NDArray[np.float64]:
    """Per account of the log, the log odds of belonging with ``members`` by the bets of ``grow``; minus infinity where
    it shares nothing with them."""
    odds = np.full(space.evidence.accounts, -np.inf)
    touching, nats = space.fit(members)
    odds[touching] = nats - odds_against(space.evidence.accounts, float(len(members)))
    return odds


def tail_odds(evidence: Evidence, members: NDArray[np.int32]) -> NDArray[np.float64]:
    """Per account of the log, the log odds of belonging with ``members``, read off how scores are spread in the log.

    In each family an account's score is the largest ``log(share inside / share outside)`` of the artefacts that it
    carries and that are typical of the group. How much a score counts is read off the log: the share of members with
    at least that score over the same share of others, times the share of members with at most that score over the
    same share of others. A score that many strangers reach by luck thus counts for little.
    """
    inside_account = np.zeros(evidence.accounts, dtype=bool)
    inside_account[members] = True
    size, others = float(len(members)), float(evidence.accounts - len(members))
    carried = evidence.artefact[_places(evidence.indptr, members)]
    artefact, inside = np.unique(carried, return_counts=True)
    share_in = (inside + 0.5) / (size + 1.0)
    share_out = (np.maximum(evidence.popularity[artefact] - inside, 0) + 0.5) / (others + 1.0)
    speaks = (inside >= max(2.0, TYPICAL * size)) & (share_in > share_out)
    artefact, ratio = artefact[speaks], np.log(share_in[speaks] / share_out[speaks])
    odds = np.full(evidence.accounts, np.log(max(size, 1.0) / max(others, 1.0)))
    for f in range(len(evidence.families)):
        mine = evidence.family[artefact] == f
        if not mine.any():
            continue
        score = np.zeros(evidence.accounts)
        carriers = evidence.member[_places(evidence.members_ptr, artefact[mine])]
        np.maximum.at(score, carriers, np.repeat(ratio[mine], np.diff(evidence.members_ptr)[artefact[mine]]))
        own, theirs = np.sort(score[inside_account]), np.sort(score[~inside_account])
        odds += _log_ratio(len(own) - np.searchsorted(own, score, "left"), size, theirs, score, "left")
        odds += _log_ratio(np.searchsorted(own, score, "right"), size, theirs, score, "right")
    return odds


def _places(pointers: NDArray[np.int64], rows: NDArray[np.int32]) -> NDArray[np.int64]:
    """The places of all that ``rows`` hold, in CSR form."""
    begin, size = pointers[rows], pointers[rows + 1] - pointers[rows]
    places: NDArray[np.int64] = np.repeat(begin - np.cumsum(size) + size, size) + np.arange(size.sum())
    return places


def _log_ratio(
    own: NDArray[np.int64], size: float, theirs: NDArray[np.float64], score: NDArray[np.float64], side: str
) -> NDArray[np.float64]:
    """Log ratio of smoothed tail shares: the upper tail for side ``left``, the lower for ``right``."""
    place = np.searchsorted(theirs, score, "left" if side == "left" else "right")
    count = len(theirs) - place if side == "left" else place
    ratio: NDArray[np.float64] = np.log((own + 0.5) / (size + 1.0)) - np.log(
        (count + 0.5) / (len(theirs) + 1.0)
    )
    return ratio
