"""Values made into the types of a schema: the two paths agree, and what does not convert is named."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillhunt.schema.requests import REQUESTS
from stillhunt.sources.coerce import EXCERPT_CHARS, NAIVE, coerce, coerce_values, excerpt

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
SECONDS = 1_775_044_800


def values(name: str, *given: Any) -> list[Any]:
    """What the value-by-value path makes of them; none may be at fault."""
    made = coerce_values(name, given, REQUESTS.field(name).type)
    assert made.faults == ()
    return made.values.to_pylist()


@pytest.mark.parametrize(
    "value",
    [
        NOON,
        "2026-04-01T12:00:00Z",
        "2026-04-01T14:00:00+02:00",
        " 2026-04-01 12:00:00 UTC ",
        "2026-04-01T12:00:00.000 GMT",
        b"2026-04-01T12:00:00Z",
        NOON.astimezone(timezone(timedelta(hours=-5))),
        SECONDS,
        float(SECONDS),
        str(SECONDS),
        f"{SECONDS}.000",
        SECONDS * 1_000,
        SECONDS * 1_000_000,
        SECONDS * 1_000_000_000,
        str(SECONDS * 1_000),
    ],
)
def test_spellings_of_one_time(value: Any) -> None:
    assert values("time", value) == [NOON]


def test_times_without_a_zone_are_noted() -> None:
    for given_ in (datetime(2026, 4, 1, 12), "2026-04-01T12:00:00"):  # noqa: DTZ001
        made = coerce_values("time", [given_], REQUESTS.field("time").type)
        assert made.values.to_pylist() == [NOON]
        assert made.notes == {NAIVE: 1}
    assert values("time", date(2026, 4, 1)) == [NOON.replace(hour=0)]


MICROSECONDS = st.integers(int(datetime(2015, 1, 1, tzinfo=UTC).timestamp()) * 10**6, 4_000_000_000 * 10**6)


@given(st.lists(MICROSECONDS, min_size=1, max_size=8), st.sampled_from([1, 1_000, 1_000_000]))
def test_numbers_of_every_unit_agree_between_the_paths(micros: list[int], per_unit: int) -> None:
    whole = [value // per_unit for value in micros]
    column = coerce("time", pa.array(whole, pa.int64()), REQUESTS.field("time").type)
    single = coerce_values("time", whole, REQUESTS.field("time").type)
    assert column.faults == single.faults == ()
    assert column.values.equals(single.values)
    assert column.notes == single.notes
    assert [int(value.timestamp() * 10**6 + 0.5) // per_unit for value in column.values.to_pylist()] == whole


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("status", pa.array(["200", None, "429"])),
        ("status", pa.array([200, None, 429], pa.uint64())),
        ("status", pa.array([200.0, float("nan"), 429.0])),
        ("temperature", pa.array(["0.5", "", None])),
        ("temperature", pa.array([1, None, 0])),
        ("stream", pa.array([1, None, 0])),
        ("stream", pa.array([1.0, float("nan"), 0.0])),
        ("account_id", pa.array([1.0, None, 3.0])),
        ("account_id", pa.array([True, None, False])),
        ("account_id", pa.array(["a", "", None])),
        ("prompt", pa.array(["a", "", None])),
        ("input_tokens", pa.array([-1, 5, None])),
        ("finish_reason", pa.array([["stop"], [], None])),
        ("time", pa.array([SECONDS, None, SECONDS * 1_000])),
        ("time", pa.array(["2026-04-01T12:00:00Z", None, "2026-04-01T14:00:00+02:00"])),
        ("time", pa.array(["2026-04-01T12:00:00", None, ""])),
        ("time", pa.array([NOON, None, NOON], pa.timestamp("ns", "UTC"))),
    ],
)
def test_a_column_at_once_is_as_its_values_one_by_one(name: str, column: pa.Array) -> None:
    target = REQUESTS.field(name).type
    at_once = coerce(name, column, target)
    one_by_one = coerce_values(name, column.to_pylist(), target)
    assert at_once.faults == one_by_one.faults == ()
    assert at_once.values.type == target
    assert at_once.values.equals(one_by_one.values)
    assert dict(at_once.notes) == dict(one_by_one.notes)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("status", "x", "a whole number"),
        ("status", 1.5, "a whole number"),
        ("status", True, "a whole number"),
        ("status", 40_000, "a whole number below 32768"),
        ("input_tokens", 2**31, "a whole number below 2147483648"),
        ("input_tokens", "inf", "a whole number"),
        ("temperature", "warm", "a number"),
        ("temperature", [1], "a number"),
        ("stream", 2, "true or false"),
        ("stream", "maybe", "true or false"),
        ("account_id", {"id": 1}, "text"),
        ("account_id", b"\xff", "valid UTF-8"),
        ("prompt", 7, "text"),
        ("prompt", "\ud800", "valid UTF-8"),
        ("prompt", b"\xff", "valid UTF-8"),
        ("time", "yesterday", "a time (ISO 8601, or seconds, milliseconds or microseconds since 1970)"),
        ("time", True, "a time"),
        ("time", 1e300, "a time between the years 1 and 9999"),
    ],
)
def test_only_the_row_at_fault_is_named(name: str, value: Any, expected: str) -> None:
    good = {"status": 1, "input_tokens": 1, "temperature": 1, "stream": True, "time": NOON}.get(name, "good")
    made = coerce_values(name, [good, value, good], REQUESTS.field(name).type)
    (fault,) = made.faults
    assert (fault.index, fault.reason) == (1, f"{name}: expected {expected}")
    assert made.values.null_count == 1
    assert made.values.is_null().to_pylist() == [False, True, False]


def test_text_is_never_shown() -> None:
    (fault,) = coerce_values("prompt", [{"secret": "words"}], pa.string()).faults
    assert fault.value == ""
    (fault,) = coerce_values("status", ["x" * 500], pa.int16()).faults
    assert len(fault.value) == EXCERPT_CHARS
    assert excerpt(b"\xffab") == "\\xffab"


def test_negative_counts_are_unknown_and_noted() -> None:
    made = coerce("output_tokens", pa.array([-1, 3, -7]), pa.int32())
    assert made.values.to_pylist() == [None, 3, None]
    assert made.notes == {"output_tokens: negative values were taken as unknown": 2}
    assert values("temperature", -0.5) == [-0.5]


def test_a_column_of_nothing_is_null() -> None:
    assert coerce("asn", pa.nulls(3), pa.int32()).values.to_pylist() == [None] * 3


def test_sketches_come_as_bytes_or_as_hexadecimal() -> None:
    target = pa.binary(4)
    made = coerce_values("system_sketch", [b"\x00\x01\x02\x03", "00010203", None, ""], target)
    assert made.values.to_pylist() == [b"\x00\x01\x02\x03"] * 2 + [None] * 2
    faults = coerce_values("system_sketch", [b"\x00", "zz", "0001"], target).faults
    assert [fault.reason.split("expected ")[1] for fault in faults] == [
        "4 bytes",
        "4 bytes in hexadecimal",
        "4 bytes",
    ]


@given(st.lists(st.none() | st.text(max_size=6) | st.sampled_from([b"\xff", b"\xc3"]), max_size=8), st.data())
def test_texts_of_a_slice_are_judged_by_their_own_bytes(
    texts: list[str | bytes | None], data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(texts)))
    raw = [text.encode() if isinstance(text, str) else text for text in texts]
    column = pa.array(raw, pa.binary()).view(pa.string()).slice(start)
    made = coerce("prompt", column, pa.string())
    assert [fault.index for fault in made.faults] == [
        place for place, text in enumerate(texts[start:]) if isinstance(text, bytes)
    ]
    assert made.values.to_pylist() == [None if isinstance(text, bytes) else text for text in texts[start:]]
