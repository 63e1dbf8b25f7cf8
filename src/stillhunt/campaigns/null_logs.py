"""Null logs: the log itself, with its families torn apart.

In a null log each family's links belong to another account of the same stratum, drawn family by family; the prompts
that moved go with the family of hand-offs, and the session starts are the family of timing. Every popularity, every
account's activity and everything that one family shows by itself stay as they are; only the agreement between families
is left to chance. Null logs pass through candidates, weights and clustering as the log does, so that groups chosen by
the data are compared with groups chosen by the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stillhunt.campaigns.evidence import Evidence, dealt
from stillhunt.campaigns.groups import MOVES, Conduct


@dataclass(frozen=True)
class NullLogs:
    """Null logs of one log. strata: per account, a number; only accounts of one stratum trade places, and within a
    family only those that have a link in it, so that who lacks a field stays as it is. seed: equal seeds give equal
    null logs."""

    evidence: Evidence
    conduct: Conduct
    strata: NDArray[np.int64]
    seed: int
    left_out: NDArray[np.bool_] | None = None
    """Accounts that take no part in null logs, shape (accounts,): those that plainly act as one. Dealt among strangers,
    their ties would make null logs of a log with campaigns unlike any log without."""

    def draw(self, run: int) -> tuple[Evidence, Conduct]:
        """The null log of that number."""
        evidence, total = self.evidence, self.evidence.accounts
        generator = np.random.default_rng([self.seed, run])
        out = np.zeros(total, dtype=np.bool_) if self.left_out is None else self.left_out
        present_in = np.diff(evidence.cuts, axis=1) > 0
        came_from = np.empty((len(evidence.families), total), dtype=np.int32)
        sessions, moves = self.conduct.sessions, self.conduct.moves
        for f, name in enumerate(evidence.families):
            present = np.flatnonzero(present_in[:, f] & ~out).astype(np.int32)
            if name == MOVES:
                movers = moves.accounts()
                present = np.union1d(present, movers[~out[movers]])
            came_from[f] = _inverse(_shuffled(present, self.strata, total, generator))
            if name == MOVES:
                moves = moves.given(came_from[f])
        everyone = np.flatnonzero((sessions.alive_to >= sessions.alive_from) & ~out).astype(np.int32)
        sessions = sessions.given(_inverse(_shuffled(everyone, self.strata, total, generator)))
        return dealt(evidence, came_from, out), Conduct(sessions, moves)


def _shuffled(
    accounts: NDArray[np.int32], strata: NDArray[np.int64], total: int, generator: np.random.Generator
) -> NDArray[np.int32]:
    """A permutation of 0..total-1 that moves only ``accounts``, each within its stratum."""
    place = np.arange(total, dtype=np.int32)
    by_stratum = accounts[np.argsort(strata[accounts], kind="stable")]
    drawn = accounts[np.lexsort((generator.random(len(accounts)), strata[accounts]))]
    place[by_stratum] = drawn
    return place


def _inverse(place: NDArray[np.int32]) -> NDArray[np.int32]:
    came_from = np.empty_like(place)
    came_from[place] = np.arange(len(place), dtype=np.int32)
    return came_from
