"""What a scan asks of an engine, so that its stages need not know which one runs their queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

Kernel = Callable[[pa.RecordBatch], pa.RecordBatch]
"""A function on rows that needs no other rows; it must be picklable, as it may run in other processes."""


class Engine(Protocol):
    """Runs queries in DuckDB's dialect over Parquet files and registered tables.

    Besides what the dialect has, SQL may use ``identity_of(a, ...)``, a number in [0, 2^63) that tells values apart as
    DuckDB's ``hash`` does: equal on every engine, but not for ever. Results have the same rows on every engine, and
    the same order where the query asks for one.
    """

    @property
    def name(self) -> str:
        """What ``--engine`` calls it."""
        ...

    def query(self, sql: str, /) -> pa.RecordBatchReader:
        """Streams the rows of one SELECT."""
        ...

    def table(self, sql: str, /) -> pa.Table:
        """The whole result of one SELECT."""
        ...

    def mapped(self, sql: str, kernel: Kernel, schema: pa.Schema, /) -> pa.Table:
        """What ``kernel`` makes of the rows of one SELECT, batch by batch; ``schema`` is of what it makes. Batches
        come in any size and order."""
        ...

    def make_table(self, name: str, sql: str, /) -> None:
        """Keeps the rows of one SELECT under a name, in place of what bore it."""
        ...

    def make_view(self, name: str, sql: str, /) -> None:
        """Gives one SELECT a name, in place of what bore it; it is run whenever the name is used."""
        ...

    def register(self, name: str, rows: pa.Table, /) -> None:
        """Makes Arrow rows visible to SQL under ``name``."""
        ...

    def unregister(self, name: str, /) -> None:
        """Takes back :meth:`register`."""
        ...

    def parquet(self, paths: Sequence[Path], /) -> str:
        """A FROM item that reads Parquet files of one schema. Raises ValueError without a file."""
        ...


def quoted(text: str) -> str:
    """``text`` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
