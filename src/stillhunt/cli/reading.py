"""What a scan reads, opened behind its engine: a lake, or a table that Spark reads where it lies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from stillhunt.campaigns.log import Log, open_log
from stillhunt.engines.engine import Engine
from stillhunt.engines.spark import Spark
from stillhunt.errors import InputError
from stillhunt.schema.coverage import Coverage, coverage
from stillhunt.schema.requests import LAKE_REQUESTS, REQUIRED_COLUMNS, SKETCHES
from stillhunt.sources.accounts import read_accounts
from stillhunt.sources.comparable import comparable, sketches_of, under_one_key
from stillhunt.sources.lake import Lake
from stillhunt.sources.lake_writer import filled_rows

_TABLE = re.compile(r"([A-Za-z][A-Za-z0-9_.]*):(?!//)(.+)")
_SQL_TYPES: Mapping[str, str] = {
    "string": "VARCHAR",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "float": "REAL",
    "bool": "BOOLEAN",
    "timestamp[us, tz=UTC]": "TIMESTAMPTZ",
}


@dataclass(frozen=True)
class Reading:
    """A log that is open, and what ``run.json`` says of where it came from."""

    log: Log
    seen: Coverage
    digest: str
    inputs: tuple[str, ...]
    rows: Mapping[str, int]


def read_lake(lake: Lake, accounts: Path | None, engine: Engine) -> Reading:
    """Opens a lake. accounts: in place of the lake's own. Raises InputError when it holds no row."""
    if not lake.requests:
        raise InputError(
            "the lake holds no row yet",
            str(lake.root),
            "Add logs with `stillhunt ingest LOGS --out LAKE --append`.",
        )
    people = lake.accounts_file if accounts is None else accounts
    known = filled_rows(list(lake.request_files)) if len(lake.sketch_keys) < 2 else None
    log = open_log(
        engine,
        comparable(lake, engine),
        None if people is None else read_accounts(people),
        sketches_of(lake, engine),
        known,
    )
    seen = coverage(lake.coverage.filled, log.account_columns)
    rows = {"read": lake.read, "written": lake.written, "rejected": lake.rejected}
    return Reading(log, seen, lake.inputs_digest, tuple(part.sha256 for part in lake.parts), rows)


def is_table(name: str) -> bool:
    """Whether a name on the command line is ``FORM:PLACE``, a table for Spark, and no file."""
    return _TABLE.fullmatch(name) is not None and not Path(name).exists()


def read_table(name: str, accounts: Path | None, sketches: str | None, engine: Spark) -> Reading:
    """Opens a table with columns of LAKE_REQUESTS; what it lacks is null, and what it has besides is not read.

    sketches: ``FORM:PLACE`` of a table of schema SKETCHES. Raises InputError where a column has another type, or where
    rows lack what is required.
    """
    item = _canonical(name, LAKE_REQUESTS, REQUIRED_COLUMNS, engine)
    known = engine.table(
        "SELECT count(*) AS all_rows, "
        + ", ".join(f"count({column}) AS {column}" for column in LAKE_REQUESTS.names)
        + f" FROM {item}"
    ).to_pylist()[0]
    rows = known.pop("all_rows")
    for column in REQUIRED_COLUMNS:
        if known[column] < rows:
            raise InputError(
                f"expected {column} in every row; {rows - known[column]:,} of {rows:,} rows have none",
                name,
                "Leave those rows out of the table, or give a view without them.",
            )
    digest = engine.fingerprint(item, LAKE_REQUESTS.names)
    log = open_log(
        engine,
        under_one_key(engine, item, LAKE_REQUESTS.names),
        None if accounts is None else read_accounts(accounts),
        None if sketches is None else _canonical(sketches, SKETCHES, SKETCHES.names, engine),
        known,
    )
    seen = coverage({column: count / rows for column, count in known.items() if count}, log.account_columns)
    return Reading(log, seen, digest, (name,), {"read": rows, "written": rows, "rejected": 0})


def _canonical(name: str, schema: pa.Schema, required: tuple[str, ...] | list[str], engine: Spark) -> str:
    """A FROM item with the columns of a schema, from a table that has some of them."""
    matched = _TABLE.fullmatch(name)
    if matched is None:
        raise InputError(
            "expected FORM:PLACE, such as delta:s3a://bucket/requests", name, "Name the table so."
        )
    source = engine.source(*matched.groups())
    found = engine.schema_of(source)
    columns = []
    for column in schema:
        there = column.name in found.names
        if not there and column.name in required:
            raise InputError(
                f"expected a column {column.name}, found none", name, "Name the table's columns so."
            )
        if there and not _fits(found.field(column.name).type, column.type):
            raise InputError(
                f"expected {column.name} as {column.type}, found {found.field(column.name).type}",
                name,
                "Give a view that casts it.",
            )
        kind = _SQL_TYPES.get(str(column.type), "BLOB")
        columns.append(f"{column.name if there else 'NULL'}::{kind} AS {column.name}")
    return f"(SELECT {', '.join(columns)} FROM {source})"


def _fits(found: pa.DataType, wanted: pa.DataType) -> bool:
    alike = (pa.types.is_integer, pa.types.is_floating, pa.types.is_timestamp, _is_bytes)
    return bool(found == wanted or any(is_kind(found) and is_kind(wanted) for is_kind in alike))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind))
