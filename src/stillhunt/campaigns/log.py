"""``Log``: what a scan reads, opened once and passed along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillhunt.engines.engine import Engine, quoted
from stillhunt.errors import InputError
from stillhunt.schema.accounts import ACCOUNTS


@dataclass(frozen=True)
class Log:
    """A window of exchanges behind an engine.

    The engine holds the view ``exchanges`` (columns of LAKE_REQUESTS and ``account``, the account's number), the
    table ``account_numbers`` (``account_id``, ``account`` counting from 0 in an order that says nothing about the
    accounts) and the table ``accounts`` (columns of ACCOUNTS and ``account``; one row for each account of the log,
    null where none was given; an organisation that only exchanges name is taken from them).
    """

    engine: Engine
    accounts: int
    rows: int
    filled: frozenset[str]
    """Columns of ``exchanges`` that are not null in every row."""
    account_columns: frozenset[str]
    """Columns of ``accounts`` that are not null in every row."""
    sketched: bool = False
    """Whether the engine holds the view ``sketches`` (schema SKETCHES)."""


def open_log(
    engine: Engine,
    requests: str,
    accounts: pa.Table | None,
    sketches: str | None = None,
    filled_rows: Mapping[str, int] | None = None,
) -> Log:
    """Numbers the accounts of ``requests``, an SQL FROM item with the columns of LAKE_REQUESTS.

    accounts: schema ACCOUNTS, or None. sketches: an SQL FROM item of schema SKETCHES, or None. filled_rows: how many
    rows hold a value, per column, where that is known; counted otherwise. Raises InputError when the log is empty.
    """
    engine.make_table(
        "account_numbers",
        f"""
        SELECT account_id, (row_number() OVER (ORDER BY identity_of(account_id), account_id) - 1)::INTEGER AS account
        FROM (SELECT DISTINCT account_id FROM {requests})
        """,
    )
    engine.make_view(
        "exchanges",
        f"SELECT r.*, n.account FROM {requests} AS r JOIN account_numbers AS n USING (account_id)",
    )
    engine.register("given_accounts", ACCOUNTS.empty_table() if accounts is None else accounts)
    given = ", ".join(f"a.{name}" for name in ACCOUNTS.names if name not in ("account_id", "org_id"))
    engine.make_table(
        "accounts",
        f"""
        WITH seen AS ({commonest("org_id")})
        SELECT n.account, n.account_id, coalesce(a.org_id, seen.org_id) AS org_id, {given}
        FROM account_numbers AS n LEFT JOIN given_accounts AS a USING (account_id) LEFT JOIN seen USING (account)
        ORDER BY n.account
        """,
    )
    engine.unregister("given_accounts")
    if filled_rows is None:
        rows, filled = _filled(engine, "exchanges")
    else:
        rows = filled_rows["account_id"]
        filled = frozenset({"account"} | {name for name, count in filled_rows.items() if count > 0})
    numbered, account_columns = _filled(engine, "accounts")
    if rows == 0:
        raise InputError(
            "the log has no usable row", "", "Check the input, and rejected.jsonl beside the lake."
        )
    if sketches is not None:
        engine.make_view("sketches", f"SELECT * FROM {sketches}")
    return Log(engine, numbered, rows, filled, account_columns, sketches is not None)


def commonest(column: str) -> str:
    """SQL for the commonest value of a column of ``exchanges`` per account; of equally common ones the least."""
    return f"""
        SELECT account, {column} FROM (
            SELECT account, {column}, row_number() OVER (PARTITION BY account ORDER BY n DESC, {column}) AS place
            FROM (
                SELECT account, {column}, count(*) AS n FROM exchanges
                WHERE {column} IS NOT NULL GROUP BY account, {column}
            )
        ) WHERE place = 1
    """


def _filled(engine: Engine, table: str) -> tuple[int, frozenset[str]]:
    columns = engine.table(f"SELECT * FROM {table} LIMIT 0").column_names
    counts = ", ".join(f'count("{name}") AS "{name}"' for name in columns)
    (row,) = engine.table(f"SELECT count(*) AS all_rows, {counts} FROM {table}").to_pylist()
    return int(row["all_rows"]), frozenset(name for name in columns if row[name] > 0)


def by_group(groups: Sequence[NDArray[np.int32]]) -> pa.Table:
    """Groups of accounts as rows for SQL: ``grp``, counting from 0, and ``account``."""
    sizes = [len(group) for group in groups]
    return pa.table(
        {
            "grp": np.repeat(np.arange(len(groups), dtype=np.int32), sizes),
            "account": np.concatenate([np.zeros(0, dtype=np.int32), *groups]),
        }
    )


def sql_list(values: list[str] | tuple[str, ...]) -> str:
    """Values as an SQL list of string literals, for ``IN``."""
    return "(" + ", ".join(quoted(value) for value in values) + ")"
