"""Spans and GenAI events of OpenTelemetry, flat: what OTLP nests, by attribute name.

An exchange may arrive in one piece (a span with its content in attributes) or in several (a span, and log events
with the content, in another request and another order). Names that begin with ``@`` are ours:

``@start``, ``@end`` (nanoseconds since 1970), ``@span_id``, ``@resource`` (resource attributes), ``@ok`` (200 where
the span ended without an error), ``@messages`` and ``@choices`` (from events of one message each), ``@prompts``,
``@completions`` and ``@functions`` (from flattened attributes such as ``gen_ai.prompt.0.content``).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

DETAILS = "gen_ai.client.inference.operation.details"
"""The event that describes a whole exchange."""

_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_INDEXED = re.compile(
    r"(?:gen_ai|llm)\.(prompt|prompts|completion|completions|request\.functions)\.(\d{1,4})\.(.+)"
)
_CONTENT = (
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.prompt",
    "gen_ai.completion",
    "@prompts",
)
_MAX_DEPTH = 16
_STATUS_ERROR = (2, "STATUS_CODE_ERROR")


@dataclass(frozen=True)
class Piece:
    """Part of an exchange.

    what: ``span``; ``details``, an event that may stand for the exchange alone; ``message``, an event with one
        message of it.
    trace_id, span_id: which exchange it belongs to, in hex; empty where the emitter gives none.
    values: attributes by name, and ours.
    """

    what: Literal["span", "details", "message"]
    trace_id: str
    span_id: str
    values: Mapping[str, Any]

    @property
    def has_content(self) -> bool:
        """Whether it holds messages of the exchange."""
        return any(name in self.values for name in _CONTENT)

    @property
    def chars(self) -> int:
        """About how much memory it takes, in characters of its texts."""
        return _chars(self.values)


def json_pieces(request: Mapping[str, Any]) -> Iterator[Piece | str]:
    """The pieces of an OTLP JSON export request, in lower camel case or snake case. A string says why something
    in it is none."""
    for resource, scope in _scopes(request, "Spans"):
        for span in _list(scope, "spans"):
            yield _json_span(span, resource) if isinstance(span, Mapping) else "expected a span object"
    for resource, scope in _scopes(request, "LogRecords"):
        for entry in _list(scope, "logRecords", "log_records"):
            if not isinstance(entry, Mapping):
                yield "expected a log record object"
            elif (piece := _json_event(entry, resource)) is not None:
                yield piece


def trace_pieces(request: Any) -> Iterator[Piece]:
    """The pieces of an ``ExportTraceServiceRequest``."""
    for resource_spans in request.resource_spans:
        resource = _proto_attributes(resource_spans.resource.attributes)
        for scope in resource_spans.scope_spans:
            for span in scope.spans:
                yield _span(
                    {
                        **_proto_attributes(span.attributes),
                        "@start": span.start_time_unix_nano or None,
                        "@end": span.end_time_unix_nano or None,
                        "@resource": resource,
                    },
                    [(event.name, _proto_attributes(event.attributes)) for event in span.events],
                    (span.trace_id.hex(), span.span_id.hex()),
                    failed=span.status.code in _STATUS_ERROR,
                )


def log_pieces(request: Any) -> Iterator[Piece]:
    """The GenAI events of an ``ExportLogsServiceRequest``."""
    for resource_logs in request.resource_logs:
        resource = _proto_attributes(resource_logs.resource.attributes)
        for scope in resource_logs.scope_logs:
            for entry in scope.log_records:
                piece = _event(
                    entry.event_name,
                    {
                        **_proto_attributes(entry.attributes),
                        "@start": entry.time_unix_nano or entry.observed_time_unix_nano or None,
                        "@resource": resource,
                    },
                    _proto_value(entry.body),
                    (entry.trace_id.hex(), entry.span_id.hex()),
                )
                if piece is not None:
                    yield piece


# --- one span, one event --------------------------------------------------------------------------------------


def _span(
    values: dict[str, Any],
    events: Iterable[tuple[str, Mapping[str, Any]]],
    ids: tuple[str, str],
    *,
    failed: bool,
) -> Piece:
    messages, choices = [], []
    for name, attributes in events:
        if name in ("gen_ai.content.prompt", "gen_ai.content.completion", DETAILS):
            values = {**attributes, **values}
        elif name in _ROLES:
            messages.append({"role": _ROLES[name], **attributes})
        elif name == "gen_ai.choice":
            choices.append(dict(attributes))
    values.update(_indexed(values))
    if messages:
        values["@messages"] = messages
    if choices:
        values["@choices"] = choices
    values["@span_id"] = ids[1] or None
    if not failed and "error.type" not in values:
        values["@ok"] = 200
    with contextlib.suppress(KeyError, TypeError, ValueError):
        values["@duration_ms"] = max(0, int(values["@end"]) - int(values["@start"])) / 1e6
    return Piece("span", *ids, values)


def _event(name: str, values: dict[str, Any], body: Any, ids: tuple[str, str]) -> Piece | None:
    """The piece in a log record; None if it is no event of an exchange."""
    name = name or str(values.get("event.name") or "")
    if name == DETAILS:
        if isinstance(body, Mapping):  # an emitter without attributes of several parts puts them here
            values = {**{key: value for key, value in body.items() if isinstance(key, str)}, **values}
        if "error.type" not in values:
            values["@ok"] = 200
        values["@span_id"] = ids[1] or None
        return Piece("details", *ids, values)
    if name != "gen_ai.choice" and name not in _ROLES:
        return None
    content = dict(body) if isinstance(body, Mapping) else {"content": body}
    if name == "gen_ai.choice":
        return Piece("message", *ids, {"@choices": [content]})
    content.setdefault("role", _ROLES[name])
    return Piece("message", *ids, {"@messages": [content]})


def _indexed(values: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Lists of messages from flattened attributes."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for name, value in values.items():
        match = _INDEXED.fullmatch(name)
        if match:
            group = {"p": "@prompts", "c": "@completions", "r": "@functions"}[match[1][0]]
            found.setdefault(group, {}).setdefault(int(match[2]), {})[match[3]] = value
    return {group: [items[at] for at in sorted(items)] for group, items in found.items()}


# --- OTLP JSON ------------------------------------------------------------------------------------------------


def _scopes(request: Mapping[str, Any], what: str) -> Iterator[tuple[dict[str, Any], Mapping[str, Any]]]:
    if what == "Spans":
        outer, inner = (
            ("resourceSpans", "resource_spans"),
            ("scopeSpans", "scope_spans", "instrumentationLibrarySpans"),
        )
    else:
        outer, inner = (
            ("resourceLogs", "resource_logs"),
            ("scopeLogs", "scope_logs", "instrumentationLibraryLogs"),
        )
    for part in _list(request, *outer):
        if isinstance(part, Mapping):
            described = part.get("resource")
            resource = _json_attributes(described.get("attributes")) if isinstance(described, Mapping) else {}
            for scope in _list(part, *inner):
                if isinstance(scope, Mapping):
                    yield resource, scope


def _json_span(span: Mapping[str, Any], resource: Mapping[str, Any]) -> Piece:
    status = span.get("status")
    events = [
        (str(event.get("name")), _json_attributes(event.get("attributes")))
        for event in _list(span, "events")
        if isinstance(event, Mapping)
    ]
    return _span(
        {
            **_json_attributes(span.get("attributes")),
            "@start": _first(span, "startTimeUnixNano", "start_time_unix_nano"),
            "@end": _first(span, "endTimeUnixNano", "end_time_unix_nano"),
            "@resource": resource,
        },
        events,
        _json_ids(span),
        failed=isinstance(status, Mapping) and status.get("code") in _STATUS_ERROR,
    )


def _json_event(entry: Mapping[str, Any], resource: Mapping[str, Any]) -> Piece | None:
    times = ("timeUnixNano", "time_unix_nano", "observedTimeUnixNano", "observed_time_unix_nano")
    return _event(
        str(_first(entry, "eventName", "event_name") or ""),
        {
            **_json_attributes(entry.get("attributes")),
            "@start": next(
                (entry[name] for name in times if entry.get(name) not in (None, "", 0, "0")), None
            ),
            "@resource": resource,
        },
        _json_value(entry.get("body")),
        _json_ids(entry),
    )


def _json_ids(part: Mapping[str, Any]) -> tuple[str, str]:
    trace, span = _first(part, "traceId", "trace_id"), _first(part, "spanId", "span_id")
    return str(trace or "").lower(), str(span or "").lower()


def _json_attributes(pairs: Any) -> dict[str, Any]:
    if not isinstance(pairs, list):
        return {}
    return {
        pair["key"]: _json_value(pair.get("value"))
        for pair in pairs
        if isinstance(pair, Mapping) and isinstance(pair.get("key"), str)
    }


def _json_value(value: Any, depth: int = 0) -> Any:
    if not isinstance(value, Mapping) or depth > _MAX_DEPTH:
        return None
    for name in ("stringValue", "string_value", "boolValue", "bool_value", "doubleValue", "double_value"):
        if name in value:
            return value[name]
    integer = _first(value, "intValue", "int_value")
    if integer is not None:
        return int(integer) if isinstance(integer, str) and integer.lstrip("-").isdecimal() else integer
    array = _first(value, "arrayValue", "array_value")
    if isinstance(array, Mapping):
        return [_json_value(item, depth + 1) for item in _list(array, "values")]
    pairs = _first(value, "kvlistValue", "kvlist_value")
    if isinstance(pairs, Mapping):
        return {
            str(pair.get("key")): _json_value(pair.get("value"), depth + 1)
            for pair in _list(pairs, "values")
            if isinstance(pair, Mapping)
        }
    return None


def _first(part: Mapping[str, Any], *names: str) -> Any:
    return next((part[name] for name in names if name in part), None)


def _list(part: Mapping[str, Any], *names: str) -> list[Any]:
    value = _first(part, *names)
    return value if isinstance(value, list) else []


# --- protobuf -------------------------------------------------------------------------------------------------


def _proto_attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: _proto_value(pair.value) for pair in pairs}


def _proto_value(value: Any, depth: int = 0) -> Any:
    kind = value.WhichOneof("value")
    if kind is None or kind == "bytes_value" or depth > _MAX_DEPTH:
        return None
    if kind == "array_value":
        return [_proto_value(item, depth + 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _proto_value(pair.value, depth + 1) for pair in value.kvlist_value.values}
    return getattr(value, kind)


def _chars(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_chars, value.values())) + 64
    if isinstance(value, list):
        return sum(map(_chars, value)) + 16
    return 16
