"""Small logs made by hand: a handful of rows or numpy arrays in, an opened ``Log`` or an ``Evidence`` out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from stillhunt.campaigns.evidence import Evidence, weigh
from stillhunt.campaigns.groups import Conduct
from stillhunt.campaigns.log import Log, open_log
from stillhunt.campaigns.moves import Moves
from stillhunt.campaigns.signals.model import SIGNALS_V1
from stillhunt.campaigns.signals.signal import LINKS, Artefacts, Signal
from stillhunt.campaigns.turns import Sessions, session_starts
from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.accounts import ACCOUNTS
from stillhunt.schema.coverage import Coverage, coverage
from stillhunt.schema.requests import LAKE_REQUESTS, REQUIRED_COLUMNS

START = datetime(2026, 4, 20, tzinfo=UTC)
"""The beginning of every small log."""

Rows = Sequence[Mapping[str, Any]] | Mapping[str, Any]
"""A mapping per row, or a mapping of columns."""


def at(hours: float = 0.0, minutes: float = 0.0) -> datetime:
    """A moment so long after START."""
    return START + timedelta(hours=hours, minutes=minutes)


def prompt(template: str, text: str = "") -> bytes:
    """A prompt's sketch: four bytes of its template, four of its exact text."""
    return _four(template) + _four(text)


def system(template: str) -> bytes:
    """A system prompt's sketch."""
    return _four(template)


def _four(word: str) -> bytes:
    return word.encode()[:4].ljust(4, b".")


def table(rows: Rows, schema: pa.Schema) -> pa.Table:
    """Rows under a schema; what they do not name is null. Raises KeyError for a column that the schema lacks."""
    if isinstance(rows, Mapping):
        columns: dict[str, Any] = dict(rows)
    else:
        names = dict.fromkeys(name for row in rows for name in row)
        columns = {name: [row.get(name) for row in rows] for name in names}
    size = len(next(iter(columns.values()))) if columns else 0
    for name in columns:
        schema.field(name)
    return pa.table(
        [
            _column(columns[field.name], field.type) if field.name in columns else pa.nulls(size, field.type)
            for field in schema
        ],
        schema=schema,
    )


def _column(values: Any, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    return (
        values.cast(kind)
        if isinstance(values, pa.ChunkedArray)
        else pa.array(values, type=kind, from_pandas=True)
    )


def make_log(
    engine: DuckDB, requests: Rows, accounts: Rows | None = None, sketches: pa.Table | None = None
) -> Log:
    """A log of these exchanges, accounts and full sketches. An engine holds one log at a time."""
    engine.register("given_requests", table(requests, LAKE_REQUESTS))
    people = None if accounts is None else table(accounts, ACCOUNTS)
    if sketches is None:
        return open_log(engine, "given_requests", people)
    engine.register("given_sketches", sketches)
    return open_log(engine, "given_requests", people, "given_sketches")


def seen(log: Log) -> Coverage:
    """The coverage report of a small log: what is not all null is there."""
    return coverage(dict.fromkeys(log.filled | set(REQUIRED_COLUMNS), 1.0), log.account_columns)


def ids(log: Log) -> list[str]:
    """Account ids by account number."""
    return log.engine.table("SELECT account_id FROM account_numbers ORDER BY account")[
        "account_id"
    ].to_pylist()


def numbers(log: Log, *account_ids: str) -> np.ndarray:
    """Account numbers of these ids, ascending."""
    place = {name: number for number, name in enumerate(ids(log))}
    return np.array(sorted(place[name] for name in account_ids), dtype=np.int32)


def links(log: Log, found: Artefacts) -> dict[str, dict[str, int]]:
    """What a signal found: per artefact, under its name for people, the exchanges behind it by account id."""
    people = ids(log)
    wanted = pa.table({"artefact": found.links["artefact"].unique()})
    log.engine.register("wanted", wanted)
    rows = log.engine.table(found.names).to_pylist()
    log.engine.unregister("wanted")
    words = {row["artefact"]: row["name"] for row in rows}
    result: dict[str, dict[str, int]] = {}
    for row in found.links.to_pylist():
        result.setdefault(words[row["artefact"]], {})[people[row["account"]]] = row["n"]
    return result


def signal_of(function: Callable[[Log], Artefacts]) -> Signal:
    """The signal of the model that a function collects."""
    (found,) = [signal for signal in SIGNALS_V1 if signal.collect is function]
    return found


def link_table(
    account: Sequence[int], artefact: Sequence[int], popularity: Sequence[int] | None = None
) -> pa.Table:
    """Schema LINKS, one exchange behind each. popularity: per link; default: counted."""
    _, part, count = np.unique(np.asarray(artefact), return_inverse=True, return_counts=True)
    return pa.table(
        {
            "account": np.asarray(account, dtype=np.int32),
            "artefact": np.asarray(artefact, dtype=np.int64),
            "n": np.ones(len(account), dtype=np.int64),
            "accounts": count[part] if popularity is None else np.asarray(popularity, dtype=np.int64),
        }
    ).cast(LINKS)


def make_evidence(
    accounts: int,
    sharing: Mapping[Callable[[Log], Artefacts], Sequence[Sequence[int]]],
    country: Sequence[int] | None = None,
) -> Evidence:
    """Evidence of the given signals, each with the accounts that carry each of its artefacts."""
    found = []
    for function, artefacts in sharing.items():
        account = [i for members in artefacts for i in members]
        artefact = [a for a, members in enumerate(artefacts) for _ in members]
        found.append((signal_of(function), Artefacts(link_table(account, artefact), "")))
    where = np.zeros(accounts, dtype=np.int64) if country is None else np.asarray(country, dtype=np.int64)
    return weigh(found, where)


def ordered_ids(engine: DuckDB, accounts: int) -> list[str]:
    """Account ids, so that the one in place ``i`` gets the number ``i`` in a log of all of them."""
    engine.register("named", pa.table({"account_id": [f"a{i:05d}" for i in range(accounts)]}))
    rows = engine.table("SELECT account_id FROM named ORDER BY identity_of(account_id), account_id")
    engine.unregister("named")
    names: list[str] = rows["account_id"].to_pylist()
    return names


def make_sessions(starts: np.ndarray, seed: int = 0) -> Sessions:
    """The sessions of a log with so many session starts per account and day, shape (accounts, days), at any time of
    the day. Every account must have one."""
    counts = np.asarray(starts)
    account, day = (np.repeat(index.ravel(), counts.ravel()) for index in np.indices(counts.shape))
    hour = np.random.default_rng(seed).uniform(0, 24, len(day))
    with DuckDB(memory="1GB", threads=1) as engine:
        names = np.array(ordered_ids(engine, len(counts)))
        requests = {
            "time": np.int64(START.timestamp() * 1e6) + ((24 * day + hour) * 3.6e9).astype(np.int64),
            "account_id": names[account],
            "session_id": [f"s{i}" for i in range(len(day))],
        }
        return session_starts(make_log(engine, requests))


def make_moves(accounts: int, moves: Sequence[tuple[int, int, bool, float]] = ()) -> Moves:
    """Moves from giver to taker: whether the giver's exchange had failed, and the chance of that."""
    ordered = sorted(moves, key=lambda move: move[:2])
    giver, taker, failed, chance = (np.array([move[k] for move in ordered]) for k in range(4))
    itself = np.arange(accounts, dtype=np.int32)
    return Moves(
        np.searchsorted(giver, np.arange(accounts + 1)).astype(np.int64),
        taker.astype(np.int32),
        failed.astype(np.bool_),
        chance.astype(np.float64),
        itself,
        itself,
    )


def still(sessions: Sessions) -> Conduct:
    """Conduct of accounts with these sessions, of which no prompt moves."""
    return Conduct(sessions, make_moves(len(sessions.starts)))
