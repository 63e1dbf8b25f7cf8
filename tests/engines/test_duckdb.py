"""The default engine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillhunt.engines.duckdb import DuckDB, parquet
from stillhunt.engines.engine import quoted
from stillhunt.errors import OutputError, SettingError


@pytest.fixture
def engine(tmp_path: Path) -> DuckDB:
    with DuckDB(memory="200MB", threads=1, temp_dir=tmp_path / "spill") as made:
        yield made


def test_parameters_are_values_never_sql(engine: DuckDB) -> None:
    hostile = "'; DROP TABLE x; --"
    assert engine.table("SELECT $text AS text", text=hostile)["text"].to_pylist() == [hostile]


def test_queries_stream_in_batches(engine: DuckDB) -> None:
    batches = list(engine.query("SELECT i FROM range(10000) t(i)", batch_rows=2048))
    assert sum(batch.num_rows for batch in batches) == 10_000
    assert max(batch.num_rows for batch in batches) <= 2048


def test_tables_are_seen_under_the_name_given_and_no_variable_is(engine: DuckDB) -> None:
    rows = pa.table({"n": [1, 2, 3]})
    engine.register("given", rows)
    assert engine.table("SELECT sum(n) AS s FROM given")["s"].to_pylist() == [6]
    engine.unregister("given")
    for name in ("given", "rows"):
        with pytest.raises(Exception, match="does not exist"):
            engine.table(f"SELECT * FROM {name}")


def test_times_without_a_zone_are_utc(engine: DuckDB) -> None:
    found = engine.table("SELECT '2026-04-22 12:00:00'::TIMESTAMPTZ AS t")["t"][0].as_py()
    assert found == datetime(2026, 4, 22, 12, tzinfo=UTC)


def test_a_query_larger_than_its_memory_spills_and_cleans_up(tmp_path: Path) -> None:
    with DuckDB(memory="60MB", threads=1, temp_dir=tmp_path) as engine:
        engine.execute("CREATE TEMP TABLE t AS SELECT hash(i) AS h, i FROM range(3000000) t(i)")
        engine.execute("CREATE TEMP TABLE s AS SELECT h, i FROM t ORDER BY h")
        assert engine.table("SELECT count(DISTINCT i) AS n FROM s")["n"].to_pylist() == [3_000_000]
        assert any(path.is_file() for path in tmp_path.rglob("*"))
    assert list(tmp_path.iterdir()) == []


def test_copy_writes_what_the_query_gives(engine: DuckDB, tmp_path: Path) -> None:
    path = tmp_path / "it's.parquet"
    assert engine.copy_to_parquet("SELECT i FROM range($n) t(i)", path, row_group_rows=2048, n=5000) == 5000
    assert pq.read_table(path)["i"].to_pylist() == list(range(5000))
    assert pq.read_metadata(path).num_row_groups == 3


def test_files_are_read_in_order_with_their_positions(engine: DuckDB, tmp_path: Path) -> None:
    paths = [tmp_path / "year=1" / "a.parquet", tmp_path / "b.parquet"]
    paths[0].parent.mkdir()
    for number, path in enumerate(paths):
        pq.write_table(pa.table({"n": [number * 10, number * 10 + 1]}), path)
    found = engine.table(
        f"SELECT * FROM {parquet(paths, positions=True)} ORDER BY filename = {quoted(str(paths[1]))}, file_row_number"
    )
    assert set(found.column_names) == {"n", "filename", "file_row_number"}
    assert found["n"].to_pylist() == [0, 1, 10, 11]
    assert found["file_row_number"].to_pylist() == [0, 1, 0, 1]
    with pytest.raises(ValueError, match="at least one"):
        parquet([])


def test_settings_that_duckdb_refuses(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="refuses a setting") as caught:
        DuckDB(memory="lots", temp_dir=tmp_path)
    assert "memory='lots'" in caught.value.where
    assert list(tmp_path.iterdir()) == []


def test_a_spill_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="cannot put scratch files here"):
        DuckDB(temp_dir=tmp_path / "file" / "spill")
