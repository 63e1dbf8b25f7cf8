"""One log in every canonical format gives one lake; what only one format can get wrong is tested beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_log import START, ingested, rows, table, write_csv, write_jsonl, write_parquet

from stillhunt.errors import InputError
from stillhunt.schema.progress import Silent
from stillhunt.schema.requests import REQUESTS
from stillhunt.sources import csv_rows, jsonl_rows, parquet_rows
from stillhunt.sources.canonical import CanonicalLog
from stillhunt.sources.columns import MAX_BATCH_ROWS, REQUESTS_WANTED
from stillhunt.sources.csv_rows import read_csv
from stillhunt.sources.jsonl_rows import read_jsonl
from stillhunt.sources.lake import open_lake
from stillhunt.sources.parquet_rows import read_parquet
from stillhunt.sources.source import Parsed, Rejected

READERS = {
    ".parquet": read_parquet,
    ".jsonl": read_jsonl,
    ".csv": read_csv,
    ".gz": read_jsonl,
    ".zst": read_jsonl,
}
WRITERS: dict[str, Callable[..., Path]] = {
    ".parquet": write_parquet,
    ".jsonl": write_jsonl,
    ".csv": write_csv,
    ".gz": write_jsonl,
    ".zst": write_jsonl,
}


def batches(path: Path) -> list[Parsed]:
    return list(CanonicalLog("canonical", path, READERS[path.suffix]).batches(Silent()))


def plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with dictionaries written out."""
    columns = [
        column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def read(path: Path) -> pa.Table:
    """Every accepted row with its text, schema REQUESTS."""
    return pa.Table.from_batches([plain(each.requests) for each in batches(path)], REQUESTS)


def notes(path: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in batches(path):
        for note, count in each.notes.items():
            found[note] = found.get(note, 0) + count
    return found


def rejected(path: Path) -> list[Rejected]:
    return sorted((each for batch in batches(path) for each in batch.rejected), key=lambda each: each.row)


@pytest.mark.parametrize("suffix", READERS)
def test_every_format_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    path = WRITERS[suffix](tmp_path / f"log{suffix}", rows())
    expected = table(rows())
    found = read(path)
    for name in REQUESTS.names:
        if name in expected.column_names:
            assert found[name].to_pylist() == expected[name].to_pylist(), name
        else:
            assert found[name].null_count == found.num_rows, name
    assert notes(path) == {}
    assert rejected(path) == []


def test_every_format_gives_the_same_lake(tmp_path: Path) -> None:
    lakes = []
    for suffix, write in WRITERS.items():
        log = write(tmp_path / f"log{suffix}", rows())
        ingested(log, tmp_path / f"lake{suffix}")
        lake = open_lake(tmp_path / f"lake{suffix}")
        lakes.append(
            (pq.read_table(lake.request_files[0]), pq.read_table(lake.sketch_files[0]).sort_by("text_id"))
        )
    assert all(each[0].equals(lakes[0][0]) and each[1].equals(lakes[0][1]) for each in lakes[1:])


TEXTS = st.text(max_size=40)
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=12)
RECORDS = st.fixed_dictionaries(
    {
        "time": st.datetimes(datetime(2015, 1, 1), datetime(2090, 1, 1)).map(lambda t: t.replace(tzinfo=UTC)),  # noqa: DTZ001
        "account_id": NAMES,
    },
    optional={
        "model": NAMES,
        "input_tokens": st.integers(0, 2**31 - 1),
        "tools": st.integers(0, 2**15 - 1),
        "temperature": st.floats(0, 2, width=32),
        "stream": st.booleans(),
        "prompt": TEXTS,
        "completion": TEXTS.filter(bool),
    },
)


@given(st.lists(RECORDS, min_size=1, max_size=12), st.sampled_from([".parquet", ".jsonl", ".zst"]))
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]], suffix: str
) -> None:
    path = WRITERS[suffix](tmp_path_factory.mktemp("log") / f"log{suffix}", records)
    assert rejected(path) == []
    found = read(path).to_pylist()
    for record, row in zip(records, found, strict=True):
        assert {name: row[name] for name in record} == record
        assert all(value is None for name, value in row.items() if name not in record)


@given(st.lists(RECORDS, min_size=1, max_size=12))
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_round_trip_of_csv_with_quotes_and_line_breaks(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]]
) -> None:
    """CSV cannot tell an empty text from none, nor keep a lone carriage return."""
    path = tmp_path_factory.mktemp("log") / "log.csv"
    expected = table(records)
    pcsv.write_csv(expected, path)
    assert rejected(path) == []
    found = read(path)
    for name in expected.column_names:
        values = [None if value == "" else value for value in expected[name].to_pylist()]
        assert found[name].to_pylist() == values, name


# --- JSON lines -----------------------------------------------------------------------------------------------


def lines(path: Path, *objects: Any) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in objects), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "hour", "naive"),
    [
        ("2026-04-01T12:00:00Z", 12, False),
        ("2026-04-01T12:00:00+02:00", 10, False),
        ("2026-04-01 12:00:00+00:00", 12, False),
        ("2026-04-01T12:00:00.000000+00:00", 12, False),
        ("2026-04-01T12:00:00", 12, True),
        ("2026-04-01 12:00:00.000", 12, True),
    ],
)
def test_times_are_read_with_their_zone_and_only_those_without_are_noted(
    tmp_path: Path, text: str, hour: int, naive: bool
) -> None:
    path = lines(tmp_path / "log.jsonl", *({"time": text, "account_id": f"a{number}"} for number in range(3)))
    assert read(path)["time"].to_pylist() == [datetime(2026, 4, 1, hour, tzinfo=UTC)] * 3
    assert notes(path) == ({"times without a zone were read as UTC": 3} if naive else {})


def test_texts_that_look_like_something_else_keep_their_spelling(tmp_path: Path) -> None:
    records = [
        ("2026-04-01T12:00:00Z", 12345678901234567890, "2026-04-01", "2026-04-01"),
        (1775044800, 1.0, "2026-04-02", "2026-04-02T00:00:00Z"),
    ]
    names = ("time", "account_id", "session_id", "prompt")
    path = lines(tmp_path / "log.jsonl", *(dict(zip(names, each, strict=True)) for each in records))
    found = read(path)
    assert found["account_id"].to_pylist() == ["12345678901234567890", "1"]
    assert found["session_id"].to_pylist() == ["2026-04-01", "2026-04-02"]
    assert found["prompt"].to_pylist() == ["2026-04-01", "2026-04-02T00:00:00Z"]
    assert found["time"].to_pylist() == [datetime(2026, 4, 1, 12, tzinfo=UTC)] * 2


def test_lines_that_are_no_object_are_named_and_blank_ones_are_not(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    good = json.dumps({"time": "2026-04-01T12:00:00Z", "account_id": "a"})
    path.write_text(f'{good}\n\n[1]\n{good[:-3]}\n   \n{good}\n"text"\n{good}', encoding="utf-8")
    assert [(each.row, each.reason) for each in rejected(path)] == [
        (3, "expected one JSON object on the line"),
        (4, "expected one JSON object on the line"),
        (7, "expected one JSON object on the line"),
    ]
    assert [each.rows.to_pylist() for each in batches(path)] == [[1, 6, 8]]


def test_rows_keep_their_line_numbers_over_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = jsonl_rows.line_blocks
    monkeypatch.setattr(jsonl_rows, "line_blocks", lambda stream: blocks(stream, 1_000))
    records = rows(200)
    records[150]["status"] = "broken"
    path = write_jsonl(tmp_path / "log.jsonl", records)
    # Chunks of a megabyte would hold all of it: the reader is fed small ones.
    monkeypatch.setattr("stillhunt.sources.byte_stream._PLAIN_CHUNK", 700)
    found = batches(path)
    assert len(found) > 20
    assert [row for each in found for row in each.rows.to_pylist()] == [n for n in range(1, 201) if n != 151]
    assert [(each.row, each.value) for each in rejected(path)] == [(151, "broken")]


def test_a_column_that_changes_its_type_between_rows(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "log.jsonl",
        {"time": "2026-04-01T12:00:00Z", "account_id": "a", "status": 200, "temperature": 1},
        {"time": "2026-04-01T12:00:00Z", "account_id": 7, "status": "429", "temperature": "0.5"},
        {"time": "2026-04-01T12:00:00Z", "account_id": "c", "status": None, "temperature": [1]},
    )
    found = read(path)
    assert found["account_id"].to_pylist() == ["a", "7"]
    assert found["status"].to_pylist() == [200, 429]
    assert found["temperature"].to_pylist() == [1.0, 0.5]
    assert [(each.row, each.reason) for each in rejected(path)] == [(3, "temperature: expected a number")]


# --- CSV ------------------------------------------------------------------------------------------------------


def csv_text(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "log.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters(tmp_path: Path, delimiter: str) -> None:
    fields = [["time", "account_id", "prompt"], ["2026-04-01T12:00:00Z", "a", "x y"]]
    path = csv_text(tmp_path, "\ufeff" + "\r\n".join(delimiter.join(each) for each in fields))
    assert read(path).select(["account_id", "prompt"]).to_pylist() == [{"account_id": "a", "prompt": "x y"}]


def test_rows_with_too_many_fields_are_named_and_numbers_hold(tmp_path: Path) -> None:
    time = "2026-04-01T12:00:00Z"
    path = csv_text(tmp_path, f"time,account_id\n{time},a\n{time},b,extra\n{time}\n{time},c\n{time},d,x,y\n")
    assert [(each.row, each.reason) for each in rejected(path)] == [
        (2, "expected 2 fields, found 3"),
        (3, "expected 2 fields, found 1"),
        (5, "expected 2 fields, found 4"),
    ]
    assert [
        (each.rows.to_pylist(), each.requests["account_id"].to_pylist())
        for each in batches(path)
        if len(each.rows)
    ] == [([1, 4], ["a", "c"])]


def test_a_record_longer_than_a_block_is_read_with_a_larger_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_rows, "BLOCK_SIZES", (4_000, 16_000, 32_000))
    records = rows(60)
    records[20]["prompt"] = "x" * 9_000
    path = write_csv(tmp_path / "log.csv", records)
    assert read(path)["prompt"].to_pylist() == [record["prompt"] for record in records]
    assert [row for each in batches(path) for row in each.rows.to_pylist()] == list(range(1, 61))
    told: list[int] = []
    list(read_csv(path, REQUESTS_WANTED, told.append))
    assert sum(told) == path.stat().st_size
    records[20]["prompt"] = "x" * 90_000
    with pytest.raises(InputError, match=r"a record is longer than") as caught:
        read(write_csv(path, records))
    assert "quotation mark" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (b"\xff\xfet\x00i\x00m\x00e\x00", "header of column names"),
        (b"time,\x00\n1,2\n", "header of column names"),
        (b"time,account_id,time\n1,2,3\n", "expected each column once, found time"),
        (b"when,who\n1,2\n", "expected a column `time`"),
    ],
)
def test_headers_that_cannot_be_used(tmp_path: Path, text: bytes, match: str) -> None:
    with pytest.raises(InputError, match=match) as caught:
        read(csv_text(tmp_path, text))
    assert caught.value.where.endswith("log.csv")


def test_invalid_utf8_costs_its_row_only(tmp_path: Path) -> None:
    path = csv_text(
        tmp_path, b"time,account_id,prompt\n2026-04-01T12:00:00Z,a,ok\n2026-04-01T12:00:00Z,b,\xff\n"
    )
    assert read(path)["account_id"].to_pylist() == ["a"]
    assert [(each.row, each.reason, each.value) for each in rejected(path)] == [
        (2, "prompt: expected valid UTF-8", "")
    ]


# --- Parquet --------------------------------------------------------------------------------------------------


def test_repeated_system_prompts_stay_a_dictionary(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "log.parquet", rows(200))
    (found,) = batches(path)
    assert pa.types.is_dictionary(found.requests["system_prompt"].type)
    assert pa.types.is_string(found.requests["prompt"].type)


def test_a_dictionary_gives_the_lake_that_plain_texts_give(tmp_path: Path) -> None:
    records = rows(200)
    for number in (3, 4, 5):
        records[number]["system_prompt"] = ("", None, "You are assistant number 0 of a shop.")[number - 3]
    lakes = []
    for coded in (True, False):
        log = write_parquet(tmp_path / f"{coded}.parquet", records, use_dictionary=coded)
        (found,) = batches(log)
        assert pa.types.is_dictionary(found.requests["system_prompt"].type) == coded
        for keep in (False, True):
            ingested(log, tmp_path / f"lake-{coded}-{keep}", keep_text=keep)
            lake = open_lake(tmp_path / f"lake-{coded}-{keep}")
            lakes.append(
                (
                    keep,
                    pq.read_table(lake.request_files[0]),
                    pq.read_table(lake.sketch_files[0]).sort_by("text_id"),
                )
            )
    assert all(
        one[1].equals(other[1]) and one[2].equals(other[2])
        for one in lakes
        for other in lakes
        if one[0] == other[0]
    )


def test_a_dictionary_with_a_broken_text_rejects_the_rows_that_use_it(tmp_path: Path) -> None:
    texts = pa.array([b"fine", b"\xff", b"fine"], pa.binary()).view(pa.string())
    log = tmp_path / "log.parquet"
    pq.write_table(table(rows(3)).drop_columns(["system_prompt"]).append_column("system_prompt", texts), log)
    assert [(each.row, each.reason) for each in rejected(log)] == [(2, "system_prompt: expected valid UTF-8")]
    assert read(log)["system_prompt"].to_pylist() == ["fine", "fine"]


def test_batches_are_small_whatever_the_row_group(tmp_path: Path) -> None:
    records = [{**row, "prompt": "x" * 20_000} for row in rows(4_000)]
    path = write_parquet(tmp_path / "log.parquet", records, row_group_size=4_000, use_dictionary=False)
    found = batches(path)
    assert max(each.requests.nbytes for each in found) < 2 * parquet_rows.BATCH_BYTES
    assert sum(each.requests.num_rows for each in found) == 4_000
    many = write_parquet(
        tmp_path / "many.parquet", [{"time": START, "account_id": "a"}] * (MAX_BATCH_ROWS + 5)
    )
    assert [each.requests.num_rows for each in batches(many)] == [MAX_BATCH_ROWS, 5]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("time", pa.array([1775044800000] * 2, pa.int64()), [datetime(2026, 4, 1, 12, tzinfo=UTC)] * 2),
        ("time", pa.array([START] * 2, pa.timestamp("ns", "Europe/Berlin")), [START] * 2),
        ("account_id", pa.array([7, 8], pa.uint16()), ["7", "8"]),
        ("account_id", pa.array(["x", "y"]).dictionary_encode(), ["x", "y"]),
        ("account_id", pa.array(["x", "y"], pa.string_view()), ["x", "y"]),
        ("account_id", pa.array([b"x", b"y"], pa.large_binary()), ["x", "y"]),
        ("status", pa.array([200.0, None], pa.float64()), [200, None]),
        ("status", pa.array(["200", ""]), [200, None]),
        ("stream", pa.array([1, 0], pa.int8()), [True, False]),
        ("temperature", pa.array([1, 0], pa.int8()), [1.0, 0.0]),
        ("finish_reason", pa.array([["stop", "length"], []]), ["stop", None]),
        ("prompt", pa.array(["x", ""], pa.large_string()), ["x", ""]),
        ("device_id", pa.nulls(2), [None, None]),
    ],
)
def test_types_that_convert(tmp_path: Path, name: str, values: pa.Array, expected: list[Any]) -> None:
    columns = {"time": pa.array([START] * 2, pa.timestamp("us", "UTC")), "account_id": pa.array(["a", "b"])}
    log = tmp_path / "log.parquet"
    pq.write_table(pa.table({**columns, name: values}), log)
    assert read(log)[name].to_pylist() == expected
    assert rejected(log) == []


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("time", pa.array([True, False])),
        ("prompt", pa.array([1, 2])),
        ("account_id", pa.array([["a"], ["b"]])),
        ("status", pa.array([START, START])),
        ("stream", pa.array([START, START])),
    ],
)
def test_types_that_never_convert(tmp_path: Path, name: str, values: pa.Array) -> None:
    columns = {"time": pa.array([START] * 2), "account_id": pa.array(["a", "b"])}
    log = tmp_path / "log.parquet"
    pq.write_table(pa.table({**columns, name: values}), log)
    with pytest.raises(InputError, match=f"expected column `{name}` to be .* found ") as caught:
        read(log)
    assert caught.value.remedy


def test_a_column_that_stands_there_twice(tmp_path: Path) -> None:
    log = tmp_path / "log.parquet"
    pq.write_table(table(rows(3)).append_column("prompt", pa.array(["a", "b", "c"])), log)
    with pytest.raises(InputError, match="expected each column once, found prompt more than once"):
        read(log)


# --- all of them ----------------------------------------------------------------------------------------------


def test_columns_are_found_by_case_and_alias_and_the_rest_is_noted(tmp_path: Path) -> None:
    log = lines(
        tmp_path / "log.jsonl",
        {
            "Timestamp": "2026-04-01T12:00:00Z",
            "ENDUSER.ID": "a",
            "gen_ai.request.model": "large",
            "MODEL": "larger",
            "colour": 1,
        },
    )
    found = read(log)
    assert found.select(["account_id", "model"]).to_pylist() == [{"account_id": "a", "model": "larger"}]
    assert notes(log) == {
        "column 'gen_ai.request.model' is not known and was ignored": 0,
        "column 'colour' is not known and was ignored": 0,
    }


def test_progress_is_told_every_byte(tmp_path: Path) -> None:
    for suffix, write in WRITERS.items():
        path = write(tmp_path / f"log{suffix}", rows(500))
        told: list[int] = []
        list(READERS[suffix](path, REQUESTS_WANTED, told.append))
        assert sum(told) == path.stat().st_size, suffix


def test_one_row_is_rejected_once_however_many_values_are_at_fault(tmp_path: Path) -> None:
    found = lines(tmp_path / "log.jsonl", {"time": "never", "account_id": "a", "status": "x", "asn": "y"})
    (batch,) = batches(found)
    assert [(each.row, each.reason[:5], each.value) for each in batch.rejected] == [(1, "time:", "never")]
    assert batch.requests.num_rows == 0
