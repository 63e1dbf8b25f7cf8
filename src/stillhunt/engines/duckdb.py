"""The default engine: DuckDB in this process, over Parquet files, with a bound on memory and a folder to spill to."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from stillhunt.engines.closing import Closing
from stillhunt.engines.engine import Kernel, quoted
from stillhunt.engines.scratch import scratch_folder
from stillhunt.errors import OutputError, SettingError, StillhuntError

ROW_GROUP_ROWS = 122_880
"""Rows per row group of the Parquet files that are written: the unit in which DuckDB shares out a scan."""

IDENTITY = """
CREATE MACRO identity_of
    (a) AS (hash(a) >> 1)::BIGINT, (a, b) AS (hash(a, b) >> 1)::BIGINT, (a, b, c) AS (hash(a, b, c) >> 1)::BIGINT
"""

_NO_ROOM = ("No space left on device", "File too large", "Disk quota exceeded", "max_temp_directory_size")
"""How DuckDB's errors tell that a disk is full."""


class DuckDB(Closing):
    """A DuckDB database in memory. Use it in a ``with`` block.

    memory: what queries may take before they spill, such as ``"4GB"``. threads: 0 means every core.
    temp_dir: folder under which spill files are put, in one of their own that goes with the engine; default: the
    system's temporary folder. Raises SettingError when DuckDB refuses a setting, and OutputError when nothing can be
    written to ``temp_dir``.

    Nothing is implicit: a query sees files that it names and tables given to :meth:`register`, never Python's
    variables. Times without a zone are read as UTC.
    """

    name = "duckdb"

    def __init__(self, *, memory: str = "4GB", threads: int = 0, temp_dir: Path | None = None) -> None:
        self._spill = ExitStack()
        spill = self._spill.enter_context(scratch_folder(temp_dir))
        settings: dict[str, str] = {
            "memory_limit": memory,
            "temp_directory": str(spill),
            "python_enable_replacements": "false",
            "autoinstall_known_extensions": "false",
        }
        if threads > 0:
            settings["threads"] = str(threads)
        try:
            self._connection = duckdb.connect(":memory:", config=settings)
        except duckdb.Error as error:
            self._spill.close()
            raise SettingError(
                f"DuckDB refuses a setting ({error})",
                f"memory={memory!r}, threads={threads}",
                'Give memory with its unit, such as "4GB".',
            ) from error
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute(IDENTITY)

    def close(self) -> None:
        """Frees the database and removes its spill files."""
        self._connection.close()
        self._spill.close()

    def query(self, sql: str, /, *, batch_rows: int = 65_536, **params: Any) -> pa.RecordBatchReader:
        """Streams the rows of one SELECT; ``$name`` in the SQL takes ``params["name"]``. The reader must be read
        to its end, or dropped, before the engine is asked anything else."""
        return self._connection.sql(sql, params=params or None).to_arrow_reader(batch_rows)

    def table(self, sql: str, /, **params: Any) -> pa.Table:
        """The whole result of one SELECT."""
        return self.query(sql, **params).read_all()

    def mapped(self, sql: str, kernel: Kernel, schema: pa.Schema, /) -> pa.Table:
        """What ``kernel`` makes of the rows of one SELECT, batch by batch."""
        return pa.Table.from_batches((kernel(batch) for batch in self.query(sql)), schema)

    def make_table(self, name: str, sql: str, /) -> None:
        """Keeps the rows of one SELECT under a name, in place of what bore it."""
        self.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}")

    def make_view(self, name: str, sql: str, /) -> None:
        """Gives one SELECT a name, in place of what bore it."""
        self.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {sql}")

    def parquet(self, paths: Sequence[Path], /) -> str:
        """A FROM item that reads Parquet files of one schema; :func:`parquet`."""
        return parquet(paths)

    def execute(self, sql: str, /, **params: Any) -> None:
        """Runs statements that give no rows, such as ``CREATE TEMP TABLE``."""
        self._connection.execute(sql, params or None)

    def register(self, name: str, rows: pa.Table | pa.RecordBatchReader) -> None:
        """Makes Arrow rows visible to SQL under ``name``, without a copy; a reader can be read once."""
        self._connection.register(name, rows)

    def unregister(self, name: str) -> None:
        """Takes back :meth:`register`."""
        self._connection.unregister(name)

    def copy_to_parquet(
        self, sql: str, path: Path, /, *, row_group_rows: int = ROW_GROUP_ROWS, **params: Any
    ) -> int:
        """Writes the rows of one SELECT to a Parquet file (zstd) as they come; gives their number."""
        statement = (
            f"COPY ({sql}) TO {quoted(str(path))} "
            f"(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {row_group_rows})"
        )
        row = self._connection.execute(statement, params or None).fetchone()
        return 0 if row is None else int(row[0])


def mended(error: BaseException) -> StillhuntError | None:
    """What a person can do about an error of DuckDB's, wherever it came up; None where it is no such trouble."""
    if not isinstance(error, duckdb.Error):
        return None
    text = " ".join(str(error).split())
    if any(sign in text for sign in _NO_ROOM):
        return OutputError(
            f"there is no room for what a query spills ({text})",
            "",
            "Make room, or name another folder with STILLHUNT_TEMP_DIR.",
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return SettingError(
            f"the queries need more memory than they may take ({text})",
            "--memory",
            "Allow more, such as 8GB.",
        )
    return None


def parquet(paths: Sequence[Path], *, positions: bool = False) -> str:
    """A FROM item that reads Parquet files of one schema. With ``positions`` two columns are added: ``filename``
    and ``file_row_number``, which counts from 0. Raises ValueError without a file."""
    if not paths:
        raise ValueError("at least one Parquet file is needed")
    names = ", ".join(quoted(str(path)) for path in paths)
    extra = ", filename = true, file_row_number = true" if positions else ""
    return f"read_parquet([{names}], hive_partitioning = false{extra})"
