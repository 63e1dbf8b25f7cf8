"""Rows of a file of JSON objects, one on each line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json as pj

from stillhunt.schema.requests import TEXT_COLUMNS
from stillhunt.sources.byte_stream import ByteStream, line_blocks
from stillhunt.sources.columns import MAX_BATCH_ROWS, Found, Wanted, numbered
from stillhunt.sources.source import Rejected


def read_jsonl(path: Path, wanted: Wanted, advance: Callable[[int], None]) -> Iterator[Found]:
    """Streams the file in blocks of whole lines. Raises InputError when it cannot be read to its end, or when a
    required column is in none of the first block's rows."""
    stream = ByteStream(path, advance)
    line = 1
    known: set[str] = set()
    spelt: set[str] = set()
    for block in line_blocks(stream):
        lines = block.count(b"\n") + (not block.endswith(b"\n"))
        found = _columnar(str(path), block, line, lines, wanted, spelt)
        found = found or _row_by_row(str(path), block, line)
        line += lines
        if not known and len(found.rows):
            wanted.require(wanted.match(found.columns), str(path))
        yield from _pieces(found, wanted, known)
    if stream.fault is not None:
        raise stream.fault


def _pieces(found: Found, wanted: Wanted, known: set[str]) -> Iterator[Found]:
    """The rows in batches, under our names of the columns."""
    matched = wanted.match(found.columns)
    notes = {} if known.issuperset(found.columns) else matched.notes()
    known.update(found.columns)
    count = len(found.rows)
    for start in range(0, max(count, 1), MAX_BATCH_ROWS):
        stop = min(start + MAX_BATCH_ROWS, count)
        columns = {ours: found.columns[theirs][start:stop] for ours, theirs in matched.taken.items()}
        rows = found.rows.slice(start, stop - start)
        first = start == 0
        yield Found(found.file, columns, rows, found.rejected if first else (), notes if first else {})


def _columnar(
    file: str, block: bytes, line: int, lines: int, wanted: Wanted, spelt: set[str]
) -> Found | None:
    """The block's columns, parsed at once; None where anything in it needs to be looked at line by line. ``spelt``
    collects, over blocks, the columns that are to be left as they are spelt."""
    buffer = pa.py_buffer(block)
    try:
        _whole_text(buffer).validate(full=True)
        table = _parsed(buffer, spelt)
        taken = wanted.match(table.column_names).taken
        # The parser makes a time of what looks like one, and forgets whether it named a zone.
        times = {theirs for theirs in taken.values() if pa.types.is_timestamp(table.field(theirs).type)}
        if times:
            spelt |= times
            table = _parsed(buffer, spelt)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    if table.num_rows != lines:  # empty lines, or an object over several lines
        return None
    columns = {name: _one_chunk(table.column(name)) for name in table.column_names}
    for ours, theirs in taken.items():
        text = pa.types.is_string(wanted.schema.field(ours).type)
        if text and _has_lost_its_spelling(ours, columns[theirs].type):
            return None
    return Found(file, columns, numbered(line, table.num_rows))


def _parsed(buffer: pa.Buffer, spelt: set[str]) -> pa.Table:
    return pj.read_json(
        pa.BufferReader(buffer),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(buffer) + 1),
        parse_options=pj.ParseOptions(
            explicit_schema=pa.schema([(name, pa.string()) for name in sorted(spelt)])
        ),
    )


def _whole_text(buffer: pa.Buffer) -> pa.Array:
    offsets = pa.array([0, len(buffer)], pa.int64()).buffers()[1]
    return pa.LargeStringArray.from_buffers(1, offsets, buffer)


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _has_lost_its_spelling(name: str, kind: pa.DataType) -> bool:
    """Whether the parser made a text, or a whole number of many digits, into a value that cannot be written back as
    it was."""
    if name in TEXT_COLUMNS:
        lost = not (pa.types.is_string(kind) or pa.types.is_null(kind))
    else:
        lost = pa.types.is_floating(kind)
    return bool(lost)


def _row_by_row(file: str, block: bytes, line: int) -> Found:
    records: list[dict[str, Any]] = []
    rows: list[int] = []
    rejected: list[Rejected] = []
    for number, text in enumerate(block.split(b"\n"), start=line):
        if not text.strip():
            continue
        record = _record(text)
        if isinstance(record, str):
            rejected.append(Rejected(file, number, record))
        else:
            records.append(record)
            rows.append(number)
    names = dict.fromkeys(name for record in records for name in record)
    columns = {name: [record.get(name) for record in records] for name in names}
    return Found(file, columns, pa.array(rows, pa.int64()), tuple(rejected))


def _record(text: bytes) -> dict[str, Any] | str:
    """The object on a line, or why there is none."""
    try:
        value = json.loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return "expected valid UTF-8"
    except (ValueError, RecursionError):
        return "expected one JSON object on the line"
    if not isinstance(value, dict):
        return "expected one JSON object on the line"
    return value
