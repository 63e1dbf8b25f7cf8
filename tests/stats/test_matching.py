"""Bets that two actors draw from one stock: e-values under their null, closed forms, and what they win."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad

from stillhunt.stats.matching import AFTER, AFTER_H, BEFORE_H, match, share_elsewhere, staked, succession


def e_value(shares: NDArray[np.float64], a: int, b: int) -> float:
    """The e-value of actors ``a`` and ``b``; a row of ``shares`` is what an actor draws from."""
    elsewhere = share_elsewhere(shares.sum(axis=0) - shares[a] - shares[b], len(shares) - 2.0)
    return float(match(shares[a], shares[b], elsewhere).sum())


@pytest.mark.parametrize("steepness", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("held", [1, 5])
def test_an_e_value_for_exchangeable_actors(held: int, steepness: float) -> None:
    """Actors of ``held`` draws from one market, uniform or steep: the mean over draws is at most 1."""
    generator = np.random.default_rng((held, round(10 * steepness)))
    market = 1.0 / np.arange(1, 301) ** steepness
    market /= market.sum()
    found = []
    for _ in range(1500):
        draws = generator.choice(300, (40, held), p=market)
        shares = np.zeros((40, 300))
        np.add.at(shares, (np.arange(40)[:, None], draws), 1.0 / held)
        found.append(e_value(shares, 0, 1))
    values = np.array(found)
    assert values.std() > 0
    assert values.mean() <= 1.0 + 4 * values.std() / math.sqrt(len(values))


def test_exact_where_each_actor_is_one_draw() -> None:
    """With two artefacts and n others, all draws and their chances can be written down."""
    n, p = 6, 0.3
    total = 0.0
    for own in (0, 1):
        chance = p if own else 1 - p
        for others in range(n + 1):  # who hold what actor A holds
            ways = math.comb(n, others) * chance**others * (1 - chance) ** (n - others)
            elsewhere = share_elsewhere(np.array([float(others)]), float(n))
            total += chance * ways * chance * match(np.ones(1), np.ones(1), elsewhere)[0]
    assert total == pytest.approx(sum(chance * (1 - (1 - chance) ** (n + 1)) for chance in (p, 1 - p)))


def test_one_draw_each_however_many_accounts() -> None:
    """What only the two hold is met with chance 1 / (n + 1): the bet wins that much, and never more."""
    shares = np.vstack([np.eye(1, 50), np.eye(1, 50), np.eye(50)[2:]])
    assert e_value(shares, 0, 1) == pytest.approx(len(shares) - 1)
    half = shares.copy()
    half[1, :2] = 0.5
    assert e_value(half, 0, 1) == pytest.approx((len(shares) - 1) / 2)
    assert e_value(shares, 0, 5) == 0.0


def test_what_everybody_holds_wins_nothing() -> None:
    assert e_value(np.ones((30, 1)), 3, 9) == pytest.approx(1.0)


def test_the_bet_on_a_succession_is_a_density() -> None:
    whole = (
        quad(lambda h: succession(h, 1.0), -60, 0)[0]
        + quad(lambda h: succession(h, 1.0), 0, 400, limit=200)[0]
    )
    assert whole == pytest.approx(1.0, abs=1e-3)
    assert succession(0.0, 0.5) == pytest.approx(AFTER * np.mean(1 / AFTER_H) / 0.5)
    assert succession(-2.0, 1.0) == pytest.approx((1 - AFTER) * math.exp(-2 / BEFORE_H) / BEFORE_H)
    assert succession(0.5, 1 / 300) > 20 > 1 > succession(100.0, 1 / 300) > succession(-20.0, 1 / 300)


def test_half_of_the_stake_is_kept() -> None:
    assert staked(np.array([0.0, 0.0])) == pytest.approx(-math.log(2))
    assert staked(np.array([1.0])) == 0.0
    assert staked(np.array([0.0, 6.0])) == pytest.approx(math.log(2))
    assert staked(np.zeros(0)) == 0.0
