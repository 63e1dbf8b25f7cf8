"""LiteLLM's ``LiteLLM_SpendLogs``, one row per request, as records.

Columns as in ``schema.prisma`` of LiteLLM 1.106; those that older versions lack are read where they are there. The
texts and the parameters of a request stand in ``proxy_server_request`` and ``response``, which LiteLLM only fills
with ``store_prompts_in_spend_logs``; of every longer text in them it keeps the beginning and the end,
``MAX_STRING_LENGTH_PROMPT_IN_DB`` characters in all, and a note between them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from stillhunt.sources.convert import (
    capped_or_none,
    error_status,
    flag_or_none,
    identifier,
    identifier_or_none,
    milliseconds,
    real_or_none,
    timestamp,
    whole_number,
)
from stillhunt.sources.litellm import account_of, address, client_session, finish_of, passed_over, status_of
from stillhunt.sources.messages import (
    answer,
    asks_for_reasoning,
    newest_user_turn,
    signature_digest,
    system_text,
    tool_count,
)
from stillhunt.sources.records import AddressPaths, Convert, Field, Record, RecordMapping, at

TABLE = "LiteLLM_SpendLogs"
REQUIRED = ("request_id", "startTime")
COLUMNS = (*REQUIRED, "endTime", "request_duration_ms", "call_type", "status", "api_key", "user", "end_user",
           "team_id", "organization_id", "session_id", "model", "model_group", "prompt_tokens", "completion_tokens",
           "requester_ip_address", "messages", "response", "metadata", "proxy_server_request")  # fmt: skip
JSON_COLUMNS = ("messages", "response", "metadata", "proxy_server_request")
_KEPT = ("status", "error_information", "usage_object", "user_agent", "requester_ip_address")
"""What is read of ``metadata``, which is mostly prices."""
_BODY = ("session_id", "headers")
"""What is read of the metadata in the request's body."""

_CUT = re.compile(r"\.\.\. \(litellm_truncated skipped \d+ chars\..*?\) \.\.\.", re.DOTALL)


def without_marks(convert: Convert) -> Convert:
    """The same text without what LiteLLM writes where it cut the middle out, which would be alike in all of them."""

    def converted(value: Any) -> str | None:
        text = convert(value)
        return None if text is None else _CUT.sub("\n", text)

    return converted


FIELDS = (
    Field("time", at("startTime"), timestamp),
    Field("request_id", at("request_id"), identifier),
    Field("account_id", at("@account"), identifier, named="user, api_key or end_user"),
    Field("org_id", at("organization_id", "team_id"), identifier),
    Field("api_key_id", at("api_key"), identifier),
    Field("session_id", at("proxy_server_request.litellm_session_id"), identifier_or_none),
    Field("session_id", at("proxy_server_request.metadata.session_id"), identifier_or_none),
    Field("session_id", at("session_id"), client_session),
    Field("model", at("model_group", "model"), identifier_or_none),
    Field("input_tokens", at("prompt_tokens"), whole_number),
    Field("output_tokens", at("completion_tokens"), whole_number),
    Field(
        "cached_input_tokens",
        at(
            "metadata.usage_object.prompt_tokens_details.cached_tokens",
            "metadata.usage_object.cache_read_input_tokens",
        ),
        whole_number,
    ),
    Field("max_tokens", at("proxy_server_request.max_tokens"), capped_or_none),
    Field("max_tokens", at("proxy_server_request.max_completion_tokens"), capped_or_none),
    Field("max_tokens", at("proxy_server_request.max_output_tokens"), capped_or_none),
    Field("temperature", at("proxy_server_request.temperature"), real_or_none),
    Field("stream", at("proxy_server_request.stream"), flag_or_none),
    Field("reasoning", at("proxy_server_request"), asks_for_reasoning),
    Field("tools", at("proxy_server_request.tools", "proxy_server_request.functions"), tool_count),
    Field("status", at("status", "metadata.status"), status_of),
    Field(
        "status",
        at("metadata.error_information.error_code", "metadata.error_information.error_class"),
        error_status,
    ),
    Field("finish_reason", at("response"), finish_of),
    Field("latency_ms", at("request_duration_ms", "@duration_ms"), milliseconds),
    Field("user_agent", at("metadata.user_agent"), identifier_or_none),
    Field("reasoning_signature", at("proxy_server_request"), signature_digest),
    Field("system_prompt", at("proxy_server_request"), without_marks(system_text)),
    Field("prompt", at("proxy_server_request", "messages"), without_marks(newest_user_turn)),
    Field("completion", at("response"), without_marks(answer)),
)


def unfold(record: Record) -> Iterable[Record]:
    """The row with what takes two columns to tell: ``@account``, ``@duration_ms``, ``@peer`` or ``@forwarded_for``."""
    metadata = record.get("metadata")
    stated = metadata.get("requester_ip_address") if isinstance(metadata, dict) else None
    found = address(record.get("requester_ip_address") or stated)
    found["@account"] = account_of(record.get("user"), record.get("api_key"), record.get("end_user"))
    start, end = record.get("startTime"), record.get("endTime")
    if isinstance(start, datetime) and isinstance(end, datetime) and end >= start:
        found["@duration_ms"] = (end - start) / timedelta(milliseconds=1)
    return ({**record, **found},)


SPEND_LOGS = RecordMapping(
    kind="litellm_postgres",
    fields=FIELDS,
    looks_like=lambda _: False,  # a database is known by its URL
    address=AddressPaths(
        peer=at("@peer"),
        forwarded_for=at("@forwarded_for", "proxy_server_request.metadata.headers.x-forwarded-for"),
    ),
    unfold=unfold,
    passed_over=passed_over,
)


def select_list(present: Collection[str]) -> str:
    """The SQL of the columns to read, of those that the table has. Of the two large JSON columns only what
    :data:`FIELDS` names is sent."""
    trimmed = {
        "metadata": f"CASE WHEN {_is_object('metadata')} THEN {_part_of('metadata', (), _KEPT)} END",
        "proxy_server_request": (
            f"CASE WHEN {_is_object('proxy_server_request')} THEN (proxy_server_request::jsonb - 'metadata') || "
            f"jsonb_build_object('metadata', {_part_of('proxy_server_request', ('metadata',), _BODY)}) END"
        ),
    }
    return ", ".join(
        f'{trimmed[name]} AS "{name}"' if name in trimmed else f'"{name}"'
        for name in COLUMNS
        if name in present
    )


def _is_object(column: str) -> str:
    return f"jsonb_typeof({column}::jsonb) = 'object'"


def _part_of(column: str, under: tuple[str, ...], names: Iterable[str]) -> str:
    pairs = ", ".join(f"'{name}', {column}::jsonb #> '{{{','.join((*under, name))}}}'" for name in names)
    return f"jsonb_strip_nulls(jsonb_build_object({pairs}))"


def start_of(record: Record) -> datetime:
    """``startTime`` with its zone: LiteLLM writes UTC into a column without one."""
    start: datetime = record["startTime"]
    return start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)
