"""What every kind of log looks like to the rest: batches of canonical rows, and the rows that could not be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

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
    """Some rows of a log. ``requests`` has the schema REQUESTS, in any order of time. ``cursor`` is where an
    incremental source goes on after these rows. ``passed_over`` counts, by reason, records that are in order but
    are no exchange, such as embeddings."""

    requests: pa.RecordBatch
    rejected: tuple[Rejected, ...] = ()
    cursor: Mapping[str, Any] | None = None
    passed_over: Mapping[str, int] = field(default_factory=dict)


class Source(Protocol):
    """One log, or one family of files of one kind."""

    @property
    def kind(self) -> str:
        """Name of the mapping, such as ``canonical_parquet`` or ``litellm_jsonl``."""

    @property
    def location(self) -> str:
        """Where it is, for people; never with a password in it."""

    def batches(self, progress: Progress) -> Iterator[Parsed]:
        """Streams the log in batches small enough that memory stays flat. Raises InputError when the log as a
        whole cannot be used."""


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did."""

    read: int
    written: int
    rejected: int
    reasons: Mapping[str, int] = field(default_factory=dict)
    """How many rows were rejected for each reason."""
