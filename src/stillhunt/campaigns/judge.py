"""Which candidate groups act as one? A score per group, p-values from null logs, q-values over all candidates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stillhunt.campaigns.clusters import Candidates, candidates
from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.groups import TURNS, group_evidence
from stillhunt.campaigns.turns import Sessions
from stillhunt.stats.conjunction import beyond_the_strongest
from stillhunt.stats.fdr import benjamini_hochberg
from stillhunt.stats.tails import NullTail, fit_null_tail

OVERLAP = 0.3
"""Share of a candidate's accounts that may already belong to a better one."""


@dataclass(frozen=True)
class Group:
    """Accounts that act as one beyond what separate families allow by chance.

    accounts: ascending account numbers. evidence: nats per family (timing last). score: nats beyond the strongest
    family. p, q: of the score.
    """

    accounts: NDArray[np.int32]
    evidence: NDArray[np.float64]
    score: float
    p: float
    q: float


@dataclass(frozen=True)
class Verdicts:
    """Groups that pass, best first; how many candidates were tried; the null tails that artefacts' groups
    and clusters were held against."""

    groups: tuple[Group, ...]
    families: tuple[str, ...]
    candidates: int
    null_runs: int
    tails: tuple[NullTail, NullTail]


def judge(
    evidence: Evidence,
    sessions: Sessions,
    candidate: Candidates,
    nulls: Iterator[tuple[Evidence, Sessions]],
    level: float,
) -> Verdicts:
    """Holds every candidate against the candidates that null logs produce; ``level`` is the false discovery rate.

    Clusters are compared with clusters and artefacts' groups with artefacts' groups, since they were chosen
    differently.
    """
    nats = group_evidence(evidence, sessions, candidate.groups)
    scores = _scores(nats, candidate)
    clustered = candidate.seed < 0
    null_scores: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = ([], [])
    for null_evidence, null_sessions in nulls:
        null = candidates(null_evidence)
        score = _scores(group_evidence(null_evidence, null_sessions, null.groups), null)
        null_scores[0].append(score[null.seed >= 0])
        null_scores[1].append(score[null.seed < 0])
    runs = max(len(null_scores[0]), 1)
    seeded_tail, cluster_tail = (
        fit_null_tail(np.concatenate(part or [np.zeros(0)]), runs) for part in null_scores
    )
    p = np.ones(len(scores))
    p[clustered] = cluster_tail.p_values(scores[clustered])
    p[~clustered] = seeded_tail.p_values(scores[~clustered])
    q = benjamini_hochberg(p)
    taken = np.zeros(evidence.accounts, dtype=bool)
    groups = []
    for g in np.lexsort((-scores, p)):
        accounts = candidate.groups[g]
        if q[g] > level:
            break
        if taken[accounts].mean() > OVERLAP:
            continue
        accounts = accounts[~taken[accounts]]
        taken[accounts] = True
        groups.append(Group(accounts, nats[g], float(scores[g]), float(p[g]), float(q[g])))
    return Verdicts(
        tuple(groups), (*evidence.families, TURNS), len(scores), runs, (seeded_tail, cluster_tail)
    )


def _scores(nats: NDArray[np.float64], candidate: Candidates) -> NDArray[np.float64]:
    """Nats beyond the family that chose the group: its seed's, or of a cluster the strongest."""
    scores = beyond_the_strongest(nats)
    seeded = np.flatnonzero(candidate.seed >= 0)
    scores[seeded] = nats[seeded].sum(axis=1) - nats[seeded, candidate.seed[seeded]]
    return scores
