"""Closed forms against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stillhunt.errors import SettingError
from stillhunt.marks.keys import SubKey
from stillhunt.marks.profile import Profile
from stillhunt.marks.schemes import Green, exponential_scores, scheme_of
from stillhunt.marks.theory import (
    bernoulli_rate,
    exponential_rate,
    green_share,
    gumbel_mean_score,
    gumbel_score_variance,
    windows_needed_green,
    windows_needed_gumbel,
)
from stillhunt.marks.words import PhiloxWords
from stillhunt.stats.exact import log_binomial_sf, log_gamma_sf

LAWS = [
    np.full(4, 0.25),
    np.array([0.9, 0.05, 0.05]),
    np.random.default_rng(0).dirichlet(np.full(50, 0.3)),
]


def _contexts(n: int) -> np.ndarray:
    return np.arange(4 * n, dtype=np.uint32).reshape(n, 4)


@pytest.mark.parametrize("p", LAWS, ids=["even", "sure", "mixed"])
def test_gumbel_scores_have_the_predicted_mean_and_variance(p: np.ndarray) -> None:
    n = 20_000
    scheme = scheme_of(Profile(), SubKey(bytes(32)))
    contexts = _contexts(n)
    with np.errstate(divide="ignore"):
        logits = np.broadcast_to(np.log(p), (n, len(p)))
    tokens = scheme.choose(logits, contexts, np.random.default_rng(1)).astype(np.uint32)
    scores = exponential_scores(PhiloxWords(0).paired(contexts, tokens))
    variance = gumbel_score_variance(p)
    assert float(scores.mean()) == pytest.approx(gumbel_mean_score(p), abs=5 * math.sqrt(variance / n))
    assert float(scores.var()) == pytest.approx(variance, rel=0.1)


def test_without_a_choice_the_mean_score_is_one() -> None:
    assert gumbel_mean_score(np.array([1.0, 0.0])) == pytest.approx(1.0)
    assert gumbel_score_variance(np.array([1.0])) == pytest.approx(1.0)


@pytest.mark.parametrize("p", LAWS, ids=["even", "sure", "mixed"])
def test_green_share_is_the_simulated_one(p: np.ndarray) -> None:
    n = 20_000
    scheme = scheme_of(Profile(scheme="green", gamma=0.25, delta=2.0), SubKey(bytes(32)))
    assert isinstance(scheme, Green)
    contexts = _contexts(n)
    logits = np.broadcast_to(np.log(p), (n, len(p)))
    tokens = scheme.choose(logits, contexts, np.random.default_rng(1)).astype(np.uint32)
    share = float((scheme.words.paired(contexts, tokens) < scheme.threshold).mean())
    assert share == pytest.approx(green_share(p, 0.25, 2.0), abs=0.03)


@pytest.mark.parametrize(("lift", "published"), [(0.005, 169_000), (0.01, 42_000), (0.05, 1_700)])
def test_windows_needed_agree_with_published_figures(lift: float, published: int) -> None:
    """A pilot's table for p < 1e-6 at a green share of a quarter, which rests on the normal tail."""
    assert windows_needed_green(lift, 0.25, 1e-6) == pytest.approx(published, rel=0.06)


@pytest.mark.parametrize("power", [0.5, 0.9])
def test_the_plan_reaches_its_power_in_simulation(power: float) -> None:
    rng = np.random.default_rng(3)
    level = 1e-10
    n = windows_needed_green(0.05, 0.25, level, power)
    hits = rng.binomial(n, 0.30, 400)
    reached = np.mean([log_binomial_sf(int(k), n, 0.25) < math.log(level) for k in hits])
    assert reached == pytest.approx(power, abs=0.1)
    n = windows_needed_gumbel(0.2, level, power)
    totals = rng.gamma(n, 1.2, 400)
    reached = float((log_gamma_sf(totals, np.full(400, n)) < math.log(level)).mean())
    assert reached == pytest.approx(power, abs=0.1)


def test_fewer_windows_are_not_enough() -> None:
    n = windows_needed_green(0.05, 0.25, 1e-10)
    assert log_binomial_sf(math.floor(0.3 * (n // 2)), n // 2, 0.25) > math.log(1e-10)


def test_rates_give_the_long_run() -> None:
    n = windows_needed_gumbel(0.5, 1e-300)
    assert n * exponential_rate(1.5) == pytest.approx(300 * math.log(10), rel=0.03)
    n = windows_needed_green(0.2, 0.25, 1e-300)
    assert n * bernoulli_rate(0.45, 0.25) == pytest.approx(300 * math.log(10), rel=0.03)


def test_plans_out_of_range_are_refused() -> None:
    with pytest.raises(SettingError, match="lift > 0"):
        windows_needed_gumbel(0.0, 1e-6)
    with pytest.raises(SettingError, match="gamma"):
        windows_needed_green(0.9, 0.25, 1e-6)
    with pytest.raises(SettingError, match="too small"):
        windows_needed_gumbel(1e-9, 1e-6)
