"""Requests with text → requests with sketches, row by row the same however they come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import plain_sketch
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillhunt.errors import InputError
from stillhunt.schema.requests import (
    LAKE_REQUESTS,
    LAKE_REQUESTS_WITH_TEXT,
    SKETCHES,
    TIMESTAMP,
)
from stillhunt.sketch.columns import sketch_requests
from stillhunt.sketch.keys import KeyRing, SketchKey

START = datetime(2026, 5, 1, tzinfo=UTC)
ROLES = {"prompt": "prompt", "system": "system_prompt", "completion": "completion"}
KEY = SketchKey("k-now", bytes(range(32)))
OLD = SketchKey("k-old", bytes(range(1, 33)))

maybe_text = st.one_of(st.none(), st.sampled_from(["", "a", "Hi", "same old text"]), st.text(max_size=30))
exchange = st.fixed_dictionaries(dict.fromkeys(ROLES.values(), maybe_text))


def batch_of(rows: list[dict[str, Any]], kind: pa.DataType | None = None) -> pa.RecordBatch:
    """Rows of REQUESTS, an hour apart, with texts of type ``kind``."""
    columns = {
        "time": pa.array([START + timedelta(hours=i) for i in range(len(rows))], TIMESTAMP),
        "account_id": pa.array([f"a-{i}" for i in range(len(rows))], pa.string()),
    }
    for name in ROLES.values():
        columns[name] = pa.array([row.get(name) for row in rows], kind or pa.string())
    return pa.RecordBatch.from_pydict(columns)


def plain_codes(row: dict[str, Any], key: SketchKey, old: str = "") -> dict[str, Any]:
    """The code of each text of a row by the plain reading of the page."""
    codes: dict[str, Any] = {}
    for role, column in ROLES.items():
        text = (row.get(column) or "").encode()
        vector = plain_sketch.vector("", text, key.secret)
        code = vector[f"{role}_sketch"]
        codes[f"{old}{role}_sketch"] = bytes.fromhex(str(code)) if code else None
    return codes


def plain_texts(rows: list[dict[str, Any]], key: SketchKey) -> set[tuple[str, bytes, bytes]]:
    """Role, text id and sketch of each distinct text that is not empty."""
    return {
        (
            role,
            plain_sketch.text_id(row[column].encode(), key.secret),
            b"".join(s.to_bytes(4, "little") for s in plain_sketch.sketch(row[column].encode(), key.secret)),
        )
        for row in rows
        for role, column in ROLES.items()
        if row.get(column)
    }


@given(rows=st.lists(exchange, max_size=8), kind=st.sampled_from([pa.string(), pa.large_string()]))
@settings(max_examples=60, deadline=None)
def test_every_row_and_text_is_that_of_the_plain_reading(
    rows: list[dict[str, Any]], kind: pa.DataType
) -> None:
    sketched = sketch_requests(batch_of(rows, kind), KeyRing(KEY), keep_text=False)
    assert sketched.requests.schema == LAKE_REQUESTS
    assert sketched.texts.schema == SKETCHES
    for given_row, row in zip(rows, sketched.requests.to_pylist(), strict=True):
        assert {name: row[name] for name in plain_codes(given_row, KEY)} == plain_codes(given_row, KEY)
        for role, column in ROLES.items():
            text = given_row[column]
            length = None if text is None else len(plain_sketch.symbols(text.encode()))
            assert row[f"{role}_chars"] == length
        assert (row["capability"] is None) == (not given_row["prompt"])
        assert row["sketch_key_id"] == (None if set(given_row.values()) == {None} else "k-now")
        assert row["old_sketch_key_id"] is None
    texts = sketched.texts.to_pylist()
    assert {(each["role"], each["text_id"], each["sketch"]) for each in texts} == plain_texts(rows, KEY)
    assert len(texts) == len(plain_texts(rows, KEY))


@given(rows=st.lists(exchange, min_size=1, max_size=8), cut=st.integers(0, 8), lead=st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_slices_and_chunks_make_no_difference(rows: list[dict[str, Any]], cut: int, lead: int) -> None:
    ring = KeyRing(KEY)
    whole = sketch_requests(batch_of(rows), ring, keep_text=True).requests
    batch = batch_of([{"prompt": "before"}] * lead + rows).slice(lead)
    batch = batch.set_column(0, "time", batch_of(rows).column("time"))
    batch = batch.set_column(1, "account_id", batch_of(rows).column("account_id"))
    parts = [sketch_requests(part, ring, keep_text=True) for part in (batch[:cut], batch[cut:])]
    assert pa.concat_batches([part.requests for part in parts]).equals(whole)
    pieces = pa.concat_batches([part.texts for part in parts]).to_pylist()
    assert {(each["role"], each["text_id"], each["sketch"]) for each in pieces} == plain_texts(rows, KEY)


def test_a_row_carries_at_most_16_bytes_of_its_texts() -> None:
    codes = ("prompt_sketch", "system_sketch", "completion_sketch")
    assert sum(LAKE_REQUESTS.field(name).type.byte_width for name in codes) == 16
    assert not any(pa.types.is_large_string(field.type) for field in LAKE_REQUESTS)
    assert not {"prompt", "system_prompt", "completion"} & set(LAKE_REQUESTS.names)


def test_text_stays_only_when_it_is_to_be_kept() -> None:
    batch = batch_of([{"prompt": "a plain question", "completion": "an answer"}])
    kept = sketch_requests(batch, KeyRing(KEY), keep_text=True).requests
    assert kept.schema == LAKE_REQUESTS_WITH_TEXT
    assert kept.column("prompt").to_pylist() == ["a plain question"]
    dropped = sketch_requests(batch, KeyRing(KEY), keep_text=False)
    for found in (dropped.requests, dropped.texts):
        assert b"plain" not in found.serialize().to_pybytes()
        assert b"answer" not in found.serialize().to_pybytes()


def test_columns_may_be_missing_and_a_batch_empty() -> None:
    batch = batch_of([{"prompt": "hello there"}]).select(["time", "account_id"])
    sketched = sketch_requests(batch, KeyRing(KEY), keep_text=False)
    assert sketched.requests.column("prompt_sketch").null_count == 1
    assert sketched.requests.column("sketch_key_id").null_count == 1
    assert sketched.texts.num_rows == 0
    nothing = sketch_requests(batch[:0], KeyRing(KEY, OLD), keep_text=True)
    assert nothing.requests.num_rows == nothing.texts.num_rows == 0


def test_a_row_that_was_sketched_before_is_left_as_it_is() -> None:
    first = sketch_requests(batch_of([{"prompt": "sketched elsewhere"}]), KeyRing(OLD), keep_text=False)
    mixed = pa.Table.from_batches([first.requests]).to_pylist()
    rows = [{"prompt": "now sent in full"}, {"prompt": "and this, which comes with codes"}]
    batch = batch_of(rows)
    for name in ("prompt_sketch", "prompt_chars", "capability", "sketch_key_id"):
        batch = batch.append_column(name, pa.array([None, mixed[0][name]], LAKE_REQUESTS.field(name).type))
    sketched = sketch_requests(batch, KeyRing(KEY), keep_text=False)
    new, before = sketched.requests.to_pylist()
    assert new["prompt_sketch"] == plain_codes(rows[0], KEY)["prompt_sketch"]
    assert new["sketch_key_id"] == "k-now"
    assert {name: before[name] for name in before if name not in ("time", "account_id")} == {
        name: mixed[0][name] for name in before if name not in ("time", "account_id")
    }
    assert sketched.texts.num_rows == 1


def test_a_dictionary_gives_what_its_texts_give() -> None:
    """With nulls in the rows and in the dictionary, empty texts, texts that stand there twice, and two keys."""
    values = pa.array(["never used", "You are A.", "", None, "You are B.", "You are A."])
    places = pa.array([1, 5, None, 2, 3, 4, 1])
    coded = pa.DictionaryArray.from_arrays(places, values)
    plain = batch_of(
        [{"prompt": f"prompt {number}", "system_prompt": coded[number].as_py()} for number in range(7)]
    )
    place = plain.schema.get_field_index("system_prompt")
    for ring in (KeyRing(KEY), KeyRing(KEY, OLD, START + timedelta(hours=3))):
        for keep in (False, True):
            one = sketch_requests(plain, ring, keep_text=keep)
            other = sketch_requests(plain.set_column(place, "system_prompt", coded), ring, keep_text=keep)
            assert one.requests.equals(other.requests)
            texts = [pa.Table.from_batches([each.texts]).sort_by("text_id") for each in (one, other)]
            assert texts[0].equals(texts[1])


def test_a_column_of_another_type_is_named() -> None:
    batch = batch_of([{"prompt": "hello"}])
    numbers = batch.set_column(2, "prompt", pa.array([7]))
    with pytest.raises(InputError, match="column prompt: expected texts"):
        sketch_requests(numbers, KeyRing(KEY), keep_text=False)
    coded = batch.set_column(2, "prompt", pa.array([7]).dictionary_encode())
    with pytest.raises(InputError, match="column prompt: expected texts"):
        sketch_requests(coded, KeyRing(KEY), keep_text=False)
    dated = batch.set_column(0, "time", pa.array(["yesterday"]))
    with pytest.raises(InputError, match=r"column time: expected timestamp\[us, tz=UTC\], got string"):
        sketch_requests(dated, KeyRing(KEY), keep_text=False)


# --- rotation -------------------------------------------------------------------------------------------------


@given(rows=st.lists(exchange, min_size=1, max_size=8), hours=st.integers(0, 8))
@settings(max_examples=40, deadline=None)
def test_rows_of_the_window_are_sketched_under_both_keys(rows: list[dict[str, Any]], hours: int) -> None:
    ring = KeyRing(KEY, OLD, START + timedelta(hours=hours))
    sketched = sketch_requests(batch_of(rows), ring, keep_text=False)
    for place, (given_row, row) in enumerate(zip(rows, sketched.requests.to_pylist(), strict=True)):
        assert {name: row[name] for name in plain_codes(given_row, KEY)} == plain_codes(given_row, KEY)
        old = plain_codes(given_row if place < hours else {}, OLD, "old_")
        assert {name: row[name] for name in old} == old
        has_text = set(given_row.values()) != {None}
        assert row["old_sketch_key_id"] == ("k-old" if place < hours and has_text else None)
    found = {
        (each["sketch_key_id"], each["role"], each["text_id"], each["sketch"])
        for each in sketched.texts.to_pylist()
    }
    expected = {("k-now", *each) for each in plain_texts(rows, KEY)}
    expected |= {("k-old", *each) for each in plain_texts(rows[:hours], OLD)}
    assert found == expected
    assert sketched.texts.num_rows == len(expected)


def test_without_an_end_every_row_is_sketched_under_both_keys() -> None:
    rows = [{"prompt": "one"}, {"prompt": "two"}]
    requests = sketch_requests(batch_of(rows), KeyRing(KEY, OLD), keep_text=False).requests
    assert requests.column("old_sketch_key_id").to_pylist() == ["k-old", "k-old"]


def test_logs_from_both_sides_of_a_rotation_join_on_the_window_between() -> None:
    text = [{"prompt": "Count the red boats in the harbour and list their names."}]
    until = START + timedelta(days=30)

    def row(ring: KeyRing, day: int) -> dict[str, Any]:
        batch = batch_of(text).set_column(0, "time", pa.array([START + timedelta(days=day)], TIMESTAMP))
        (found,) = sketch_requests(batch, ring, keep_text=False).requests.to_pylist()
        return dict(found)

    before, between, after = (
        row(KeyRing(OLD), -1),
        row(KeyRing(KEY, OLD, until), 1),
        row(KeyRing(KEY, OLD, until), 31),
    )
    assert before["prompt_sketch"] == between["old_prompt_sketch"]
    assert between["prompt_sketch"] == after["prompt_sketch"]
    assert before["prompt_sketch"] != after["prompt_sketch"]


def test_a_prompt_of_ten_megabytes_beside_short_ones() -> None:
    long = "All work and no play. " * 480_000
    rows = [{"prompt": "short"}, {"prompt": long}, {"prompt": None}, {"prompt": "short"}]
    sketched = sketch_requests(batch_of(rows), KeyRing(KEY), keep_text=False)
    assert sketched.requests.column("prompt_chars").to_pylist() == [5, len(long), None, 5]
    assert sketched.texts.num_rows == 2
    assert sketched.requests.nbytes + sketched.texts.nbytes < 10_000
