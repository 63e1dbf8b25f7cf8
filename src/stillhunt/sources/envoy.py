"""JSON access logs of Envoy AI Gateway.

Field names as in its documentation of access logs (aigateway.envoyproxy.io, capabilities/observability/accesslogs,
0.3 and after), and the OpenTelemetry names that later examples give the same operators. An access log names no
account by itself: the log format must be given one, such as ``account_id: "%REQ(X-USER-ID)%"``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from stillhunt.sources.convert import (
    asks_for_an_answer,
    http_status,
    identifier,
    identifier_or_none,
    milliseconds,
    timestamp,
    whole_number,
)
from stillhunt.sources.records import AddressPaths, Field, Record, RecordMapping, key

_MODEL = ("gen_ai.request.model", "genai_model_name", "genai_model_name_override", "gen_ai.response.model")
_PATH = ("x-envoy-origin-path", "x-envoy-original-path", "path", "request.path", "url.path")
_ACCOUNT = (
    "account_id",
    "enduser.id",
    "user.id",
    "user_id",
    "x-account-id",
    "x-user-id",
    "x-tenant-id",
    "jwt_sub",
)


def response_code(value: Any) -> int | None:
    """Envoy writes 0 where no response was sent, such as when the client went away."""
    return None if value in (0, "0") else http_status(value)


FIELDS = (
    Field("time", key("start_time", "timestamp", "time"), timestamp),
    Field("request_id", key("x-request-id", "request_id"), identifier_or_none),
    Field("account_id", key(*_ACCOUNT), identifier),
    Field("org_id", key("org_id", "x-org-id", "organization.id"), identifier_or_none),
    Field("api_key_id", key("api_key_id", "x-api-key-id"), identifier_or_none),
    Field("session_id", key("session.id", "session_id", "x-session-id"), identifier_or_none),
    Field("model", key(*_MODEL), identifier_or_none),
    Field(
        "input_tokens",
        key("genai_tokens_input", "gen_ai.usage.input_tokens", "llm_input_token"),
        whole_number,
    ),
    Field(
        "output_tokens",
        key("genai_tokens_output", "gen_ai.usage.output_tokens", "llm_output_token"),
        whole_number,
    ),
    Field(
        "cached_input_tokens",
        key("genai_tokens_cached_input", "gen_ai.usage.cache_read.input_tokens", "llm_cached_input_token"),
        whole_number,
    ),
    Field("status", key("response_code", "http.response.status_code"), response_code),
    Field("latency_ms", key("duration", "duration_ms"), milliseconds),
    Field("user_agent", key("user-agent", "user_agent", "user_agent.original"), identifier_or_none),
    Field("tls_fingerprint", key("tls_ja4_fingerprint", "ja4"), identifier_or_none),
    Field("tls_fingerprint", key("tls_ja3_fingerprint", "ja3"), identifier_or_none),
    Field("device_id", key("device_id", "x-device-id"), identifier_or_none),
)


def unfold(record: Record) -> Iterable[Record]:
    """Without the ``-`` that Envoy writes for nothing in text formats."""
    return ({name: value for name, value in record.items() if value != "-"},)


def passed_over(record: Record) -> str | None:
    """A reason for MCP calls, health checks and endpoints that give no answer. A request that was refused before
    a model was chosen counts as an exchange if its path asks for one."""
    if record.get("mcp_method"):
        return "MCP call"
    answers = next((asks_for_an_answer(record[name]) for name in _PATH if record.get(name) is not None), None)
    if answers is False:
        return "path asks no model for an answer"
    if answers is None and not any(record.get(name) for name in _MODEL):
        return "names no model"
    return None


def looks_like(records: Sequence[Record]) -> bool:
    """Whether these are Envoy's: its operators' usual names, with or without those of AI Gateway."""
    return any(
        "response_code" in record
        and "start_time" in record
        and any(name in record for name in (*_MODEL, "downstream_remote_address", "upstream_cluster"))
        for record in records
    )


ENVOY = RecordMapping(
    kind="envoy_json",
    fields=FIELDS,
    looks_like=looks_like,
    address=AddressPaths(
        peer=key("downstream_remote_address", "downstream_remote_address_without_port", "client.address"),
        forwarded_for=key("x-forwarded-for", "x_forwarded_for"),
        forwarded=key("forwarded"),
    ),
    unfold=unfold,
    passed_over=passed_over,
)
