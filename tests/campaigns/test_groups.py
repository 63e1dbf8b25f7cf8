"""Evidence per family for a group: the statistics against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from logs import make_evidence, make_moves, make_sessions, still
from scipy.stats import binom

from stillhunt.campaigns.clusters import candidates
from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.groups import (
    COVERS,
    MAJORITY,
    TIES,
    Conduct,
    beyond_seed,
    group_evidence,
    moving_evidence,
)
from stillhunt.campaigns.signals.hands_off_after_refusal import hands_off_after_refusal
from stillhunt.campaigns.signals.shares_address import shares_address
from stillhunt.campaigns.signals.shares_client_stack import shares_client_stack
from stillhunt.campaigns.signals.shares_device import shares_device
from stillhunt.campaigns.signals.shares_parameters import shares_parameters
from stillhunt.campaigns.signals.shares_payment import shares_payment
from stillhunt.campaigns.urn import COPIES
from stillhunt.stats.bounds import chernoff_upper

FUNCTIONS = (shares_client_stack, shares_address, shares_parameters, shares_device, shares_payment)


def quiet(accounts: int) -> Conduct:
    """Conduct that says nothing: each account is in use on one day, and no prompt moves."""
    return still(make_sessions(np.ones((accounts, 1), dtype=np.int32)))


def random_evidence(seed: int, accounts: int = 120, artefacts: int = 40) -> Evidence:
    generator = np.random.default_rng(seed)
    sharing = {
        function: [
            sorted(generator.choice(accounts, min(int(size) + 1, accounts // 2), replace=False).tolist())
            for size in generator.zipf(1.6, artefacts)
        ]
        for function in FUNCTIONS
    }
    return make_evidence(accounts, sharing, generator.integers(0, 3, accounts).tolist())


def likelier(
    evidence: Evidence, mine: dict[int, dict[int, float]], others: list[int], i: int, s: int
) -> float | None:
    """How many times likelier i's artefacts of a signal are among the others' than in the log outside them."""
    rows = {j: {a for a in mine[j] if evidence.signal[a] == s} for j in (*others, i)}
    shown = [j for j in others if rows[j]]
    if not shown or not rows[i]:
        return None
    of_signal = evidence.popularity[evidence.signal == s].sum()
    taken = sum(len(rows[j]) for j in shown)
    total = 0.0
    for a in rows[i]:
        carriers = [j for j in shown if a in rows[j]]
        drawn = sum(1 / len(rows[j]) for j in carriers) / len(shown)
        outside = (evidence.popularity[a] - len(carriers)) / evidence.popularity[a] / (1 - taken / of_signal)
        total += drawn / (mine[i][a] * outside)
    return total / len(rows[i])


def wealth(
    evidence: Evidence, mine: dict[int, dict[int, float]], group: list[int], s: int, theta: float
) -> float:
    """Logarithm of what the bet that members copy with probability theta makes of a stake of 1."""
    nats = 0.0
    for place, i in enumerate(group):
        ratio = likelier(evidence, mine, group[:place], i, s)
        nats += 0.0 if ratio is None else math.log(1 - theta + theta * ratio)
    return nats


def brute_force(evidence: Evidence, group: list[int]) -> list[float]:
    """Nats per link family, written as the docstring says."""
    rows: dict[int, dict[int, float]] = {}
    for i, a, r in zip(evidence.link_accounts(), evidence.artefact, evidence.rate, strict=True):
        rows.setdefault(int(i), {})[int(a)] = float(r)
    mine = {i: rows.get(i, {}) for i in group}
    nats, told = [], []
    for f in range(len(evidence.families)):
        links = {i: {a: r for a, r in mine[i].items() if evidence.family[a] == f} for i in group}
        family_links = sum(
            int(d) for d, g in zip(evidence.popularity, evidence.family, strict=True) if g == f
        )
        single, telling = 0.0, set()
        for a in {a for row in links.values() for a in row}:
            carriers = [i for i in group if a in links[i]]
            if len(carriers) < 2:
                continue
            rate = sum(links[i][a] for i in carriers) / len(carriers)
            mean = rate * sum(evidence.activity[i, evidence.signal[a]] for i in group)
            correction = math.log(family_links / evidence.popularity[a])
            own = float(chernoff_upper(len(carriers), mean)) - correction
            telling |= set(carriers) if own > 0 else set()
            single = max(single, own) if len(carriers) >= COVERS * len(group) else single
        own_signals = [s for s in range(len(evidence.signals)) if evidence.family_of()[s] == f]
        for i in group:
            for s in own_signals:
                ratio = likelier(evidence, mine, [j for j in group if j != i], i, s)
                telling |= {i} if ratio is not None and ratio >= TIES else set()
        stakes = [wealth(evidence, mine, group, s, theta) for s in own_signals for theta in COPIES]
        urn = math.log(sum(math.exp(stake) for stake in stakes) / len(stakes))
        nats.append(max(0.0, max(single, urn) - math.log(2)))
        told.append(telling)
    strongest = int(np.argmax(nats))
    alike = [len(told[strongest] & members) / len(group) for members in told]
    seconds = [share for f, share in enumerate(alike) if f != strongest and nats[f] > 0]
    agree = max(seconds, default=0.0) >= MAJORITY
    return [n if alike[f] >= COVERS and (agree or f == strongest) else 0.0 for f, n in enumerate(nats)]


@pytest.mark.parametrize("seed", range(5))
def test_the_statistics_are_what_brute_force_says(seed: int) -> None:
    evidence = random_evidence(seed)
    generator = np.random.default_rng(100 + seed)
    groups = [
        np.sort(generator.choice(120, size, replace=False)).astype(np.int32) for size in (3, 4, 6, 9, 20, 70)
    ]
    sizes = np.diff(evidence.members_ptr)
    groups += [
        evidence.member[evidence.members_ptr[a] : evidence.members_ptr[a + 1]]
        for a in np.flatnonzero((sizes >= 3) & (sizes < 40))[:30]
    ]
    found = group_evidence(evidence, quiet(120), groups)
    assert found.shape == (len(groups), len(evidence.families) + 1)
    expected = np.array([brute_force(evidence, group.tolist()) for group in groups])
    assert found[:, :-1] == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert (expected > 3).any()
    assert (expected == 0).any()


def test_one_artefact_of_many_members_speaks() -> None:
    crowd = [[i, i + 1] for i in range(100, 300, 2)]
    evidence = make_evidence(400, {shares_payment: [list(range(12)), *crowd]})
    nats = group_evidence(evidence, quiet(400), [np.arange(12, dtype=np.int32)])[0, 0]
    likelier = [(212 - j) / (12 - j) for j in range(1, 12)]
    assert nats == pytest.approx(bet_on(likelier) - math.log(2))
    mean = 12 * 12 / 212
    assert nats > 12 * math.log(12 / mean) - 12 + mean - math.log(212 / 12) - math.log(2)


def bet_on(likelier: list[float]) -> float:
    """Nats of the bet on copying, from how many times likelier each member's artefact is among the others'."""
    stakes = [math.prod(1 - theta + theta * each for each in likelier) for theta in COPIES]
    return math.log(sum(stakes) / len(stakes))


def test_many_pairs_speak_though_no_artefact_is_common() -> None:
    pairs = [[i, i + 1] for i in range(0, 8000, 2)]
    evidence = make_evidence(8000, {shares_payment: pairs})
    group = np.arange(40, dtype=np.int32)
    strangers = np.arange(0, 80, 2, dtype=np.int32)
    nats = group_evidence(evidence, quiet(8000), [group, strangers])[:, 0]
    assert nats[0] == pytest.approx(
        bet_on([(8000 - j) / j if j % 2 else 0.0 for j in range(1, 40)]) - math.log(2)
    )
    assert nats[1] == 0


def test_pairs_of_which_none_tells_by_itself_are_silent() -> None:
    """In a log of 150 pairs, that two of 40 accounts share a card is no news; so nobody is tied by one that tells."""
    evidence = make_evidence(300, {shares_payment: [[i, i + 1] for i in range(0, 300, 2)]})
    assert group_evidence(evidence, quiet(300), [np.arange(40, dtype=np.int32)])[0, 0] == 0.0


@pytest.mark.parametrize("common", [0, 4, 5, 10])
def test_families_that_tie_other_members_do_not_agree(common: int) -> None:
    """Of a group of twenty, cards tie the first twelve and devices ten, of whom so many are among the twelve."""
    tied = {shares_payment: list(range(12)), shares_device: list(range(12 - common, 22 - common))}
    crowd = [[i, i + 1] for i in range(100, 2000, 2)]
    evidence = make_evidence(2000, {function: [members, *crowd] for function, members in tied.items()})
    group = np.arange(22 - common if common < 2 else 20, dtype=np.int32)
    nats = dict(zip(evidence.families, group_evidence(evidence, quiet(2000), [group])[0], strict=False))
    assert nats["payment"] > 20
    assert (nats["network"] > 15) == (common >= MAJORITY * 20)
    assert nats["network"] > 15 or nats["network"] == 0.0


@pytest.mark.parametrize("second", [8, 9, 10, 12])
def test_no_family_counts_beside_the_strongest_unless_one_ties_a_majority(second: int) -> None:
    """Of a group of twenty, cards tie fourteen, devices so many of these, and programs eight."""
    tied = {
        shares_payment: list(range(14)),
        shares_device: list(range(second)),
        shares_client_stack: list(range(8)),
    }
    crowd = [[i, i + 1] for i in range(100, 2000, 2)]
    evidence = make_evidence(2000, {function: [members, *crowd] for function, members in tied.items()})
    group = np.arange(20, dtype=np.int32)
    nats = dict(zip(evidence.families, group_evidence(evidence, quiet(2000), [group])[0], strict=False))
    assert nats["payment"] > 20
    assert {nats["network"] > 15, nats["client"] > 15} == {second >= MAJORITY * 20}
    assert (nats["network"] == 0.0) == (nats["client"] == 0.0) == (second < MAJORITY * 20)


def test_links_that_only_propose_a_group_do_not_speak_for_it() -> None:
    evidence = make_evidence(
        400, {hands_off_after_refusal: [list(range(12)), *([i, i + 1] for i in range(100, 300, 2))]}
    )
    assert group_evidence(evidence, quiet(400), [np.arange(12, dtype=np.int32)])[0].tolist() == [0.0, 0.0]


def test_moves_after_failures_speak_for_the_family_of_hand_offs() -> None:
    handed = [(i, (i + 1) % 8, True, 0.1) for i in range(8)]
    evidence = make_evidence(40, {hands_off_after_refusal: [[0, 1], [20, 21]]})
    conduct = Conduct(quiet(40).sessions, make_moves(40, handed))
    groups = [np.arange(8, dtype=np.int32), np.arange(20, 28, dtype=np.int32)]
    nats = group_evidence(evidence, conduct, groups)[:, 0]
    assert nats.tolist() == pytest.approx([float(chernoff_upper(8, 0.8)) - math.log(2), 0.0])


def test_some_accounts_that_hand_off_do_not_speak_for_a_crowd() -> None:
    """Twelve accounts in a ring; then as many pairs, three accounts in a row and pairs of two only."""
    ring = [(i, (i + 1) % 12, True, 0.01) for i in range(12)]
    apart = [(i, i + 1, True, 0.01) for i in range(20, 44, 2)]
    row = [(50, 51, True, 0.01), (51, 52, True, 0.01)]
    moves = make_moves(200, [*ring, *apart, *row])
    sizes = {"ring": (0, 12), "in a crowd": (0, 36), "lost in one": (0, 37), "apart": (20, 24)}
    groups = [np.arange(start, start + size, dtype=np.int32) for start, size in sizes.values()]
    groups += [np.array(g, dtype=np.int32) for g in ([50, 51, 52], [20, 21, 60])]
    pointers = np.concatenate(([0], np.cumsum([len(g) for g in groups]))).astype(np.int64)
    nats = moving_evidence(moves, pointers, np.concatenate(groups))
    assert (nats > 0).tolist() == [True, True, False, False, True, False]
    assert nats[0] == pytest.approx(float(chernoff_upper(12, 0.12)))


def test_an_artefact_of_one_member_says_nothing_in_the_smallest_group() -> None:
    evidence = make_evidence(4000, {shares_payment: [[i, i + 2000] for i in range(2000)]})
    assert group_evidence(evidence, quiet(4000), [np.array([0, 1, 2], dtype=np.int32)])[0, 0] == 0.0


def test_some_households_do_not_speak_for_a_crowd() -> None:
    """Families that tie less than COVERS of the members are silent, however surely they tie those."""
    households = [[10 * i, 10 * i + 1] for i in range(10)]
    evidence = make_evidence(
        3000, {shares_payment: [*households, *([i, i + 1] for i in range(1000, 3000, 2))]}
    )
    crowd = np.arange(100, dtype=np.int32)
    families = np.array(sorted(i for pair in households for i in pair), dtype=np.int32)
    nats = group_evidence(evidence, quiet(3000), [crowd, families])[:, 0]
    assert nats[0] == 0.0
    assert nats[1] > 15


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_what_most_accounts_have_says_nothing_about_a_large_group(share: float) -> None:
    """Where each account carries one artefact, half of a group may carry what half of the log carries."""
    generator = np.random.default_rng(int(share * 10))
    value = np.where(generator.random(4000) < share, 0, generator.integers(1, 200, 4000))
    sharing = [np.flatnonzero(value == v).tolist() for v in range(200)]
    evidence = make_evidence(4000, {shares_payment: sharing})
    groups = [np.sort(generator.choice(4000, 800, replace=False)).astype(np.int32) for _ in range(40)]
    nats = group_evidence(evidence, quiet(4000), groups)[:, 0]
    assert int((nats > -math.log(0.05)).sum()) <= binom.ppf(0.999, 40, 0.05)


def test_timing_is_the_last_column() -> None:
    generator = np.random.default_rng(4)
    even, free = np.full((20, 12), 4), generator.poisson(4.0, (20, 12))
    sessions = make_sessions(np.vstack((even, free)))
    evidence = make_evidence(40, {shares_address: [[0, 1]]})
    nats = group_evidence(
        evidence, still(sessions), [np.arange(20, dtype=np.int32), np.arange(20, 40, dtype=np.int32)]
    )
    assert nats[0, -1] > 30
    assert nats[1, -1] < 5


def test_no_groups_give_an_empty_table() -> None:
    evidence = make_evidence(9, {shares_address: [[0, 1]]})
    assert group_evidence(evidence, quiet(9), []).shape == (0, 2)


def test_the_family_that_chose_a_group_is_read_only_where_another_finds_something() -> None:
    evidence = random_evidence(5, 300, 90)
    tried = candidates(evidence)
    whole = group_evidence(evidence, quiet(300), tried.groups)
    nats, asked = beyond_seed(evidence, quiet(300), tried.groups, tried.seed)
    assert 0 < asked.sum() < len(asked)
    assert np.array_equal(nats[asked], whole[asked])
    own = np.zeros(whole.shape, dtype=bool)
    own[np.flatnonzero(~asked), tried.seed[~asked]] = True
    assert np.array_equal(np.where(own, 0.0, whole), nats)
