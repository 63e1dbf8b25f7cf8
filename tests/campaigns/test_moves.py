"""Prompts that move from account to account, and hand-offs among them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from bench.calibration import too_small
from logs import at, ids, make_log, make_moves, numbers, prompt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stillhunt.campaigns.log import Log
from stillhunt.campaigns.moves import ENOUGH, Moves, hands_off, moves_within, prompt_moves
from stillhunt.engines.duckdb import DuckDB
from stillhunt.stats.bounds import chernoff_upper

Told = list[tuple[str, str, bool, float]]


def sent(account: str, minutes: float, text: str, status: int = 200, **facts: Any) -> dict[str, Any]:
    row = {"account_id": account, "time": at(minutes=minutes), "prompt_sketch": prompt("T", text)}
    return row | {"prompt_chars": 10, "status": status} | facts


def told(log: Log) -> Told:
    """Giver, taker, whether the giver failed, and the chance of that, per move."""
    people, moves = ids(log), prompt_moves(log)
    giver = np.repeat(np.arange(log.accounts), np.diff(moves.giver_ptr))
    return sorted(
        (people[i], people[j], bool(f), float(c))
        for i, j, f, c in zip(giver, moves.taker, moves.failed, moves.chance, strict=True)
    )


def pairs(log: Log) -> list[tuple[str, str, bool]]:
    return [move[:3] for move in told(log)]


@pytest.mark.parametrize(("minutes", "moves"), [(0, 1), (9.99, 1), (10, 1), (10.01, 0), (1440, 0)])
def test_a_prompt_moves_within_ten_minutes(engine: DuckDB, minutes: float, moves: int) -> None:
    log = make_log(engine, [sent("a", 5, "x", 429), sent("b", 5 + minutes, "x")])
    assert len(pairs(log)) == moves
    assert minutes == 0 or pairs(log) == [("a", "b", True)] * moves


def test_only_the_next_exchange_with_a_prompt_takes_it(engine: DuckDB) -> None:
    """b has x from a; c has it from b, who had not failed; a that repeats its own prompt hands nothing on."""
    rows = [sent("a", 0, "x", 500), sent("b", 1, "x"), sent("c", 2, "x"), sent("a", 0, "y", 500), sent("a", 1, "y"),
            sent("b", 2, "y")]  # fmt: skip
    assert pairs(make_log(engine, rows)) == [("a", "b", False), ("a", "b", True), ("b", "c", False)]


def test_another_length_or_text_is_another_prompt(engine: DuckDB) -> None:
    rows = [sent("a", 0, "x", 429), sent("b", 1, "y"), sent("c", 2, "x", prompt_chars=11)]
    assert pairs(make_log(engine, rows)) == []


@pytest.mark.parametrize(
    ("facts", "failed"),
    [
        ({"status": 403}, True),
        ({"status": 429}, True),
        ({"status": 503}, True),
        ({"finish_reason": "refusal"}, True),
        ({"status": 404}, False),
        ({"status": None}, False),
        ({"finish_reason": "length"}, False),
    ],
)
def test_what_counts_as_a_failure(engine: DuckDB, facts: dict[str, Any], failed: bool) -> None:
    rows = [sent("a", 0, "x", **facts), sent("b", 1, "x", finish_reason="stop")]
    assert pairs(make_log(engine, rows)) == [("a", "b", failed)]


def test_without_prompts_or_failures_nothing_moves(engine: DuckDB) -> None:
    rows = [sent("a", 0, "x", 429), sent("b", 1, "x")]
    for missing in ("prompt_sketch", "status"):
        log = make_log(engine, [{k: v for k, v in row.items() if k != missing} for row in rows])
        moves = prompt_moves(log)
        assert (len(moves.taker), moves.giver_ptr.tolist(), moves.accounts().tolist()) == (0, [0, 0, 0], [])
        assert hands_off(moves, np.array([0, 1])) == (0, 0.0, 1.0, 0)


def test_the_chance_of_a_failure_is_that_of_its_hour(engine: DuckDB) -> None:
    """An hour of 40 exchanges of which 10 fail; one of 19, too few, all of which fail; one of 40 without a failure;
    one of 40 that all fail."""
    hours = [(40, 10), (ENOUGH - 1, ENOUGH - 1), (40, 0), (40, 40)]
    rows = [
        sent(f"{hour}{'giver' if k == 0 else 'taker' if k == 1 else k}", 60 * hour + k, "x" if k < 2 else str(k),
             429 if k < failures else 200)
        for hour, (n, failures) in enumerate(hours)
        for k in range(n)
    ]  # fmt: skip
    chance = {giver[0]: c for giver, _, _, c in told(make_log(engine, rows)) if giver.endswith("giver")}
    whole = sum(failures for _, failures in hours) / sum(n for n, _ in hours)
    assert chance == pytest.approx({"0": 0.25, "1": whole, "2": 0.002, "3": 0.9})


def noisy(seed: int, accounts: int, exchanges: int, texts: int) -> list[dict[str, Any]]:
    """Exchanges of independent accounts on shared texts; each hour has a failure rate of its own, whoever sends."""
    generator = np.random.default_rng(seed)
    rate = generator.beta(0.7, 2.0, 24)
    minute = generator.uniform(0, 24 * 60, exchanges)
    failed = generator.random(exchanges) < rate[(minute // 60).astype(int)]
    return [
        sent(f"a{generator.integers(0, accounts)}", float(m), f"{generator.integers(0, texts):03d}", 429 if f else 200)
        for m, f in zip(minute, failed, strict=True)
    ]  # fmt: skip


def by_hand(rows: list[dict[str, Any]], number: dict[str, int]) -> Told:
    """Moves as the docstring says, one text at a time."""
    hour = [(row["time"] - at(0)).total_seconds() // 3600 for row in rows]
    failed = [row["status"] >= 400 for row in rows]
    ever = float(np.mean(failed))
    found = []
    for text in {row["prompt_sketch"] for row in rows}:
        mine = sorted(
            (row["time"], number[row["account_id"]], k)
            for k, row in enumerate(rows)
            if row["prompt_sketch"] == text
        )
        for (before, giver, k), (after, taker, other) in pairwise(mine):
            if giver != taker and (after - before).total_seconds() <= 600:
                alike = [f for f, h in zip(failed, hour, strict=True) if h == hour[k]]
                share = float(np.mean(alike)) if len(alike) >= ENOUGH else ever
                people = rows[k]["account_id"], rows[other]["account_id"]
                found.append((*people, failed[k], min(max(share, 0.002), 0.9)))
    return sorted(found)


@pytest.mark.parametrize("seed", range(3))
def test_moves_are_those_found_by_hand(engine: DuckDB, seed: int) -> None:
    rows = noisy(seed, 12, 500, 6)
    log = make_log(engine, rows)
    expected = by_hand(rows, {name: i for i, name in enumerate(ids(log))})
    found = told(log)
    assert [move[:3] for move in found] == [move[:3] for move in expected]
    assert [move[3] for move in found] == pytest.approx([move[3] for move in expected])
    assert len(found) > 100


def some_moves(seed: int, accounts: int = 60, count: int = 400) -> tuple[Moves, Told]:
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        i, j = generator.choice(accounts, 2, replace=False).tolist()
        chance = float(generator.uniform(0.002, 0.9))
        made.append((i, j, bool(generator.random() < chance), chance))
    return make_moves(accounts, made), made


@pytest.mark.parametrize("seed", range(4))
def test_pairs_their_expectation_and_connectedness_are_what_brute_force_says(seed: int) -> None:
    moves, made = some_moves(seed)
    generator = np.random.default_rng(50 + seed)
    groups = [
        np.sort(generator.choice(60, size, replace=False)).astype(np.int32) for size in (2, 3, 7, 20, 60, 5)
    ]
    pointers = np.concatenate(([0], np.cumsum([len(g) for g in groups]))).astype(np.int64)
    after, mean, count, connected = moves_within(moves, pointers, np.concatenate(groups))
    for g, group in enumerate(groups):
        inside: dict[tuple[int, int], list[tuple[bool, float]]] = {}
        for i, j, failed, chance in made:
            if i in group and j in group:
                inside.setdefault((i, j), []).append((failed, chance))
        handed = [pair for pair, those in inside.items() if any(failed for failed, _ in those)]
        expected = sum(1 - np.prod([1 - chance for _, chance in those]) for those in inside.values())
        assert (count[g], after[g]) == (len(inside), len(handed))
        assert mean[g] == pytest.approx(expected)
        one, other = np.array(handed, dtype=int).reshape(-1, 2).T
        _, part = connected_components(
            coo_array((np.ones(len(one)), (one, other)), shape=(60, 60)), directed=False
        )
        largest = int(np.bincount(part).max())
        assert connected[g] == (largest if handed else 0)
        statistic = hands_off(moves, group)
        assert statistic[0] == len(handed)
        assert statistic[1] == pytest.approx(expected)
        assert -np.log(statistic[2]) == pytest.approx(float(chernoff_upper(len(handed), expected)))
        assert statistic[3] == len(inside)
    assert connected[0] < 3 < 50 < connected[4]


def test_two_accounts_that_pass_work_on_all_day_are_one_pair() -> None:
    often = make_moves(3, [(0, 1, True, 0.1)] * 200)
    after, mean, p, count = hands_off(often, np.arange(3))
    assert (after, count) == (1, 1)
    assert mean == pytest.approx(1.0, abs=1e-6)
    assert p > 0.99
    once = hands_off(make_moves(3, [(0, 1, True, 0.1), (1, 0, False, 0.1)]), np.arange(3))
    assert once[:2] == (1, pytest.approx(0.2))
    assert once[3] == 2


def test_who_is_outside_the_group_does_not_count() -> None:
    moves = make_moves(6, [(0, 1, True, 0.1), (1, 4, True, 0.1), (5, 0, True, 0.1)])
    assert hands_off(moves, np.array([0, 1, 2]))[::3] == (1, 1)
    assert hands_off(moves, np.array([2, 3]))[::3] == (0, 0)


def test_accounts_are_given_the_moves_of_others() -> None:
    moves, _ = some_moves(7)
    generator = np.random.default_rng(8)
    first, second = (generator.permutation(60).astype(np.int32) for _ in range(2))
    once = moves.given(first)
    twice = once.given(second)
    for size in (3, 9, 25):
        group = np.sort(generator.choice(60, size, replace=False)).astype(np.int32)
        assert hands_off(once, group) == pytest.approx(hands_off(moves, first[group]))
        assert hands_off(twice, group) == pytest.approx(hands_off(moves, first[second[group]]))
    assert (twice.place[twice.origin] == np.arange(60)).all()
    assert moves.origin.tolist() == list(range(60))


def test_a_pool_that_cools_accounts_down_is_seen(engine: DuckDB) -> None:
    """A pool of eight among strangers on shared texts: what fails goes on with the next account."""
    rows, generator = noisy(9, 40, 1500, 40), np.random.default_rng(10)
    for k in range(60):
        minute, giver = float(generator.uniform(0, 1400)), k % 8
        rows.append(sent(f"pool{giver}", minute, f"p{k:02d}", 429))
        rows.append(sent(f"pool{(giver + 1 + k // 8) % 8}", minute + 1, f"p{k:02d}"))
    log = make_log(engine, rows)
    moves = prompt_moves(log)
    after, mean, p, count = hands_off(moves, numbers(log, *(f"pool{i}" for i in range(8))))
    assert after == count > 40
    assert mean < 25
    assert p < 1e-4
    strangers = hands_off(
        moves, numbers(log, *{row["account_id"] for row in rows if row["account_id"] < "b"})
    )
    assert strangers[2] > 0.01


def test_an_outage_accuses_nobody(engine: DuckDB) -> None:
    """Where everything fails for an hour, popular prompts move after failures by chance."""
    rows = [sent(f"a{k % 12}", 1.5 * k, "x", 503 if 600 <= 1.5 * k < 660 else 200) for k in range(900)]
    log = make_log(engine, rows)
    after, mean, p, _ = hands_off(prompt_moves(log), np.arange(12))
    assert after >= 10
    assert p > 0.3
    assert mean > 0.8 * after


def test_p_values_are_super_uniform_where_failures_fall_on_anybody(engine: DuckDB) -> None:
    """The null: each hour its own rate of failures, prompts shared by chance. Groups at random, sixty logs."""
    p: dict[tuple[str, int], list[float]] = {}
    for seed in range(60):
        log = make_log(engine, noisy(1000 + seed, 48, 900, 12))
        moves = prompt_moves(log)
        order, start = np.random.default_rng(seed).permutation(log.accounts), 0
        for size in (3, 3, 3, 6, 6, 12, 15):
            p.setdefault(("hands_off", size), []).append(hands_off(moves, order[start : start + size])[2])
            start += size
    found = {key: np.array(values) for key, values in p.items()}
    worst = too_small(found)[0]
    assert worst[0] > 0.01, worst
    assert all((values < 1).mean() > 0.1 for values in found.values())


def test_p_values_are_super_uniform_for_known_chances() -> None:
    """The statistic alone, on 4,000 groups of eight, with pairs that hand on once or several times."""
    generator = np.random.default_rng(12)
    made = []
    for group in range(4000):
        for _ in range(generator.integers(1, 30)):
            i, j = generator.choice(8, 2, replace=False)
            chance = float(generator.uniform(0.002, 0.3))
            made.append((8 * group + int(i), 8 * group + int(j), bool(generator.random() < chance), chance))
    moves = make_moves(32_000, made)
    p = np.array([hands_off(moves, np.arange(8 * g, 8 * g + 8))[2] for g in range(4000)])
    assert too_small({("hands_off", 8): p})[0][0] > 0.01
    assert (p < 0.2).sum() > 40
