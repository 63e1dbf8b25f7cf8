"""The bet that members copy: an e-value under its null, and a win where they do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from logs import make_evidence

from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.signals.shares_address import shares_address
from stillhunt.campaigns.signals.shares_payment import shares_payment
from stillhunt.campaigns.signals.shares_system_prompt import shares_system_prompt
from stillhunt.campaigns.urn import COPIES, copied

ACCOUNTS = 1500


def independent(seed: int, most: int) -> Evidence:
    """Every account draws up to ``most`` addresses of heavy-tailed popularity, whoever else drew them."""
    generator = np.random.default_rng(seed)
    drawn: dict[int, set[int]] = {}
    for account in range(ACCOUNTS):
        for value in generator.zipf(1.4, int(generator.integers(1, most + 1))):
            drawn.setdefault(int(min(value, 100_000)), set()).add(account)
    return make_evidence(ACCOUNTS, {shares_address: [sorted(who) for who in drawn.values() if len(who) > 1]})


@pytest.mark.parametrize("most", [1, 2, 8])
@pytest.mark.parametrize("size", [3, 10, 40])
def test_the_bet_is_an_e_value_under_its_null(size: int, most: int) -> None:
    """Over 2,000 groups drawn without looking, no stake grows a hundredfold more often than one in a hundred times,
    or twentyfold more often than one in twenty; and the mean is no more than 1, give or take four standard errors."""
    generator = np.random.default_rng(size * 10 + most)
    evidence = independent(size + most, most)
    groups = [np.sort(generator.choice(ACCOUNTS, size, replace=False)).astype(np.int32) for _ in range(2000)]
    nats = np.array([copied(evidence, group)[0] for group in groups])
    assert (nats >= math.log(100)).mean() <= 0.01
    assert (nats >= math.log(20)).mean() <= 0.05
    stakes = np.exp(np.minimum(nats, math.log(100)))
    assert stakes.mean() <= 1.0 + 4 * stakes.std() / math.sqrt(len(stakes))
    assert stakes.std() > 0


@pytest.mark.parametrize("share", [1, 2, 4, 12])
def test_it_wins_however_what_is_shared_is_spread(share: int) -> None:
    """Twelve accounts on one card, on three cards of four, on six pairs; alone, it loses."""
    cards = [list(range(first, first + share)) for first in range(0, 12, share)] if share > 1 else []
    others = [[i, i + 1] for i in range(20, 1000, 2)]
    alone = [[i, i + 1000] for i in range(12)] if share == 1 else []
    evidence = make_evidence(ACCOUNTS, {shares_payment: [*cards, *others, *alone]})
    nats = copied(evidence, np.arange(12, dtype=np.int32))[0]
    assert nats > 18 if share > 1 else nats < 0


def test_what_everybody_has_wins_nothing() -> None:
    evidence = make_evidence(ACCOUNTS, {shares_system_prompt: [list(range(1200)), list(range(1200, 1500))]})
    assert abs(copied(evidence, np.arange(40, dtype=np.int32))[0]) < 12
    rare = make_evidence(ACCOUNTS, {shares_system_prompt: [list(range(40)), list(range(40, 1500))]})
    assert copied(rare, np.arange(40, dtype=np.int32))[0] > 100


def test_the_first_member_and_members_without_the_signal_bet_nothing() -> None:
    evidence = make_evidence(40, {shares_payment: [[0, 1], [2, 3]], shares_address: [[5, 6]]})
    assert copied(evidence, np.array([0, 10, 20], dtype=np.int32)).tolist() == pytest.approx([0.0, 0.0])
    one, _ = copied(evidence, np.array([0, 1], dtype=np.int32))
    assert one == pytest.approx(math.log(np.mean([1 - t + t * (4 - 1) / (2 - 1) for t in COPIES])))
    assert evidence.links.tolist() == [4.0, 2.0]


def test_a_whole_log_is_no_group() -> None:
    """Who is in is drawn from what is outside; with nothing outside, nobody wins by running out of strangers."""
    evidence = independent(3, 3)
    assert copied(evidence, np.arange(ACCOUNTS, dtype=np.int32))[0] < math.log(100)
