"""A lake from sketched rows that come in no order: sorted by time through spans of time on disk."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillhunt.schema.accounts import ACCOUNTS
from stillhunt.schema.coverage import coverage
from stillhunt.schema.requests import LAKE_REQUESTS
from stillhunt.sources.lake import MANIFEST, Lake, TakenFrom, manifest_json
from stillhunt.sources.lake_writer import PartWriter, describe_part, filled_rows, open_writer

SPAN = 6 * 3_600_000_000
"""Microseconds of a span; the rows of one are sorted in memory."""
WAITING = 256 << 20
"""Bytes of rows in memory from which the largest spans are put on disk."""


class ByTime:
    """Takes rows (schema LAKE_REQUESTS) in any order and gives them back by time, then ``request_id``. Use it in a
    ``with`` block; ``folder`` is there only within."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: defaultdict[int, list[pa.Table]] = defaultdict(list)
        self._bytes: defaultdict[int, int] = defaultdict(int)
        self._writers: dict[int, pq.ParquetWriter] = {}

    def __enter__(self) -> ByTime:
        self._folder.mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            writer.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, rows: pa.Table) -> None:
        """Takes rows; they may be put on disk."""
        if rows.num_rows == 0:
            return
        span = rows["time"].cast(pa.int64()).to_numpy() // SPAN
        order = np.argsort(span, kind="stable")
        rows, span = rows.take(pa.array(order)).combine_chunks(), span[order]
        starts = np.flatnonzero(np.r_[True, span[1:] != span[:-1]])
        for start, stop in zip(starts, np.r_[starts[1:], len(span)], strict=True):
            part = rows.slice(start, stop - start)
            self._waiting[int(span[start])].append(part)
            self._bytes[int(span[start])] += part.nbytes
        if sum(self._bytes.values()) > WAITING:
            self._put_away()

    def _put_away(self) -> None:
        """Writes the largest spans until half is left. What stays is copied, because a slice would keep its whole."""
        left = sum(self._bytes.values())
        for span in sorted(self._bytes, key=self._bytes.__getitem__, reverse=True):
            table = pa.concat_tables(self._waiting.pop(span))
            if left <= WAITING // 2:
                self._waiting[span] = [table.take(pa.array(np.arange(table.num_rows)))]
                continue
            left -= self._bytes.pop(span)
            if span not in self._writers:
                self._writers[span] = open_writer(self._folder / f"{span}.parquet", LAKE_REQUESTS)
            self._writers[span].write_table(table)
        del table
        pa.default_memory_pool().release_unused()

    def sorted(self) -> Iterator[pa.Table]:
        """All rows, span after span; once."""
        for span in sorted({*self._waiting, *self._writers}):
            tables = self._waiting.pop(span, [])
            if span in self._writers:
                self._writers.pop(span).close()
                path = self._folder / f"{span}.parquet"
                tables.append(pq.read_table(path))
                path.unlink()
            rows = pa.concat_tables(tables)
            yield rows.sort_by([("time", "ascending"), ("request_id", "ascending")])


def write_lake(rows: ByTime, accounts: pa.Table, aside: Path, made: str) -> Lake:
    """Writes a lake without full sketches into the folder ``aside``. accounts: schema ACCOUNTS. made: what the rows
    come from."""
    writer = PartWriter(aside / "requests", LAKE_REQUESTS)
    keys: set[str] = set()
    for table in rows.sorted():
        keys.update(table["sketch_key_id"].unique().drop_null().to_pylist())
        for batch in table.combine_chunks().to_batches():
            writer.write(batch)
    writer.close()
    pq.write_table(accounts.cast(ACCOUNTS), aside / "accounts.parquet", compression="zstd")
    filled = filled_rows(writer.paths)
    known = [name for name, count in filled_rows([aside / "accounts.parquet"]).items() if count]
    parts = tuple(describe_part(path, aside) for path in writer.paths)
    written = sum(part.rows for part in parts)
    lake = Lake(
        root=aside,
        text="sketches",
        requests=parts,
        accounts=describe_part(aside / "accounts.parquet", aside),
        read=written,
        written=written,
        sketch_keys=tuple(sorted(keys)),
        sources=(TakenFrom("simulated", made, written),),
        coverage=coverage({name: count / written for name, count in filled.items()}, known),
    )
    (aside / MANIFEST).write_text(manifest_json(lake), encoding="utf-8")
    return lake
