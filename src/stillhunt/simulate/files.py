"""A simulated log on disk: ``requests/part-*.parquet`` by time, ``accounts.parquet``, ``truth.parquet``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillhunt.engines.output import whole_directory
from stillhunt.schema.accounts import ACCOUNTS, TRUTH
from stillhunt.schema.requests import REQUESTS
from stillhunt.simulate.clock import DAY, Window
from stillhunt.simulate.scene import Batch


@dataclass(frozen=True)
class Written:
    """What was written."""

    requests: int
    accounts: int
    files: int


def write(batches: Iterator[Batch], window: Window, target: Path, *, overwrite: bool = False) -> Written:
    """Writes a log to ``target``, whole or not at all.

    Rows are kept by day on disk until all batches have come, then each day is sorted by time and becomes one file,
    so that memory holds one batch or one day, and neither place nor order of a row says who made it. Raises OutputError
    when ``target`` cannot be written.
    """
    with whole_directory(target, overwrite=overwrite) as folder:
        days = folder / "days"
        days.mkdir()
        accounts, truth = _spill(batches, window, days)
        (folder / "requests").mkdir()
        rows = files = 0
        for day in sorted(days.iterdir()):
            with pa.ipc.open_stream(day) as stored:
                table = stored.read_all()
            day.unlink()
            if table.num_rows == 0:
                continue
            table = table.sort_by([("time", "ascending"), ("request_id", "ascending")])
            pq.write_table(table, folder / "requests" / f"part-{files:06d}.parquet", compression="zstd")
            rows += table.num_rows
            files += 1
        days.rmdir()
        pq.write_table(accounts.sort_by("account_id"), folder / "accounts.parquet", compression="zstd")
        pq.write_table(truth.sort_by("account_id"), folder / "truth.parquet", compression="zstd")
        return Written(rows, accounts.num_rows, files)


def _spill(batches: Iterator[Batch], window: Window, folder: Path) -> tuple[pa.Table, pa.Table]:
    writers = [pa.ipc.new_stream(folder / f"{day:05d}.arrow", REQUESTS) for day in range(window.days)]
    accounts, truth = [ACCOUNTS.empty_table()], [TRUTH.empty_table()]
    try:
        for batch in batches:
            accounts.append(batch.accounts)
            truth.append(batch.truth)
            time = batch.requests["time"].combine_chunks().cast(pa.int64()).to_numpy()
            day = (time - window.start) // DAY
            order = np.argsort(day, kind="stable")
            rows = batch.requests.take(pa.array(order))
            edges = np.searchsorted(day[order], np.arange(window.days + 1))
            for number, writer in enumerate(writers):
                if edges[number + 1] > edges[number]:
                    writer.write_table(rows.slice(edges[number], edges[number + 1] - edges[number]))
    finally:
        for writer in writers:
            writer.close()
    return pa.concat_tables(accounts), pa.concat_tables(truth)
