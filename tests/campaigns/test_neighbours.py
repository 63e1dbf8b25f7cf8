"""The account graph against ten obvious lines."""

from __future__ import annotations

import math

import numpy as np
import pytest
from logs import make_evidence

from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.neighbours import Graph, neighbours
from stillhunt.campaigns.signals.shares_address import shares_address
from stillhunt.campaigns.signals.shares_client_stack import shares_client_stack
from stillhunt.campaigns.signals.shares_device import shares_device
from stillhunt.campaigns.signals.shares_payment import shares_payment

FUNCTIONS = (shares_client_stack, shares_address, shares_device, shares_payment)


def random_evidence(seed: int, accounts: int, artefacts: int, hub: int = 0) -> Evidence:
    """Heavy-tailed sharing in four signals of three families; ``hub`` members of one more artefact in each."""
    generator = np.random.default_rng(seed)
    sharing = {}
    for function in FUNCTIONS:
        sizes = np.minimum(generator.zipf(1.7, artefacts) + 1, accounts // 3)
        sharing[function] = [
            sorted(generator.choice(accounts, size, replace=False).tolist()) for size in sizes
        ]
        if hub:
            sharing[function].append(sorted(generator.choice(accounts, hub, replace=False).tolist()))
    return make_evidence(accounts, sharing, generator.integers(0, 3, accounts).tolist())


def pairs(graph: Graph) -> dict[tuple[int, int], tuple[float, int]]:
    source = np.repeat(np.arange(len(graph.indptr) - 1), np.diff(graph.indptr))
    return {
        (int(i), int(j)): (float(w), int(f))
        for i, j, w, f in zip(source, graph.neighbour, graph.weight, graph.families, strict=True)
    }


def compared(members: list[int], i: int, window: int) -> list[int]:
    """The members of an artefact that an account is compared with."""
    place = min(max(members.index(i) - window // 2, 0), max(len(members) - window, 0))
    return members[place : place + window]


def obvious(evidence: Evidence, kept: int, window: int) -> dict[tuple[int, int], tuple[float, int]]:
    """The same graph, slowly. Where both ends of a pair keep it, their figures agree."""
    carries: dict[int, dict[int, float]] = {i: {} for i in range(evidence.accounts)}
    for i, a, rate in zip(evidence.link_accounts(), evidence.artefact, evidence.rate, strict=True):
        carries[int(i)][int(a)] = float(rate)

    def surprise(i: int, a: int) -> float:
        return -math.log(1.0 - math.exp(-evidence.activity[i, evidence.signal[a]] * carries[i][a]))

    found: dict[tuple[int, int], tuple[float, int]] = {}
    for i in carries:
        best: dict[int, dict[int, float]] = {}
        for a in carries[i]:
            members = [j for j in sorted(carries) if a in carries[j]]
            for j in compared(members, i, window):
                value = (surprise(i, a) + surprise(j, a)) / 2
                if j != i and value > 0:
                    per_family = best.setdefault(j, {})
                    f = int(evidence.family[a])
                    per_family[f] = max(value, per_family.get(f, 0.0))
        ranked = sorted(best, key=lambda j: -sum(best[j].values()))[:kept]
        for j in ranked:
            figures = (sum(best[j].values()), sum(1 << f for f in best[j]))
            for pair in ((i, j), (j, i)):
                if pair not in found or i < j:
                    found[pair] = figures
    return found


@pytest.mark.parametrize("seed", range(6))
def test_the_graph_is_what_ten_obvious_lines_say(seed: int) -> None:
    evidence = random_evidence(seed, 60, 25)
    found, expected = pairs(neighbours(evidence, kept=60, window=64)), obvious(evidence, 60, 64)
    assert found.keys() == expected.keys()
    for pair, (weight, families) in expected.items():
        assert found[pair] == (pytest.approx(weight, rel=1e-4), families), pair


@pytest.mark.parametrize("seed", range(3))
def test_hubs_tie_their_members_to_those_that_stand_nearest(seed: int) -> None:
    evidence = random_evidence(10 + seed, 240, 30, hub=150)
    kept = 240
    found, expected = pairs(neighbours(evidence, kept=kept, window=16)), obvious(evidence, kept, 16)
    assert found.keys() == expected.keys()
    # A hub's window may differ between the ends of a pair, and the end that stands first speaks.
    for (i, j), (weight, families) in expected.items():
        if i < j:
            assert found[i, j] == (pytest.approx(weight, rel=1e-4), families)


def test_members_of_several_hubs_keep_the_same_neighbours() -> None:
    group = list(range(0, 600, 2))
    hubs = {function: [group, *([i, i + 2] for i in range(1, 597, 4))] for function in FUNCTIONS}
    evidence = make_evidence(600, hubs)
    graph = neighbours(evidence)
    for i in (0, 300, 598):
        mine = graph.neighbour[graph.indptr[i] : graph.indptr[i + 1]]
        agreeing = graph.families[graph.indptr[i] : graph.indptr[i + 1]]
        assert len(mine) >= 32
        assert set(mine.tolist()) <= set(group)
        assert set(agreeing.tolist()) == {0b111}


def test_the_graph_is_symmetric_and_has_no_loops() -> None:
    found = pairs(neighbours(random_evidence(5, 200, 60, hub=100), kept=5))
    assert all(found[j, i] == value for (i, j), value in found.items())
    assert all(i != j for i, j in found)


def test_only_the_strongest_pairs_are_kept() -> None:
    evidence = random_evidence(6, 120, 60)
    whole, kept = pairs(neighbours(evidence, kept=120)), pairs(neighbours(evidence, kept=3))
    assert kept.keys() < whole.keys()
    for i in range(120):
        mine = sorted((w for (a, _), (w, _) in whole.items() if a == i), reverse=True)[:3]
        held = [w for (a, _), (w, _) in kept.items() if a == i]
        assert all(any(w == pytest.approx(h) for h in held) for w in mine)


def test_a_rarer_artefact_weighs_more() -> None:
    crowd = [list(range(10, 90)), *([i, i + 1] for i in range(100, 140, 2))]
    found = pairs(neighbours(make_evidence(150, {shares_address: [[0, 1], *crowd]})))
    assert found[0, 1][0] > found[10, 11][0] > 0


def test_accounts_that_share_nothing_have_no_neighbours() -> None:
    graph = neighbours(make_evidence(5, {shares_address: [[0, 1]]}))
    assert np.diff(graph.indptr).tolist() == [1, 1, 0, 0, 0]
    empty = neighbours(make_evidence(3, {shares_address: []}))
    assert (len(empty.neighbour), empty.indptr.tolist()) == (0, [0, 0, 0, 0])
