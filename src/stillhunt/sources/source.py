"""What every kind of log looks like to the rest: batches of canonical rows, and the rows that could not be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from stillhunt.schema.coverage import Coverage
from stillhunt.schema.progress import Progress


@dataclass(frozen=True)
class Rejected:
    """A row that could not be used. ``row`` counts from 1 within ``file``; ``value`` is a short excerpt of the
    offending field, never of a text column."""

    file: str
    row: int
    reason: str
    value: str = ""


@dataclass(frozen=True)
class Parsed:
    """Some rows of a log. ``requests`` has the schema REQUESTS, in any order of time; a text column may be a dictionary
    of the column's type. ``cursor`` is where an
    incremental source goes on after these rows.

    ``file`` and ``rows`` (int64, one number per row of ``requests``, from 1) say where the rows stand, so that a
    row which only turns out to be unusable later, such as a duplicate, can be named; without them its position
    among the source's accepted rows is given. ``notes`` holds what a reader should know, such as a column that
    was ignored, with the number of rows it concerns, or 0 where a number says nothing.
    """

    requests: pa.RecordBatch
    rejected: tuple[Rejected, ...] = ()
    cursor: Mapping[str, Any] | None = None
    file: str = ""
    rows: pa.Int64Array | None = None
    notes: Mapping[str, int] = field(default_factory=dict)


class Source(Protocol):
    """One log, or one family of files of one kind."""

    @property
    def kind(self) -> str:
        """Name of the mapping, such as ``canonical_parquet`` or ``litellm_jsonl``."""

    @property
    def location(self) -> str:
        """Where it is, for people; never with a password in it."""

    def batches(self, progress: Progress) -> Iterator[Parsed]:
        """Streams the log in batches small enough that memory stays flat: at most 65,536 rows and about 32 MB.

        A source of files advances ``progress`` by the bytes of the file that it has read; the caller has opened
        the stage. Any other source opens a stage of its own. Raises InputError when the log as a whole cannot be
        used, or from some place on; batches given before stay valid.
        """


@dataclass(frozen=True)
class Skipped:
    """A file, or the rest of one, that could not be read. ``rows`` were taken from it before it failed."""

    file: str
    reason: str
    rows: int = 0


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did."""

    read: int
    written: int
    rejected: int
    reasons: Mapping[str, int] = field(default_factory=dict)
    """How many rows were rejected for each reason."""
    skipped: tuple[Skipped, ...] = ()
    notes: Mapping[str, int] = field(default_factory=dict)
    """What a reader should know, with the number of rows that it concerns, or 0."""
    coverage: Coverage | None = None

    @property
    def partial(self) -> bool:
        """Whether any input was left out: exit status 3."""
        return self.rejected > 0 or bool(self.skipped)
