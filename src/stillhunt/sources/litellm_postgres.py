"""``LiteLLM_SpendLogs`` of a running PostgreSQL as a Source, pulled in the order of ("startTime", request_id).

A row is written when its request has ended, so that rows which start earlier appear after rows which start later. A
pull therefore begins ``overlap`` before the place where the last one ended, and leaves out what the lake holds
already, or has rejected already, by ``request_id``. A row that appears more than ``overlap`` after its start is missed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
from psycopg import sql
from psycopg.rows import DictRow, dict_row
from psycopg.types.string import TextLoader

from stillhunt.errors import InputError
from stillhunt.schema.progress import Progress
from stillhunt.sources.database_url import Database
from stillhunt.sources.forwarded import networks
from stillhunt.sources.lake import read_manifest
from stillhunt.sources.litellm_spend_logs import (
    JSON_COLUMNS,
    REQUIRED,
    SPEND_LOGS,
    TABLE,
    select_list,
    start_of,
)
from stillhunt.sources.records import Batch
from stillhunt.sources.source import Parsed

OVERLAP = timedelta(hours=2)
"""Longer than LiteLLM's longest request (6,000 s unless ``request_timeout`` says otherwise) and its write queue."""

FETCH_BYTES = 8 * 1024 * 1024
FETCH_ROWS = 2_000
"""A fetch is sized to take about so many bytes of JSON, and at most so many rows."""
CONNECT_TIMEOUT_S = 10
_PLACE = f"#{TABLE}/"
_ROUNDED = timedelta(seconds=1)
"""How far a time in the lake may lie from the table's, which LiteLLM rounds to milliseconds."""


@dataclass(frozen=True, order=True)
class Cursor:
    """The place of a row: its start and its id."""

    start: datetime
    request_id: str = ""

    def fields(self) -> dict[str, str]:
        """As ``lake.json`` holds it."""
        return {"start_time": self.start.isoformat().replace("+00:00", "Z"), "request_id": self.request_id}


def cursor_from(fields: Mapping[str, Any] | None, location: str) -> Cursor | None:
    """Reads what :meth:`Cursor.fields` wrote. Raises InputError."""
    if fields is None:
        return None
    try:
        start = datetime.fromisoformat(fields["start_time"])
        return Cursor(start.astimezone(UTC), str(fields["request_id"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"expected a cursor with start_time and request_id in lake.json, found {dict(fields)!r}",
            location,
            "Ingest the table into a new lake.",
        ) from error


@dataclass(frozen=True)
class SpendLogs:
    """The table in one database. ``after`` is where the last pull ended, and ``lake`` the lake that has its rows."""

    database: Database
    trusted_proxies: tuple[str, ...] = ()
    after: Cursor | None = None
    lake: Path | None = None
    overlap: timedelta = OVERLAP

    @property
    def kind(self) -> str:
        return SPEND_LOGS.kind

    @property
    def location(self) -> str:
        return self.database.location

    def batches(self, progress: Progress) -> Iterator[Parsed]:
        """Streams the rows after the cursor, less the overlap, through a cursor of the server's. Raises InputError
        when the database or its table cannot be read, or the connection is lost after what was read before."""
        progress.stage(f"reading {TABLE}", None, "rows")
        since = None if self.after is None else Cursor(self.after.start - self.overlap)
        known = (
            set() if since is None or self.lake is None else taken_ids(self.lake, self.location, since.start)
        )
        batch = Batch(SPEND_LOGS, networks(self.trusted_proxies))
        reached = self.after
        with _reporting(self.database), _connected(self.database) as connection:
            now = _server_time(connection)
            for row, record in enumerate(_rows(connection, self.database.schema, since), 1):
                place = Cursor(start_of(record), record["request_id"])
                if place.request_id not in known:
                    self._add(batch, record, place, row)
                ends = min(place, Cursor(now))
                reached = ends if reached is None else max(reached, ends)
                if batch.is_full:
                    yield _taken(batch, reached, progress)
        if reached != self.after or not batch.is_empty:
            yield _taken(batch, reached, progress)

    def _add(self, batch: Batch, record: DictRow, place: Cursor, row: int) -> None:
        reread = self.after is not None and place <= self.after
        for exchange in SPEND_LOGS.unfold(record):
            if not (reread and SPEND_LOGS.passed_over(exchange)):
                batch.add(exchange, _place_of(self.location, place), row)


def taken_ids(lake: Path, location: str, since: datetime) -> set[str]:
    """The ids of the exchanges that the lake holds from ``since`` on, and of the rows of ``location`` from then on
    that it rejected."""
    manifest = read_manifest(lake)
    earliest = since - _ROUNDED
    known: set[str] = set()
    for part in manifest.requests:
        if part.last is None or part.last >= earliest:
            ids = pq.read_table(
                lake / part.path,
                columns=["request_id"],
                filters=[("time", ">=", earliest)],
                partitioning=None,
            )
            known.update(ids["request_id"].drop_null().to_pylist())
    for part in manifest.rejections:
        with (lake / part.path).open(encoding="utf-8") as lines:
            known.update(_rejected_ids(lines, location, since))
    return known


def _rejected_ids(lines: Iterable[str], location: str, since: datetime) -> Iterator[str]:
    for line in lines:
        where, _, place = str(json.loads(line)["file"]).partition(_PLACE)
        start, _, request_id = place.partition("/")
        if where == location and _is_since(start, since):
            yield request_id


def _place_of(location: str, place: Cursor) -> str:
    """How ``rejected.jsonl`` names a row of the table."""
    return f"{location}{_PLACE}{place.fields()['start_time']}/{place.request_id}"


def _is_since(start: str, since: datetime) -> bool:
    try:
        return datetime.fromisoformat(start) >= since
    except ValueError:
        return False


def _taken(batch: Batch, reached: Cursor | None, progress: Progress) -> Parsed:
    parsed = batch.take(None if reached is None else reached.fields())
    progress.advance(parsed.requests.num_rows)
    return replace(parsed, file="", rows=None)  # of accepted rows the id says where they stand


# --- the database ---------------------------------------------------------------------------------------------


@contextmanager
def _connected(database: Database) -> Iterator[psycopg.Connection[DictRow]]:
    with psycopg.connect(
        database.conninfo, row_factory=dict_row, **_defaults(database.conninfo)
    ) as connection:
        connection.read_only = True
        connection.execute("SET TIME ZONE 'UTC'")
        for name in ("json", "jsonb"):
            connection.adapters.register_loader(name, TextLoader)
        yield connection


def _defaults(conninfo: str) -> dict[str, Any]:
    stated = psycopg.conninfo.conninfo_to_dict(conninfo)
    wanted = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "stillhunt"}
    return {name: value for name, value in wanted.items() if name not in stated}


def _server_time(connection: psycopg.Connection[DictRow]) -> datetime:
    row = connection.execute("SELECT now() AS now").fetchone()
    assert row is not None
    now: datetime = row["now"]
    return now.astimezone(UTC)


def _rows(connection: psycopg.Connection[DictRow], schema: str, since: Cursor | None) -> Iterator[DictRow]:
    """The rows from ``since`` on. Memory holds one fetch."""
    table = sql.Identifier(schema, TABLE)
    described = connection.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(table)).description
    present = {column.name for column in described or ()}
    lacking = [name for name in REQUIRED if name not in present]
    if lacking:
        raise InputError(
            f"expected the columns {', '.join(REQUIRED)} in {TABLE}, found no {', '.join(lacking)}",
            "",
            "Name the database of a LiteLLM proxy.",
        )
    query = sql.SQL('SELECT {} FROM {} {} ORDER BY "startTime", request_id').format(
        sql.SQL(select_list(present)),
        table,
        sql.SQL('WHERE "startTime" >= %s' if since else ""),
    )
    with connection.cursor("stillhunt_pull") as cursor:
        cursor.execute(query, [since.start.replace(tzinfo=None)] if since else [])
        count = 64
        while fetched := cursor.fetchmany(count):
            size = 0
            for row in fetched:
                for name in JSON_COLUMNS:
                    size += len(row.get(name) or "")
            for row in fetched:
                yield _opened(row)
            count = max(1, min(FETCH_ROWS, 2 * count, count * FETCH_BYTES // max(size, 1)))


def _opened(row: DictRow) -> DictRow:
    for name in JSON_COLUMNS:
        if isinstance(row.get(name), str):
            row[name] = json.loads(row[name])
    return row


@contextmanager
def _reporting(database: Database) -> Iterator[None]:
    """Turns the driver's errors into ours."""
    try:
        yield
    except InputError as error:
        raise InputError(error.problem, error.where or database.location, error.remedy) from error
    except psycopg.errors.UndefinedTable as error:
        raise InputError(
            f'expected the table "{TABLE}" in the schema {database.schema}, found none',
            database.location,
            "Name the database of LiteLLM's DATABASE_URL; where it has a schema of its own, add ?schema=NAME.",
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise InputError(
            f'no permission to read "{TABLE}" ({_plain(error)})',
            database.location,
            f'Run, as its owner: GRANT SELECT ON {database.schema}."{TABLE}" TO the user that you named.',
        ) from error
    except psycopg.OperationalError as error:
        raise InputError(
            f"the database cannot be reached, or went away ({_plain(error)})",
            database.location,
            "Check host, port, user and password; a password may stand in ~/.pgpass or PGPASSWORD.",
        ) from error
    except psycopg.Error as error:
        raise InputError(f"the database refused to answer ({_plain(error)})", database.location) from error


def _plain(error: psycopg.Error) -> str:
    return " ".join(str(error).split())[:300]
