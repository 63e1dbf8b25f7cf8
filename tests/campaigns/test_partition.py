"""Overlapping groups: the best are kept, leftovers and parts are asked again."""

from __future__ import annotations

import numpy as np
import pytest
from logs import make_evidence, make_sessions, still

from stillhunt.campaigns.clusters import CLUSTERED, Candidates
from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.groups import Conduct
from stillhunt.campaigns.partition import Group, Judged, disjoint, merit, p_values
from stillhunt.campaigns.signals.shares_address import shares_address
from stillhunt.campaigns.signals.shares_payment import shares_payment
from stillhunt.campaigns.signals.shares_system_prompt import shares_system_prompt
from stillhunt.campaigns.tried import weighed
from stillhunt.stats.fdr import benjamini_hochberg
from stillhunt.stats.tails import NullTail, fit_null_tail

ACCOUNTS = 2000
FUNCTIONS = (shares_system_prompt, shares_address, shares_payment)
ONE, OTHER = list(range(20)), list(range(20, 45))


def evidence_of(*pools: list[int]) -> Evidence:
    """Pools that share one artefact of each kind among accounts in pairs."""
    pairs = [[i, i + 1] for i in range(200, ACCOUNTS, 2)]
    return make_evidence(ACCOUNTS, {function: [*pools, *pairs] for function in FUNCTIONS})


def conduct() -> Conduct:
    return still(make_sessions(np.ones((ACCOUNTS, 1), dtype=np.int32)))


def tail() -> NullTail:
    return fit_null_tail(np.linspace(0.1, 6.0, 200), 20)


def choose(evidence: Evidence, groups: list[list[int]], level: float = 0.05) -> list[Group]:
    candidate = Candidates(
        tuple(np.array(sorted(g), dtype=np.int32) for g in groups),
        np.full(len(groups), CLUSTERED, dtype=np.int16),
    )
    tried = weighed(evidence, conduct(), candidate)
    tails = (tail(),) * 3
    p = p_values(tails, tried.scores, tried.origin, len(groups))
    return list(disjoint(evidence, conduct(), Judged(tried, p, p, tails), level))


def members(groups: list[Group]) -> list[list[int]]:
    return sorted(group.accounts.tolist() for group in groups)


def test_two_pools_in_one_group_are_told_apart() -> None:
    evidence = evidence_of(ONE, OTHER)
    assert members(choose(evidence, [ONE + OTHER, ONE, OTHER])) == [ONE, OTHER]
    assert members(choose(evidence, [ONE + OTHER, ONE])) == [ONE, OTHER], "the rest is asked by itself"


def test_one_pool_stays_one_though_its_parts_pass() -> None:
    evidence = evidence_of(ONE)
    assert members(choose(evidence, [ONE[:8], ONE, ONE[8:], ONE[4:12]])) == [ONE]


def test_strangers_around_a_pool_are_left_out() -> None:
    evidence = evidence_of(ONE)
    found = choose(evidence, [ONE + list(range(300, 340, 2)), ONE])
    assert members(found) == [ONE]
    assert found[0].q <= 0.05


def test_leftovers_must_pass_by_themselves() -> None:
    evidence = evidence_of(ONE, OTHER)
    overlapping = OTHER[:4] + list(range(300, 330, 2))
    assert members(choose(evidence, [ONE, OTHER, overlapping])) == [ONE, OTHER]
    both = choose(evidence, [ONE, ONE[15:] + OTHER])
    assert members(both) == [ONE, OTHER]


def test_the_many_faces_of_one_pool_make_no_room_for_chance() -> None:
    weak = list(range(60, 66))
    evidence = evidence_of(ONE, weak)
    groups = tuple(np.array([i for i in ONE if i != left], dtype=np.int32) for left in ONE)
    groups = (*groups, np.array(weak, dtype=np.int32))
    tried = weighed(evidence, conduct(), Candidates(groups, np.full(21, CLUSTERED, dtype=np.int16)))
    p = np.array([1e-6] * 20 + [0.02])
    judged = Judged(tried, p, benjamini_hochberg(p), (tail(),) * 3)
    assert judged.q[-1] <= 0.05, "counted with every face of the pool, it would pass"
    told = disjoint(evidence, conduct(), judged, 0.05)
    assert len(told) == 1
    assert set(told[0].accounts.tolist()) < set(ONE)
    assert told[0].q == pytest.approx(21 * 1e-6)
    both = disjoint(evidence, conduct(), judged, 0.3)
    assert [group.q for group in both] == [pytest.approx(q) for q in (21 * 1e-6, 21 * 0.02 / 2)]


def test_a_group_that_one_family_ties_is_not_told() -> None:
    alone = {shares_system_prompt: [ONE], shares_address: [], shares_payment: []}
    pairs = [[i, i + 1] for i in range(200, ACCOUNTS, 2)]
    evidence = make_evidence(ACCOUNTS, {function: [*made, *pairs] for function, made in alone.items()})
    assert choose(evidence, [ONE], level=0.999) == []


def test_nothing_passes_nothing_is_told() -> None:
    assert choose(evidence_of(), [[0, 5, 9], [20, 30, 40]]) == []


def test_every_origin_may_add_equally_many_null_groups() -> None:
    few, many = fit_null_tail(np.array([1.0, 2.0]), 10), fit_null_tail(np.linspace(1, 9, 400), 10)
    scores, origin = np.array([5.0, 5.0, 0.0]), np.array([0, 1, 2])
    p = p_values((few, many, few), scores, origin, 100)
    expected = [float(each.expected_per_run(np.array([5.0]))[0]) * 3 / 100 for each in (few, many)]
    assert p[:2].tolist() == pytest.approx(expected)
    assert p[0] < p[1]
    assert p[2] == pytest.approx(min(1.0, float(few.expected_per_run(np.array([0.0]))[0]) * 3 / 100))


def test_merit_prefers_the_whole_to_its_half_and_the_pool_to_the_crowd() -> None:
    evidence = evidence_of(ONE)
    groups = (ONE[:10], ONE, ONE + list(range(300, 380)))
    candidate = Candidates(
        tuple(np.array(g, dtype=np.int32) for g in groups), np.full(3, CLUSTERED, dtype=np.int16)
    )
    half, whole, crowd = merit(weighed(evidence, conduct(), candidate))
    assert whole > half
    assert whole > crowd
