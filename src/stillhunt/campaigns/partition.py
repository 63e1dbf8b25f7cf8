"""Groups that pass overlap: which of them are told, so that no account is told twice?"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stillhunt.campaigns.clusters import SMALLEST, Candidates
from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.groups import Conduct, group_evidence
from stillhunt.campaigns.tried import ORIGINS, Tried, weighed, with_all_families
from stillhunt.stats.fdr import benjamini_hochberg
from stillhunt.stats.tails import NullTail

PARTS = 24
"""Most parts of a group that are tried in its place."""
APART = 0.05
"""Share of a group's nats by which its parts must show more than the whole. A pool's batches show a little more by
themselves, because each has its own hour and its own cards; strangers show much more."""


@dataclass(frozen=True)
class Group:
    """Accounts that act as one beyond what separate families allow by chance.

    accounts: ascending account numbers. evidence: nats per family (timing last). score: nats beyond the strongest
    family, above 0. p: of the score. q: the false discovery rate of the groups that are told at this p or below.
    """

    accounts: NDArray[np.int32]
    evidence: NDArray[np.float64]
    score: float
    p: float
    q: float


@dataclass(frozen=True)
class Judged:
    """Groups that were tried, the p- and q-value of each, and the null tails, one per origin."""

    tried: Tried
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    tails: tuple[NullTail, ...]


def p_values(
    tails: tuple[NullTail, ...], scores: NDArray[np.float64], origin: NDArray[np.int64], tried: int
) -> NDArray[np.float64]:
    """p-values of scores, shape (n,): how many groups of its origin a null log is expected to hold with a score as
    high, times origins over groups tried.

    Benjamini and Hochberg's procedure on them compares the expected number of null groups above a line with the number
    of groups above it, with the line drawn so that each origin is expected to add equally many.
    Source: Genovese, Roeder and Wasserman (2006), weighted p-values.
    """
    p = np.ones(len(scores))
    for number, tail in enumerate(tails):
        mine = origin == number
        p[mine] = np.minimum(1.0, tail.expected_per_run(scores[mine]) * ORIGINS / max(tried, 1))
    return p


def disjoint(evidence: Evidence, conduct: Conduct, judged: Judged, level: float) -> tuple[Group, ...]:
    """Groups that pass and share no account, at a false discovery rate of ``level`` over them, the best first by nats
    over the root of the size.

    One pool is found many times over, in groups that overlap. Each would make room for more chance groups elsewhere, so
    the line is drawn by the groups that are told: the expected number of null groups above it is at most ``level``
    times theirs. It begins where it lies for all groups, and is lowered until that holds.
    """
    tested = len(judged.tried.groups)
    passing = judged.q <= level
    line = float(judged.p[passing].max()) if passing.any() else 0.0
    while line > 0.0:
        groups = _told(evidence, conduct, judged, line)
        q = benjamini_hochberg(np.array([group.p for group in groups]), tested)
        if (q <= level).all():
            return tuple(replace(group, q=float(own)) for group, own in zip(groups, q, strict=True))
        line = level * int((q <= level).sum()) / tested
    return ()


def _told(evidence: Evidence, conduct: Conduct, judged: Judged, largest_p: float) -> list[Group]:
    """Groups of a p-value up to ``largest_p`` that share no account; their q is still 1.

    What is left of a group is asked again: it must pass by itself. A group that falls into two parts which together
    show clearly more than the whole is two groups, and its parts are asked instead: that two pools were found at once
    makes them no pool.
    """
    passing = np.flatnonzero((judged.p <= largest_p) & (judged.tried.scores > 0.0))
    if not len(passing):
        return []
    tried = with_all_families(evidence, conduct, judged.tried, passing)
    taken = np.zeros(evidence.accounts, dtype=np.bool_)
    parts_of = _Parts(evidence, conduct, tried, passing)
    turn = itertools.count()
    waiting = [
        (
            -parts_of.merit[g],
            next(turn),
            _Asked(tried.groups[g], tried.seed[g], tried.nats[g], tried.scores[g], p),
        )
        for g, p in zip(passing, judged.p[passing], strict=True)
    ]
    heapq.heapify(waiting)

    def ask_again(accounts: NDArray[np.int32], seed: np.int16) -> None:
        if len(accounts) < SMALLEST:
            return
        alone = weighed(evidence, conduct, Candidates((accounts,), np.array([seed])))
        again = with_all_families(evidence, conduct, alone, np.zeros(1, dtype=np.int64))
        p = p_values(judged.tails, again.scores, again.origin, len(tried.groups))[0]
        if p <= largest_p and again.scores[0] > 0.0:
            asked = _Asked(accounts, seed, again.nats[0], again.scores[0], p)
            heapq.heappush(waiting, (-merit(again)[0], next(turn), asked))

    groups = []
    while waiting:
        _, _, asked = heapq.heappop(waiting)
        left = asked.accounts[~taken[asked.accounts]]
        if len(left) < len(asked.accounts):
            ask_again(left, asked.seed)
        elif parts := parts_of.better(left):
            for part in parts:
                ask_again(part, asked.seed)
        else:
            taken[left] = True
            groups.append(Group(left, asked.nats, float(asked.score), float(asked.p), 1.0))
    return groups


@dataclass(frozen=True)
class _Asked:
    """A group whose turn comes: its accounts, seed, nats per family, score and p-value."""

    accounts: NDArray[np.int32]
    seed: np.int16
    nats: NDArray[np.float64]
    score: np.float64
    p: np.float64


def merit(tried: Tried) -> NDArray[np.float64]:
    """Nats over the root of the size, shape (groups,): the order in which a greedy choice of disjoint sets comes within
    the root of the largest size of the best. Source: Halldórsson (2000), approximations of weighted set packing."""
    merits: NDArray[np.float64] = tried.nats.sum(axis=1) / np.sqrt([len(group) for group in tried.groups])
    return merits


class _Parts:
    """Groups that pass, as parts that others may fall into."""

    def __init__(
        self, evidence: Evidence, conduct: Conduct, tried: Tried, passing: NDArray[np.int64]
    ) -> None:
        self.evidence, self.conduct, self.tried = evidence, conduct, tried
        self.merit = merit(tried)
        members = np.concatenate([tried.groups[g] for g in passing])
        of = np.repeat(passing, [len(tried.groups[g]) for g in passing])
        order = np.argsort(members, kind="stable")
        self.of = of[order]
        self.at = np.concatenate(([0], np.cumsum(np.bincount(members, minlength=evidence.accounts))))

    def better(self, group: NDArray[np.int32]) -> list[NDArray[np.int32]]:
        """Two parts of the group that together show more nats than it does as a whole, by APART; none where there are
        none."""
        if len(group) < 2 * SMALLEST:
            return []
        candidates = np.concatenate([self.of[self.at[i] : self.at[i + 1]] for i in group])
        numbers, common = np.unique(candidates, return_counts=True)
        numbers = numbers[(common >= SMALLEST) & (len(group) - common >= SMALLEST)]
        numbers = numbers[np.argsort(-self.merit[numbers], kind="stable")][:PARTS]
        halves = []
        for g in numbers:
            inside = np.isin(group, self.tried.groups[g])
            halves += [group[inside], group[~inside]]
        if not halves:
            return []
        shown = group_evidence(self.evidence, self.conduct, [*halves, group], agreeing=False).sum(axis=1)
        sums, whole = shown[0:-1:2] + shown[1:-1:2], float(shown[-1])
        best = int(sums.argmax())
        return halves[2 * best : 2 * best + 2] if sums[best] > (1.0 + APART) * whole else []
