"""Part files, rejected rows, and what streams into a lake."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_log import KEYS, START, table

from stillhunt.schema.requests import REQUESTS, TIMESTAMP
from stillhunt.sources import lake_writer
from stillhunt.sources.filling import EARLIEST, Filling, admitted, with_rows
from stillhunt.sources.lake_writer import PartWriter, drop_rows, filled_rows, next_number, times_of
from stillhunt.sources.rejected import RejectedWriter
from stillhunt.sources.source import Parsed, Rejected

SCHEMA = pa.schema([("time", TIMESTAMP), ("account_id", pa.string()), ("n", pa.int64())])


def batch(first: int, count: int) -> pa.RecordBatch:
    numbers = range(first, first + count)
    columns = {
        "time": [START + timedelta(seconds=number) for number in numbers],
        "account_id": [f"a{number % 3}" for number in numbers],
        "n": [None if number % 4 == 0 else number for number in numbers],
    }
    return pa.RecordBatch.from_pydict(columns, schema=SCHEMA)


@given(st.lists(st.integers(0, 30), max_size=12), st.sampled_from([7, 16, 1_000]), st.sampled_from([1, 3]))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_parts_hold_every_row_in_order(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], group: int, groups: int
) -> None:
    folder = tmp_path_factory.mktemp("parts") / "requests"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lake_writer, "ROW_GROUP_ROWS", group)
        patch.setattr(lake_writer, "PART_ROWS", group * groups)
        writer = PartWriter(folder, SCHEMA, start=5)
        first = 0
        for size in sizes:
            writer.write(batch(first, size))
            first += size
        writer.close()
    assert [path.name for path in writer.paths] == [
        f"part-{5 + at:06d}.parquet" for at in range(len(writer.paths))
    ]
    assert sorted(folder.iterdir()) == writer.paths
    found = [pq.read_table(path) for path in writer.paths]
    assert all(each.num_rows <= group * groups for each in found)
    assert pa.concat_tables([SCHEMA.empty_table(), *found]).equals(pa.Table.from_batches([batch(0, first)]))
    assert next_number(folder) == (5 + len(writer.paths) if writer.paths else 0)


def test_a_group_is_written_when_it_takes_much_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake_writer, "GROUP_BYTES", 1_000)
    writer = PartWriter(tmp_path / "requests", SCHEMA)
    for first in range(0, 500, 50):
        writer.write(batch(first, 50))
    writer.close()
    assert pq.read_metadata(writer.paths[0]).num_row_groups == 10


@given(st.sets(st.integers(0, 99)))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_dropped_rows_go_and_the_others_stay(tmp_path: Path, gone: set[int]) -> None:
    path = tmp_path / "part-000000.parquet"
    pq.write_table(pa.Table.from_batches([batch(0, 100)]), path, row_group_size=33)
    left = drop_rows(path, SCHEMA, np.array(sorted(gone), dtype=np.int64))
    assert left == 100 - len(gone)
    if left:
        kept = pa.array([number not in gone for number in range(100)])
        assert pq.read_table(path).equals(pa.Table.from_batches([batch(0, 100)]).filter(kept))
    assert [each.name for each in tmp_path.iterdir()] == ([path.name] if left else [])


def test_footers_say_times_and_filled_rows(tmp_path: Path) -> None:
    paths = []
    for first in (0, 100):
        writer = PartWriter(tmp_path / str(first), SCHEMA)
        writer.write(batch(first, 40))
        writer.close()
        paths += writer.paths
    assert times_of(paths[1]) == (START + timedelta(seconds=100), START + timedelta(seconds=139))
    assert filled_rows(paths) == {"time": 80, "account_id": 80, "n": 60}


def test_rejected_rows_are_written_as_they_come_and_none_makes_no_file(tmp_path: Path) -> None:
    path = tmp_path / "rejected.jsonl"
    with RejectedWriter(path) as writer:
        writer.write([])
    assert not path.exists()
    with RejectedWriter(path) as writer:
        writer.write([Rejected("log", 3, "why", "vål\nue"), Rejected("log", 9, "why")])
        writer.write([Rejected("other", 1, "because")])
        assert writer.count == 3
        assert writer.reasons.most_common() == [("why", 2), ("because", 1)]
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [
        {"file": "log", "row": 3, "reason": "why", "value": "vål\nue"},
        {"file": "log", "row": 9, "reason": "why", "value": ""},
        {"file": "other", "row": 1, "reason": "because", "value": ""},
    ]


def parsed(*rows: tuple[datetime | None, str | None]) -> Parsed:
    columns = {"time": [row[0] for row in rows], "account_id": [row[1] for row in rows]}
    return Parsed(
        pa.RecordBatch.from_pydict(
            {
                field.name: pa.array(columns.get(field.name, [None] * len(rows)), field.type)
                for field in REQUESTS
            }
        ),
        file="log",
    )


def test_a_row_needs_a_time_of_this_age_and_an_account() -> None:
    rows = [
        (START, "a"),
        (None, "a"),
        (EARLIEST - timedelta(seconds=1), "a"),
        (EARLIEST, "a"),
        (START, None),
        (None, " "),
    ]
    requests, numbers, refused = admitted(with_rows(parsed(*rows), "log", 10))
    assert requests["time"].to_pylist() == [START, EARLIEST]
    assert numbers.to_pylist() == [11, 14]
    assert sorted((each.row, each.reason.split(":")[0], each.value[:4]) for each in refused) == [
        (12, "time", ""),
        (13, "time", "2014"),
        (15, "account_id", ""),
        (16, "time", ""),
    ]


def test_a_text_is_written_once_over_batches_and_roles_do_not_crowd_each_other(tmp_path: Path) -> None:
    with (
        RejectedWriter(tmp_path / "rejected.jsonl") as rejected,
        Filling(tmp_path, "sketches", None, rejected) as filling,
    ):
        for start in (0, 1_000):
            texts = [
                {
                    "time": START,
                    "account_id": "a",
                    "system_prompt": "always",
                    "prompt": f"prompt number {number}",
                }
                for number in range(start, start + 1_000)
            ]
            (records,) = table(texts).combine_chunks().to_batches()
            filling.add(with_rows(Parsed(records), "log", start), KEYS)
    texts = pa.concat_tables(pq.read_table(path) for path in filling.sketches.paths)
    assert texts["role"].to_pylist().count("system") == 1
    assert texts["role"].to_pylist().count("prompt") == 2_000
    assert filling.read == 2_000
    origins = pa.concat_tables(pq.read_table(path) for path in filling.origins.paths)
    assert origins["row"].to_pylist() == list(range(1, 2_001))
    assert filling.files == ["log"]
