"""``ingest``: logs in, lake out. Nothing is visible before everything is whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

import pyarrow as pa

from stillhunt.engines.duckdb import DuckDB
from stillhunt.engines.output import directory_aside, whole_directory
from stillhunt.errors import InputError, OutputError, SettingError
from stillhunt.schema.progress import Progress
from stillhunt.sketch.keys import KeyRing
from stillhunt.sources.filling import Filling, with_rows
from stillhunt.sources.lake import Lake, TakenFrom, Text, is_lake, open_lake
from stillhunt.sources.publish import described, publish, rejected_name
from stillhunt.sources.rejected import RejectedWriter
from stillhunt.sources.source import IngestReport, Skipped, Source
from stillhunt.sources.withdraw import withdraw


@dataclass(frozen=True)
class Log:
    """What is to be ingested. ``bytes`` is the size of the sources' files, where they are files; ``skipped`` and
    ``notes`` come from opening them."""

    sources: tuple[Source, ...]
    accounts: pa.Table | None = None
    bytes: int | None = None
    skipped: tuple[Skipped, ...] = ()
    notes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Destination:
    """The lake to write. ``mode`` says what happens where one is: ``new`` refuses, ``overwrite`` replaces it,
    ``append`` adds to it."""

    out: Path
    mode: Literal["new", "overwrite", "append"] = "new"
    keep_text: bool = False

    @property
    def text(self) -> Text:
        return "kept" if self.keep_text else "sketches"


def ingest(
    log: Log, to: Destination, keys: KeyRing, engine: DuckDB, *, now: datetime, progress: Progress
) -> IngestReport:
    """Reads every source into a lake. ``now`` is this machine's clock, which times in the future are held against.

    Raises InputError when no row can be used, OutputError when the lake cannot be written, and SettingError when
    what is there does not fit; the lake is then as it was before.
    """
    with _staged(to) as (aside, onto), RejectedWriter(aside / rejected_name(onto)) as rejected:
        with Filling(aside, to.text, onto, rejected) as filling:
            taken, skipped = _stream(log, filling, keys, progress)
        if onto is None and not filling.requests.paths:
            raise _nothing_usable(log, filling, skipped)
        withdraw(filling, onto, engine, now, progress)
        lake = described(filling, onto, log.accounts, taken, skipped)
        publish(lake, aside, onto)
    return IngestReport(
        filling.read,
        lake.written - (onto.written if onto else 0),
        rejected.count,
        dict(rejected.reasons.most_common()),
        tuple(skipped),
        dict(filling.notes),
        lake.coverage,
    )


@contextmanager
def _staged(to: Destination) -> Iterator[tuple[Path, Lake | None]]:
    """A folder to fill, and the lake that it will be added to."""
    if to.mode == "new" and is_lake(to.out):
        raise OutputError(
            "a lake stands here already",
            str(to.out),
            "Add --append to add to it or --overwrite to replace it, or name another --out.",
        )
    if to.mode != "append" or not is_lake(to.out):
        with whole_directory(to.out, overwrite=to.mode == "overwrite") as aside:
            yield aside, None
        return
    with directory_aside(to.out) as aside:
        onto = open_lake(to.out)
        if onto.text != to.text:
            kept = onto.text == "kept"
            raise SettingError(
                f"this lake was made {'with' if kept else 'without'} --keep-text, which holds for all of it",
                str(to.out),
                "Add --keep-text." if kept else "Leave --keep-text out, or make another lake.",
            )
        yield aside, onto


def _stream(
    log: Log, filling: Filling, keys: KeyRing, progress: Progress
) -> tuple[list[TakenFrom], list[Skipped]]:
    taken: list[TakenFrom] = []
    skipped = list(log.skipped)
    for note, rows in log.notes.items():
        filling.notes[note] += rows
    progress.stage("reading", log.bytes, "bytes")
    for source in log.sources:
        accepted, read, cursor = 0, 0, None
        try:
            for parsed in source.batches(progress):
                parsed = with_rows(parsed, source.location, read)
                read += parsed.requests.num_rows
                accepted += filling.add(parsed, keys)
                cursor = parsed.cursor or cursor
        except InputError as error:
            skipped.append(Skipped(error.where or source.location, error.problem, accepted))
            if len(log.sources) == 1 and not accepted:
                raise
        taken.append(TakenFrom(source.kind, source.location, accepted, cursor))
    return taken, skipped


def _nothing_usable(log: Log, filling: Filling, skipped: Sequence[Skipped]) -> InputError:
    places = [source.location for source in log.sources]
    where = places[0] if len(places) == 1 else f"{len(places)} files"
    if filling.read:
        reason, rows = filling.rejected.reasons.most_common(1)[0]
        return InputError(
            f"none of the {filling.read} rows can be used; for {rows} of them the reason is: {reason}",
            where,
            "Check that the columns hold what the contract says, or describe them with --map FILE.",
        )
    if skipped:
        return InputError(
            f"none of the files can be read; the first: {skipped[0].reason}",
            skipped[0].file,
            "Mend the files, or give others.",
        )
    return InputError("the log holds no row", where, "Check that the export ran to its end.")
