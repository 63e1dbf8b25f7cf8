"""Helicone's request exports (its export tool, or ``/v1/request/query-clickhouse``), JSON lines, JSON or CSV.

Fields as in Helicone's ``HeliconeRequest`` (packages/llm-mapper/types.ts, 2025). The account is the user whom the
caller names in ``Helicone-User-Id``; a request without one is rejected, unless a mapping says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stillhunt.sources.convert import (
    asks_for_an_answer,
    capped_or_none,
    flag_or_none,
    http_status,
    identifier,
    identifier_or_none,
    milliseconds,
    real_or_none,
    timestamp,
    whole_number,
)
from stillhunt.sources.litellm import finish_of
from stillhunt.sources.messages import (
    answer,
    asks_for_reasoning,
    newest_user_turn,
    signature_digest,
    system_text,
    tool_count,
    unpacked,
)
from stillhunt.sources.records import Field, Record, RecordMapping, at

_SESSIONS = (("request_properties", "Helicone-Session-Id"), ("properties", "Helicone-Session-Id"))


def response_status(value: Any) -> int | None:
    """Helicone writes negative numbers for what got no response of the provider's."""
    if isinstance(value, int | float | str) and str(value).startswith("-"):
        return None
    return http_status(value)


def country_code(value: Any) -> str | None:
    """ISO 3166 alpha-2."""
    return value.upper() if isinstance(value, str) and len(value) == 2 and value.isalpha() else None


FIELDS = (
    Field("time", at("request_created_at"), timestamp),
    Field("request_id", at("request_id", "response_id"), identifier_or_none),
    Field("account_id", at("request_user_id", "helicone_user"), identifier),
    Field("session_id", _SESSIONS, identifier_or_none),
    Field("model", at("request_model", "model", "model_override", "response_model"), identifier_or_none),
    Field("input_tokens", at("prompt_tokens"), whole_number),
    Field("output_tokens", at("completion_tokens"), whole_number),
    Field("cached_input_tokens", at("prompt_cache_read_tokens"), whole_number),
    Field("max_tokens", at("request_body.max_tokens"), capped_or_none),
    Field("max_tokens", at("request_body.max_completion_tokens"), capped_or_none),
    Field("temperature", at("request_body.temperature"), real_or_none),
    Field("stream", at("request_body.stream"), flag_or_none),
    Field("reasoning", at("request_body"), asks_for_reasoning),
    Field("tools", at("request_body.tools"), tool_count),
    Field("status", at("response_status"), response_status),
    Field("finish_reason", at("response_body"), finish_of),
    Field("latency_ms", at("delay_ms", "latency"), milliseconds),
    Field("country", at("country_code"), country_code),
    Field("reasoning_signature", at("request_body"), signature_digest),
    Field("system_prompt", at("request_body"), system_text),
    Field("prompt", at("request_body"), newest_user_turn),
    Field("completion", at("response_body"), answer),
)


def unfold(record: Record) -> Iterable[Record]:
    """With the bodies opened, which CSV holds as JSON strings."""
    bodies = ("request_body", "response_body", "request_properties", "properties")
    return ({**record, **{name: unpacked(record[name]) for name in bodies if name in record}},)


def passed_over(record: Record) -> str | None:
    """A reason for endpoints that give no answer, and for Helicone's own events of tools and vector databases."""
    if asks_for_an_answer(record.get("request_path")) is False:
        return "path asks no model for an answer"
    body = record.get("request_body")
    if isinstance(body, Mapping) and body.get("_type") in ("tool", "vector_db", "data"):
        return "event of a tool, not of a model"
    return None


def looks_like(records: Sequence[Record]) -> bool:
    """Whether these are Helicone's requests."""
    return any("request_created_at" in record and "response_status" in record for record in records)


HELICONE = RecordMapping(
    kind="helicone_export", fields=FIELDS, looks_like=looks_like, unfold=unfold, passed_over=passed_over
)
