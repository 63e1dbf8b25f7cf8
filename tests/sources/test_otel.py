"""OpenTelemetry GenAI from OTLP JSON files, against the names of the semantic conventions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.semconv._incubating.attributes import (
    client_attributes,
    enduser_attributes,
    gen_ai_attributes,
    session_attributes,
    user_attributes,
)

from stillhunt.schema.progress import Silent
from stillhunt.sources.otel import FIELDS, OTEL, OtelFiles
from stillhunt.sources.source import Parsed

START = 1_760_000_000_123_456_789


def value(raw: Any) -> dict[str, Any]:
    """An OTLP JSON AnyValue."""
    if isinstance(raw, bool):
        return {"boolValue": raw}
    if isinstance(raw, int):
        return {"intValue": str(raw)}  # 64-bit integers are strings in OTLP JSON
    if isinstance(raw, float):
        return {"doubleValue": raw}
    if isinstance(raw, str):
        return {"stringValue": raw}
    if isinstance(raw, list):
        return {"arrayValue": {"values": [value(item) for item in raw]}}
    return {"kvlistValue": {"values": pairs(raw)}}


def pairs(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(raw)} for key, raw in attributes.items()]


def span(attributes: Mapping[str, Any], span_id: str = "00f067aa0ba902b7", **more: Any) -> dict[str, Any]:
    return {
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
        "spanId": span_id,
        "name": "chat m",
        "startTimeUnixNano": str(START),
        "endTimeUnixNano": str(START + 1_500_000_000),
        "attributes": pairs(attributes),
        **more,
    }


def traces(*spans: dict[str, Any], resource: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "resourceSpans": [
            {"resource": {"attributes": pairs(resource or {})}, "scopeSpans": [{"spans": list(spans)}]}
        ]
    }


def logs(*records: dict[str, Any]) -> dict[str, Any]:
    return {"resourceLogs": [{"resource": {}, "scopeLogs": [{"logRecords": list(records)}]}]}


def event(
    name: str, body: Any = None, span_id: str = "00f067aa0ba902b7", **attributes: Any
) -> dict[str, Any]:
    return {
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
        "spanId": span_id,
        "timeUnixNano": str(START),
        "eventName": name,
        "attributes": pairs(attributes),
        **({} if body is None else {"body": value(body)}),
    }


def read(tmp_path: Path, *files: Sequence[Any]) -> list[Parsed]:
    paths = []
    for number, requests in enumerate(files):
        paths.append(tmp_path / f"{number}.jsonl")
        paths[-1].write_text("".join(json.dumps(request) + "\n" for request in requests))
    return list(OtelFiles(tuple(paths), "test").batches(Silent()))


def rows(batches: Sequence[Parsed]) -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.requests.to_pylist()]


NEW = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "m-1",
    "gen_ai.response.id": "r-1",
    "gen_ai.conversation.id": "c-1",
    "gen_ai.request.max_tokens": 512,
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.stream": True,
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.usage.output_tokens": 34,
    "gen_ai.usage.cache_read.input_tokens": 5,
    "gen_ai.response.finish_reasons": ["tool_calls"],
    "gen_ai.tool.definitions": [{"type": "function", "name": "f"}, {"type": "function", "name": "g"}],
    "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
    "gen_ai.input.messages": [
        {"role": "user", "parts": [{"type": "text", "content": "an older question"}]},
        {"role": "assistant", "parts": [{"type": "text", "content": "an older answer"}]},
        {"role": "user", "parts": [{"type": "text", "content": "the question"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "response": "42"}]},
    ],
    "gen_ai.output.messages": [
        {
            "role": "assistant",
            "parts": [{"type": "reasoning", "content": "hm"}, {"type": "text", "content": "the answer"}],
            "finish_reason": "stop",
        }
    ],
    "enduser.id": "account-1",
    "client.address": "192.0.2.7",
    "user_agent.original": "sdk/1",
    "http.response.status_code": 200,
}
TEXT = {"system_prompt": "Be brief.", "prompt": "the question", "completion": "the answer"}
EXPECTED = {
    "request_id": "r-1",
    "account_id": "account-1",
    "session_id": "c-1",
    "model": "m-1",
    "input_tokens": 12,
    "output_tokens": 34,
    "cached_input_tokens": 5,
    "max_tokens": 512,
    "temperature": 0.5,
    "stream": True,
    "tools": 2,
    "status": 200,
    "finish_reason": "tool_use",
    "latency_ms": 1500,
    "client_ip": "192.0.2.7",
    "user_agent": "sdk/1",
}


def test_current_conventions_as_nested_lists_and_as_json_strings(tmp_path: Path) -> None:
    packed = {
        key: json.dumps(raw) if isinstance(raw, list) and "." in key else raw for key, raw in NEW.items()
    }
    packed["gen_ai.response.finish_reasons"] = NEW["gen_ai.response.finish_reasons"]
    for attributes in (NEW, packed):
        (row,) = rows(read(tmp_path, [traces(span(attributes))]))
        assert {name: row[name] for name in EXPECTED} == EXPECTED
        assert {name: row[name] for name in TEXT} == TEXT
        assert row["time"].isoformat() == "2025-10-09T08:53:20.123456+00:00"


def test_every_current_name_is_one_that_the_conventions_define() -> None:
    """Semantic conventions as in opentelemetry-semantic-conventions 0.66b (the names are constants there)."""
    defined = {
        name
        for module in (
            gen_ai_attributes,
            enduser_attributes,
            user_attributes,
            session_attributes,
            client_attributes,
        )
        for name in vars(module).values()
        if isinstance(name, str)
    }
    ours = {path[-1] for each in FIELDS for path in each.paths} | {path[0] for path in OTEL.address.peer}
    beyond = {
        name for name in ours if name.startswith(("gen_ai.", "enduser.", "user.", "session.", "client."))
    } - defined
    # Names of OpenLLMetry, and one geographic name that other conventions put under client.
    assert beyond == {
        "gen_ai.is_streaming",
        "gen_ai.usage.cache_read_input_tokens",
        "client.geo.country_iso_code",
    }


def test_a_mapping_of_old_names_on_the_span(tmp_path: Path) -> None:
    """Conventions 1.27: gen_ai.system, *_tokens as prompt and completion, content as JSON in span events."""
    old = {
        "gen_ai.system": "openai",
        "gen_ai.request.model": "m-1",
        "gen_ai.usage.prompt_tokens": 12,
        "gen_ai.usage.completion_tokens": 34,
        "enduser.id": "account-1",
    }
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "the question"}]
    answers = [{"role": "assistant", "content": "the answer"}]
    events = [
        {"name": "gen_ai.content.prompt", "attributes": pairs({"gen_ai.prompt": json.dumps(messages)})},
        {
            "name": "gen_ai.content.completion",
            "attributes": pairs({"gen_ai.completion": json.dumps(answers)}),
        },
    ]
    (row,) = rows(read(tmp_path, [traces(span(old, events=events))]))
    assert {name: row[name] for name in TEXT} == TEXT
    assert (row["input_tokens"], row["output_tokens"], row["status"]) == (12, 34, 200)


def test_flattened_attributes_of_openllmetry(tmp_path: Path) -> None:
    flat = {
        "llm.request.type": "chat",
        "gen_ai.request.model": "m-1",
        "gen_ai.prompt.0.role": "system",
        "gen_ai.prompt.0.content": "Be brief.",
        "gen_ai.prompt.1.role": "user",
        "gen_ai.prompt.1.content": "the question",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "the answer",
        "gen_ai.completion.0.finish_reason": "length",
        "llm.request.functions.0.name": "f",
        "traceloop.association.properties.user_id": "account-1",
    }
    (row,) = rows(read(tmp_path, [traces(span(flat))]))
    assert {name: row[name] for name in TEXT} == TEXT
    assert (row["finish_reason"], row["tools"], row["account_id"]) == ("length", 1, "account-1")


MESSAGE_EVENTS = (
    event("gen_ai.system.message", {"content": "Be brief."}),
    event("gen_ai.user.message", {"content": "the question"}),
    event("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": {"content": "the answer"}}),
)
BARE = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m-1", "enduser.id": "account-1"}


@pytest.mark.parametrize("order", ["span first", "events first"])
def test_events_of_one_message_each_find_their_span(tmp_path: Path, order: str) -> None:
    """Conventions 1.28 to 1.36: one log event per message, with the message in its body."""
    files = [[traces(span(BARE))], [logs(*MESSAGE_EVENTS)]]
    (row,) = rows(read(tmp_path, *(files if order == "span first" else files[::-1])))
    assert {name: row[name] for name in TEXT} == TEXT
    assert row["finish_reason"] == "stop"


def test_messages_without_their_span_are_counted_and_no_row(tmp_path: Path) -> None:
    batches = read(tmp_path, [logs(*MESSAGE_EVENTS)])
    assert rows(batches) == []
    assert batches[0].notes == {"passed over: message event without its span": 1}


@pytest.mark.parametrize("order", ["span first", "event first", "no span"])
def test_the_event_of_a_whole_exchange_is_one_row_with_its_span(tmp_path: Path, order: str) -> None:
    """Conventions from 1.37: gen_ai.client.inference.operation.details."""
    details = logs(event("gen_ai.client.inference.operation.details", **NEW))
    bare = traces(span({**BARE, "gen_ai.response.id": "r-1"}))
    files = {"span first": [[bare], [details]], "event first": [[details], [bare]], "no span": [[details]]}[
        order
    ]
    (row,) = rows(read(tmp_path, *files))
    assert {name: row[name] for name in TEXT} == TEXT
    assert row["request_id"] == "r-1"


def test_spans_of_other_work_are_passed_over_and_said(tmp_path: Path) -> None:
    batches = read(
        tmp_path,
        [
            traces(
                span({"http.request.method": "GET"}, "01"),
                span({**BARE, "gen_ai.operation.name": "embeddings"}, "02"),
                span({**BARE, "gen_ai.operation.name": "invoke_agent"}, "03"),
                span(BARE, "04"),
            )
        ],
    )
    assert [row["request_id"] for row in rows(batches)] == ["04"]
    notes = {name: count for batch in batches for name, count in batch.notes.items()}
    assert notes == {
        "passed over: span of something else than a model": 1,
        "passed over: operation asks no model for an answer": 2,
    }


@pytest.mark.parametrize(
    ("attributes", "status", "expected"),
    [
        ({}, {"code": 2}, None),
        ({"error.type": "429"}, {"code": 2}, 429),
        ({"error.type": "openai.RateLimitError"}, {"code": 2}, 429),
        ({"error.type": "_OTHER"}, {}, None),
        ({"http.response.status_code": 503}, {"code": "STATUS_CODE_ERROR"}, 503),
        ({}, {"code": 0}, 200),
    ],
)
def test_status(
    tmp_path: Path, attributes: dict[str, Any], status: dict[str, Any], expected: int | None
) -> None:
    (row,) = rows(read(tmp_path, [traces(span({**BARE, **attributes}, status=status))]))
    assert row["status"] == expected


def test_bad_spans_are_rejected_with_what_was_expected(tmp_path: Path) -> None:
    no_account = {name: raw for name, raw in BARE.items() if name != "enduser.id"}
    batches = read(
        tmp_path,
        [
            traces(
                span(no_account, "01"),
                {**span(BARE, "02"), "startTimeUnixNano": "0"},
                span({**BARE, "gen_ai.usage.input_tokens": "many"}, "03"),
            ),
            {"resourceSpans": [{"scopeSpans": [{"spans": ["nothing"]}]}]},
            {"something": "else"},
        ],
    )
    rejected = [each for batch in batches for each in batch.rejected]
    assert [(each.row, each.reason.split(",")[0], each.value) for each in rejected] == [
        (2, "expected a span object", ""),
        (3, "expected an OTLP export request of traces or logs", ""),
        (1, "account_id: expected a value in enduser.id", ""),
        (1, "time: expected a time between the years 2000 and 2100", "0"),
        (1, "input_tokens: expected a number", "many"),
    ]


def test_account_from_the_resource(tmp_path: Path) -> None:
    attributes = {name: raw for name, raw in BARE.items() if name != "enduser.id"}
    (row,) = rows(read(tmp_path, [traces(span(attributes), resource={"user.id": "tenant-7"})]))
    assert row["account_id"] == "tenant-7"


def test_a_pretty_printed_file_and_snake_case_read_the_same(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps(traces(span(NEW)), indent=2))
    (camel,) = rows(list(OtelFiles((path,), "test").batches(Silent())))
    text = json.dumps(traces(span(NEW)))
    for name, snake in (
        ("resourceSpans", "resource_spans"), ("scopeSpans", "scope_spans"), ("traceId", "trace_id"),
        ("spanId", "span_id"), ("startTimeUnixNano", "start_time_unix_nano"), ("stringValue", "string_value"),
        ("endTimeUnixNano", "end_time_unix_nano"), ("intValue", "int_value"), ("arrayValue", "array_value"),
        ("kvlistValue", "kvlist_value"), ("boolValue", "bool_value"), ("doubleValue", "double_value"),
    ):  # fmt: skip
        text = text.replace(name, snake)
    path.write_text(text)
    (snake_row,) = rows(list(OtelFiles((path,), "test").batches(Silent())))
    assert snake_row == camel


def test_looks_like() -> None:
    assert OTEL.looks_like([traces(span(BARE))])
    assert OTEL.looks_like([logs()])
    assert not OTEL.looks_like([{"time": 1, "account_id": "a"}])
