"""One row per account; strata and countries."""

from __future__ import annotations

import numpy as np
import pytest
from logs import at, ids, make_log, prompt, system

from stillhunt.campaigns.log import Log
from stillhunt.campaigns.summarise import countries, strata, summarise
from stillhunt.engines.duckdb import DuckDB
from stillhunt.errors import InputError

BUSY = [
    {"account_id": "busy", "time": at(0), "session_id": "s1", "status": 200, "finish_reason": "stop",
     "input_tokens": 100, "output_tokens": 50, "cached_input_tokens": 10, "reasoning": True, "tools": 2,
     "capability": "grading", "model": "m1", "client_ip": "1.1.1.1", "prompt_sketch": prompt("aaaa", "1"),
     "system_sketch": system("s")},
    {"account_id": "busy", "time": at(1), "session_id": "s1", "status": 429, "finish_reason": None,
     "input_tokens": 100, "output_tokens": None, "reasoning": False, "tools": 0, "capability": "mathematics",
     "model": "m2", "client_ip": "1.1.1.2", "prompt_sketch": prompt("aaaa", "2"), "system_sketch": system("s")},
    {"account_id": "busy", "time": at(49), "session_id": "s2", "status": 200, "finish_reason": "refusal",
     "input_tokens": 5, "output_tokens": 7, "reasoning": True, "capability": "writing", "model": "m2",
     "client_ip": "1.1.1.2", "prompt_sketch": prompt("aaaa", "2"), "system_sketch": system("t")},
    {"account_id": "busy", "time": at(49.5), "session_id": "s2", "status": 503, "finish_reason": "length",
     "output_tokens": 3, "capability": None, "model": "m2"},
    {"account_id": "idle", "time": at(2)},
]  # fmt: skip


def row(log: Log, name: str) -> dict[str, object]:
    return summarise(log).to_pylist()[ids(log).index(name)]


def test_counts_of_an_account(engine: DuckDB) -> None:
    busy = row(make_log(engine, BUSY), "busy")
    assert busy | {
        "requests": 4, "first_seen": at(0), "last_seen": at(49.5), "active_days": 2, "hours": 2, "sessions": 2,
        "refused": 1, "failed": 2, "input_tokens": 205, "output_tokens": 60, "cached_input_tokens": 10,
        "reasoning": 2, "reasoning_tokens": 57, "capped": 1, "tooled": 1, "harvested": 2, "elicited": 1,
        "labelled": 3, "texts": 2, "systems": 2, "models": 2, "addresses": 2,
    } == busy  # fmt: skip


def test_an_account_without_anything_counts_zero(engine: DuckDB) -> None:
    idle = row(make_log(engine, BUSY), "idle")
    assert idle["requests"] == 1
    assert {name for name, value in idle.items() if value == 0} >= {
        "refused", "failed", "output_tokens", "reasoning_tokens", "harvested", "texts", "addresses", "sessions",
    }  # fmt: skip


def test_a_log_with_times_alone_has_every_column(engine: DuckDB) -> None:
    whole = summarise(make_log(engine, BUSY)).schema
    bare = summarise(make_log(engine, [{"account_id": "a", "time": at(0)}]))
    assert bare.column_names == whole.names
    assert bare["requests"].to_pylist() == [1]
    assert bare["output_tokens"].to_pylist() == [0]


def test_rows_stand_in_the_order_of_account_numbers(engine: DuckDB) -> None:
    names = [f"a{i}" for i in range(40)]
    log = make_log(engine, [{"account_id": name, "time": at(i)} for i, name in enumerate(names)])
    first_seen = dict(zip(ids(log), summarise(log)["first_seen"].to_pylist(), strict=True))
    assert summarise(log)["account"].to_pylist() == list(range(40))
    assert first_seen == {name: at(i) for i, name in enumerate(names)}


def test_account_numbers_say_nothing_about_the_order_of_ids(engine: DuckDB) -> None:
    names = [f"a{i:03d}" for i in range(200)]
    log = make_log(engine, [{"account_id": name, "time": at(0)} for name in names])
    place = np.array([int(name[1:]) for name in ids(log)])
    assert sorted(place) == list(range(200))
    assert abs(np.corrcoef(place, np.arange(200))[0, 1]) < 0.25


def test_an_empty_log_is_refused(engine: DuckDB) -> None:
    with pytest.raises(InputError, match="no usable row"):
        make_log(engine, {"account_id": [], "time": []})


def test_accounts_that_were_not_described_are_there_with_nulls(engine: DuckDB) -> None:
    log = make_log(
        engine, BUSY, [{"account_id": "busy", "plan": "free"}, {"account_id": "elsewhere", "plan": "x"}]
    )
    rows = log.engine.table("SELECT account_id, plan FROM accounts ORDER BY account_id").to_pylist()
    assert rows == [{"account_id": "busy", "plan": "free"}, {"account_id": "idle", "plan": None}]
    assert (log.accounts, log.rows) == (2, 5)
    assert "plan" in log.account_columns
    assert "created_at" not in log.account_columns


def many(engine: DuckDB, requests: np.ndarray, young: np.ndarray) -> tuple[Log, np.ndarray]:
    """A log with so many exchanges per account, and the strata by the account's place in the arrays."""
    names = np.array([f"a{i:04d}" for i in range(len(requests))])
    log = make_log(
        engine,
        {"account_id": np.repeat(names, requests), "time": [at(1)] * int(requests.sum())},
        {"account_id": names, "created_at": [at(5) if new else at(-900) for new in young]},
    )
    stratum = dict(zip(ids(log), strata(log, summarise(log)).tolist(), strict=True))
    return log, np.array([stratum[name] for name in names])


def test_strata_tell_new_accounts_and_busy_ones_apart(engine: DuckDB) -> None:
    requests = np.tile([1, 3, 9], 400)
    young = np.arange(1200) % 2 == 0
    _, stratum = many(engine, requests, young)
    seen = {
        (int(r), bool(y)): set(stratum[(requests == r) & (young == y)].tolist())
        for r, y in zip(requests, young, strict=True)
    }
    assert all(len(numbers) == 1 for numbers in seen.values())
    assert len(set.union(*seen.values())) == 6


def test_a_stratum_is_never_small(engine: DuckDB) -> None:
    generator = np.random.default_rng(3)
    requests = np.minimum(generator.zipf(1.8, 900), 50)
    young = np.arange(900) < 40
    _, stratum = many(engine, requests, young)
    _, sizes = np.unique(stratum, return_counts=True)
    assert sizes.min() >= 100
    assert len(sizes) >= 2


def test_a_small_log_is_one_stratum(engine: DuckDB) -> None:
    _, stratum = many(engine, np.array([1, 2, 3] * 20), np.arange(60) < 30)
    assert len(set(stratum.tolist())) == 1


def test_a_country_is_declared_or_else_the_commonest(engine: DuckDB) -> None:
    rows = [
        {"account_id": "said", "time": at(0), "country": "FR"},
        {"account_id": "seen", "time": at(0), "country": "FR"},
        {"account_id": "seen", "time": at(1), "country": "FR"},
        {"account_id": "seen", "time": at(2), "country": "DE"},
        {"account_id": "dark", "time": at(0)},
    ]
    log = make_log(engine, rows, [{"account_id": "said", "country": "JP"}])
    number = dict(zip(ids(log), countries(log).tolist(), strict=True))
    assert number["dark"] == 0
    assert number["said"] != number["seen"]
    assert min(number["said"], number["seen"]) > 0


def test_without_countries_all_are_unknown(engine: DuckDB) -> None:
    assert countries(make_log(engine, BUSY)).tolist() == [0, 0]
