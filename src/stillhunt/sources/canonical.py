"""Logs that already speak our columns, in Parquet, JSON lines or CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from stillhunt.schema.progress import Progress
from stillhunt.schema.requests import REQUESTS, SKETCH_COLUMNS
from stillhunt.sources.coerce import Coerced, coerce, coerce_values
from stillhunt.sources.columns import REQUESTS_WANTED, Found, Wanted
from stillhunt.sources.source import Parsed, Rejected

Read = Callable[[Path, Wanted, Callable[[int], None]], Iterator[Found]]
"""Streams a file's rows: ``(path, wanted, advance) -> rows as found``."""


@dataclass(frozen=True)
class CanonicalLog:
    """One file whose columns are named as the contract says. ``read`` knows its format."""

    kind: str
    path: Path
    read: Read

    @property
    def location(self) -> str:
        return str(self.path)

    def batches(self, progress: Progress) -> Iterator[Parsed]:
        """Streams the file. Raises InputError when it lacks a required column or cannot be read to its end."""
        for found in self.read(self.path, REQUESTS_WANTED, progress.advance):
            yield parsed(found)


def parsed(found: Found) -> Parsed:
    """Converts found rows; those at fault are left out and named. The schema is REQUESTS, with the sketch columns
    behind it where the file carries any; a text column may be a dictionary."""
    with_sketches = any(name in found.columns for name in SKETCH_COLUMNS)
    schema = REQUESTS_WANTED.schema if with_sketches else REQUESTS
    count = len(found.rows)
    notes = dict(found.notes)
    arrays: dict[str, pa.Array] = {}
    rejected = list(found.rejected)
    sound = np.ones(count, dtype=bool)
    for column in schema:
        values = found.columns.get(column.name)
        if values is None:
            arrays[column.name] = pa.nulls(count, column.type)
            continue
        made = converted(column, values)
        arrays[column.name] = made.values
        for note, rows in made.notes.items():
            notes[note] = notes.get(note, 0) + rows
        for fault in made.faults:
            if sound[fault.index]:
                row = found.rows[fault.index].as_py()
                rejected.append(Rejected(found.file, row, fault.reason, fault.value))
                sound[fault.index] = False
    requests = pa.RecordBatch.from_pydict(arrays)
    rows = found.rows
    if not sound.all():
        requests, rows = requests.filter(pa.array(sound)), rows.filter(pa.array(sound))
    return Parsed(requests, tuple(rejected), file=found.file, rows=rows, notes=notes)


def converted(column: pa.Field, values: pa.Array | Sequence[object]) -> Coerced:
    """A found column in the type of ``column``."""
    if isinstance(values, pa.Array):
        return coerce(column.name, values, column.type)
    return coerce_values(column.name, values, column.type)
