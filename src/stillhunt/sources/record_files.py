"""Records out of files: JSON lines, JSON documents, CSV and Parquet, plain or compressed with gzip or zstd.

Streams; memory holds one record (at most ``LONGEST_RECORD`` bytes) and a read buffer. What cannot be read is
given as :class:`Unreadable` in its place, and reading goes on behind it where the format allows that.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from stillhunt.sources.byte_stream import ByteStream, ReadableStream
from stillhunt.sources.parquet_rows import damaged, open_parquet

LONGEST_RECORD = 64 * 1024 * 1024
"""Bytes; a longer line is reported and skipped."""
_CHUNK = 1024 * 1024
_PARQUET_ROWS = 1024


@dataclass(frozen=True)
class Unreadable:
    """A place in a file where no record could be read; ``row`` counts from 1. What stands there is not repeated,
    since it may be text."""

    row: int
    reason: str


Item = tuple[int, Mapping[str, Any]] | Unreadable


def read_records(path: Path, advance: Callable[[int], None] = lambda _: None) -> Iterator[Item]:
    """Each record of a file with its row: the line of JSON lines, else the how-manieth record, from 1.

    ``advance`` is told how many bytes of the file were taken. Bytes that are no UTF-8 become U+FFFD, so that a
    client cannot hide a request by the bytes it sends. Raises InputError when the file cannot be opened, or not be
    read any further: behind damage, or where a compressed file was cut off.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] in ([".parquet"], [".pq"]):
        yield from _parquet(path, advance)
        return
    stream = ByteStream(path, advance)
    bytes_ = io.BufferedReader(ReadableStream(stream), _CHUNK)
    yield from _csv(bytes_) if ".csv" in suffixes else _json(bytes_)
    if stream.fault is not None:
        raise stream.fault


# --- JSON -----------------------------------------------------------------------------------------------------


def _json(stream: IO[bytes]) -> Iterator[Item]:
    first = _line(stream)
    while first is not None and not first.strip():
        first = _line(stream)
    if first is None:
        return
    second = _line(stream)
    if _is_value(first) or (second is not None and _is_value(second)):
        yield from _lines(first, second, stream)
    else:
        head = (first + (second or b"")).decode("utf-8-sig", "replace")
        yield from _document(head, io.TextIOWrapper(stream, "utf-8", "replace"))


def _line(stream: IO[bytes]) -> bytes | None:
    """The next line; of one that is too long only the beginning, which no longer parses. None at the end."""
    line = stream.readline(LONGEST_RECORD + 1)
    if len(line) > LONGEST_RECORD and not line.endswith(b"\n"):
        while rest := stream.readline(_CHUNK):
            if rest.endswith(b"\n"):
                break
        return line
    return line or None


def _is_value(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line.decode("utf-8-sig", "replace")), dict | list)
    except (ValueError, RecursionError):
        return False


def _lines(first: bytes | None, second: bytes | None, stream: IO[bytes]) -> Iterator[Item]:
    row = 0
    waiting = [second, first]
    while True:
        line = waiting.pop() if waiting else _line(stream)
        if line is None:
            return
        row += 1
        if len(line) > LONGEST_RECORD:
            yield Unreadable(row, f"expected a line of at most {LONGEST_RECORD} bytes")
        elif line.strip():
            yield from _parsed_line(line, row)


def _parsed_line(line: bytes, row: int) -> Iterator[Item]:
    try:
        value = json.loads(line.decode("utf-8-sig" if row == 1 else "utf-8", "replace"))
    except RecursionError:
        yield Unreadable(row, "expected JSON, got objects nested too deep")
    except ValueError:
        yield Unreadable(row, "expected JSON")
    else:
        yield from _objects(value, row)


def _objects(value: Any, row: int) -> Iterator[Item]:
    for inner in value if isinstance(value, list) else (value,):
        if isinstance(inner, dict):
            yield row, inner
        else:
            yield Unreadable(row, f"expected a JSON object, got {_name(inner)}")


def _document(head: str, stream: io.TextIOWrapper) -> Iterator[Item]:
    """Objects in a list over several lines, or one after another. Behind a fault nothing more can be read."""
    decoder = json.JSONDecoder()
    buffer, at, row, chunk, ended = head, 0, 0, _CHUNK, False
    while True:
        while at < len(buffer) and buffer[at] in " \t\r\n,[]":
            at += 1
        if at < len(buffer):
            try:
                value, end = decoder.raw_decode(buffer, at)
            except RecursionError:
                yield Unreadable(row + 1, "expected JSON, got objects nested too deep")
                return
            except ValueError:
                if ended or len(buffer) - at > LONGEST_RECORD:
                    yield Unreadable(row + 1, "expected JSON")
                    return
            else:
                row, at, chunk = row + 1, end, _CHUNK
                yield from _objects(value, row)
                continue
        elif ended:
            return
        more = stream.read(chunk)
        ended = not more
        buffer, at = buffer[at:] + more, 0
        chunk *= 2  # an object is parsed again with each chunk, so that chunks must grow to stay linear


def _name(value: Any) -> str:
    return {type(None): "null", str: "a string", bool: "true or false", list: "a list"}.get(
        type(value), "a number"
    )


# --- tables ---------------------------------------------------------------------------------------------------


def _csv(stream: IO[bytes]) -> Iterator[Item]:
    csv.field_size_limit(
        LONGEST_RECORD
    )  # the module has no limit of one reader's own; the default is 128 KiB
    reader = csv.reader(io.TextIOWrapper(stream, "utf-8-sig", "replace", newline=""))
    header = next(reader, None)
    row = 0
    while header is not None:
        row += 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Unreadable(row, f"expected CSV ({error})")
            continue
        if len(values) == len(header):
            yield row, dict(zip(header, values, strict=True))
        elif values:
            yield Unreadable(row, f"expected {len(header)} fields, got {len(values)}")


def _parquet(path: Path, advance: Callable[[int], None]) -> Iterator[Item]:
    row, told = 0, 0
    size = path.stat().st_size if path.exists() else 0
    with open_parquet(path) as file:
        batches = file.iter_batches(_PARQUET_ROWS)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise damaged(path, error) from error
            if batch is None:
                break
            for record in batch.to_pylist(maps_as_pydicts="lossy"):
                row += 1
                yield row, record
            reached = size * row // max(file.metadata.num_rows, 1)
            advance(reached - told)
            told = reached
