"""Null logs: the log itself, its families torn apart."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from logs import make_evidence, make_sessions

from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.null_logs import NullLogs
from stillhunt.campaigns.signals.shares_address import shares_address
from stillhunt.campaigns.signals.shares_client_stack import shares_client_stack
from stillhunt.campaigns.signals.shares_device import shares_device
from stillhunt.campaigns.signals.shares_payment import shares_payment
from stillhunt.campaigns.turns import Sessions

ACCOUNTS = 150
PRESENT = 120
"""Accounts that have links; the others lack every field."""


def quiet_sessions(accounts: int) -> Sessions:
    return make_sessions(np.maximum(np.random.default_rng(0).poisson(2.0, (accounts, 6)), 1))


def made(seed: int = 0) -> NullLogs:
    generator = np.random.default_rng(seed)
    sharing = {
        function: [
            sorted(generator.choice(PRESENT, min(int(size) + 1, 40), replace=False).tolist())
            for size in generator.zipf(1.7, 50)
        ]
        for function in (shares_client_stack, shares_address, shares_device, shares_payment)
    }
    evidence = make_evidence(ACCOUNTS, sharing, generator.integers(0, 3, ACCOUNTS).tolist())
    sessions = quiet_sessions(ACCOUNTS)
    return NullLogs(evidence, sessions, np.arange(ACCOUNTS) % 3, seed=11)


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
    evidence, sessions = nulls.draw(0)
    for stratum in range(3):
        mine = np.flatnonzero(nulls.strata == stratum)
        assert bundles(evidence, mine) == bundles(nulls.evidence, mine)
        before = sorted(nulls.sessions.starts[mine].tolist())
        assert sorted(sessions.starts[mine].tolist()) == before


def test_who_lacks_a_field_stays_without_it() -> None:
    nulls = made()
    for run in range(4):
        evidence, _ = nulls.draw(run)
        for f in range(len(evidence.families)):
            before, after = (
                {int(i) for i in e.link_accounts()[e.family[e.artefact] == f]}
                for e in (nulls.evidence, evidence)
            )
            assert before == after


def test_families_move_apart_from_one_another() -> None:
    """Accounts that were alike in two families are alike in them by chance alone."""
    group = [list(range(start, start + 6)) for start in range(0, 120, 6)]
    evidence = make_evidence(120, {shares_address: group, shares_payment: group})
    nulls = NullLogs(evidence, quiet_sessions(120), np.zeros(120, dtype=np.int64), seed=0)

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
    _, sessions = nulls.draw(1)
    rows = zip(
        sessions.starts.tolist(), sessions.alive_from.tolist(), sessions.alive_to.tolist(), strict=True
    )
    before = zip(
        nulls.sessions.starts.tolist(),
        nulls.sessions.alive_from.tolist(),
        nulls.sessions.alive_to.tolist(),
        strict=True,
    )
    assert sorted(rows) == sorted(before)
    assert sessions.starts.tolist() != nulls.sessions.starts.tolist()


def test_equal_seeds_give_equal_null_logs_and_runs_differ() -> None:
    one, same, other = made(), made(), made()
    other = NullLogs(other.evidence, other.sessions, other.strata, seed=12)
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
    assert (evidence.rate >= world - 1e-12).all()
    assert evidence.activity.sum() == nulls.evidence.activity.sum()
    assert evidence.activity.tolist() != nulls.evidence.activity.tolist()
