"""Which groups act as one? A score per group, p-values from null logs, q-values over all groups that were tried."""

from __future__ import annotations

import os
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
    first = _held(tried, nulls, replace(asked, null_runs=max(5, asked.null_runs // 4)))
    plain = disjoint(evidence, conduct, first, PLAIN)
    if plain:
        left_out = np.zeros(evidence.accounts, dtype=np.bool_)
        left_out[np.concatenate([group.accounts for group in plain])] = True
        nulls = replace(nulls, left_out=left_out)
    judged = _held(tried, nulls, asked)
    groups = disjoint(evidence, conduct, judged, asked.level)
    families = (*evidence.families, TURNS)
    return Verdicts(groups, families, len(tried.groups), asked.level, asked.null_runs, judged.tails)


def _held(tried: Tried, nulls: NullLogs, asked: Asked) -> Judged:
    """p- and q-values of every group from the groups of null logs."""
    with ThreadPoolExecutor(asked.threads or os.cpu_count() or 1) as pool:
        null = list(pool.map(lambda run: _null_scores(nulls, run), range(asked.null_runs)))
    tails = tuple(
        fit_null_tail(np.concatenate([scores[origin] for scores in null]), asked.null_runs)
        for origin in range(ORIGINS)
    )
    p = p_values(tails, tried.scores, tried.origin, len(tried.groups))
    return Judged(tried, p, benjamini_hochberg(p), tails)


def _null_scores(nulls: NullLogs, run: int) -> tuple[NDArray[np.float64], ...]:
    """Scores of one null log's groups, by origin."""
    evidence, conduct = nulls.draw(run)
    tried = try_all(evidence, conduct, candidates(evidence))
    return tuple(tried.scores[tried.origin == origin] for origin in range(ORIGINS))
