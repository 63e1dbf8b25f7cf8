"""Rows in any order come back by time, and the lake of a simulated log is what an ingest would have made of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillhunt.schema.requests import LAKE_REQUESTS, REQUESTS
from stillhunt.simulate.scenarios import PROFILES, SCENARIOS
from stillhunt.simulate.simulation import simulate, stream
from stillhunt.sketch.columns import sketch_requests
from stillhunt.sketch.keys import KeyRing, key_for
from stillhunt.sources import by_time
from stillhunt.sources.by_time import ByTime, write_lake
from stillhunt.sources.lake import check_digests, open_lake

KEYS = KeyRing(key_for(hashlib.sha256(b"a test's").digest()))
SCALE = 0.0001


def sketched(text: pa.Table) -> pa.Table:
    """The rows as an ingest sketches them, whole."""
    (batch,) = text.combine_chunks().to_batches()
    return pa.table(sketch_requests(batch, KEYS, keep_text=False).requests)


def test_a_lake_is_what_an_ingest_of_the_text_would_be(tmp_path: Path) -> None:
    whole = simulate("letter-full", 2, SCALE)
    assert whole.requests.schema == REQUESTS
    lake_folder = tmp_path / "lake"
    lake_folder.mkdir()
    with ByTime(tmp_path / "times") as rows:
        for batch in stream("letter-full", 2, SCALE, keys=KEYS):
            rows.add(batch.requests)
        write_lake(rows, whole.accounts, lake_folder, "a test")
    lake = open_lake(lake_folder)
    check_digests(lake)
    assert pa.concat_tables([pq.read_table(path) for path in lake.request_files]).equals(
        sketched(whole.requests)
    )
    assert lake.sketch_keys == (KEYS.current.key_id,)
    assert not lake.sketches
    assert lake.written == whole.requests.num_rows
    assert not (tmp_path / "times").exists()


def test_rows_are_put_away_and_sorted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_time, "WAITING", 1)
    rows = sketched(simulate("small", 1, 0.02).requests)
    shuffled = rows.take(pa.array(np.random.default_rng(1).permutation(rows.num_rows)))
    with ByTime(tmp_path / "times") as sorting:
        for start in range(0, rows.num_rows, 3000):
            sorting.add(shuffled.slice(start, 3000))
        assert list((tmp_path / "times").iterdir())
        sorting.add(LAKE_REQUESTS.empty_table())
        back = pa.concat_tables(list(sorting.sorted()))
    assert back.equals(rows.sort_by([("time", "ascending"), ("request_id", "ascending")]))


def test_the_largest_report_is_no_part_of_the_profiles_of_one_size() -> None:
    assert set(PROFILES) - set(SCENARIOS) == {"letter-full"}
    (pool,) = PROFILES["letter-full"].operators
    full = PROFILES["letter-full"]
    assert pool.accounts * pool.rate * full.thin * full.days == pytest.approx(28.8e6)
