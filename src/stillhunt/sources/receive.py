"""``ingest --otlp-listen``: what a receiver takes becomes a lake, part by part, until it is stopped.

The lake is there from the beginning, empty, and grows by what arrived in each stretch of time. Only whole parts are
ever visible; a crash loses what was received since the last part was added, and nothing before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa

from stillhunt.engines.duckdb import DuckDB
from stillhunt.engines.output import whole_directory
from stillhunt.schema.coverage import coverage
from stillhunt.schema.progress import Progress
from stillhunt.sketch.keys import KeyRing
from stillhunt.sources.ingest import Destination, Log, ingest
from stillhunt.sources.lake import MANIFEST, Lake, is_lake, manifest_json
from stillhunt.sources.otlp_receiver import OtlpReceiver
from stillhunt.sources.source import IngestReport, Parsed


@dataclass(frozen=True)
class Stretch:
    """What a receiver takes until ``seconds`` after its first row, as a Source."""

    receiver: OtlpReceiver
    seconds: float

    @property
    def kind(self) -> str:
        return self.receiver.kind

    @property
    def location(self) -> str:
        return self.receiver.location

    def batches(self, progress: Progress) -> Iterator[Parsed]:
        """As :meth:`OtlpReceiver.stretch`."""
        return self.receiver.stretch(self.seconds, progress)


@dataclass(frozen=True)
class Listening:
    """How to receive. A part is added to the lake ``publish_s`` seconds after its first row came; ``accounts`` go
    with the first; ``clock`` tells this machine's time."""

    publish_s: float
    clock: Callable[[], datetime]
    accounts: pa.Table | None = None


def start_lake(to: Destination) -> None:
    """Makes the lake, without a row, unless it is one to add to. Raises OutputError where that is not possible."""
    if to.mode == "append" and is_lake(to.out):
        return
    with whole_directory(to.out, overwrite=to.mode == "overwrite") as aside:
        empty = Lake(aside, to.text, coverage=coverage({}, ()))
        (aside / MANIFEST).write_text(manifest_json(empty), encoding="utf-8")


def receive(
    receiver: OtlpReceiver,
    how: Listening,
    to: Destination,
    keys: KeyRing,
    engine: DuckDB,
    progress: Progress,
) -> IngestReport:
    """Adds to the lake of :func:`start_lake` until the receiver is stopped; gives what came of all of it. Raises
    OutputError and SettingError as :func:`ingest` does; the receiver then no longer listens."""
    onto = replace(to, mode="append")
    total = IngestReport(0, 0, 0)
    accounts = how.accounts
    try:
        while not receiver.is_done:
            log = Log((Stretch(receiver, how.publish_s),), accounts)
            total = _sum(total, ingest(log, onto, keys, engine, now=how.clock(), progress=progress))
            accounts = None
    finally:
        receiver.close()
    return total


def _sum(before: IngestReport, more: IngestReport) -> IngestReport:
    return IngestReport(
        before.read + more.read,
        before.written + more.written,
        before.rejected + more.rejected,
        dict((Counter(before.reasons) + Counter(more.reasons)).most_common()),
        before.skipped + more.skipped,
        {name: before.notes.get(name, 0) + more.notes.get(name, 0) for name in (*before.notes, *more.notes)},
        more.coverage,
    )
