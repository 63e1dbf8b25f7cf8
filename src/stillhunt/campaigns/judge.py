"""Which candidate groups act as one? A score per group, p-values from null logs, q-values over all candidates."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stillhunt.campaigns.clusters import SMALLEST, Candidates, candidates
from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.groups import TURNS, Conduct, group_evidence
from stillhunt.campaigns.null_logs import NullLogs
from stillhunt.stats.conjunction import beyond_the_strongest
from stillhunt.stats.fdr import benjamini_hochberg
from stillhunt.stats.tails import NullTail, fit_null_tail

PLAIN = 1e-4
"""False discovery rate at which groups plainly act as one."""


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
    and clusters were held against; the false discovery rate asked for."""

    groups: tuple[Group, ...]
    families: tuple[str, ...]
    candidates: int
    level: float
    null_runs: int
    tails: tuple[NullTail, NullTail]


@dataclass(frozen=True)
class Asked:
    """level: false discovery rate over campaigns. null_runs: null logs to hold candidates against. threads: null logs
    worked on at a time, 0 for one per core."""

    level: float
    null_runs: int
    threads: int = 0


def judge(
    evidence: Evidence,
    conduct: Conduct,
    candidate: Candidates,
    nulls: NullLogs,
    asked: Asked,
) -> Verdicts:
    """Holds every candidate against the candidates that null logs produce.

    Clusters are compared with clusters and artefacts' groups with artefacts' groups, since they were chosen
    differently. Held first against a quarter of the null logs, groups that pass at PLAIN are left out of the null logs
    that decide.
    """
    nats = group_evidence(evidence, conduct, candidate.groups)
    scores = _scores(nats, candidate)
    first = _held(nats, scores, candidate, nulls, replace(asked, null_runs=max(5, asked.null_runs // 4)))
    plain = _disjoint(evidence, conduct, candidate, first, PLAIN)
    if plain:
        left_out = np.zeros(evidence.accounts, dtype=np.bool_)
        left_out[np.concatenate([group.accounts for group in plain])] = True
        nulls = replace(nulls, left_out=left_out)
    judged = _held(nats, scores, candidate, nulls, asked)
    groups = _disjoint(evidence, conduct, candidate, judged, asked.level)
    families = (*evidence.families, TURNS)
    return Verdicts(groups, families, len(scores), asked.level, asked.null_runs, judged.tails)


def _held(
    nats: NDArray[np.float64],
    scores: NDArray[np.float64],
    candidate: Candidates,
    nulls: NullLogs,
    asked: Asked,
) -> _Judged:
    """p- and q-values of every candidate from the candidates of null logs."""
    clustered = candidate.seed < 0
    with ThreadPoolExecutor(asked.threads or os.cpu_count() or 1) as pool:
        null_scores = list(pool.map(lambda run: _null_scores(nulls, run), range(asked.null_runs)))
    seeded_tail, cluster_tail = (
        fit_null_tail(np.concatenate([scores[part] for scores in null_scores]), asked.null_runs)
        for part in (0, 1)
    )
    tails = (seeded_tail, cluster_tail)
    p = np.ones(len(scores))
    for part, tail in ((~clustered, seeded_tail), (clustered, cluster_tail)):
        p[part] = tail.p_values(scores[part])
    q = benjamini_hochberg(p)
    return _Judged(nats, scores, p, q, tails)


def _null_scores(nulls: NullLogs, run: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores of the artefacts' groups and of the clusters of one null log."""
    evidence, conduct = nulls.draw(run)
    null = candidates(evidence)
    score = _scores(group_evidence(evidence, conduct, null.groups), null)
    return score[null.seed >= 0], score[null.seed < 0]


@dataclass(frozen=True)
class _Judged:
    """Per candidate: nats per family, score, p, q; and the null tails of artefacts' groups and of clusters."""

    nats: NDArray[np.float64]
    scores: NDArray[np.float64]
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    tails: tuple[NullTail, NullTail]


def _disjoint(
    evidence: Evidence, conduct: Conduct, candidate: Candidates, judged: _Judged, level: float
) -> tuple[Group, ...]:
    """The candidates that pass, the least likely by chance first, each without the accounts of those before it. What
    is left of one is asked again: it must pass by itself."""
    passing = judged.q <= level
    if not passing.any():
        return ()
    largest_p = float(judged.p[passing].max())
    taken = np.zeros(evidence.accounts, dtype=bool)
    groups = []
    passed = np.flatnonzero(passing)
    for g in passed[np.lexsort((-judged.scores[passed], judged.p[passed]))]:
        accounts, seed = candidate.groups[g], candidate.seed[g : g + 1]
        nats, score, p, q = judged.nats[g], judged.scores[g], judged.p[g], judged.q[g]
        if taken[accounts].any():
            accounts = accounts[~taken[accounts]]
            if len(accounts) < SMALLEST:
                continue
            rest = Candidates((accounts,), seed)
            again = group_evidence(evidence, conduct, rest.groups)
            nats, score = again[0], _scores(again, rest)[0]
            tail = judged.tails[int(seed[0] < 0)]
            alike = (candidate.seed < 0).sum() if seed[0] < 0 else (candidate.seed >= 0).sum()
            p = min(1.0, float(tail.expected_per_run(np.array([score]))[0]) / int(alike))
            if p > largest_p:
                continue
            q = max(q, float(judged.q[judged.p >= p].min()))
        taken[accounts] = True
        groups.append(Group(accounts, nats, float(score), float(p), float(q)))
    return tuple(groups)


def _scores(nats: NDArray[np.float64], candidate: Candidates) -> NDArray[np.float64]:
    """Nats beyond the family that chose the group: its seed's, or of a cluster the strongest."""
    scores = beyond_the_strongest(nats)
    seeded = np.flatnonzero(candidate.seed >= 0)
    scores[seeded] = nats[seeded].sum(axis=1) - nats[seeded, candidate.seed[seeded]]
    return scores
