"""Rows of part files that must go once the whole log is known: repeated keys, and times far after all others.

Runs in the engine, which spills: memory does not grow with the log. Keys are first counted by a 64-bit hash, which
only nominates; what counts is equality of the keys themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillhunt.engines.duckdb import DuckDB, parquet

FUTURE_GRACE = timedelta(days=1)
"""How far a row's time may lie ahead of this machine's clock, or of the rows before it."""


@dataclass(frozen=True)
class Condemnation:
    """Rows to drop from one new part, which is counted from 0: ``positions`` (int64, ascending, from 0), and for
    each the reason and the value at fault."""

    part: int
    positions: npt.NDArray[np.int64]
    reasons: tuple[str, ...]
    values: tuple[str, ...]


class Condemned:
    """A list of rows of the ``new`` parts, kept in the engine. ``old`` parts stay as they are. Use it in a ``with``
    block, one at a time."""

    def __init__(self, engine: DuckDB, *, old: Sequence[Path], new: Sequence[Path]) -> None:
        self._engine = engine
        self._new = tuple(new)
        self._all = (*old, *new)

    def __enter__(self) -> Condemned:
        numbers = np.arange(len(self._all), dtype=np.int64) - (len(self._all) - len(self._new))
        parts = pa.table({"filename": [str(path) for path in self._all], "part": pa.array(numbers)})
        self._engine.register("parts", parts)
        self._engine.execute(
            "CREATE TEMP TABLE condemned (part BIGINT, row BIGINT, reason VARCHAR, value VARCHAR)"
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.execute("DROP TABLE condemned")
        self._engine.unregister("parts")

    def misdated(self, after: datetime, reason: str) -> None:
        """Condemns rows with a time after ``after``."""
        self._engine.execute(
            f"""
            INSERT INTO condemned
            SELECT part, file_row_number, $reason, time::VARCHAR
            FROM {parquet(self._new, positions=True)} JOIN parts USING (filename) WHERE time > $after
            """,
            after=after,
            reason=reason,
        )

    def repeated(self, key: str, reason: str, *, where: str = "true") -> None:
        """Condemns rows whose key stands in a row before them: in an old part, or earlier among the new ones.
        ``key`` is an SQL expression over the parts' columns, and null is no key. Rows that fail the SQL condition
        ``where`` count for nothing."""
        files = parquet(self._all, positions=True)
        rows = f"SELECT filename, file_row_number AS row, {key} AS key FROM {files} WHERE {key} IS NOT NULL AND {where}"
        self._engine.execute(
            f"CREATE TEMP TABLE nominated AS SELECT hash(key) AS h FROM ({rows}) GROUP BY h HAVING count(*) > 1"
        )
        if self._count("nominated"):
            self._engine.execute(
                f"""
                INSERT INTO condemned
                SELECT part, row, $reason, key::VARCHAR FROM (
                    SELECT part, row, key, row_number() OVER (PARTITION BY key ORDER BY part, row) AS nth
                    FROM ({rows}) JOIN parts USING (filename)
                    WHERE hash(key) IN (SELECT h FROM nominated)
                ) WHERE nth > 1 AND part >= 0
                """,
                reason=reason,
            )
        self._engine.execute("DROP TABLE nominated")

    def by_part(self) -> Iterator[Condemnation]:
        """The list, part by part. Memory holds one part's."""
        parts = self._engine.table("SELECT DISTINCT part FROM condemned ORDER BY part")["part"].to_pylist()
        for part in parts:
            rows = self._engine.table(
                "SELECT row, reason, value FROM condemned WHERE part = $part ORDER BY row", part=part
            )
            positions = np.asarray(rows["row"].to_numpy(), dtype=np.int64)
            yield Condemnation(
                part, positions, tuple(rows["reason"].to_pylist()), tuple(rows["value"].to_pylist())
            )

    def _count(self, table: str) -> int:
        return int(self._engine.table(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py())


def last_plausible(engine: DuckDB, paths: Sequence[Path], now: datetime) -> datetime | None:
    """The time after which rows are misdated; None if none is.

    Rows up to a day after ``now`` are never misdated. Of those later, a row is misdated when it comes after a gap
    that is longer than a day and longer than all of the log before it, with fewer rows after the gap than before:
    a clock gone wrong on few rows, and not a log whose writer's clock differs from ours.
    """
    hours = engine.table(
        f"SELECT date_trunc('hour', time) AS hour, max(time) AS last, count(*) AS n FROM {parquet(paths)} "
        "GROUP BY hour ORDER BY hour"
    )
    starts, lasts = _microseconds(hours["hour"]), _microseconds(hours["last"])
    counts = np.cumsum(np.asarray(hours["n"].to_numpy(), dtype=np.int64))
    grace = int(FUTURE_GRACE / timedelta(microseconds=1))
    clock = int(now.timestamp() * 1e6) + grace
    gap, span, before = starts[1:] - lasts[:-1], lasts[:-1] - starts[0], counts[:-1]
    breaks = (starts[1:] > clock) & (gap > np.maximum(grace, span)) & (before > counts[-1] - before)
    if not breaks.any():
        return None
    last: datetime = hours["last"][int(np.argmax(breaks))].as_py()
    return last


def _microseconds(times: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    return np.asarray(times.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy(), dtype=np.int64)
