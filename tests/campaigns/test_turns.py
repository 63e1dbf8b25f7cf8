"""Session starts, and turn-taking on them."""

from __future__ import annotations

import numpy as np
import pytest
from bench.calibration import too_small
from bench.independent import open_population, timers
from logs import at, ids, make_log, make_sessions
from scipy.stats import chi2

from stillhunt.campaigns.turns import (
    MIDDLE,
    Sessions,
    dispersions,
    keeps_time,
    session_starts,
    steadiness,
    takes_turns,
)
from stillhunt.engines.duckdb import DuckDB
from stillhunt.stats.dispersion import evenness_p


def test_a_session_counts_on_the_day_of_its_first_exchange(engine: DuckDB) -> None:
    rows = [
        {"account_id": "a", "time": at(1), "session_id": "x"},
        {"account_id": "a", "time": at(23), "session_id": "y"},
        {"account_id": "a", "time": at(25), "session_id": "y"},
        {"account_id": "a", "time": at(26), "session_id": "x"},
        {"account_id": "a", "time": at(50), "session_id": "z"},
        {"account_id": "b", "time": at(30), "session_id": "x"},
    ]
    log = make_log(engine, rows)
    sessions = session_starts(log)
    a, b = ids(log).index("a"), ids(log).index("b")
    assert sessions.starts[a].tolist() == [2, 0, 1]
    assert sessions.starts[b].tolist() == [0, 1, 0]
    assert (sessions.alive_from[a], sessions.alive_to[a]) == (0, 2)
    assert (sessions.alive_from[b], sessions.alive_to[b]) == (1, 1)


def test_without_session_ids_half_an_hour_of_silence_starts_one(engine: DuckDB) -> None:
    minutes = [0, 20, 50, 80, 111, 24 * 60 + 5]
    log = make_log(engine, [{"account_id": "a", "time": at(minutes=m)} for m in minutes])
    assert session_starts(log).starts.tolist() == [[2, 1]]


def test_rows_without_a_session_id_fall_back_to_gaps(engine: DuckDB) -> None:
    rows = [
        {"account_id": "a", "time": at(0), "session_id": "x"},
        {"account_id": "a", "time": at(10), "session_id": None},
        {"account_id": "a", "time": at(10.2), "session_id": None},
        {"account_id": "a", "time": at(20), "session_id": None},
    ]
    assert session_starts(make_log(engine, rows)).starts.tolist() == [[3]]


def lru(accounts: int, days: int, per_day: int) -> np.ndarray:
    """Sessions dealt to the account that has rested longest."""
    starts = np.zeros((accounts, days), dtype=np.int32)
    turn = 0
    for day in range(days):
        for _ in range(per_day):
            starts[turn % accounts, day] += 1
            turn += 1
    return starts


def test_a_scheduler_that_deals_in_turn_is_seen() -> None:
    sessions = make_sessions(lru(30, 12, 95))
    ratio, p, freedom = takes_turns(sessions, np.arange(30))
    assert freedom == 29 * 10
    assert ratio < 0.2
    assert p < 1e-12


def test_independent_users_are_not() -> None:
    generator = np.random.default_rng(0)
    sessions = make_sessions(generator.poisson(3.0, (30, 12)))
    ratio, p, _ = takes_turns(sessions, np.arange(30))
    assert 0.8 < ratio < 1.25
    assert p > 0.01


def test_unequal_users_are_more_uneven_still() -> None:
    generator = np.random.default_rng(1)
    rates = generator.lognormal(1.0, 0.8, (30, 1))
    ratio, p, _ = takes_turns(make_sessions(generator.poisson(rates, (30, 12))), np.arange(30))
    assert ratio > 1.3
    assert p > 0.9


def test_the_statistic_is_fishers_on_days_within_use() -> None:
    generator = np.random.default_rng(2)
    counts = generator.poisson(2.0, (7, 9))
    counts[3, 5:] = 0
    counts[:, 0] += 1
    sessions = make_sessions(counts)
    group = np.array([0, 2, 3, 6], dtype=np.int32)
    statistic, freedom, least = 0.0, 0, np.inf
    for day in range(9):
        x = np.array([counts[i, day] for i in group if sessions.alive_from[i] < day < sessions.alive_to[i]])
        if len(x) >= 2 and x.sum() > 0:
            statistic += float(((x - x.mean()) ** 2).sum() / x.mean())
            freedom += len(x) - 1
            least = min(least, 2 / x.mean())
    found = dispersions(sessions, np.array([0, 4]), group)
    assert found[0][0] == pytest.approx(statistic)
    assert found[1][0] == freedom
    assert found[2][0] == pytest.approx(least)
    ratio, p, n = takes_turns(sessions, group)
    assert ratio == pytest.approx(statistic / freedom)
    assert n == freedom
    assert p == pytest.approx(chi2.cdf(statistic + least / 2, freedom))
    assert p == pytest.approx(evenness_p(*found)[0])


def test_groups_are_told_apart() -> None:
    sessions = make_sessions(np.vstack((lru(10, 8, 40), np.random.default_rng(3).poisson(4.0, (10, 8)))))
    members = np.arange(20, dtype=np.int32)
    p = evenness_p(*dispersions(sessions, np.array([0, 10, 20]), members))
    assert p[0] < 1e-6
    assert p[1] > 0.01


def test_accounts_in_use_for_two_days_say_nothing() -> None:
    ratio, p, freedom = takes_turns(make_sessions(np.ones((20, 2), dtype=np.int32)), np.arange(20))
    assert np.isnan(ratio)
    assert (p, freedom) == (1.0, 0)


def test_a_perfect_tie_of_few_small_counts_is_no_proof() -> None:
    _, p, _ = takes_turns(make_sessions(np.ones((3, 3), dtype=np.int32)), np.arange(3))
    assert p > 0.2


def timed(engine: DuckDB, starts: list[tuple[int, float]]) -> tuple[Sessions, list[int]]:
    """Sessions of accounts that start at these hours; and each account's number."""
    rows = [
        {"account_id": f"a{i}", "time": at(hours), "session_id": f"s{n}"}
        for n, (i, hours) in enumerate(starts)
    ]
    log = make_log(engine, rows)
    place = {name: number for number, name in enumerate(ids(log))}
    return session_starts(log), [place[f"a{i}"] for i in range(len(place))]


def test_a_dispatcher_that_keeps_time_is_seen(engine: DuckDB) -> None:
    generator = np.random.default_rng(5)
    dealt = [(int(generator.integers(0, 30)), 0.1 * k + generator.uniform(0, 0.02)) for k in range(600)]
    sessions, place = timed(engine, dealt)
    ratio, p, triples = keeps_time(sessions, np.array(place))
    assert triples > 200
    assert ratio < 0.2
    assert p < 1e-20


def test_independent_users_keep_no_time_however_their_day_goes(engine: DuckDB) -> None:
    generator = np.random.default_rng(6)
    hours = 24 * generator.integers(0, 9, 600) + generator.normal(14, 3, 600)
    sessions, place = timed(engine, [(int(generator.zipf(1.5)) % 30, float(max(h, 0))) for h in hours])
    ratio, p, triples = keeps_time(sessions, np.array(place))
    assert triples > 50
    assert 0.7 < ratio < 1.4
    assert p > 0.1


def test_keeping_time_is_measured_on_triples_of_different_accounts(engine: DuckDB) -> None:
    """a b c at 0, 1, 4 hours: the middle lies a quarter of the way, so (2/4 - 1)² = 1/4; then c c d is no triple."""
    sessions, place = timed(engine, [(0, 0), (1, 1), (2, 4), (2, 5), (3, 6), (0, 7), (1, 10)])
    ratio, p, triples = keeps_time(sessions, np.array(place))
    # c(4) c(5) d(6) is skipped; c(5) d(6) a(7): in the middle, 0; a(7) b(10) and no more.
    assert triples == 2
    assert ratio == pytest.approx((0.25 + 0.0) / 2 * 3)
    assert 0 < p <= 1


def test_a_triple_of_accounts_counts_once_however_often_it_returns(engine: DuckDB) -> None:
    """a b c at 0, 1, 4 hours, so (2/4 - 1)² = 1/4; c d a: 0; again a b c at 6, 8, 10: 0; last c b a: 0."""
    rows = [(0, 0), (1, 1), (2, 4), (3, 5), (0, 6), (1, 8), (2, 10), (1, 11), (0, 12)]
    sessions, place = timed(engine, [(i, float(hours)) for i, hours in rows])
    ratio, p, triples = keeps_time(sessions, np.array(place))
    assert triples == 3
    assert ratio == pytest.approx(((0.25 + 0.0) / 2 + 0.0 + 0.0) / 3 * 3)
    assert p > 0.3


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_accounts_on_hourly_timers_of_their_own_keep_no_time_together(engine: DuckDB, share: float) -> None:
    """Each repeats its minute 500 times; as independent repeats that would be p-values below 1e-30."""
    log, _ = open_population(engine, timers(3, 600, share))
    sessions = session_starts(log)
    groups = np.random.default_rng(8).permutation(600)
    p = {
        ("keeps_time", size): np.array(
            [keeps_time(sessions, groups[i : i + size])[1] for i in range(0, 600 - size + 1, size)]
        )
        for size in (3, 5, 8, 20)
    }
    assert min(values.min() for values in p.values()) > 0.001
    assert too_small(p)[0][0] > 0.01


def test_a_group_in_a_null_log_keeps_the_times_it_was_given(engine: DuckDB) -> None:
    generator = np.random.default_rng(7)
    dealt = [(k % 10, 0.1 * k) for k in range(300)] + [(10 + int(generator.integers(0, 10)), h) for h in
             generator.uniform(0, 30, 300)]  # fmt: skip
    sessions, place = timed(engine, dealt)
    came_from = np.arange(20, dtype=np.int32)
    even, free = np.array(place[:10]), np.array(place[10:])
    came_from[even], came_from[free] = free, even
    swapped = sessions.given(came_from)
    assert keeps_time(swapped, even) == keeps_time(sessions, free)
    assert keeps_time(swapped, free) == keeps_time(sessions, even)
    assert swapped.starts[free].tolist() == sessions.starts[even].tolist()


def test_the_middle_start_against_ten_obvious_lines() -> None:
    sessions = make_sessions(np.random.default_rng(2).integers(0, 4, (30, 9)) + np.eye(30, 9, dtype=int))
    generator = np.random.default_rng(3)
    for size in (3, 7, 30):
        group = np.sort(generator.choice(30, size, replace=False)).astype(np.int32)
        starts = sorted(
            (float(sessions.time[at]), int(i))
            for i in group
            for at in sessions.rank[sessions.rank_ptr[i] : sessions.rank_ptr[i + 1]]
        )
        splits: dict[tuple[int, ...], list[float]] = {}
        k = 0
        while k + 2 < len(starts):
            (first, *_), (middle, *_), (last, *_) = three = starts[k : k + 3]
            who = tuple(account for _, account in three)
            if len(set(who)) == 3:
                splits.setdefault(who, []).append((2 * (middle - first) / (last - first) - 1) ** 2)
            k += 2 if len(set(who)) == 3 else 1
        means = [float(np.mean(each)) for each in splits.values()]
        spread, triples = steadiness(sessions, np.array([0, size]), group)
        assert triples[0] == len(means)
        assert spread[0] == pytest.approx(np.mean(means) if means else MIDDLE)
