"""Who belongs to a group, and how surely."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from logs import make_evidence

from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.grow import Space
from stillhunt.campaigns.membership import bet_odds, memberships, tail_odds
from stillhunt.campaigns.signals.shares_address import shares_address
from stillhunt.campaigns.signals.shares_client_stack import shares_client_stack
from stillhunt.campaigns.signals.shares_payment import shares_payment

ACCOUNTS = 400
GROUP = list(range(20, 50))


def planted(strangers_with_template: int = 30) -> Evidence:
    """GROUP shares a template, an address and a card; some strangers use the template too; all else is paired."""
    generator = np.random.default_rng(0)
    others = generator.permutation(np.setdiff1d(np.arange(ACCOUNTS), GROUP))
    pairs = others.reshape(-1, 2).tolist()
    strangers = others[:strangers_with_template].tolist()
    return make_evidence(
        ACCOUNTS,
        {
            shares_client_stack: [sorted(GROUP + strangers), *pairs[40:]],
            shares_address: [GROUP, *pairs],
            shares_payment: [GROUP, *pairs[::-1]],
        },
    )


def nobody() -> np.ndarray:
    return np.zeros(ACCOUNTS, dtype=bool)


def told(evidence: Evidence, group: list[int], closed: np.ndarray | None = None) -> dict[int, float]:
    accounts, chance = memberships(
        Space(evidence), np.array(group, dtype=np.int32), nobody() if closed is None else closed
    )
    return dict(zip(accounts.tolist(), chance.tolist(), strict=True))


def test_members_are_sure_and_strangers_are_not_listed() -> None:
    found = told(planted(), GROUP)
    assert set(found) == set(GROUP)
    assert min(found.values()) > 0.95
    assert max(found.values()) <= 1.0


def test_an_account_that_clustering_missed_joins() -> None:
    found = told(planted(), GROUP[:-4])
    assert {i for i, chance in found.items() if chance >= 0.5} == set(GROUP)


def test_a_stranger_in_the_first_guess_stays_listed_with_a_low_membership() -> None:
    stranger = 300
    found = told(planted(), [*GROUP, stranger])
    assert found[stranger] < 0.5
    assert all(found[i] > 0.9 for i in GROUP)


def test_one_artefact_that_strangers_share_makes_no_member() -> None:
    evidence = planted(strangers_with_template=80)
    found = told(evidence, GROUP)
    assert {i for i, chance in found.items() if chance >= 0.5} == set(GROUP)


def test_members_of_other_groups_cannot_join() -> None:
    closed = nobody()
    closed[GROUP[:10]] = True
    found = told(planted(), GROUP, closed)
    assert set(found) == set(GROUP[10:])


def test_who_shares_nothing_with_the_group_has_no_odds_at_all() -> None:
    evidence = make_evidence(100, {shares_address: [[0, 1], *([i, i + 1] for i in range(50, 100, 2))]})
    odds = bet_odds(Space(evidence), np.arange(10, dtype=np.int32))
    assert np.isfinite(odds[:2]).all()
    assert np.isneginf(odds[2:]).all()


def test_the_spread_of_scores_falls_to_the_groups_share_when_nothing_speaks() -> None:
    evidence = make_evidence(100, {shares_address: [[i, i + 1] for i in range(50, 100, 2)]})
    odds = tail_odds(evidence, np.arange(10, dtype=np.int32))
    assert odds == pytest.approx(np.full(100, np.log(10 / 90)))


@pytest.mark.parametrize("reading", [lambda e, g: bet_odds(Space(e), g), tail_odds])
def test_both_readings_tell_members_from_strangers(reading: Callable[..., np.ndarray]) -> None:
    odds = reading(planted(), np.array(GROUP, dtype=np.int32))
    assert odds[GROUP].min() > 2
    assert np.delete(odds, GROUP).max() < 0


def test_more_families_make_surer() -> None:
    def odds(functions: int) -> np.ndarray:
        pairs = [[i, i + 1] for i in range(100, 300, 2)]
        signals = (shares_client_stack, shares_address, shares_payment)[:functions]
        evidence = make_evidence(300, {f: [list(range(12)), *pairs] for f in signals})
        return bet_odds(Space(evidence), np.arange(12, dtype=np.int32))

    inside = [odds(n)[:12].min() for n in (1, 2, 3)]
    outside = [odds(n)[12:].max() for n in (1, 2, 3)]
    assert inside == sorted(inside)
    assert inside[0] > 0 > max(outside)


def test_a_carrier_of_a_groups_artefact_is_likelier_the_rarer_it_is() -> None:
    def odds(strangers: int) -> float:
        return float(bet_odds(Space(planted(strangers)), np.array(GROUP, dtype=np.int32))[GROUP[0]])

    assert odds(4) > odds(60) > odds(300)
