"""Every null holds: on logs of independent accounts p-values are no smaller than they may be, and scans find nothing.

The long version of both is ``python -m bench.calibration``.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from bench.calibration import GROUP_TESTS, NOMINAL, SIZES, campaigns_found, p_values, pooled, too_small
from logs import make_sessions
from scipy.stats import binom

from stillhunt.campaigns.signals.model import SIGNALS_V1
from stillhunt.campaigns.turns import takes_turns

SIGNIFICANCE = 0.01
"""Of the family of one-sided tests, Bonferroni-corrected over signals, group sizes and levels."""
LOGS = 12
ACCOUNTS = 400
LARGE = (1500, 4000)
"""Accounts of the further logs, in which a shared artefact is rarer and a wrong null shows."""


@pytest.fixture(scope="module")
def p() -> dict[tuple[str, int], np.ndarray]:
    with ThreadPoolExecutor(2) as pool:
        jobs = [*((seed, ACCOUNTS) for seed in range(8)), *((100 + n, n) for n in LARGE)]
        return pooled(list(pool.map(lambda job: p_values(*job), jobs)))


def test_p_values_are_super_uniform(p: dict[tuple[str, int], np.ndarray]) -> None:
    worst = too_small(p)[0]
    assert worst[0] > SIGNIFICANCE, (
        f"{worst[1]}: of random groups of {worst[2]}, {worst[4]:.1%} have p at or below {worst[3]}"
    )


def test_every_signal_was_asked_about_every_size(p: dict[tuple[str, int], np.ndarray]) -> None:
    assert {signal for signal, _ in p} == {signal.name for signal in SIGNALS_V1} | set(GROUP_TESTS)
    assert {size for _, size in p} == set(SIZES)
    assert all(len(p["takes_turns", size]) >= 20 for size in SIZES)


def test_the_nulls_are_not_met_by_silence(p: dict[tuple[str, int], np.ndarray]) -> None:
    """Signals do find shared artefacts among independent accounts, some of them in random groups."""
    speaking = {signal for (signal, _), values in p.items() if (values < 1).any()}
    assert speaking >= {signal.name for signal in SIGNALS_V1} - {
        "hands_off_after_refusal",
        "replaces_banned_account",
    }


def test_a_wrong_null_would_be_seen(p: dict[tuple[str, int], np.ndarray]) -> None:
    wrong = dict(p)
    wrong["takes_turns", 3] = p["takes_turns", 3] ** 3 * 0.2
    assert too_small(wrong)[0][0] < SIGNIFICANCE


@pytest.mark.parametrize("rate", [0.1, 0.5, 2.0, 20.0])
def test_turn_taking_is_super_uniform_for_equal_users_too(rate: float) -> None:
    """Users of one rate are the hardest case: nothing raises the dispersion."""
    generator = np.random.default_rng(int(rate * 10))
    starts = generator.poisson(rate, (1200, 9))
    starts[:, [0, -1]] = np.maximum(starts[:, [0, -1]], 1)
    sessions = make_sessions(starts)
    found = {
        ("takes_turns", size): np.array(
            [takes_turns(sessions, np.arange(i, i + size))[1] for i in range(0, 1200 - size + 1, size)]
        )
        for size in (3, 4, 6, 12, 40)
    }
    worst = too_small(found)[0]
    assert worst[0] > SIGNIFICANCE, worst


def test_few_logs_of_independent_accounts_have_any_campaign() -> None:
    """At a nominal 5 %, more than ``most`` of the logs have a campaign with a chance below 1 in 1,000."""
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda seed: campaigns_found(seed, ACCOUNTS), range(LOGS)))
    most = int(binom.isf(0.001, LOGS, NOMINAL))
    assert most == 4
    assert sum(count > 0 for count in found) <= most, found
