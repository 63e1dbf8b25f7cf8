"""What only the whole log condemns: SQL against ten obvious lines of Python, and clocks gone wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.requests import TIMESTAMP
from stillhunt.sources.condemned import Condemned, last_plausible

NOW = datetime(2026, 4, 8, tzinfo=UTC)
IDS = st.lists(
    st.lists(st.none() | st.sampled_from("abcdefgh"), min_size=1, max_size=12), min_size=1, max_size=4
)


@pytest.fixture(scope="module")
def engine() -> DuckDB:
    with DuckDB(threads=1) as made:
        yield made


def write(folder: Path, parts: list[list[str | None]]) -> list[Path]:
    paths = []
    for number, ids in enumerate(parts):
        paths.append(folder / f"part-{number}.parquet")
        pq.write_table(pa.table({"id": pa.array(ids, pa.string())}), paths[-1])
    return paths


@given(IDS, st.integers(0, 3))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_first_of_each_key_stays(
    engine: DuckDB, tmp_path: Path, parts: list[list[str | None]], old: int
) -> None:
    old = min(old, len(parts) - 1)
    seen: set[str] = set()
    expected = []
    for number, ids in enumerate(parts):
        for position, each in enumerate(ids):
            if each in seen and number >= old:
                expected.append((number - old, position, each))
            if each is not None:
                seen.add(each)
    paths = write(tmp_path, parts)
    with Condemned(engine, old=paths[:old], new=paths[old:]) as condemned:
        condemned.repeated("id", "again")
        found = [
            (each.part, position, value)
            for each in condemned.by_part()
            for position, value in zip(each.positions.tolist(), each.values, strict=True)
        ]
    assert found == expected


def test_the_engine_is_left_as_it_was(engine: DuckDB, tmp_path: Path) -> None:
    paths = write(tmp_path, [["a", "a"]])
    for _ in range(2):
        with Condemned(engine, old=(), new=paths) as condemned:
            condemned.repeated("id", "again")
            (only,) = condemned.by_part()
            assert only.reasons == ("again",)


def plausible(engine: DuckDB, folder: Path, times: list[datetime]) -> datetime | None:
    path = folder / "times.parquet"
    pq.write_table(pa.table({"time": pa.array(times, TIMESTAMP)}), path)
    return last_plausible(engine, [path], NOW)


def hourly(count: int, first: datetime) -> list[datetime]:
    return [first + timedelta(hours=hour) for hour in range(count)]


@pytest.mark.parametrize(
    ("times", "cut"),
    [
        (hourly(100, NOW - timedelta(hours=99)), None),
        ([*hourly(100, NOW - timedelta(hours=99)), NOW + timedelta(hours=20)], None),
        ([*hourly(100, NOW - timedelta(hours=99)), NOW + timedelta(days=9000)], NOW),
        (hourly(100, NOW - timedelta(hours=99)) + hourly(50, NOW + timedelta(days=9_000)), NOW),
        # A writer whose clock is a year ahead of ours: the whole log is.
        (hourly(100, NOW + timedelta(days=365)), None),
        # Most rows lie behind the gap: it is the few before it that are odd, and they are not in the future.
        ([NOW - timedelta(days=1), *hourly(100, NOW + timedelta(days=365))], None),
        # A gap that is shorter than the log before it is a pause.
        ([*hourly(24 * 30, NOW - timedelta(days=30)), NOW + timedelta(days=20)], None),
    ],
)
def test_last_plausible(engine: DuckDB, tmp_path: Path, times: list[datetime], cut: datetime | None) -> None:
    assert plausible(engine, tmp_path, times) == cut


def test_misdated_rows_count_for_nothing_among_repeated_ones(engine: DuckDB, tmp_path: Path) -> None:
    """A misdated row does not condemn a sound one that bears its id."""
    path = tmp_path / "part.parquet"
    times = [NOW + timedelta(days=9_000), NOW, NOW]
    pq.write_table(pa.table({"time": pa.array(times, TIMESTAMP), "id": ["a", "a", "b"]}), path)
    with Condemned(engine, old=(), new=[path]) as condemned:
        condemned.misdated(NOW, "future")
        condemned.repeated("id", "again", where=f"epoch_us(time) <= {int(NOW.timestamp() * 1e6)}")
        (only,) = condemned.by_part()
    assert only.positions.tolist() == [0]
    assert only.reasons == ("future",)
