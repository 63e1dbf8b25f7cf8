"""Every group that is tried: candidates and what they grow into, with their evidence and their scores."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stillhunt.campaigns.clusters import GROWN, Candidates
from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.groups import Conduct, beyond_seed, group_evidence
from stillhunt.campaigns.grow import grown
from stillhunt.stats.conjunction import beyond_the_strongest

ORIGINS = 3
"""Groups of one artefact, clusters of the graph, grown groups: chosen differently, so held against their own kind."""


@dataclass(frozen=True)
class Tried:
    """Groups; nats per group and family, shape (groups, families); scores, shape (groups,); whole, whether the family
    that chose the group was weighed too, if not its nats are 0; stands_for, how many groups of the log each of a sample
    stands for; origin, 0 for the groups of artefacts, 1 for clusters, 2 for grown groups."""

    groups: tuple[NDArray[np.int32], ...]
    seed: NDArray[np.int16]
    nats: NDArray[np.float64]
    scores: NDArray[np.float64]
    whole: NDArray[np.bool_]
    stands_for: NDArray[np.float64]

    @property
    def origin(self) -> NDArray[np.int64]:
        return origins(self.seed)


def origins(seed: NDArray[np.int16]) -> NDArray[np.int64]:
    """Where groups come from, by their seeds, as a number below ORIGINS."""
    return np.where(seed >= 0, 0, np.where(seed == GROWN, 2, 1)).astype(np.int64)


def try_all(evidence: Evidence, conduct: Conduct, candidates: Candidates) -> Tried:
    """Candidates and what they grow into."""
    first = weighed(evidence, conduct, candidates)
    more, grown_from = grown(evidence, first.groups, first.scores)
    second = weighed(evidence, conduct, Candidates(tuple(more), np.full(len(more), GROWN, dtype=np.int16)))
    return Tried(
        first.groups + second.groups,
        np.concatenate((first.seed, second.seed)),
        np.concatenate((first.nats, second.nats)),
        np.concatenate((first.scores, second.scores)),
        np.concatenate((first.whole, second.whole)),
        np.concatenate((first.stands_for, first.stands_for[grown_from])),
    )


def weighed(evidence: Evidence, conduct: Conduct, candidates: Candidates) -> Tried:
    """Evidence and scores of given groups: nats beyond the family that chose the group, its seed's, or else the
    strongest."""
    nats, whole = beyond_seed(evidence, conduct, candidates.groups, candidates.seed)
    scores = beyond_the_strongest(nats)
    seeded = np.flatnonzero(candidates.seed >= 0)
    scores[seeded] = nats[seeded].sum(axis=1) - nats[seeded, candidates.seed[seeded]]
    stands_for = np.where(candidates.seed >= 0, candidates.every, 1.0)
    return Tried(candidates.groups, candidates.seed, nats, scores, whole, stands_for)


def with_all_families(evidence: Evidence, conduct: Conduct, tried: Tried, chosen: NDArray[np.int64]) -> Tried:
    """The same, with the nats of every family of the groups ``chosen``."""
    lacking = chosen[~tried.whole[chosen]]
    nats, whole = tried.nats.copy(), tried.whole.copy()
    nats[lacking] = group_evidence(evidence, conduct, [tried.groups[g] for g in lacking])
    whole[lacking] = True
    return replace(tried, nats=nats, whole=whole)
