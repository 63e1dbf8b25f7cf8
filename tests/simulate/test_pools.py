"""How pools are worked: who serves which job, and what follows a ban."""

from __future__ import annotations

import numpy as np
import pytest

from stillhunt.simulate.clock import DAY, HOUR, MINUTE
from stillhunt.simulate.pools import NEVER, Assignment, Discipline, Scheduler, arrivals, schedule

_QUIET = Discipline(bans_per_day=0.0, limit_share=0.0)


def _serve(
    rng: np.random.Generator, discipline: Discipline, accounts: int = 50, jobs: int = 20_000
) -> Assignment:
    start = np.sort(rng.random(jobs) * 10 * DAY).astype(np.int64)
    length = np.full(jobs, MINUTE, dtype=np.int64)
    return schedule(rng, start, length, np.zeros(accounts, dtype=np.int64), discipline)


def _dispersion(served: Assignment) -> float:
    counts = np.bincount(served.account[served.account >= 0])
    return float(counts.var() / counts.mean())


def test_oldest_use_first_gives_every_account_the_same(rng: np.random.Generator) -> None:
    assert _dispersion(_serve(rng, _QUIET)) < 0.02


@pytest.mark.parametrize(("scheduler", "least", "most"), [("lru", 0.0, 0.2), ("random", 0.4, 1.6)])
def test_days_off_leave_the_scheduler_its_mark(
    rng: np.random.Generator, scheduler: Scheduler, least: float, most: float
) -> None:
    """With half of the accounts off each day, the oldest use still comes first, and a random choice stays random."""
    discipline = Discipline(scheduler=scheduler, bans_per_day=0.0, limit_share=0.0, duty=0.5)
    served = _serve(rng, discipline, accounts=200)
    assert (served.account >= 0).all()
    assert least <= _dispersion(served) < most


def test_accounts_that_sleep_serve_nothing_in_eight_hours_of_the_night(rng: np.random.Generator) -> None:
    discipline = Discipline(bans_per_day=0.0, limit_share=0.0, sleeps=True)
    start = np.sort(rng.random(30_000) * 10 * DAY).astype(np.int64)
    length = np.full(len(start), MINUTE, dtype=np.int64)
    zone = np.array([0.0, 8.0])
    served = schedule(rng, start, length, np.zeros(40, dtype=np.int64), discipline, zone)
    for account in range(4):
        local = (start[served.account == account] + zone[account % 2] * HOUR) % DAY // HOUR
        assert not np.isin(local, [1, 2, 3, 4, 5]).any()
        assert len(np.unique(local)) >= 14


def test_a_random_scheduler_gives_poisson_counts(rng: np.random.Generator) -> None:
    served = _serve(rng, Discipline(scheduler="random", bans_per_day=0.0, limit_share=0.0), accounts=400)
    assert _dispersion(served) == pytest.approx(1.0, abs=0.3)


def test_a_weighted_scheduler_prefers_some(rng: np.random.Generator) -> None:
    served = _serve(rng, Discipline(scheduler="weighted", bans_per_day=0.0, limit_share=0.0))
    assert _dispersion(served) > 10


@pytest.mark.parametrize("scheduler", ["lru", "random", "weighted"])
def test_no_account_has_more_sessions_open_than_its_cap(
    rng: np.random.Generator, scheduler: Scheduler
) -> None:
    jobs = 2_000
    start = np.sort(rng.random(jobs) * 6 * HOUR).astype(np.int64)
    length = np.full(jobs, 10 * MINUTE, dtype=np.int64)
    discipline = Discipline(scheduler=scheduler, cap=2, bans_per_day=0.0, limit_share=0.0)
    served = schedule(rng, start, length, np.zeros(20, dtype=np.int64), discipline)
    assert (served.account < 0).any()  # more is asked for than the pool can carry
    for account in range(20):
        begun = start[served.account == account]
        assert max(np.searchsorted(begun, begun + 10 * MINUTE) - np.arange(len(begun))) <= 2


def test_a_limited_account_rests(rng: np.random.Generator) -> None:
    discipline = Discipline(bans_per_day=0.0, limit_share=0.1, cool_down_s=3600.0)
    jobs = 5_000
    start = np.sort(rng.random(jobs) * 10 * DAY).astype(np.int64)
    served = schedule(
        rng, start, np.full(jobs, MINUTE, dtype=np.int64), np.zeros(40, dtype=np.int64), discipline
    )
    for job in np.flatnonzero(served.limited & (served.account >= 0)):
        later = start[job + 1 :][served.account[job + 1 :] == served.account[job]]
        assert not len(later) or later[0] >= start[job] + HOUR


def test_banned_accounts_serve_nothing_and_are_replaced(rng: np.random.Generator) -> None:
    discipline = Discipline(bans_per_day=0.1, response="replace", replace_h=2.0)
    jobs = 20_000
    start = np.sort(rng.random(jobs) * 10 * DAY).astype(np.int64)
    served = schedule(
        rng, start, np.full(jobs, MINUTE, dtype=np.int64), np.zeros(50, dtype=np.int64), discipline
    )
    banned = np.flatnonzero(served.ends != NEVER)
    assert len(banned) > 20
    assert len(served.born) == 50 + len(banned)
    account = served.account[served.account >= 0]
    when = start[served.account >= 0]
    assert (when < served.ends[account]).all()
    assert (when >= served.born[account]).all()


def test_fail_over_leaves_the_rest_with_the_work(rng: np.random.Generator) -> None:
    served = _serve(rng, Discipline(bans_per_day=0.1, response="fail_over"))
    assert len(served.born) == 50
    assert (served.ends != NEVER).sum() > 20
    assert (served.account[-500:] >= 0).mean() > 0.95


def test_backing_off_stops_the_whole_pool(rng: np.random.Generator) -> None:
    kept = _serve(rng, Discipline(bans_per_day=0.02, response="replace"))
    backed_off = _serve(rng, Discipline(bans_per_day=0.02, response="back_off", back_off_h=6.0))
    assert (backed_off.account < 0).mean() > (kept.account < 0).mean() + 0.05


def test_jitter_goes_from_a_clockwork_to_a_poisson_process(rng: np.random.Generator) -> None:
    edges = np.arange(0, 10 * DAY + 1, 10 * MINUTE)
    cumulative = np.arange(len(edges), dtype=np.float64)
    per_hour = [
        np.bincount(arrivals(rng, 24_000, cumulative, edges, jitter) // HOUR, minlength=240)
        for jitter in (0.0, 1.0)
    ]
    assert per_hour[0].var() / per_hour[0].mean() < 0.05
    assert per_hour[1].var() / per_hour[1].mean() == pytest.approx(1.0, abs=0.35)
