"""Which groups act as one? A score per group, p-values from null logs, q-values over all groups that were tried."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stillhunt.campaigns.clusters import candidates
from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.groups import TURNS, Conduct
from stillhunt.campaigns.null_logs import NullLogs
from stillhunt.campaigns.partition import Group, Judged, disjoint, p_values
from stillhunt.campaigns.tried import ORIGINS, Tried, try_all
from stillhunt.stats.fdr import benjamini_hochberg
from stillhunt.stats.tails import NullTail, fit_null_tail

PLAIN = 1e-4
"""False discovery rate at which groups plainly act as one."""
LARGE, FEWEST = 6_000, 4
"""Accounts from which a log is held against fewer null logs than were asked for, and how many it is held against at
least."""
SAMPLE = 1 << 15
"""Artefacts whose groups are tried in a null log; of more, so many at random stand for all."""


@dataclass(frozen=True)
class Verdicts:
    """Groups that pass, best first; how many groups were tried; the null tails, one per origin; the false discovery
    rate asked for."""

    groups: tuple[Group, ...]
    families: tuple[str, ...]
    candidates: int
    level: float
    null_runs: int
    tails: tuple[NullTail, ...]


@dataclass(frozen=True)
class Asked:
    """level: false discovery rate over campaigns. null_runs: null logs to hold groups against. threads: null logs
    worked on at a time, 0 for one per core."""

    level: float
    null_runs: int
    threads: int = 0


def judge(evidence: Evidence, conduct: Conduct, tried: Tried, nulls: NullLogs, asked: Asked) -> Verdicts:
    """Holds every group against the groups that null logs produce, each against those of its own origin, since they
    were chosen differently.

    Held first against a quarter of the null logs, groups that pass at PLAIN are left out of the null logs that decide.
    """
    runs = null_runs(asked.null_runs, evidence.accounts)
    null = _null_scores(
        nulls, range(null_runs(max(5, asked.null_runs // 4), evidence.accounts, 2)), asked.threads
    )
    plain = disjoint(evidence, conduct, _held(tried, null), PLAIN)
    if plain:
        left_out = np.zeros(evidence.accounts, dtype=np.bool_)
        left_out[np.concatenate([group.accounts for group in plain])] = True
        nulls, null = replace(nulls, left_out=left_out), []
    null += _null_scores(nulls, range(len(null), runs), asked.threads)
    judged = _held(tried, null)
    groups = disjoint(evidence, conduct, judged, asked.level)
    families = (*evidence.families, TURNS)
    return Verdicts(groups, families, len(tried.groups), asked.level, runs, judged.tails)


def null_runs(asked: int, accounts: int, fewest: int = FEWEST) -> int:
    """How many null logs groups are held against: as many as asked for in a log of up to LARGE accounts. Of more
    accounts each null log holds more groups, and fewer null logs hold as many; at least ``fewest``."""
    return max(min(asked, fewest), min(asked, -(-asked * LARGE // max(accounts, 1))))


Scored = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]
"""Of a null log's groups: scores, origins, and how many groups each stands for."""


def _held(tried: Tried, null: Sequence[Scored]) -> Judged:
    """p- and q-values of every group from the groups of null logs."""
    scores, origin, stands_for = (np.concatenate(each) for each in zip(*null, strict=True))
    tails = tuple(
        fit_null_tail(scores[origin == number], len(null), stands_for[origin == number])
        for number in range(ORIGINS)
    )
    p = p_values(tails, tried.scores, tried.origin, len(tried.groups))
    return Judged(tried, p, benjamini_hochberg(p), tails)


def _null_scores(nulls: NullLogs, runs: Iterable[int], threads: int) -> list[Scored]:
    """Scores of the null logs of these numbers, some at a time."""
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        return list(pool.map(lambda run: _scores(nulls, run), runs))


def _scores(nulls: NullLogs, run: int) -> Scored:
    evidence, conduct = nulls.draw(run)
    sample = SAMPLE, np.random.default_rng([nulls.seed, run, SAMPLE])
    tried = try_all(evidence, conduct, candidates(evidence, sample=sample))
    return tried.scores, tried.origin, tried.stands_for
