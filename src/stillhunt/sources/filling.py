"""What streams into a lake while sources are read: rows, where they stood, sketches, and rejected rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillhunt.schema.requests import SKETCHES, TIMESTAMP
from stillhunt.sketch.columns import ROLES, sketch_requests
from stillhunt.sketch.keys import KeyRing
from stillhunt.sources.columns import numbered
from stillhunt.sources.lake import Lake, Text
from stillhunt.sources.lake_writer import PartWriter, next_number
from stillhunt.sources.rejected import RejectedWriter
from stillhunt.sources.source import Parsed, Rejected

EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
"""A row before this is misdated: no service that logs exchanges with a language model is older."""

ORIGINS = pa.schema([("file", pa.int32()), ("row", pa.int64())])
"""Where each row of ``requests`` stood: a part of ORIGINS beside each part of ``requests``, row by row."""

_SEEN_SLOTS = 1 << 19
"""Places for texts that are remembered, of each role in each of two tables."""

_ROLES = pa.array(sorted(ROLES))
_EMPTY = pa.scalar("")


class Filling:
    """The files of one ingest, under ``aside``. ``onto`` is the lake that they will be added to, if any."""

    def __init__(self, aside: Path, text: Text, onto: Lake | None, rejected: RejectedWriter) -> None:
        self.aside = aside
        self.text: Text = text
        self.rejected = rejected
        schema = Lake(aside, text).schema
        starts = {name: next_number(onto.root / name) if onto else 0 for name in ("requests", "sketches")}
        self.requests = PartWriter(aside / "requests", schema, start=starts["requests"])
        self.sketches = PartWriter(aside / "sketches", SKETCHES, start=starts["sketches"])
        self.origins = PartWriter(aside / "origins", ORIGINS)
        self.notes: Counter[str] = Counter()
        self.files: list[str] = []
        self.key_ids: set[str] = set()
        self.read = 0
        self._seen = _SeenTexts()

    def __enter__(self) -> Filling:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in (self.requests, self.sketches, self.origins):
            if error is None:
                writer.close()
            else:
                writer.abandon()

    def add(self, parsed: Parsed, keys: KeyRing) -> int:
        """Takes a batch that :func:`with_rows` has numbered; gives the number of rows that were accepted."""
        if parsed.file not in self.files[-1:]:
            self.files.append(parsed.file)
        self.read += parsed.requests.num_rows + len(parsed.rejected)
        self.rejected.write(parsed.rejected)
        for note, rows in parsed.notes.items():
            self.notes[note] += rows
        requests, rows_in_file, refused = admitted(parsed)
        self.rejected.write(refused)
        if requests.num_rows == 0:
            return 0
        sketched = sketch_requests(requests, keys, keep_text=self.text == "kept")
        for name in ("sketch_key_id", "old_sketch_key_id"):
            self.key_ids.update(pc.unique(sketched.requests.column(name).drop_null()).to_pylist())
        self.requests.write(sketched.requests)
        self.sketches.write(self._seen.unseen(sketched.texts))
        file = pa.repeat(pa.scalar(len(self.files) - 1, pa.int32()), requests.num_rows)
        self.origins.write(pa.RecordBatch.from_arrays([file, rows_in_file], schema=ORIGINS))
        return int(requests.num_rows)


def admitted(parsed: Parsed) -> tuple[pa.RecordBatch, pa.Int64Array, list[Rejected]]:
    """The rows that a lake may hold, with their numbers, and the others: without a time, before EARLIEST, or
    without an account."""
    time, account = parsed.requests.column("time"), parsed.requests.column("account_id")
    blank = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(account), _EMPTY), True)
    early = pc.fill_null(pc.less(time, pa.scalar(EARLIEST, TIMESTAMP)), False)
    checks = (
        ("time: expected a value, found none", time.is_null(), None),
        (f"time: expected {EARLIEST.year} or later; the clock or the unit is wrong", early, time),
        ("account_id: expected a value, found none", blank, None),
    )
    requests, rows = parsed.requests, numbers_of(parsed)
    bad = np.zeros(requests.num_rows, dtype=bool)
    refused: list[Rejected] = []
    for reason, mask, shown in checks:
        for index in np.flatnonzero(_truth(mask) & ~bad):
            value = "" if shown is None else str(shown[index].as_py())
            refused.append(Rejected(parsed.file, rows[index].as_py(), reason, value))
            bad[index] = True
    if refused:
        sound = pa.array(~bad)
        requests, rows = requests.filter(sound), rows.filter(sound)
    return requests, rows, refused


def numbers_of(parsed: Parsed) -> pa.Int64Array:
    """The batch's row numbers; without them, each row's place in the batch, from 1."""
    return numbered(1, parsed.requests.num_rows) if parsed.rows is None else parsed.rows


def with_rows(parsed: Parsed, location: str, taken: int) -> Parsed:
    """The batch with a file and row numbers: its own, or ``location`` and the place behind ``taken`` rows."""
    rows = numbered(taken + 1, parsed.requests.num_rows) if parsed.rows is None else parsed.rows
    return replace(parsed, file=parsed.file or location, rows=rows)


def _truth(mask: pa.BooleanArray) -> npt.NDArray[np.bool_]:
    return np.asarray(mask.to_numpy(zero_copy_only=False), dtype=bool)


class _SeenTexts:
    """Remembers some of the texts that were met, in bounded memory, so that few are written twice: in one table those
    that came first, in the other the latest that found their place in the first taken. Each role has its own slots:
    the many prompts never crowd out the few system prompts."""

    def __init__(self) -> None:
        self._first = np.zeros(len(_ROLES) * _SEEN_SLOTS, dtype=np.uint64)
        self._latest = np.zeros(len(_ROLES) * _SEEN_SLOTS, dtype=np.uint64)

    def unseen(self, texts: pa.RecordBatch) -> pa.RecordBatch:
        """The rows, schema SKETCHES and distinct, that are not remembered."""
        if texts.num_rows == 0:
            return texts
        ids = texts.column("text_id")
        words = np.frombuffer(ids.buffers()[1], dtype="<u8")[ids.offset : ids.offset + len(ids)]
        roles = np.asarray(pc.index_in(texts.column("role"), _ROLES).to_numpy(), dtype=np.uint64)
        slots = roles * np.uint64(_SEEN_SLOTS) + words % np.uint64(_SEEN_SLOTS)
        others = roles * np.uint64(_SEEN_SLOTS) + (words >> np.uint64(32)) % np.uint64(_SEEN_SLOTS)
        new = (self._first[slots] != words) & (self._latest[others] != words)
        free = self._first[slots] == 0
        self._first[slots[free]] = words[free]
        crowded = new & (self._first[slots] != words)
        self._latest[others[crowded]] = words[crowded]
        return texts if new.all() else texts.filter(pa.array(new))
