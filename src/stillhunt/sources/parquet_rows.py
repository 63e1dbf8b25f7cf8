"""Rows of a Parquet file, row group by row group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stillhunt.errors import InputError
from stillhunt.schema.requests import TEXT_COLUMNS, TIMESTAMP
from stillhunt.sources.byte_stream import unreadable
from stillhunt.sources.columns import MAX_BATCH_ROWS, Found, Matched, Wanted, numbered, require_once

BATCH_BYTES = 16 << 20
"""Uncompressed bytes that a batch is meant to hold, judged by the row group's mean."""

BUFFER_BYTES = 64 << 10
"""What is read ahead of each column; a larger page goes past the buffer. Whole column chunks are never held: a row
group may be larger than memory."""

REPEATED = ("system_prompt",)
REPEATED_BYTES = 8 << 20
"""A column of REPEATED whose chunks are no larger than this is read as a dictionary: its few texts are then checked
and sketched once a batch, not once a row."""


def read_parquet(path: Path, wanted: Wanted, advance: Callable[[int], None]) -> Iterator[Found]:
    """Streams the wanted columns. Raises InputError when the file is none, is damaged, lacks a required column, or
    has one of a type that cannot be converted."""
    with open_parquet(path) as file:
        matched = wanted.match(file.schema_arrow.names)
        wanted.require(matched, str(path))
        require_once(file.schema_arrow.names, str(path))
        repeated = _repeated(file, matched)
    with open_parquet(path, repeated) as file:
        check_types(file.schema_arrow, matched, wanted, str(path))
        notes = matched.notes()
        row, size, told = 1, path.stat().st_size, 0
        for group in range(file.num_row_groups):
            for batch in _group_batches(file, group, matched, path):
                columns = {ours: batch.column(theirs) for ours, theirs in matched.taken.items()}
                yield Found(str(path), columns, numbered(row, batch.num_rows), notes=notes)
                notes = {}
                row += batch.num_rows
                reached = size * (row - 1) // max(file.metadata.num_rows, 1)
                advance(reached - told)
                told = reached


def open_parquet(path: Path, dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
    """Opens a Parquet file; the columns ``dictionaries`` come as such. Raises InputError when it is none or has lost
    its end."""
    try:
        return pq.ParquetFile(
            path, read_dictionary=list(dictionaries), pre_buffer=False, buffer_size=BUFFER_BYTES
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise damaged(path, error) from error
    except OSError as error:
        if error.errno is not None:
            raise unreadable(path, error) from error
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> InputError:
    """The error for a Parquet file that does not read as one."""
    return InputError(
        f"expected a whole Parquet file; it is damaged or was cut off ({error})",
        str(path),
        "Copy it again from its source, or leave it out.",
    )


def check_types(found: pa.Schema, matched: Matched, wanted: Wanted, where: str) -> None:
    """Raises InputError for a column whose type cannot be converted, whatever its values."""
    for ours, theirs in matched.taken.items():
        kind, target = found.field(theirs).type, wanted.schema.field(ours).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if _may_convert(ours, kind, target):
            continue
        expected = "text" if ours in TEXT_COLUMNS else str(target)
        raise InputError(
            f"expected column `{theirs}` to be {expected} or what converts to it, found {kind}",
            where,
            "Write the column in that type, or name another one with --map FILE.",
        )


def _may_convert(name: str, kind: pa.DataType, target: pa.DataType) -> bool:
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if pa.types.is_null(kind) or _is_text_or_bytes(kind):
        fits = True
    elif target == TIMESTAMP:
        fits = is_number or pa.types.is_timestamp(kind) or pa.types.is_date(kind)
    elif name in TEXT_COLUMNS or pa.types.is_fixed_size_binary(target):
        fits = kind == target
    elif name == "finish_reason" and pa.types.is_list(kind):
        fits = _is_text_or_bytes(kind.value_type)
    elif pa.types.is_string(target) or pa.types.is_boolean(target):
        fits = is_number or pa.types.is_boolean(kind)
    else:
        fits = is_number
    return bool(fits)


def _is_text_or_bytes(kind: pa.DataType) -> bool:
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    plain = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    return bool(text or plain)


def _repeated(file: pq.ParquetFile, matched: Matched) -> list[str]:
    """The file's names of columns that are worth reading as a dictionary."""
    names = {matched.taken[ours] for ours in REPEATED if ours in matched.taken}
    found = {name for name in names if _is_text_or_bytes(file.schema_arrow.field(name).type)}
    for group in range(file.num_row_groups):
        metadata = file.metadata.row_group(group)
        for index in range(metadata.num_columns):
            chunk = metadata.column(index)
            if not chunk.has_dictionary_page or chunk.total_uncompressed_size > REPEATED_BYTES:
                found.discard(chunk.path_in_schema)
    return sorted(found)


def _group_batches(
    file: pq.ParquetFile, group: int, matched: Matched, path: Path
) -> Iterator[pa.RecordBatch]:
    metadata = file.metadata.row_group(group)
    names = list(dict.fromkeys(matched.taken.values()))
    size = sum(
        column.total_uncompressed_size
        for column in (metadata.column(index) for index in range(metadata.num_columns))
        if column.path_in_schema.split(".")[0] in names
    )
    per_row = max(size // max(metadata.num_rows, 1), 1)
    rows = min(max(BATCH_BYTES // per_row, 256), MAX_BATCH_ROWS)
    try:
        yield from file.iter_batches(batch_size=rows, row_groups=[group], columns=names, use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise damaged(path, error) from error
