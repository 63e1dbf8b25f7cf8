"""Somebody else's log as rows of ``requests``: one table of fields per kind of log.

A log of nested records (JSON objects, rows of a database, OpenTelemetry spans) is described by a
:class:`RecordMapping`: which records are exchanges, and for each column where its value may stand and how it is
converted. A record that cannot be used becomes a :class:`Rejected` with the reason; one that is no exchange at all
(an embedding, a health check, a span of something else) is counted as passed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from stillhunt.errors import InputError
from stillhunt.schema.progress import Progress
from stillhunt.schema.requests import REQUESTS, TEXT_COLUMNS
from stillhunt.sources.convert import UnusableError
from stillhunt.sources.forwarded import Network, client_address, networks
from stillhunt.sources.messages import unpacked
from stillhunt.sources.record_files import Unreadable, read_records
from stillhunt.sources.source import Parsed, Rejected

Record = Mapping[str, Any]
RecordPath = tuple[str, ...]
"""Keys from the outside in. A whole number as text picks an element of a list; a JSON string on the way is
opened."""
Convert = Callable[[Any], Any]

BATCH_ROWS = 8_192
BATCH_BYTES = 32 * 1024 * 1024
"""A batch is closed at so many rows, or at about so many bytes of text."""
EXCERPT_CHARS = 80


@dataclass(frozen=True)
class Field:
    """Where a column's value stands. ``paths`` are alternatives: the first that holds a value that is neither
    null nor empty, and that ``convert`` does not turn into None, counts. ``named`` is what messages call the
    place; by default the paths."""

    column: str
    paths: tuple[RecordPath, ...]
    convert: Convert
    named: str = ""


@dataclass(frozen=True)
class AddressPaths:
    """Where a record names the address of its peer, and the forwarded headers that came with the request."""

    peer: tuple[RecordPath, ...] = ()
    forwarded_for: tuple[RecordPath, ...] = ()
    forwarded: tuple[RecordPath, ...] = ()


def no_exception(_: Record) -> str | None:
    """Takes every record for an exchange."""
    return None


def as_it_is(record: Record) -> Iterable[Record]:
    """One record, one exchange."""
    return (record,)


@dataclass(frozen=True)
class RecordMapping:
    """A kind of log.

    kind: its name in ``lake.json`` and in messages.
    fields: the mapping table; ``account_id`` and ``time`` must be among them.
    address: how ``client_ip`` is found.
    unfold: one record of the file into the records that may be exchanges.
    passed_over: why a record is no exchange, in a few words, or None if it is one.
    looks_like: whether the first records of a file are of this kind.
    """

    kind: str
    fields: tuple[Field, ...]
    looks_like: Callable[[Sequence[Record]], bool]
    address: AddressPaths = AddressPaths()
    unfold: Callable[[Record], Iterable[Record]] = as_it_is
    passed_over: Callable[[Record], str | None] = no_exception

    def __post_init__(self) -> None:
        unknown = {each.column for each in self.fields} - set(REQUESTS.names)
        if unknown:
            raise ValueError(f"no columns of requests: {sorted(unknown)}")

    @property
    def columns(self) -> frozenset[str]:
        """The columns of ``requests`` that can be filled."""
        found = {each.column for each in self.fields}
        return frozenset(found | ({"client_ip"} if self.address != AddressPaths() else set()))


def at(*dotted: str) -> tuple[RecordPath, ...]:
    """Alternatives whose keys are separated by dots: ``at("metadata.user", "user")``."""
    return tuple(tuple(path.split(".")) for path in dotted)


def key(*names: str) -> tuple[RecordPath, ...]:
    """Alternatives that are single keys, dots and all: ``key("gen_ai.request.model")``."""
    return tuple((name,) for name in names)


def lookup(record: Any, path: RecordPath) -> Any:
    """The value at a path, or None if there is none."""
    value = record
    for name in path:
        if isinstance(value, str):
            value = unpacked(value)
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list | tuple) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def first_value(record: Record, paths: Iterable[RecordPath]) -> Any:
    """The first value that is neither null nor empty."""
    for path in paths:
        value = lookup(record, path)
        if not _is_empty(value):
            return value
    return None


# --- rows -----------------------------------------------------------------------------------------------------


class Batch:
    """Rows that wait to become a RecordBatch of REQUESTS."""

    def __init__(self, mapping: RecordMapping, trusted: Sequence[Network] = ()) -> None:
        self.mapping = mapping
        self._trusted = trusted
        self._rows: list[dict[str, Any]] = []
        self._places: list[tuple[str, int]] = []
        self._rejected: list[Rejected] = []
        self._passed_over: Counter[str] = Counter()
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether it is time to :meth:`take`."""
        return (
            len(self._rows) >= BATCH_ROWS or len(self._rejected) >= BATCH_ROWS or self._bytes >= BATCH_BYTES
        )

    @property
    def is_empty(self) -> bool:
        return not (self._rows or self._rejected or self._passed_over)

    def add(self, record: Record, file: str, row: int) -> None:
        """One record of the log: a row, a rejection, or passed over."""
        reason = self.mapping.passed_over(record)
        if reason is not None:
            self.pass_over(reason)
            return
        values = row_of(record, self.mapping, self._trusted)
        if isinstance(values, Rejected):
            self.reject(replace(values, file=file, row=row))
            return
        self._rows.append(values)
        self._places.append((file, row))
        self._bytes += sum(len(values.get(name) or "") for name in TEXT_COLUMNS)

    def pass_over(self, reason: str) -> None:
        """A record that is no exchange."""
        self._passed_over[reason] += 1

    def reject(self, rejected: Rejected) -> None:
        """A record that could not even be read."""
        self._rejected.append(rejected)

    def take(self, cursor: Mapping[str, Any] | None = None) -> Parsed:
        """What has come so far; the batch is empty afterwards."""
        files = {file for file, _ in self._places}
        rows = pa.array([row for _, row in self._places], pa.int64()) if len(files) == 1 else None
        parsed = Parsed(
            requests_batch(self._rows),
            tuple(self._rejected),
            cursor,
            file=files.pop() if len(files) == 1 else "",
            rows=rows,
            notes={f"passed over: {reason}": count for reason, count in self._passed_over.items()},
        )
        self._rows, self._places, self._rejected, self._bytes = [], [], [], 0
        self._passed_over = Counter()
        return parsed


def row_of(
    record: Record, mapping: RecordMapping, trusted: Sequence[Network] = ()
) -> dict[str, Any] | Rejected:
    """The canonical values of one exchange by column, or why it cannot be used (``file`` and ``row`` unset)."""
    values: dict[str, Any] = {}
    for each in mapping.fields:
        if each.column in values:
            continue
        for path in each.paths:
            found = lookup(record, path)
            if _is_empty(found):
                continue
            try:
                value = each.convert(found)
            except UnusableError as error:
                return _rejection(f"{each.column}: expected {error.expected}", each.column, found)
            if value is not None:
                values[each.column] = value
                break
    for column in ("time", "account_id"):
        if column not in values:
            return Rejected("", 0, f"{column}: expected a value in {_places(mapping, column)}, got none")
    if "client_ip" not in values:
        values["client_ip"] = _client_ip(record, mapping.address, trusted)
    return values


def requests_batch(rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """A RecordBatch of REQUESTS from canonical values; times are whole microseconds since 1970."""
    columns = []
    for column in REQUESTS:
        values = [row.get(column.name) for row in rows]
        try:
            columns.append(pa.array(values, column.type))
        except UnicodeEncodeError:  # half of a surrogate pair, which JSON may spell and UTF-8 cannot
            clean = [
                value and value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
                for value in values
            ]
            columns.append(pa.array(clean, column.type))
    return pa.RecordBatch.from_arrays(columns, schema=REQUESTS)


def _places(mapping: RecordMapping, column: str) -> str:
    fields = [each for each in mapping.fields if each.column == column]
    return " or ".join(each.named or " or ".join(".".join(path) for path in each.paths) for each in fields)


def _client_ip(record: Record, address: AddressPaths, trusted: Sequence[Network]) -> str | None:
    peer, forwarded_for, forwarded = (
        _text_of(first_value(record, paths))
        for paths in (address.peer, address.forwarded_for, address.forwarded)
    )
    return client_address(peer, forwarded_for, forwarded, trusted)


def _text_of(value: Any) -> str | None:
    if isinstance(value, list):
        value = ",".join(item for item in value if isinstance(item, str))
    return value if isinstance(value, str) and value else None


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | tuple | dict) and not value)


def _rejection(reason: str, column: str, found: Any) -> Rejected:
    if column in TEXT_COLUMNS:
        return Rejected("", 0, reason)
    excerpt = f"{type(found).__name__} of {len(found)}" if isinstance(found, list | dict) else str(found)
    return Rejected("", 0, reason, excerpt[:EXCERPT_CHARS])


# --- files ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RecordLog:
    """A family of files of one kind, as a Source."""

    mapping: RecordMapping
    paths: tuple[Path, ...]
    location: str
    trusted_proxies: tuple[str, ...] = ()
    trusted: tuple[Network, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "trusted", networks(self.trusted_proxies))

    @property
    def kind(self) -> str:
        return self.mapping.kind

    def batches(self, progress: Progress) -> Iterator[Parsed]:
        """Streams the files in the order given. Raises InputError when a file cannot be opened, or not be read to
        its end, after what was read before."""
        batch = Batch(self.mapping, self.trusted)
        for path in self.paths:
            for _ in fill(batch, path, self.mapping, progress):
                yield batch.take()
            if not batch.is_empty:
                yield batch.take()


def fill(batch: Batch, path: Path, mapping: RecordMapping, progress: Progress) -> Iterator[None]:
    """Puts the records of a file into a batch; comes back whenever the batch is to be taken."""
    try:
        for item in read_records(path, progress.advance):
            if isinstance(item, Unreadable):
                batch.reject(Rejected(str(path), item.row, item.reason))
            else:
                row, record = item
                for exchange in mapping.unfold(record):
                    batch.add(exchange, str(path), row)
                    if batch.is_full:
                        yield
            if batch.is_full:
                yield
    except InputError:
        if not batch.is_empty:
            yield
        raise
