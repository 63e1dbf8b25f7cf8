"""Null logs: the log itself, with its families torn apart.

In a null log each family's links (and the session starts) belong to another account of the same stratum, drawn family
by family. Every popularity, every account's activity and everything that one family shows by itself stay as they
are; only the agreement between families is left to chance. Null logs pass through candidates, weights and clustering
as the log does, so that groups chosen by the data are compared with groups chosen by the data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stillhunt.campaigns.evidence import Evidence, relink
from stillhunt.campaigns.turns import Sessions


def null_logs(
    evidence: Evidence, sessions: Sessions, strata: NDArray[np.int64], runs: int, seed: int
) -> Iterator[tuple[Evidence, Sessions]]:
    """``runs`` null logs. strata: per account, a number; only accounts of one stratum trade places, and within a
    family only those that have a link in it, so that who lacks a field stays as it is."""
    account = evidence.link_accounts()
    family_of_link = evidence.family[evidence.artefact]
    present = [np.unique(account[family_of_link == f]) for f in range(len(evidence.families))]
    for run in range(runs):
        generator = np.random.default_rng([seed, run])
        moved = account.copy()
        for f, accounts in enumerate(present):
            place = _shuffled(accounts, strata, evidence.accounts, generator)
            mine = family_of_link == f
            moved[mine] = place[account[mine]]
        everyone = np.flatnonzero(sessions.alive_to >= sessions.alive_from).astype(np.int32)
        yield (
            relink(evidence, moved, evidence.artefact, evidence.n),
            _moved_sessions(sessions, _shuffled(everyone, strata, evidence.accounts, generator)),
        )


def _shuffled(
    accounts: NDArray[np.int32], strata: NDArray[np.int64], total: int, generator: np.random.Generator
) -> NDArray[np.int32]:
    """A permutation of 0..total-1 that moves only ``accounts``, each within its stratum."""
    place = np.arange(total, dtype=np.int32)
    by_stratum = accounts[np.argsort(strata[accounts], kind="stable")]
    drawn = accounts[np.lexsort((generator.random(len(accounts)), strata[accounts]))]
    place[by_stratum] = drawn
    return place


def _moved_sessions(sessions: Sessions, place: NDArray[np.int32]) -> Sessions:
    sizes = np.diff(sessions.indptr)
    came_from = np.empty_like(place)
    came_from[place] = np.arange(len(place), dtype=np.int32)
    indptr = np.concatenate(([0], np.cumsum(sizes[came_from]))).astype(np.int64)
    rows = np.repeat(sessions.indptr[came_from] - indptr[:-1], sizes[came_from]) + np.arange(indptr[-1])
    return replace(
        sessions,
        indptr=indptr,
        day=sessions.day[rows],
        starts=sessions.starts[rows],
        alive_from=sessions.alive_from[came_from],
        alive_to=sessions.alive_to[came_from],
    )
