"""Which candidate groups act as one? A score per group, p-values from null logs, q-values over all candidates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stillhunt.campaigns.clusters import clusters
from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.groups import TURNS, group_evidence
from stillhunt.campaigns.neighbours import neighbours
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
    """Groups that pass, best first; how many candidates were tried; the null that they were held against."""

    groups: tuple[Group, ...]
    families: tuple[str, ...]
    candidates: int
    tail: NullTail


def judge(
    evidence: Evidence,
    sessions: Sessions,
    candidates: Sequence[NDArray[np.int32]],
    nulls: Iterator[tuple[Evidence, Sessions]],
    level: float,
) -> Verdicts:
    """Holds every candidate against the candidates that null logs produce; ``level`` is the false discovery rate."""
    nats = group_evidence(evidence, sessions, candidates)
    scores = beyond_the_strongest(nats)
    null_scores: list[NDArray[np.float64]] = []
    for null_evidence, null_sessions in nulls:
        null_groups = clusters(neighbours(null_evidence))
        null_scores.append(beyond_the_strongest(group_evidence(null_evidence, null_sessions, null_groups)))
    tail = fit_null_tail(
        np.concatenate(null_scores) if null_scores else np.zeros(0), max(len(null_scores), 1)
    )
    p = tail.p_values(scores)
    q = benjamini_hochberg(p)
    taken = np.zeros(evidence.accounts, dtype=bool)
    groups = []
    for g in np.lexsort((p, -scores)):
        accounts = candidates[g]
        if q[g] > level or taken[accounts].mean() > OVERLAP:
            continue
        accounts = accounts[~taken[accounts]]
        taken[accounts] = True
        groups.append(Group(accounts, nats[g], float(scores[g]), float(p[g]), float(q[g])))
    return Verdicts(tuple(groups), (*evidence.families, TURNS), len(candidates), tail)
