"""Takes rows out of new parts that only the whole log condemns: repeated ids, times far in the future, repeated
texts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.progress import Progress
from stillhunt.sources.condemned import FUTURE_GRACE, Condemnation, Condemned, last_plausible
from stillhunt.sources.filling import Filling
from stillhunt.sources.lake import Lake
from stillhunt.sources.lake_writer import PartWriter, drop_rows, times_of
from stillhunt.sources.source import Rejected

SAME_TEXT = "row(role, text_id, sketch_key_id)"
"""What makes two rows of ``sketches`` the same, in SQL."""

REPEATED = "request_id: stands in an earlier row of the log or of the lake"
MISDATED = "time: lies in the future, far from every other row"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def withdraw(filling: Filling, onto: Lake | None, engine: DuckDB, now: datetime, progress: Progress) -> None:
    """Rewrites the new parts that hold such rows. Of repeated ids the first stays: the lake's before the log's, and
    in the log the order of the files and of their rows. The rows go to ``rejected.jsonl``; repeated texts just go."""
    if filling.requests.paths:
        progress.stage("looking for repeated ids", None, "parts")
        old = onto.request_files if onto else ()
        with Condemned(engine, old=old, new=filling.requests.paths) as condemned:
            where = _condemn_misdated(condemned, [*old, *filling.requests.paths], engine, now)
            condemned.repeated("request_id", REPEATED, where=where)
            gone = []
            for each in condemned.by_part():
                _reject(filling, each)
                gone += _rewritten(filling.requests, each)
                progress.advance(1)
            filling.requests.forget(gone)
    if filling.sketches.paths:
        progress.stage("looking for repeated texts", None, "parts")
        old = onto.sketch_files if onto else ()
        with Condemned(engine, old=old, new=filling.sketches.paths) as condemned:
            condemned.repeated(SAME_TEXT, "")
            gone = []
            for each in condemned.by_part():
                gone += _rewritten(filling.sketches, each)
                progress.advance(1)
            filling.sketches.forget(gone)


def _reject(filling: Filling, condemned: Condemnation) -> None:
    stood = pq.read_table(filling.origins.paths[condemned.part]).take(pa.array(condemned.positions))
    places = zip(stood["file"].to_pylist(), stood["row"].to_pylist(), strict=True)
    filling.rejected.write(
        Rejected(filling.files[file], row, reason, value)
        for (file, row), reason, value in zip(places, condemned.reasons, condemned.values, strict=True)
    )


def _rewritten(writer: PartWriter, condemned: Condemnation) -> list[Path]:
    """Drops the rows; gives the part if none is left of it."""
    path = writer.paths[condemned.part]
    return [] if drop_rows(path, writer.schema, condemned.positions) else [path]


def _condemn_misdated(condemned: Condemned, paths: Sequence[Path], engine: DuckDB, now: datetime) -> str:
    """Gives the SQL condition that the other rows meet."""
    if max(times_of(path)[1] for path in paths) <= now + FUTURE_GRACE:
        return "true"
    last = last_plausible(engine, paths, now)
    if last is None:
        return "true"
    condemned.misdated(last, MISDATED)
    return f"epoch_us(time) <= {(last - _EPOCH) // timedelta(microseconds=1)}"
