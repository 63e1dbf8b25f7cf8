"""Which candidate groups pass, and that those that pass are disjoint."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from logs import make_evidence, make_sessions, still

from stillhunt.campaigns.clusters import Candidates, candidates
from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.groups import Conduct
from stillhunt.campaigns.judge import Asked, Verdicts, judge, null_runs
from stillhunt.campaigns.log import Log
from stillhunt.campaigns.null_logs import NullLogs
from stillhunt.campaigns.signals.shares_address import shares_address
from stillhunt.campaigns.signals.shares_client_stack import shares_client_stack
from stillhunt.campaigns.signals.shares_payment import shares_payment
from stillhunt.campaigns.signals.signal import Artefacts
from stillhunt.campaigns.signals.signs_up_together import signs_up_together
from stillhunt.campaigns.tried import try_all, weighed

ACCOUNTS = 500
FUNCTIONS = (shares_client_stack, shares_address, shares_payment, signs_up_together)
Sharing = dict[Callable[[Log], Artefacts], list[list[int]]]


def background(seed: int) -> Sharing:
    """Independent accounts: in each signal every account has one value, heavy-tailed in popularity."""
    generator = np.random.default_rng(seed)
    sharing: Sharing = {}
    for function in FUNCTIONS:
        value = np.minimum(generator.zipf(1.5, ACCOUNTS), 300)
        sharing[function] = [
            members.tolist() for v in np.unique(value) if len(members := np.flatnonzero(value == v)) > 1
        ]
    return sharing


def plant(sharing: Sharing, group: list[int], functions: tuple[Callable[[Log], Artefacts], ...]) -> Sharing:
    """The same, with one more artefact that exactly the group carries, in some signals."""
    return {f: [*artefacts, group] if f in functions else artefacts for f, artefacts in sharing.items()}


@pytest.fixture(scope="module")
def conduct() -> Conduct:
    starts = np.random.default_rng(0).poisson(2.0, (ACCOUNTS, 6))
    return still(make_sessions(np.column_stack((np.maximum(starts[:, 0], 1), starts[:, 1:]))))


def verdicts(sharing: Sharing, conduct: Conduct, level: float = 0.05) -> tuple[Verdicts, Evidence]:
    evidence = make_evidence(ACCOUNTS, sharing)
    nulls = NullLogs(evidence, conduct, np.zeros(ACCOUNTS, dtype=np.int64), seed=1)
    return judge(
        evidence,
        conduct,
        try_all(evidence, conduct, candidates(evidence)),
        nulls,
        Asked(level, 10, threads=1),
    ), evidence


@pytest.mark.parametrize("seed", range(4))
def test_nothing_passes_among_independent_accounts(seed: int, conduct: Conduct) -> None:
    found, evidence = verdicts(background(seed), conduct)
    assert found.candidates > 50
    assert found.groups == ()
    assert found.families == (*evidence.families, "timing")


@pytest.mark.parametrize("seed", range(3))
def test_a_group_that_agrees_in_three_families_passes(seed: int, conduct: Conduct) -> None:
    group = sorted(np.random.default_rng(50 + seed).choice(ACCOUNTS, 12, replace=False).tolist())
    found, _ = verdicts(plant(background(seed), group, FUNCTIONS[:3]), conduct)
    assert [each.accounts.tolist() for each in found.groups] == [group]
    best = found.groups[0]
    assert best.q < 0.01
    assert 0 < best.p <= best.q
    assert best.score > 10
    assert (best.evidence[:3] > 5).all()


def test_one_family_alone_proves_nothing(conduct: Conduct) -> None:
    group = list(range(40, 70))
    found, _ = verdicts(plant(background(2), group, FUNCTIONS[:1]), conduct)
    assert found.groups == ()


def test_groups_that_pass_share_no_account(conduct: Conduct) -> None:
    sharing = plant(background(5), list(range(100, 130)), FUNCTIONS[:3])
    sharing = plant(sharing, list(range(120, 150)), FUNCTIONS[1:])
    sharing = plant(sharing, list(range(200, 215)), FUNCTIONS[:2])
    found, _ = verdicts(sharing, conduct)
    accounts = np.concatenate([group.accounts for group in found.groups])
    assert len(accounts) == len(set(accounts.tolist()))
    assert {*range(100, 150), *range(200, 215)} <= set(accounts.tolist())
    assert all((np.diff(group.accounts) > 0).all() for group in found.groups)
    assert all(group.q <= 0.05 for group in found.groups)


def asked_for(groups: list[list[int]], seeds: list[int]) -> Candidates:
    return Candidates(tuple(np.array(g, dtype=np.int32) for g in groups), np.array(seeds, dtype=np.int16))


def test_leftovers_are_asked_again(conduct: Conduct) -> None:
    """What a better group leaves of a candidate passes only if it agrees by itself."""
    core, honest = list(range(100, 120)), list(range(300, 320))
    sharing = plant(background(6), core, FUNCTIONS[:3])
    evidence = make_evidence(ACCOUNTS, sharing)
    nulls = NullLogs(evidence, conduct, np.zeros(ACCOUNTS, dtype=np.int64), seed=1)
    own = candidates(evidence)
    both = Candidates(
        (*own.groups, *asked_for([sorted(core + honest)], [-1]).groups), np.append(own.seed, np.int16(-1))
    )
    found = judge(evidence, conduct, weighed(evidence, conduct, both), nulls, Asked(0.05, 10, threads=1))
    assert [group.accounts.tolist() for group in found.groups] == [core]

    second = plant(sharing, list(range(118, 135)), FUNCTIONS[:3])
    found, _ = verdicts(second, conduct)
    assert {i for group in found.groups for i in group.accounts.tolist()} == set(range(100, 135))


def test_a_seeds_own_family_does_not_count_for_it(conduct: Conduct) -> None:
    group = list(range(60, 80))
    evidence = make_evidence(ACCOUNTS, plant(background(7), group, FUNCTIONS[:2]))
    nulls = NullLogs(evidence, conduct, np.zeros(ACCOUNTS, dtype=np.int64), seed=1)
    client = evidence.families.index("client")
    found = judge(
        evidence,
        conduct,
        weighed(evidence, conduct, asked_for([group], [client])),
        nulls,
        Asked(0.05, 10, threads=1),
    )
    (only,) = found.groups
    assert only.score == pytest.approx(only.evidence.sum() - only.evidence[client])


def test_null_runs_and_threads_do_not_change_what_is_found(conduct: Conduct) -> None:
    group = list(range(10, 30))
    evidence = make_evidence(ACCOUNTS, plant(background(8), group, FUNCTIONS[:3]))
    nulls = NullLogs(evidence, conduct, np.zeros(ACCOUNTS, dtype=np.int64), seed=1)
    one, four = (
        judge(
            evidence,
            conduct,
            try_all(evidence, conduct, candidates(evidence)),
            nulls,
            Asked(0.05, 10, threads=threads),
        )
        for threads in (1, 4)
    )
    assert [(g.accounts.tolist(), g.p, g.q, g.score) for g in one.groups] == [
        (g.accounts.tolist(), g.p, g.q, g.score) for g in four.groups
    ]
    assert [g.accounts.tolist() for g in one.groups] == [group]


def test_no_candidates_no_groups(conduct: Conduct) -> None:
    found, _ = verdicts({shares_address: []}, conduct)
    assert (found.groups, found.candidates) == ((), 0)


@pytest.mark.parametrize(
    ("asked", "accounts", "runs"),
    [(20, 500, 20), (20, 6_000, 20), (20, 12_000, 10), (20, 10**6, 4), (5, 10**6, 4), (60, 12_000, 30)],
)
def test_a_large_log_is_held_against_fewer_null_logs(asked: int, accounts: int, runs: int) -> None:
    assert null_runs(asked, accounts) == runs


def test_where_a_sample_of_null_groups_stands_for_all_the_same_is_found(
    conduct: Conduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = list(range(40, 60))
    sharing = plant(background(9), group, FUNCTIONS[:3])
    whole, _ = verdicts(sharing, conduct)
    monkeypatch.setattr("stillhunt.campaigns.judge.SAMPLE", 20)
    sampled, _ = verdicts(sharing, conduct)
    assert len(sampled.tails[0].scores) == 10 * 20 < len(whole.tails[0].scores)
    assert [each.accounts.tolist() for each in sampled.groups] == [group]
    quiet, _ = verdicts(background(3), conduct)
    assert quiet.groups == ()
