"""Candidate groups: label propagation against connected components, and artefacts' accounts."""

from __future__ import annotations

import numpy as np
import pytest
from logs import make_evidence
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stillhunt.campaigns.clusters import STRENGTHS, candidates, clusters
from stillhunt.campaigns.neighbours import Graph, neighbours
from stillhunt.campaigns.signals.shares_address import shares_address
from stillhunt.campaigns.signals.shares_device import shares_device
from stillhunt.campaigns.signals.shares_payment import shares_payment


def graph_of(accounts: int, ties: dict[tuple[int, int], float]) -> Graph:
    """A symmetric graph of the given ties."""
    both = ties | {(j, i): w for (i, j), w in ties.items()}
    rows, columns = np.array(sorted(both)).reshape(-1, 2).T
    indptr = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=accounts))))
    weight = np.array([both[pair] for pair in sorted(both)], dtype=np.float32)
    return Graph(
        indptr.astype(np.int64), columns.astype(np.int32), weight, np.ones(len(rows), dtype=np.int64)
    )


def components(accounts: int, ties: dict[tuple[int, int], float]) -> set[tuple[int, ...]]:
    """Connected components of at least three accounts, by scipy."""
    rows, columns = np.array(sorted(ties)).reshape(-1, 2).T
    matrix = coo_array((np.ones(len(rows)), (rows, columns)), shape=(accounts, accounts))
    _, label = connected_components(matrix, directed=False)
    groups = (tuple(np.flatnonzero(label == each).tolist()) for each in np.unique(label))
    return {group for group in groups if len(group) >= 3}


def found(graph: Graph, strength: float) -> set[tuple[int, ...]]:
    return {tuple(group.tolist()) for group in clusters(graph, (strength,))}


def cliques(seed: int) -> tuple[int, dict[tuple[int, int], float]]:
    """Disjoint cliques of shuffled accounts, of sizes 1 to 30; every tie of weight 1."""
    generator = np.random.default_rng(seed)
    sizes = [1, 2, 3, 4, 7, 12, 30, 1, 2, 5]
    order = generator.permutation(sum(sizes))
    ties, start = {}, 0
    for size in sizes:
        members = sorted(order[start : start + size].tolist())
        ties |= {(i, j): 1.0 for i in members for j in members if i < j}
        start += size
    return sum(sizes), ties


@pytest.mark.parametrize("seed", range(8))
def test_binary_ties_give_connected_components(seed: int) -> None:
    accounts, ties = cliques(seed)
    assert found(graph_of(accounts, ties), 0.01) == components(accounts, ties)


@pytest.mark.parametrize("seed", range(8))
def test_shared_artefacts_give_the_components_that_scipy_finds(seed: int) -> None:
    generator = np.random.default_rng(seed)
    order = generator.permutation(400)
    blocks = np.split(order[:300], np.cumsum(generator.integers(3, 30, 12))[:-1])
    sharing = [sorted(block.tolist()) for block in blocks if len(block) > 2]
    evidence = make_evidence(400, {shares_address: sharing, shares_device: sharing})
    graph = neighbours(evidence)
    source = np.repeat(np.arange(400), np.diff(graph.indptr))
    ties = {(int(i), int(j)): 1.0 for i, j in zip(source, graph.neighbour, strict=True)}
    assert found(graph, 0.01) == components(400, ties) == {tuple(group) for group in sharing}


@pytest.mark.parametrize("seed", range(8))
def test_a_cluster_never_leaves_its_component(seed: int) -> None:
    generator = np.random.default_rng(seed)
    ends = np.sort(generator.integers(0, 150, (120, 2)), axis=1)
    ties = {(int(i), int(j)): float(generator.exponential(2.0)) for i, j in ends if i != j}
    whole = components(150, ties)
    groups = found(graph_of(150, ties), 0.01)
    assert groups
    assert all(any(set(group) <= set(component) for component in whole) for group in groups)


def test_ties_below_the_strength_do_not_count() -> None:
    ties = {(i, j): 1.0 for i in range(4) for j in range(i + 1, 4)}
    ties |= {(i, j): 9.0 for i in range(4, 8) for j in range(i + 1, 8)}
    graph = graph_of(10, ties)
    scale = np.log(10)
    assert found(graph, 0.5 / scale) == {(0, 1, 2, 3), (4, 5, 6, 7)}
    assert found(graph, 5.0 / scale) == {(4, 5, 6, 7)}
    assert found(graph, 10.0 / scale) == set()


def test_a_weak_bridge_does_not_join_two_cliques() -> None:
    ties = {(i, j): 3.0 for part in (range(6), range(6, 12)) for i in part for j in part if i < j} | {
        (0, 6): 1.0
    }
    assert found(graph_of(12, ties), 0.01) == {tuple(range(6)), tuple(range(6, 12))}


def test_a_campaign_is_not_swallowed_however_large_the_log() -> None:
    """The resolution limit of modularity: two small cliques with one tie between them, in an ever larger log."""
    small = [list(range(5)), list(range(5, 10))]
    rest = [list(range(start, start + 20)) for start in range(10, 6010, 20)]
    ties = {(i, j): 2.0 for part in (*small, *rest) for i in part for j in part if i < j} | {(0, 5): 1.0}
    assert {tuple(range(5)), tuple(range(5, 10))} <= found(graph_of(6010, ties), 0.01)


def test_a_nest_of_groups_comes_from_all_strengths_once_each() -> None:
    accounts, ties = cliques(0)
    graph = graph_of(accounts, dict.fromkeys(ties, 100.0))
    groups = [tuple(group.tolist()) for group in clusters(graph, STRENGTHS)]
    assert len(groups) == len(set(groups))
    assert set(groups) == components(accounts, ties)


def test_artefacts_propose_their_accounts_under_their_family() -> None:
    shared = [0, 1, 2, 3]
    evidence = make_evidence(40, {shares_payment: [shared, [8, 9]], shares_address: [shared, [4, 5, 6]]})
    proposed = candidates(evidence)
    pairs = {(tuple(g.tolist()), int(s)) for g, s in zip(proposed.groups, proposed.seed, strict=True)}
    assert len(pairs) == len(proposed.groups)
    payment, network = evidence.families.index("payment"), evidence.families.index("network")
    assert {((0, 1, 2, 3), payment), ((0, 1, 2, 3), network), ((4, 5, 6), network)} <= pairs
    assert ((0, 1, 2, 3), -1) in pairs
    assert all(len(group) >= 3 for group, _ in pairs)


def test_two_artefacts_of_one_family_with_the_same_accounts_propose_them_once() -> None:
    evidence = make_evidence(40, {shares_address: [[0, 1, 2]], shares_device: [[0, 1, 2]]})
    proposed = candidates(evidence)
    assert [(g.tolist(), s) for g, s in zip(proposed.groups, proposed.seed, strict=True) if s >= 0] == [
        ([0, 1, 2], 0)
    ]


def test_of_many_artefacts_a_sample_proposes_and_stands_for_all() -> None:
    evidence = make_evidence(60, {shares_address: [[i, i + 1, i + 2] for i in range(0, 60, 3)]})
    drawn = [candidates(evidence, sample=(5, np.random.default_rng(seed))) for seed in range(3)]
    seeded = [
        {tuple(g.tolist()) for g, s in zip(each.groups, each.seed, strict=True) if s >= 0} for each in drawn
    ]
    assert [(len(groups), each.every) for groups, each in zip(seeded, drawn, strict=True)] == [(5, 4.0)] * 3
    assert len(set.union(*seeded)) > 5
    assert all((each.seed < 0).sum() == 20 for each in drawn), "clusters are all kept"
    few = candidates(evidence, sample=(20, np.random.default_rng(0)))
    assert (len(few.groups), few.every) == (40, 1.0)


def test_nothing_shared_proposes_nothing() -> None:
    proposed = candidates(make_evidence(5, {shares_address: []}))
    assert (proposed.groups, len(proposed.seed)) == ((), 0)
