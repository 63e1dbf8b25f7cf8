"""Candidate groups, from the account graph and from the artefacts themselves; which is real is for ``judge`` to say.

Label propagation over ever stronger ties gives a nest of groups. It has no resolution limit, which modularity has.
Source: Raghavan, Albert and Kumara (2007). And the accounts of each artefact are a group, which the *other* families
can be asked about: the cleanest question there is, because they had no say in choosing it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.neighbours import Graph, neighbours

SMALLEST = 3
"""Accounts below which a group is no candidate."""
STRENGTHS = (0.15, 0.3, 0.45, 0.6, 0.8, 1.0, 1.4)
"""Least weight of a tie, as multiples of ``log(accounts)``, the weight at which an account has one tie by chance."""
ROUNDS = 20
CLUSTERED, GROWN = -1, -2
"""In place of a seed: the group is a cluster of the graph; it was grown from another group."""


@dataclass(frozen=True)
class Candidates:
    """Groups of accounts, each ascending. seed: the family whose artefact defines it, else CLUSTERED or GROWN. every:
    how many artefacts' groups each of them stands for."""

    groups: tuple[NDArray[np.int32], ...]
    seed: NDArray[np.int16]
    every: float = 1.0


def candidates(
    evidence: Evidence, graph: Graph | None = None, sample: tuple[int, np.random.Generator] | None = None
) -> Candidates:
    """Clusters of the account graph and artefacts' accounts; a set that comes twice stays once per family. sample: how
    many artefacts at most, and what draws them."""
    found: dict[tuple[int, bytes], NDArray[np.int32]] = {}
    for group in clusters(neighbours(evidence) if graph is None else graph):
        found[CLUSTERED, group.tobytes()] = group
    sizes = np.diff(evidence.members_ptr)
    artefacts = np.flatnonzero(sizes >= SMALLEST)
    every = 1.0
    if sample is not None and len(artefacts) > sample[0]:
        every = len(artefacts) / sample[0]
        artefacts = np.sort(sample[1].choice(artefacts, sample[0], replace=False))
    for a in artefacts:
        group = evidence.member[evidence.members_ptr[a] : evidence.members_ptr[a + 1]]
        found[int(evidence.family[a]), group.tobytes()] = group
    return Candidates(tuple(found.values()), np.array([seed for seed, _ in found], dtype=np.int16), every)


def clusters(graph: Graph, strengths: tuple[float, ...] = STRENGTHS) -> list[NDArray[np.int32]]:
    """Distinct groups of at least SMALLEST accounts, each as ascending account numbers, at every strength."""
    accounts = len(graph.indptr) - 1
    scale = np.log(max(accounts, 2))
    groups: dict[bytes, NDArray[np.int32]] = {}
    for strength in strengths:
        labels = _propagate(graph.indptr, graph.neighbour, graph.weight, np.float32(strength * scale), ROUNDS)
        order = np.argsort(labels, kind="stable").astype(np.int32)
        bounds = np.flatnonzero(np.diff(labels[order])) + 1
        for group in np.split(order, bounds):
            if len(group) >= SMALLEST:
                groups[group.tobytes()] = group
    return list(groups.values())


@njit(cache=True, nogil=True)
def _propagate(indptr, neighbour, weight, least, rounds):  # type: ignore[no-untyped-def]
    accounts = len(indptr) - 1
    labels = np.arange(accounts).astype(np.int32)
    votes = np.zeros(accounts, dtype=np.float32)
    touched = np.empty(accounts, dtype=np.int32)
    for _ in range(rounds):
        changed = 0
        for i in range(accounts):
            seen = 0
            for link in range(indptr[i], indptr[i + 1]):
                if weight[link] < least:
                    continue
                label = labels[neighbour[link]]
                if votes[label] == 0.0:
                    touched[seen] = label
                    seen += 1
                votes[label] += weight[link]
            if seen == 0:
                continue
            winner = labels[i]
            most = votes[winner]
            for position in range(seen):
                label = touched[position]
                if votes[label] > most or (votes[label] == most and label < winner and most > 0.0):
                    winner = label
                    most = votes[label]
            for position in range(seen):
                votes[touched[position]] = 0.0
            if winner != labels[i]:
                labels[i] = winner
                changed += 1
        if changed == 0:
            break
    return labels
