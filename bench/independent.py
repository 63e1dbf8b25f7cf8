"""Logs of accounts that have nothing to do with one another: what every null speaks of.

Each account draws all that it is and does by itself. Popularity and activity are heavy-tailed, as in real logs: one
mail domain takes a third of all accounts, most addresses belong to one account, a few accounts send a hundred times
what the median sends. Nothing is planted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillhunt.campaigns.log import Log, open_log
from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.accounts import ACCOUNTS
from stillhunt.schema.coverage import Coverage, coverage
from stillhunt.schema.requests import LAKE_REQUESTS

DAYS = 10
_DAY_US = 86_400_000_000
_START_US = 1_776_643_200_000_000
"""20 April 2026, midnight UTC, in microseconds since 1970."""
_COUNTRIES = np.array(["US", "IN", "DE", "BR", "JP", "GB", "FR", "ID", "NG", "SG"])
_CAPS = np.array([256, 512, 1024, 2048, 4096, 8192])
_HEATS = np.array([0.0, 0.2, 0.7, 1.0], dtype=np.float32)
_CAPABILITIES = np.array(
    ["conversation", "writing", "knowledge", "software_engineering", "mathematics", "other"]
)


@dataclass(frozen=True)
class Population:
    """``requests``: columns of LAKE_REQUESTS. ``accounts``: schema ACCOUNTS."""

    requests: pa.Table
    accounts: pa.Table


def independent(seed: int, accounts: int) -> Population:
    """A log of independent accounts; equal arguments give equal logs."""
    rng = np.random.default_rng([0x1D, seed, accounts])
    country = _zipf(rng, len(_COUNTRIES), accounts, 0.8)
    sessions = np.minimum(1 + rng.poisson(rng.lognormal(1.5, 1.1, accounts)), 300)
    turns = 1 + rng.poisson(rng.lognormal(0.3, 0.6, accounts))
    owner = np.repeat(np.arange(accounts), sessions)
    session = np.arange(len(owner))
    born = rng.uniform(-150, DAYS * 0.9, accounts)
    begins = np.maximum(born, 0.0)[owner]
    started = begins + rng.random(len(owner)) * (DAYS - begins)
    length = 1 + rng.poisson(turns[owner] - 1)
    row = np.repeat(session, length)
    who = owner[row]
    n = len(row)
    time = started[row] + np.minimum(rng.exponential(3.0, n) / 1440 * 4, 0.1)
    stack = _own(rng, accounts, who, 60, 1.1, 2)
    template = _own(rng, accounts, who, 4000, 0.7, 8)
    text = _zipf(rng, 30, n, 1.5)
    rules = _own(rng, accounts, who, 400, 1.0, 3)
    address = _places(rng, accounts, who, 300)
    device = _places(rng, accounts, who, 100)
    ending = rng.random(n)
    requests = {
        "time": pa.array((_START_US + time * _DAY_US).astype(np.int64)),
        "account_id": _named("a", who),
        "session_id": _named("s", row),
        "input_tokens": rng.integers(20, 4000, n),
        "output_tokens": (rng.lognormal(5.5, 1.0, n)).astype(np.int64),
        "cached_input_tokens": rng.integers(0, 20, n),
        "model": _models(np.random.default_rng([0x2D, seed, accounts]), accounts, who, time),
        "max_tokens": _CAPS[_own(rng, accounts, who, 6, 0.6, 2)],
        "temperature": _HEATS[_own(rng, accounts, who, 4, 0.6, 2)],
        "tools": _own(rng, accounts, who, 12, 1.0, 2),
        "reasoning": rng.random(n) < 0.2,
        "status": np.where(ending < 0.05, 429, 200),
        "finish_reason": np.where(ending > 0.95, "refusal", "stop"),
        "client_ip": _named("ip", address),
        "country": _COUNTRIES[country[who]],
        "user_agent": _named("agent", stack),
        "tls_fingerprint": _named("ja4", stack % 17),
        "device_id": _named("d", device),
        "reasoning_signature": pa.array(
            _named("sig", _places(rng, accounts, who, 400)), mask=rng.random(n) > 0.3
        ),
        "prompt_sketch": _codes(template, text),
        "prompt_chars": 100 + text,
        "system_sketch": _codes(rules),
        "capability": _CAPABILITIES[_zipf(rng, len(_CAPABILITIES), n, 0.7)],
    }
    columns = {
        field.name: pa.array(requests[field.name]).cast(field.type)
        if field.name in requests
        else pa.nulls(n, field.type)
        for field in LAKE_REQUESTS
    }
    return Population(
        pa.table(columns, schema=LAKE_REQUESTS).sort_by("time"), _people(rng, accounts, born, country)
    )


def _models(
    rng: np.random.Generator, accounts: int, who: NDArray[np.int64], time: NDArray[np.float64]
) -> pa.Array:
    """A model per row: one of the account's own two or three, and of every third account from some time after a release
    on mostly the new one."""
    used = _own(rng, accounts, who, 5, 0.8, 3)
    turns = np.where(rng.random(accounts) < 1 / 3, DAYS / 2 + rng.exponential(1.0, accounts), np.inf)
    return _named("model", np.where((time > turns[who]) & (rng.random(len(who)) < 0.8), 5, used))


def timers(seed: int, accounts: int, share: float) -> Population:
    """Independent accounts of which a share starts a session every hour, at a minute of its own; the others start
    theirs at any time. Nothing but times is known."""
    rng = np.random.default_rng([0x71, seed, accounts])
    rate = np.minimum(1 + rng.poisson(rng.lognormal(2.0, 1.0, accounts)), 300)
    timed = rng.random(accounts) < share
    count = np.where(timed, 24 * DAYS, rate)
    owner = np.repeat(np.arange(accounts), count)
    turn = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    started = np.where(timed[owner], (turn + rng.random(accounts)[owner]) / 24, rng.random(len(owner)) * DAYS)
    requests = {
        "time": (_START_US + started * _DAY_US).astype(np.int64),
        "account_id": _named("a", owner),
        "session_id": _named("s", np.arange(len(owner))),
    }
    columns = {
        field.name: pa.array(requests[field.name]).cast(field.type)
        if field.name in requests
        else pa.nulls(len(owner), field.type)
        for field in LAKE_REQUESTS
    }
    return Population(pa.table(columns, schema=LAKE_REQUESTS).sort_by("time"), ACCOUNTS.empty_table())


def open_population(engine: DuckDB, made: Population) -> tuple[Log, Coverage]:
    """The population as an opened log, with what it can feed."""
    engine.register("population", made.requests)
    log = open_log(engine, "population", made.accounts)
    return log, coverage(dict.fromkeys(log.filled, 1.0), log.account_columns)


def _people(
    rng: np.random.Generator, accounts: int, born: NDArray[np.float64], country: NDArray[np.int64]
) -> pa.Table:
    closed = rng.random(accounts) < 0.1
    ends = np.maximum(born, 0) + rng.random(accounts) * (DAYS - np.maximum(born, 0))
    everyone = np.arange(accounts)
    people = {
        "account_id": _named("a", everyone),
        "created_at": (_START_US + born * _DAY_US).astype(np.int64),
        "closed_at": pa.array((_START_US + ends * _DAY_US).astype(np.int64), mask=~closed),
        "email_domain": _named("mail", _zipf(rng, 500, accounts, 1.4)),
        "payment_fingerprint": _named("card", _places(rng, accounts, everyone, 60)),
        "payment_issuer": _named("bank", _zipf(rng, 30, accounts, 1.0)),
        "payment_country": _COUNTRIES[country],
        "signup_ip": _named("ip", _places(rng, accounts, everyone, 300)),
        "country": _COUNTRIES[country],
        "verification": np.where(rng.random(accounts) < 0.5, "phone", "card"),
        "plan": np.where(rng.random(accounts) < 0.4, "free", "paid"),
    }
    return pa.table(
        {
            field.name: pa.array(people[field.name]).cast(field.type)
            if field.name in people
            else pa.nulls(accounts, field.type)
            for field in ACCOUNTS
        },
        schema=ACCOUNTS,
    )


def _zipf(rng: np.random.Generator, values: int, n: int, exponent: float) -> NDArray[np.int64]:
    weight = 1.0 / np.arange(1, values + 1) ** exponent
    return rng.choice(values, n, p=weight / weight.sum())


def _own(
    rng: np.random.Generator, accounts: int, who: NDArray[np.int64], values: int, exponent: float, most: int
) -> NDArray[np.int64]:
    """A value per row: one of up to ``most`` that the row's account has taken up, by popularity."""
    taken = _zipf(rng, values, accounts * most, exponent).reshape(accounts, most)
    has = rng.integers(1, most + 1, accounts)
    return taken[who, (rng.random(len(who)) * has[who]).astype(np.int64)]


def _places(
    rng: np.random.Generator, accounts: int, who: NDArray[np.int64], shared: int
) -> NDArray[np.int64]:
    """A value per row: mostly the account's own, else one of ``shared`` by popularity."""
    several = _own(rng, accounts, who, shared, 0.9, 3)
    out = rng.random(accounts) < 0.4
    return np.where(out[who] & (rng.random(len(who)) < 0.5), several, shared + who)


def _named(word: str, number: NDArray[np.int64]) -> pa.Array:
    return pa.array(np.char.add(f"{word}-", number.astype(str)))


def _codes(*parts: NDArray[np.int64]) -> pa.Array:
    words = np.column_stack([part.astype("<u4") for part in parts])
    width = 4 * len(parts)
    return pa.Array.from_buffers(pa.binary(width), len(words), [None, pa.py_buffer(words.tobytes())])
