"""Dense blocks of the graph of accounts and artefacts, peeled greedily as FRAUDAR does (Hooi et al., KDD 2016).

An edge to an artefact of d accounts weighs 1 / log(d + 5), so that what is popular adds little and camouflage cannot
lower a block's density. The node that adds least is taken away until none is left; the densest set on the way is a
block. Its edges are then removed, and the next block is sought.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from bench.rivals.log import RivalLog, Scores, ties
from numpy.typing import NDArray
from scipy.sparse import csr_array

_HARD = ("payment", "address", "device")


@dataclass(frozen=True)
class Options:
    """kinds: of artefacts. blocks: how many are sought. most: artefacts of more accounts are left out."""

    kinds: tuple[str, ...]
    blocks: int
    most: int | None = None


GRID = tuple(
    Options(kinds, blocks, most)
    for kinds in (
        ("payment", "device"),
        _HARD,
        (*_HARD, "tls", "agent"),
        (*_HARD, "domain", "system"),
        (*_HARD, "tls", "agent", "system", "prompt"),
    )
    for blocks in (1, 100)
    for most in (None, 10)
)


def block_density(log: RivalLog, options: Options) -> Scores:
    """Density of the densest block that holds the account; below every block, of the densest set that it was peeled
    from last, so that all accounts have an order."""
    pairs = ties(log, options.kinds, most=options.most)
    people = len(log.accounts)
    edges = np.stack([pairs.account, people + pairs.artefact])
    weights = 1.0 / np.log(pairs.carriers[pairs.artefact] + 5.0)
    score = np.zeros(people)
    floor = np.zeros(people)
    for number in range(options.blocks):
        if edges.shape[1] == 0:
            break
        density, reached = peel(edges, weights, people + len(pairs.carriers))
        inside = reached >= density
        if number == 0:
            floor = reached[:people]
        score = np.where(inside[:people], np.maximum(score, density), score)
        rest = ~(inside[edges[0]] & inside[edges[1]])
        edges, weights = edges[:, rest], weights[rest]
    return np.where(score > 0, 1.0 + score, floor / (1.0 + floor))


def peel(
    edges: NDArray[np.int32], weights: NDArray[np.float64], nodes: int
) -> tuple[float, NDArray[np.float64]]:
    """Density of the densest set that greedy peeling meets, and of each node the density of the densest set that holds
    it. edges: (2, m) nodes; weights: (m,). Density: weight of the edges inside, divided by the nodes."""
    both = np.concatenate([edges, edges[::-1]], axis=1)
    graph = csr_array((np.concatenate([weights, weights]), (both[0], both[1])), (nodes, nodes))
    starts, ends, weight = graph.indptr.tolist(), graph.indices.tolist(), graph.data.tolist()
    degree = np.asarray(graph.sum(axis=1)).ravel()
    left = int((degree > 0).sum())
    degrees = degree.tolist()
    total, best = float(weights.sum()), 0.0
    reached = np.zeros(nodes)
    queue = [(value, node) for node, value in enumerate(degrees) if value > 0]
    heapq.heapify(queue)
    gone = [value == 0 for value in degrees]
    best = total / left
    while left:
        value, node = heapq.heappop(queue)
        if gone[node] or value > degrees[node]:
            continue
        best = max(best, total / left)
        reached[node] = best
        gone[node] = True
        total -= degrees[node]
        left -= 1
        for place in range(starts[node], starts[node + 1]):
            other = ends[place]
            if not gone[other]:
                degrees[other] -= weight[place]
                heapq.heappush(queue, (degrees[other], other))
    return best, reached
