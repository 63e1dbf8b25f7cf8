"""Rows of a CSV file."""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pcsv

from stillhunt.errors import InputError
from stillhunt.sources.byte_stream import ByteStream, ReadableStream
from stillhunt.sources.columns import MAX_BATCH_ROWS, Found, Wanted, require_once
from stillhunt.sources.source import Rejected

BLOCK_SIZES = (16 << 20, 256 << 20, (2 << 30) - 1)
"""Sizes of the parser's block, in bytes; the next is tried where a record is longer than one."""

_TOO_LONG = "straddling object"
_LONGEST_HEADER = 1 << 20


def read_csv(path: Path, wanted: Wanted, advance: Callable[[int], None]) -> Iterator[Found]:
    """Streams the file, every value as text. Rows are counted without the header and without empty lines. Raises
    InputError when the file has no header, lacks a required column, or cannot be read to its end."""
    names, delimiter = read_header(path)
    matched = wanted.match(names)
    wanted.require(matched, str(path))
    require_once(names, str(path))
    notes = matched.notes()
    passed = _Passed()
    for block_bytes in BLOCK_SIZES:
        stream = ByteStream(path, passed.advance_by(advance))
        for found in _read(stream, names, delimiter, block_bytes, passed):
            columns = {ours: found.columns[theirs] for ours, theirs in matched.taken.items()}
            yield replace(found, columns=columns, notes=notes)
            notes = {}
        if stream.fault is not None:
            raise stream.fault
        if not passed.record_too_long:
            return
    raise InputError(
        f"a record is longer than {BLOCK_SIZES[-1] >> 20} MB",
        str(path),
        f"It follows row {passed.rows}. Check that every quotation mark there is closed.",
    )


@dataclass
class _Passed:
    """How far a file has been read, over all block sizes: rows given or rejected, and bytes told."""

    rows: int = 0
    told: int = 0
    record_too_long: bool = False

    def advance_by(self, tell: Callable[[int], None]) -> Callable[[int], None]:
        """A listener that passes on no byte twice."""
        at = 0

        def advance(amount: int) -> None:
            nonlocal at
            at += amount
            if at > self.told:
                tell(at - self.told)
                self.told = at

        return advance


def _read(
    stream: ByteStream, names: list[str], delimiter: str, block_bytes: int, passed: _Passed
) -> Iterator[Found]:
    """The rows behind ``passed``, all columns as text. Ends early, and says so in ``passed``, at a record that is
    longer than a block."""
    file = str(stream.path)
    bad: deque[tuple[int, str]] = deque()

    def set_aside(row: pcsv.InvalidRow) -> str:
        number = row.number - 1  # the parser counts the header
        if number > passed.rows:
            bad.append((number, f"expected {row.expected_columns} fields, found {row.actual_columns}"))
        return "skip"

    passed.record_too_long = False
    skip, row = passed.rows, 1
    try:
        for batch in _open(stream, names, delimiter, block_bytes, set_aside):
            rows = _row_numbers(row, batch.num_rows, [number for number, _ in bad])
            row = int(rows[-1]) + 1 if len(rows) else row
            kept = rows > skip
            passed.rows = max(passed.rows, row - 1)
            rejected = _taken(bad, row, file)
            batch = batch.filter(pa.array(kept))
            for start in range(0, max(batch.num_rows, 1), MAX_BATCH_ROWS):
                piece = batch.slice(start, MAX_BATCH_ROWS)
                columns = dict(zip(piece.schema.names, piece.columns, strict=True))
                numbers = pa.array(rows[kept][start : start + MAX_BATCH_ROWS])
                yield Found(file, columns, numbers, rejected if start == 0 else ())
    except pa.ArrowInvalid as error:
        if _TOO_LONG not in str(error):
            raise InputError(f"expected CSV ({error})", file, "Mend the file, or leave it out.") from error
        passed.record_too_long = True
    if bad and not passed.record_too_long:
        last = bad[-1][0]
        passed.rows = last
        empty = {name: pa.nulls(0, pa.string()) for name in names}
        yield Found(file, empty, pa.array([], pa.int64()), _taken(bad, last + 1, file))


def _taken(bad: deque[tuple[int, str]], before: int, file: str) -> tuple[Rejected, ...]:
    taken = []
    while bad and bad[0][0] < before:
        number, reason = bad.popleft()
        taken.append(Rejected(file, number, reason))
    return tuple(taken)


def _row_numbers(first: int, count: int, bad: list[int]) -> npt.NDArray[np.int64]:
    """Numbers of the next ``count`` good rows, where the rows ``bad`` come between them."""
    numbers = np.arange(first, first + count + len(bad), dtype=np.int64)
    return numbers[~np.isin(numbers, bad)][:count]


def _open(
    stream: ByteStream,
    names: list[str],
    delimiter: str,
    block_bytes: int,
    set_aside: Callable[[pcsv.InvalidRow], str],
) -> Iterator[pa.RecordBatch]:
    return pcsv.open_csv(  # type: ignore[no-any-return]
        pa.PythonFile(io.BufferedReader(ReadableStream(stream), 1 << 20), mode="r"),
        read_options=pcsv.ReadOptions(use_threads=False, block_size=block_bytes),
        parse_options=pcsv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True, invalid_row_handler=set_aside
        ),
        convert_options=pcsv.ConvertOptions(
            check_utf8=False,  # every value is checked where it is converted, so that one row fails, not the file
            column_types={name: pa.string() for name in names},
            null_values=[""],
            strings_can_be_null=True,
        ),
    )


def read_header(path: Path) -> tuple[list[str], str]:
    """The columns of a CSV file, and its delimiter: the one of comma, semicolon and tab that its first line holds
    most often. Raises InputError when the header cannot be read."""
    head = b""
    stream = ByteStream(path)
    for chunk in stream:
        head += chunk
        if b"\n" in head or len(head) > _LONGEST_HEADER:
            break
    if not head and stream.fault is not None:
        raise stream.fault
    try:
        text = head.decode("utf-8-sig", "strict" if b"\n" not in head else "replace")
    except UnicodeDecodeError as error:
        raise _no_header(path) from error
    line = text.split("\n", 1)[0].rstrip("\r")
    delimiter = max(",;\t", key=line.count)
    names = next(csv.reader(io.StringIO(line), delimiter=delimiter), [])
    if not names or "\0" in line or "\ufffd" in line:
        raise _no_header(path)
    return names, delimiter


def _no_header(path: Path) -> InputError:
    return InputError(
        "expected CSV with a header of column names in its first line, in UTF-8",
        str(path),
        "Add the header, or name the kind of log with --kind.",
    )
