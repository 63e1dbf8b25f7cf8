"""Spark beside DuckDB: the same rows of the same queries, and the same campaigns of the same log."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark import cloudpickle

from servers.spark import CONF, MASTER, spark_home
from stillhunt.cli.main import run
from stillhunt.cli.reading import read_lake, read_table
from stillhunt.engines.duckdb import DuckDB
from stillhunt.engines.engine import Engine
from stillhunt.engines.spark import Spark
from stillhunt.errors import InputError
from stillhunt.simulate.files import write
from stillhunt.simulate.scenarios import scenario
from stillhunt.simulate.simulation import stream, window
from stillhunt.sources.lake import open_lake

_START = datetime(2026, 4, 22, 23, 59, 59, 999_999, tzinfo=UTC)
_ROWS = 50


@pytest.fixture(scope="module", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with spark_home(tmp_path_factory.mktemp("spark") / "home"):
        yield


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of a simulated log with texts, in which a small operator harvests; not to be changed."""
    folder = tmp_path_factory.mktemp("log")
    chosen = scenario("small")
    write(stream(chosen, 3, 0.2), window(chosen), folder / "log")
    key = ["--key-file", str(folder / "key")]
    assert run(["ingest", str(folder / "log"), "--out", str(folder / "lake"), *key, "--json"]) == 0
    return folder / "lake"


@pytest.fixture(scope="module")
def results(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The lake's result on DuckDB, and that on Spark."""
    out = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STILLHUNT_SPARK_MASTER", MASTER)
        patch.setenv("STILLHUNT_SPARK_CONF", json.dumps(dict(CONF)))
        for engine in ("duckdb", "spark"):
            arguments = ["scan", str(lake), "--out", str(out / engine), "--null-runs", "5", "--memory", "1GB"]
            assert run([*arguments, "--engine", engine, "--json"]) == 1
    return out / "duckdb", out / "spark"


def test_both_engines_find_the_same(results: tuple[Path, Path]) -> None:
    plain, spark = results
    for name in ("campaigns", "members"):
        mine, other = (pq.read_table(each / f"{name}.parquet") for each in results)
        assert mine.schema == other.schema
        assert mine.num_rows > 0
        _close(mine.to_pylist(), other.to_pylist())
    flagged = [
        {
            row["campaign_id"]
            for row in pq.read_table(each / "campaigns.parquet").to_pylist()
            if row["kind"] == "distillation"
        }
        for each in results
    ]
    assert flagged[0] == flagged[1] != set()
    evidence = sorted(path.name for path in (plain / "evidence").iterdir())
    assert evidence == sorted(path.name for path in (spark / "evidence").iterdir())
    filled = set()
    for name in evidence:
        mine, other = (pq.read_table(each / "evidence" / name) for each in results)
        assert mine.schema == other.schema
        _close(mine.to_pylist(), other.to_pylist())
        filled |= {name} if mine.num_rows else set()
    assert {
        "artefacts.parquet",
        "edges.parquet",
        "harvest.parquet",
        "harm.parquet",
        "timeline.parquet",
    } <= filled


def test_the_run_says_which_engine_it_used(results: tuple[Path, Path]) -> None:
    said = [json.loads((each / "run.json").read_text()) for each in results]
    assert [run["settings"]["engine"] for run in said] == ["duckdb", "spark"]
    assert "pyspark" in said[1]["versions"]
    for name in ("inputs_digest", "rows", "window", "accounts", "requests", "candidates_tested", "coverage"):
        assert said[0][name] == said[1][name]


def _close(mine: Any, other: Any) -> None:
    """Equal values; floats within 1e-9 of each other."""
    if isinstance(mine, float) and isinstance(other, float):
        assert math.isclose(mine, other, rel_tol=1e-9, abs_tol=1e-9)
    elif isinstance(mine, dict):
        assert mine.keys() == other.keys()
        for name in mine:
            _close(mine[name], other[name])
    elif isinstance(mine, list):
        assert len(mine) == len(other)
        for one, two in zip(mine, other, strict=True):
            _close(one, two)
    else:
        assert mine == other


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DuckDB, Spark]]:
    """Both engines, Spark within one process; each with the table ``given``."""
    with (
        DuckDB(memory="200MB", threads=1, temp_dir=tmp_path_factory.mktemp("duckdb")) as plain,
        Spark(master="local[2]", conf=CONF, memory="1GB", temp_dir=tmp_path_factory.mktemp("spark")) as spark,
    ):
        for engine in (plain, spark):
            engine.register("given", _given())
        yield plain, spark


def _given() -> pa.Table:
    generator = np.random.default_rng(5)
    return pa.table(
        {
            "i": pa.array(range(_ROWS), pa.int32()),
            "small": pa.array(generator.integers(0, 4, _ROWS), pa.int16()),
            "big": pa.array(generator.integers(-(2**62), 2**62, _ROWS), pa.int64()),
            "word": pa.array([None if i % 7 == 0 else "é" * (i % 15) + str(i % 5) for i in range(_ROWS)]),
            "code": pa.array(
                [None if i % 11 == 0 else bytes([i % 3, 255, 0, 7, i, 1, 2, 3]) for i in range(_ROWS)],
                pa.binary(8),
            ),
            "heat": pa.array([round(i / 30, 3) for i in range(_ROWS)], pa.float32()),
            "yes": pa.array([None if i % 9 == 0 else i % 2 == 0 for i in range(_ROWS)]),
            "time": pa.array(
                [_START + timedelta(minutes=7 * (i // 2)) for i in range(_ROWS)], pa.timestamp("us", "UTC")
            ),
        }
    )


_QUERIES = {
    "identities": """SELECT i, identity_of(i) AS a, identity_of(small) AS b, identity_of(big) AS c,
        identity_of(word) AS d, identity_of(code) AS e, identity_of(code[1:4]) AS f, identity_of(heat) AS g,
        identity_of(time) AS h, identity_of(word, i) AS j, identity_of(code, word, small) AS k FROM given ORDER BY i""",
    "texts": """SELECT i, word || ', ' || round(heat, 3) || ', ' || coalesce(small, 0) AS a, lower(hex(code)) AS b,
        left(word, 2) AS c, strftime(time_bucket(INTERVAL 1 HOUR, time), '%Y-%m-%d %H:00') AS d FROM given
        ORDER BY i""",
    "times": """SELECT i, epoch_us(time) // 86400000000 AS a, hour(time) AS b, time_bucket(INTERVAL 7 DAY, time) AS c,
        time_bucket(INTERVAL 600 SECOND, time) AS d, time + INTERVAL 1 DAY AS e FROM given ORDER BY i""",
    "shares": """SELECT small, count(*) / 24.0 AS a, avg(yes::INTEGER) AS b, max(i) FILTER (yes) / sum(i) AS c,
        bit_count(bit_or(1::BIGINT << hour(time)))::BIGINT AS d, bool_or(yes) AS e,
        greatest(least(avg(heat::DOUBLE), 0.9), 0.002) AS f FROM given GROUP BY small ORDER BY small""",
    "nulls come last": "SELECT word, i FROM given ORDER BY word, i",
    "windows": """SELECT i, time - lag(time) OVER (ORDER BY time, i) > INTERVAL 5 MINUTE AS a, count(*) OVER soon AS b
        FROM given WINDOW soon AS (PARTITION BY small ORDER BY time RANGE BETWEEN CURRENT ROW AND INTERVAL 10 MINUTE
        FOLLOWING) ORDER BY i""",
    "alone": """WITH seen AS (SELECT small, word FROM given WHERE word IS NOT NULL), few AS (SELECT DISTINCT small
        FROM seen WHERE small > 1) SELECT word, count(*) OVER (PARTITION BY word) AS n FROM seen
        SEMI JOIN few USING (small) QUALIFY n > 1 ORDER BY word""",
    "spread": """SELECT i, near FROM (SELECT i, unnest([time, time + INTERVAL 1 HOUR]) AS near FROM given)
        ORDER BY i, near""",
}


@pytest.mark.parametrize("sql", _QUERIES.values(), ids=_QUERIES)
def test_a_query_gives_the_same_rows(engines: tuple[Engine, Engine], sql: str) -> None:
    mine, other = (engine.table(sql) for engine in engines)
    assert mine.column_names == other.column_names
    assert mine.num_rows > 0
    _close(mine.to_pylist(), other.to_pylist())


def test_identities_lie_between_nought_and_two_to_the_63(engines: tuple[Engine, Engine]) -> None:
    for engine in engines:
        found = engine.table("SELECT identity_of(big) AS id FROM given")["id"].to_numpy()
        assert len(np.unique(found)) == _ROWS
        assert found.min() >= 0


def test_names_stand_for_the_last_rows_that_they_were_given(engines: tuple[Engine, Engine]) -> None:
    for engine in engines:
        for least in (10, 40):
            engine.make_table("kept", f"SELECT i FROM given WHERE i >= {least}")
            engine.make_view("shown", f"SELECT i + 1 AS i FROM given WHERE i >= {least}")
        engine.register("passing", pa.table({"i": pa.array([45], pa.int32())}))
        both = engine.table("SELECT count(*) AS n FROM kept JOIN shown USING (i) JOIN passing USING (i)")
        engine.unregister("passing")
        assert both["n"].to_pylist() == [1]
        assert engine.table("SELECT min(i) AS i FROM kept")["i"].to_pylist() == [40]


class _Squares:
    """A kernel that keeps even numbers and squares them."""

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        numbers = batch.column("i").to_numpy().astype(np.int64)
        return pa.record_batch({"square": numbers[numbers % 2 == 0] ** 2})


def test_a_kernel_runs_where_the_rows_are(engines: tuple[Engine, Engine]) -> None:
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    schema = pa.schema([("square", pa.int64())])
    wanted = sorted(i * i for i in range(0, _ROWS, 2))
    for engine in engines:
        made = engine.mapped("SELECT i FROM given", _Squares(), schema)
        assert made.schema == schema
        assert sorted(made["square"].to_pylist()) == wanted


def test_a_table_is_read_as_the_lake_is(lake: Path, engines: tuple[DuckDB, Spark]) -> None:
    read = read_lake(open_lake(lake), None, engines[0])
    requests, sketches = (f"parquet:{lake / name}" for name in ("requests", "sketches"))
    there = read_table(requests, lake / "accounts.parquet", sketches, engines[1])
    assert (there.log.accounts, there.log.rows, there.log.sketched) == (
        read.log.accounts,
        read.log.rows,
        True,
    )
    assert there.log.filled == read.log.filled
    assert there.seen.active == read.seen.active
    assert there.rows == {"read": read.log.rows, "written": read.log.rows, "rejected": 0}
    again = read_table(requests, None, None, engines[1])
    assert again.digest == there.digest
    numbers = "SELECT account_id, account FROM account_numbers ORDER BY account"
    assert read.log.engine.table(numbers).to_pylist() == there.log.engine.table(numbers).to_pylist()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"account_id": ["a"]}, "expected a column time"),
        ({"time": ["noon"], "account_id": ["a"]}, "expected time as timestamp"),
        ({"time": [_START, None], "account_id": ["a", "b"]}, "1 of 2 rows have none"),
    ],
)
def test_a_table_that_cannot_be_used_is_said(
    rows: dict[str, Any], said: str, engines: tuple[DuckDB, Spark], tmp_path: Path
) -> None:
    pq.write_table(pa.table(rows), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=said):
        read_table(f"parquet:{tmp_path}", None, None, engines[1])


def test_a_place_that_spark_cannot_read_is_said(engines: tuple[DuckDB, Spark], tmp_path: Path) -> None:
    for form, place in (("parquet", str(tmp_path / "nowhere")), ("delta", str(tmp_path))):
        with pytest.raises(InputError, match="STILLHUNT_SPARK_CONF"):
            engines[1].source(form, place)
