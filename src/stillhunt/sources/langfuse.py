"""Langfuse's exports of observations: blob storage (Parquet, JSON lines, JSON, CSV) and the API's camel case.

Fields as in Langfuse's blob storage export field reference (langfuse.com/docs, 2026). The enriched export
(``observations_v2/``) names the user on each row; rows of the legacy ``observations/`` do not and are rejected.
Only generations are exchanges.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from stillhunt.sources.convert import (
    UnusableError,
    capped_or_none,
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
)
from stillhunt.sources.records import Field, Record, RecordMapping, at, first_value

_START, _END = at("start_time", "startTime"), at("end_time", "endTime")
_PARAMETERS = ("model_parameters", "modelParameters")
_USAGE = ("usage_details", "usageDetails")
_CODE = re.compile(r"(?:code|status|HTTP(?:/[\d.]+)?)\D{0,12}\b([45]\d\d)\b", re.IGNORECASE)


def _under(parents: Sequence[str], *names: str) -> tuple[tuple[str, ...], ...]:
    return tuple((parent, name) for name in names for parent in parents)


def level_status(value: Any) -> int | None:
    """200 unless the observation is an error."""
    return None if value == "ERROR" else 200


def message_status(value: Any) -> int | None:
    """The HTTP status that an error message names, such as ``Error code: 429 - ...``."""
    match = _CODE.search(value) if isinstance(value, str) else None
    return http_status(match[1]) if match else None


FIELDS = (
    Field("time", _START, timestamp),
    Field("request_id", at("id"), identifier_or_none),
    Field("account_id", at("user_id", "userId"), identifier),
    Field("session_id", at("session_id", "sessionId"), identifier_or_none),
    Field("model", at("provided_model_name", "providedModelName", "model"), identifier_or_none),
    Field("input_tokens", _under(_USAGE, "input", "prompt_tokens"), whole_number),
    Field("output_tokens", _under(_USAGE, "output", "completion_tokens"), whole_number),
    Field(
        "cached_input_tokens",
        _under(_USAGE, "input_cached_tokens", "cache_read_input_tokens", "input_cache_read"),
        whole_number,
    ),
    Field(
        "max_tokens", _under(_PARAMETERS, "max_tokens", "max_completion_tokens", "maxTokens"), capped_or_none
    ),
    Field("temperature", _under(_PARAMETERS, "temperature"), real_or_none),
    Field("reasoning", at(*_PARAMETERS), asks_for_reasoning),
    Field("tools", at("tool_definitions", "toolDefinitions"), tool_count),
    Field("status", at("status_message", "statusMessage"), message_status),
    Field("status", at("level"), level_status),
    Field("finish_reason", at("output"), finish_of),
    Field("latency_ms", at("@duration_ms"), milliseconds),
    Field("reasoning_signature", at("input"), signature_digest),
    Field("system_prompt", at("input"), system_text),
    Field("prompt", at("input"), newest_user_turn),
    Field("completion", at("output"), answer),
)


def unfold(record: Record) -> Iterable[Record]:
    """With the duration from both times: ``latency`` is in milliseconds or in seconds, by the age of the export."""
    try:
        duration = timestamp(first_value(record, _END)) - timestamp(first_value(record, _START))
    except UnusableError:
        return (record,)
    return ({**record, "@duration_ms": max(0, duration) / 1000},)


def passed_over(record: Record) -> str | None:
    """A reason for observations that are no generation."""
    kind = record.get("type")
    return None if kind is None or kind == "GENERATION" else "observation that is no generation"


def looks_like(records: Sequence[Record]) -> bool:
    """Whether these are Langfuse's observations."""
    return any(
        ("start_time" in record or "startTime" in record)
        and "type" in record
        and ("trace_id" in record or "traceId" in record)
        and any(
            name in record for name in (*_USAGE, *_PARAMETERS, "provided_model_name", "parent_observation_id")
        )
        for record in records
    )


LANGFUSE = RecordMapping(
    kind="langfuse_export",
    fields=FIELDS,
    looks_like=looks_like,
    unfold=unfold,
    passed_over=passed_over,
)
