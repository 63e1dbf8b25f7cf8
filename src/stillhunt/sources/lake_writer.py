"""The part files of a lake, written in order and in row groups of even size."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from stillhunt.engines.duckdb import ROW_GROUP_ROWS
from stillhunt.schema.requests import TEXT_COLUMNS
from stillhunt.sources.lake import Part, file_sha256

PART_ROWS = 8 * ROW_GROUP_ROWS
"""Rows of a part file, at most."""

GROUP_BYTES = 64 << 20
"""A row group is written when its rows take this much in memory, if they are not ROW_GROUP_ROWS before."""

_FEW_VALUES = (
    "account_id",
    "org_id",
    "api_key_id",
    "session_id",
    "channel",
    "model",
    "temperature",
    "stream",
    "reasoning",
    "tools",
    "status",
    "finish_reason",
    "max_tokens",
    "client_ip",
    "asn",
    "country",
    "user_agent",
    "tls_fingerprint",
    "device_id",
    "reasoning_signature",
    "system_sketch",
    "capability",
    "sketch_key_id",
    "old_system_sketch",
    "old_sketch_key_id",
    "role",
    "file",
    *TEXT_COLUMNS,
)
"""Columns whose values repeat, so that a dictionary pays."""


class PartWriter:
    """Writes rows of one schema to ``folder/part-<number>.parquet``, numbered from ``start``. Memory holds one
    row group."""

    def __init__(self, folder: Path, schema: pa.Schema, *, start: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.schema = schema
        self._number = start
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self._waiting_bytes = 0
        self._writer: pq.ParquetWriter | None = None
        self._part_rows = 0
        self.paths: list[Path] = []

    def write(self, rows: pa.RecordBatch) -> None:
        """Adds rows of the writer's schema."""
        self._waiting.append(rows)
        self._waiting_rows += rows.num_rows
        self._waiting_bytes += rows.nbytes
        if self._waiting_rows >= ROW_GROUP_ROWS or self._waiting_bytes >= GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """Writes what is waiting; :attr:`paths` are then whole."""
        self._flush()
        self._end_part()

    def forget(self, paths: Collection[Path]) -> None:
        """Takes parts that are gone off :attr:`paths`."""
        self.paths = [path for path in self.paths if path not in paths]

    def abandon(self) -> None:
        """Closes the file that is open, after a failure."""
        self._waiting.clear()
        self._end_part()

    def _flush(self) -> None:
        if self._waiting_rows == 0:
            self._waiting.clear()
            return
        table = pa.Table.from_batches(self._waiting, self.schema)
        self._waiting, self._waiting_rows, self._waiting_bytes = [], 0, 0
        start = 0
        while start < table.num_rows:
            if self._writer is None:
                path = self._folder / f"part-{self._number:06d}.parquet"
                self._writer = open_writer(path, self.schema)
                self.paths.append(path)
                self._number += 1
            rows = min(ROW_GROUP_ROWS, table.num_rows - start, PART_ROWS - self._part_rows)
            self._writer.write_table(table.slice(start, rows), row_group_size=rows)
            start += rows
            self._part_rows += rows
            if self._part_rows >= PART_ROWS:
                self._end_part()

    def _end_part(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer, self._part_rows = None, 0


def open_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A Parquet writer with the encodings that suit a lake's columns."""
    compression = {name: "none" if name in ("sketch", "text_id") else "zstd" for name in schema.names}
    return pq.ParquetWriter(
        path,
        schema,
        compression=compression,
        compression_level={name: 1 for name, codec in compression.items() if codec == "zstd"},
        use_dictionary=[name for name in schema.names if name in _FEW_VALUES] or False,
        column_encoding={name: "DELTA_BINARY_PACKED" for name in ("time", "row") if name in schema.names},
        store_schema=True,
    )


def drop_rows(path: Path, schema: pa.Schema, positions: npt.NDArray[np.int64]) -> int:
    """Rewrites a part without the rows at ``positions`` (from 0); gives the number of rows that are left. An
    emptied part is removed."""
    aside = path.with_suffix(".dropping")
    left = 0
    with pq.ParquetFile(path) as source, open_writer(aside, schema) as writer:
        start = 0
        for group in range(source.num_row_groups):
            rows = source.read_row_group(group)
            keep = np.ones(rows.num_rows, dtype=bool)
            inside = positions[(positions >= start) & (positions < start + rows.num_rows)]
            keep[inside - start] = False
            start += rows.num_rows
            kept = rows.filter(pa.array(keep))
            if kept.num_rows:
                writer.write_table(kept)
            left += kept.num_rows
    if left:
        aside.replace(path)
    else:
        aside.unlink()
        path.unlink()
    return left


def describe_part(path: Path, root: Path) -> Part:
    """A part's line in ``lake.json``, from its footer and its bytes."""
    metadata = pq.read_metadata(path)
    first, last = times_of(path) if "time" in metadata.schema.names else (None, None)
    return Part(path.relative_to(root).as_posix(), metadata.num_rows, file_sha256(path), first, last)


def times_of(path: Path) -> tuple[datetime, datetime]:
    """The earliest and the latest time in a part of ``requests``, from its footer."""
    metadata = pq.read_metadata(path)
    index = metadata.schema.names.index("time")
    groups = [metadata.row_group(group).column(index).statistics for group in range(metadata.num_row_groups)]
    return min(each.min for each in groups), max(each.max for each in groups)


def filled_rows(paths: list[Path]) -> dict[str, int]:
    """How many rows of the parts hold a value, per column, from the footers alone."""
    filled: dict[str, int] = {}
    for path in paths:
        metadata = pq.read_metadata(path)
        names = metadata.schema.to_arrow_schema().names
        for group in range(metadata.num_row_groups):
            row_group = metadata.row_group(group)
            for index, name in enumerate(names):
                nulls = row_group.column(index).statistics.null_count
                filled[name] = filled.get(name, 0) + row_group.num_rows - nulls
    return filled


def next_number(folder: Path) -> int:
    """The first part number that no file in the folder bears, named by ``lake.json`` or not."""
    found = (re.fullmatch(r"part-(\d+)\.parquet", path.name) for path in folder.glob("part-*.parquet"))
    return max((int(match.group(1)) + 1 for match in found if match), default=0)
