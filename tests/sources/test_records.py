"""The mapping table: where values stand, how they convert, and what becomes of what does not."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stillhunt.errors import InputError
from stillhunt.schema.progress import Silent
from stillhunt.schema.requests import REQUESTS
from stillhunt.sources import convert, records
from stillhunt.sources.convert import UnusableError
from stillhunt.sources.mapped import BASES
from stillhunt.sources.records import (
    Batch,
    Field,
    RecordLog,
    RecordMapping,
    at,
    key,
    lookup,
    requests_batch,
    row_of,
)
from stillhunt.sources.source import Rejected

MAPPING = RecordMapping(
    kind="test",
    fields=(
        Field("time", at("t"), convert.timestamp),
        Field("account_id", at("who.id", "who_else"), convert.identifier),
        Field("input_tokens", at("tokens"), convert.whole_number),
        Field("prompt", at("text"), convert.identifier_or_none),
    ),
    looks_like=lambda found: bool(found),
)


def test_lookup() -> None:
    record = {"a": {"b": [{"c": 1}]}, "a.b": 2, "packed": '{"x": {"y": 3}}', "text": "{no json"}
    assert lookup(record, at("a.b.0.c")[0]) == 1
    assert lookup(record, key("a.b")[0]) == 2
    assert lookup(record, at("packed.x.y")[0]) == 3
    for missing in ("a.b.1.c", "a.b.x", "a.c", "text.x", "a.b.-1", "nothing"):
        assert lookup(record, at(missing)[0]) is None


def test_the_first_alternative_that_holds_something_counts() -> None:
    row = row_of({"t": 1.76e9, "who": {"id": ""}, "who_else": "b"}, MAPPING)
    assert isinstance(row, dict)
    assert row["account_id"] == "b"


@pytest.mark.parametrize(
    ("record", "reason", "value"),
    [
        ({"t": 1.76e9}, "account_id: expected a value in who.id or who_else, got none", ""),
        ({"who_else": "a"}, "time: expected a value in t, got none", ""),
        (
            {"t": 1.76e12, "who_else": "a"},
            "time: expected a time between the years 2000 and 2100",
            "1760000000000.0",
        ),
        ({"t": "yesterday", "who_else": "a"}, "time: expected a time", "yesterday"),
        ({"t": 1.76e9, "who_else": ["a"]}, "account_id: expected a string", "list of 1"),
        (
            {"t": 1.76e9, "who_else": "a", "tokens": 2**31},
            "input_tokens: expected a whole number from 0 to 2147483647",
            str(2**31),
        ),
        ({"t": 1.76e9, "who_else": "a", "tokens": "x" * 999}, "input_tokens: expected a number", "x" * 80),
    ],
)
def test_a_record_that_cannot_be_used_says_why(record: dict[str, Any], reason: str, value: str) -> None:
    assert row_of(record, MAPPING) == Rejected("", 0, reason, value)


def test_a_mapping_of_unknown_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="no_such"):
        RecordMapping("x", (Field("no_such", at("a"), convert.identifier),), lambda _: False)


def test_half_a_surrogate_pair_becomes_text() -> None:
    batch = requests_batch(
        [{"time": 0, "account_id": "a", "prompt": json.loads('"x\\ud800y"')}, {"prompt": None}]
    )
    assert batch.schema == REQUESTS
    assert batch["prompt"].to_pylist()[0].startswith("x\ufffd")
    batch.validate(full=True)


def test_a_batch_is_closed_by_rows_and_by_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(records, "BATCH_ROWS", 10)
    monkeypatch.setattr(records, "BATCH_BYTES", 1000)
    small = {"t": 1.76e9, "who_else": "a"}
    lines = [small] * 25 + [{**small, "text": "x" * 600}] * 3 + [{"t": None}] * 12
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    batches = list(RecordLog(MAPPING, (path,), "x").batches(Silent()))
    assert [(batch.requests.num_rows, len(batch.rejected)) for batch in batches] == [
        (10, 0),
        (10, 0),
        (7, 0),  # 5 without text and 2 with
        (1, 10),
        (0, 2),
    ]
    assert batches[2].rows is not None
    assert batches[2].rows.to_pylist() == [21, 22, 23, 24, 25, 26, 27]
    assert [each.row for each in batches[4].rejected] == [39, 40]


def test_what_was_read_before_a_failure_is_given(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"t": 1.76e9, "who_else": "a"}))
    log = RecordLog(MAPPING, (path, tmp_path / "gone"), "x").batches(Silent())
    assert next(log).requests.num_rows == 1
    with pytest.raises(InputError, match="gone"):
        next(log)


# --- converters -----------------------------------------------------------------------------------------------

MOMENT = 1_760_000_000_250_000


@pytest.mark.parametrize(
    "value",
    [
        "2025-10-09T08:53:20.250Z",
        "2025-10-09T10:53:20.250+02:00",
        "2025-10-09 08:53:20.250000",
        " 2025-10-09T08:53:20.25 ",
        "1760000000.25",
        1_760_000_000.25,
        datetime(2025, 10, 9, 8, 53, 20, 250_000),  # noqa: DTZ001
        datetime(2025, 10, 9, 4, 53, 20, 250_000, timezone(timedelta(hours=-4))),
    ],
)
def test_times(value: Any) -> None:
    assert convert.timestamp(value) == MOMENT


def test_epochs() -> None:
    assert convert.epoch_milliseconds("1760000000250") == MOMENT
    assert convert.epoch_microseconds(MOMENT) == MOMENT
    assert convert.epoch_nanoseconds(str(MOMENT * 1000 + 999)) == MOMENT
    assert convert.epoch_nanoseconds(MOMENT * 1000) == MOMENT
    for bad in (math.nan, math.inf, True, [], "", "x", 0, -1, "9" * 500):
        for read in (convert.timestamp, convert.epoch_nanoseconds, convert.epoch_seconds):
            with pytest.raises(UnusableError):
                read(bad)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("stop", "stop"), ("MAX_TOKENS", "length"), (["", "tool_calls"], "tool_use"), ("content_filter", "refusal"),
     ("Weird Reason", "weird reason"), ([], None), ("", None), (None, None), (3, None)],
)  # fmt: skip
def test_finish_reasons(value: Any, expected: str | None) -> None:
    assert convert.finish_reason(value) == expected


def test_what_a_client_chose_is_capped_or_null() -> None:
    assert [convert.capped_or_none(value) for value in (5, "7", 10**30, math.inf, -1, math.nan, "x", [], True)] == [
        5, 7, 2**31 - 1, 2**31 - 1, None, None, None, None, None,
    ]  # fmt: skip
    assert [convert.real_or_none(value) for value in (0.5, "1", math.nan, 1e300, "hot", {})] == [
        0.5, 1.0, None, None, None, None,
    ]  # fmt: skip
    assert convert.flag_or_none("perhaps") is None


def test_paths_that_ask_for_an_answer() -> None:
    for path in (
        "/v1/chat/completions",
        "/openai/v1/responses?x=1",
        "/v1/messages/",
        "/m:streamGenerateContent",
    ):
        assert convert.asks_for_an_answer(path) is True
    for path in ("/v1/embeddings", "/v1/models", "/v1/messages/count_tokens", "/v1/messages/batches"):
        assert convert.asks_for_an_answer(path) is False
    assert convert.asks_for_an_answer("/orders") is None
    assert convert.asks_for_an_answer(None) is None


# --- any record of any kind -----------------------------------------------------------------------------------

LEAF = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(["-", "2025-10-09T08:53:20Z", "1760000000", "None", "chat", "\ud800"])
)  # fmt: skip
ANYTHING = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


@st.composite
def odd_records(draw: st.DrawFn) -> tuple[RecordMapping, dict[str, Any]]:
    """A mapping, and a record in which some of its paths hold anything at all."""
    mapping = BASES[draw(st.sampled_from(sorted(BASES)))]
    paths = [path for each in mapping.fields for path in each.paths] + [
        ("ai", "proxy", "meta"), ("metadata",), ("call_type",), ("type",), ("request", "uri"), ("request_path",),
        ("gen_ai.request.model",), ("resourceSpans",), *mapping.address.peer, *mapping.address.forwarded_for,
    ]  # fmt: skip
    record: dict[str, Any] = {
        "time": "2025-10-09",
        "start_time": "2025-10-09",
        "started_at": 1_760_000_000_000,
    }
    for path in draw(st.lists(st.sampled_from(paths), max_size=12)):
        place = record
        for name in path[:-1]:
            inner = place.get(name)
            if not isinstance(inner, dict):
                inner = place[name] = {}
            place = inner
        place[path[-1]] = draw(ANYTHING)
    return mapping, record


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(odd_records())
def test_no_record_of_any_kind_raises_and_none_is_lost(odd: tuple[RecordMapping, dict[str, Any]]) -> None:
    mapping, record = odd
    mapping.looks_like([record])
    batch = Batch(mapping)
    unfolded = list(mapping.unfold(record))
    for each in unfolded:
        batch.add(each, "file", 1)
    parsed = batch.take()
    parsed.requests.validate(full=True)
    assert parsed.requests.num_rows + len(parsed.rejected) + sum(parsed.notes.values()) == len(unfolded)
    assert all(isinstance(each.reason, str) and len(each.value) <= 80 for each in parsed.rejected)


@pytest.mark.parametrize("kind", ["litellm_jsonl", "kong_json", "helicone_export", "langfuse_export"])
def test_nothing_the_client_sends_keeps_its_request_out(kind: str) -> None:
    """A scraper chooses its prompts, its limits, its headers; whatever it writes there, the row must stay."""
    wild: list[Any] = [None, True, -1, 1e400, math.nan, "x", "\ud800", [], {}, [[[]]], {"role": []}, 10**400]
    for value in wild:
        body = dict.fromkeys(("max_tokens", "temperature", "stream", "tools", "messages", "system"), value)
        record = {
            "litellm_jsonl": {
                "startTime": 1.76e9, "call_type": "acompletion", "status": "failure", "messages": value,
                "metadata": {"user_api_key_user_id": "u", "user_agent": value, "requester_ip_address": "x,y"},
                "model_parameters": body, "end_user": value, "session_id": value, "model_group": value,
            },
            "kong_json": {
                "started_at": 1.76e12, "consumer": {"id": "u"}, "client_ip": "10.0.0.1",
                "request": {"uri": "/v1/chat/completions", "headers": {"user-agent": value, "x-forwarded-for": value}},
                "ai": {"payload": {"request": body}, "proxy": {"payload": {"response": value}}},
            },
            "helicone_export": {
                "request_created_at": "2025-10-09", "request_user_id": "u", "request_body": body,
                "response_body": value, "response_status": 400, "request_model": value,
                "request_properties": {"Helicone-Session-Id": value},
            },
            "langfuse_export": {
                "start_time": "2025-10-09", "user_id": "u", "type": "GENERATION", "input": value, "output": value,
                "model_parameters": body, "session_id": value, "provided_model_name": value,
            },
        }[kind]  # fmt: skip
        batch = Batch(BASES[kind])
        for each in BASES[kind].unfold(record):
            batch.add(each, "file", 1)
        parsed = batch.take()
        assert parsed.requests.num_rows == 1, (value, parsed.rejected)
        assert parsed.requests["account_id"].to_pylist() == ["u"]
        assert parsed.requests["time"].to_pylist()[0].astimezone(UTC).year == 2025
