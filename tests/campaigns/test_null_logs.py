"""Null logs: the log itself, its families torn apart."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from logs import make_evidence, make_moves, make_sessions

from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.groups import Conduct
from stillhunt.campaigns.null_logs import NullLogs
from stillhunt.campaigns.signals.hands_off_after_refusal import hands_off_after_refusal
from stillhunt.campaigns.signals.shares_address import shares_address
from stillhunt.campaigns.signals.shares_client_stack import shares_client_stack
from stillhunt.campaigns.signals.shares_device import shares_device
from stillhunt.campaigns.signals.shares_payment import shares_payment

ACCOUNTS = 150
PRESENT = 120
"""Accounts that have links; the others lack every field."""


GIVING = 90
"""Accounts whose prompts move to others of them."""


def some_conduct(accounts: int) -> Conduct:
    """Sessions of every account, and moves among the first GIVING."""
    generator = np.random.default_rng(0)
    sessions = make_sessions(np.maximum(generator.poisson(2.0, (accounts, 6)), 1))
    pairs = [generator.choice(GIVING, 2, replace=False).tolist() for _ in range(300)]
    moves = [(i, j, bool(generator.random() < 0.3), float(generator.uniform(0.1, 0.5))) for i, j in pairs]
    return Conduct(sessions, make_moves(accounts, moves))


def made(seed: int = 0) -> NullLogs:
    generator = np.random.default_rng(seed)
    sharing = {
        function: [
            sorted(generator.choice(PRESENT, min(int(size) + 1, 40), replace=False).tolist())
            for size in generator.zipf(1.7, 50)
        ]
        for function in (
            shares_client_stack,
            shares_address,
            shares_device,
            shares_payment,
            hands_off_after_refusal,
        )
    }
    evidence = make_evidence(ACCOUNTS, sharing, generator.integers(0, 3, ACCOUNTS).tolist())
    return NullLogs(evidence, some_conduct(ACCOUNTS), np.arange(ACCOUNTS) % 3, seed=11)


def bundles(evidence: Evidence, accounts: np.ndarray | None = None) -> list[Counter[tuple[int, ...]]]:
    """Per family, how often each set of artefacts occurs as an account's."""
    found: list[Counter[tuple[int, ...]]] = [Counter() for _ in evidence.families]
    for i in range(evidence.accounts) if accounts is None else accounts:
        row = evidence.artefact[evidence.indptr[i] : evidence.indptr[i + 1]]
        for f in range(len(evidence.families)):
            found[f][tuple(row[evidence.family[row] == f].tolist())] += 1
    return found


@pytest.mark.parametrize("run", range(3))
def test_popularity_and_what_one_family_shows_by_itself_stay(run: int) -> None:
    nulls = made()
    evidence, _ = nulls.draw(run)
    assert evidence.popularity.tolist() == nulls.evidence.popularity.tolist()
    assert np.diff(evidence.members_ptr).tolist() == np.diff(nulls.evidence.members_ptr).tolist()
    assert bundles(evidence) == bundles(nulls.evidence)


def test_only_accounts_of_one_stratum_trade_places() -> None:
    nulls = made()
    evidence, conduct = nulls.draw(0)
    for stratum in range(3):
        mine = np.flatnonzero(nulls.strata == stratum)
        assert bundles(evidence, mine) == bundles(nulls.evidence, mine)
        before = sorted(nulls.conduct.sessions.starts[mine].tolist())
        assert sorted(conduct.sessions.starts[mine].tolist()) == before
        assert set(conduct.moves.origin[mine].tolist()) == set(mine.tolist())


def moving(conduct: Conduct) -> set[int]:
    """Accounts that are given moves."""
    return set(np.flatnonzero(np.isin(conduct.moves.origin, conduct.moves.accounts())).tolist())


def test_who_lacks_a_field_stays_without_it() -> None:
    nulls = made()
    for run in range(4):
        drawn = nulls.draw(run)
        for f, family in enumerate(drawn[0].families):
            before, after = (
                {int(i) for i in e.link_accounts()[e.family[e.artefact] == f]}
                | (moving(conduct) if family == "hand_off" else set())
                for e, conduct in ((nulls.evidence, nulls.conduct), drawn)
            )
            assert before == after


def test_families_move_apart_from_one_another() -> None:
    """Accounts that were alike in two families are alike in them by chance alone."""
    group = [list(range(start, start + 6)) for start in range(0, 120, 6)]
    evidence = make_evidence(120, {shares_address: group, shares_payment: group})
    nulls = NullLogs(evidence, some_conduct(120), np.zeros(120, dtype=np.int64), seed=0)

    def agreeing(e: Evidence) -> int:
        networks, cards = (
            {
                i: a
                for i, a in zip(e.link_accounts().tolist(), e.artefact.tolist(), strict=True)
                if e.family[a] == f
            }
            for f in range(2)
        )
        return sum(networks[i] == networks[j] and cards[i] == cards[j] for i in range(120) for j in range(i))

    assert agreeing(evidence) == 20 * 15
    assert np.mean([agreeing(nulls.draw(run)[0]) for run in range(10)]) < 30


def test_sessions_move_whole_accounts() -> None:
    nulls = made()
    given, sessions = nulls.conduct.sessions, nulls.draw(1)[1].sessions
    rows = zip(
        sessions.starts.tolist(), sessions.alive_from.tolist(), sessions.alive_to.tolist(), strict=True
    )
    before = zip(given.starts.tolist(), given.alive_from.tolist(), given.alive_to.tolist(), strict=True)
    assert sorted(rows) == sorted(before)
    assert sessions.starts.tolist() != given.starts.tolist()


def test_moves_go_with_the_family_of_hand_offs() -> None:
    """Who hands off to whom, and what they share of it, are one family: an account is given both from one place."""
    generator = np.random.default_rng(4)
    artefacts = [sorted(generator.choice(PRESENT, 3, replace=False).tolist()) for _ in range(60)]
    evidence = make_evidence(ACCOUNTS, {hands_off_after_refusal: artefacts, shares_payment: artefacts})
    nulls = NullLogs(evidence, some_conduct(ACCOUNTS), np.arange(ACCOUNTS) % 3, seed=11)
    null, conduct = nulls.draw(2)

    def rows(e: Evidence, family: str) -> list[list[int]]:
        f = e.families.index(family)
        return [
            row[e.family[row] == f].tolist()
            for row in (e.artefact[e.indptr[i] : e.indptr[i + 1]] for i in range(ACCOUNTS))
        ]

    origin = conduct.moves.origin
    before = rows(evidence, "hand_off")
    assert rows(null, "hand_off") == [before[i] for i in origin]
    paid = rows(evidence, "payment")
    assert rows(null, "payment") != [paid[i] for i in origin]
    assert sorted(origin.tolist()) == list(range(ACCOUNTS))
    assert (conduct.moves.place[origin] == np.arange(ACCOUNTS)).all()


def test_an_account_that_neither_gives_nor_takes_keeps_its_silence() -> None:
    nulls = made()
    moving = set(nulls.conduct.moves.accounts().tolist())
    for run in range(3):
        _, conduct = nulls.draw(run)
        silent = set(range(PRESENT, ACCOUNTS))
        assert not moving & silent
        assert all(conduct.moves.origin[i] == i for i in silent)
        assert (conduct.moves.origin != np.arange(ACCOUNTS)).sum() > 50


def test_equal_seeds_give_equal_null_logs_and_runs_differ() -> None:
    one, same, other = made(), made(), made()
    other = NullLogs(other.evidence, other.conduct, other.strata, seed=12)
    first, again, second, reseeded = one.draw(0)[0], same.draw(0)[0], one.draw(1)[0], other.draw(0)[0]
    assert first.artefact.tolist() == again.artefact.tolist()
    assert first.rate.tolist() == again.rate.tolist()
    assert first.artefact.tolist() != second.artefact.tolist()
    assert first.artefact.tolist() != reseeded.artefact.tolist()


def test_rates_are_weighed_anew_for_the_new_accounts() -> None:
    nulls = made()
    evidence, _ = nulls.draw(0)
    totals = np.bincount(evidence.signal, weights=evidence.popularity.astype(float))
    world = evidence.popularity[evidence.artefact] / totals[evidence.signal[evidence.artefact]]
    assert (evidence.rate >= world * (1 - 1e-6)).all()
    assert evidence.activity.sum() == nulls.evidence.activity.sum()
    assert evidence.activity.tolist() != nulls.evidence.activity.tolist()
