"""LiteLLM's ``StandardLoggingPayload``, one JSON object per exchange, as its callbacks and log sinks write it.

Fields as in LiteLLM 1.106 (docs.litellm.ai/docs/proxy/logging_spec). The account is the user whom the virtual key
belongs to, else the key's hash: both are authenticated, while ``end_user`` is whatever the caller sends. It counts
only where no customer's key was used: behind the master key, or without any.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from stillhunt.sources.convert import (
    capped_or_none,
    error_status,
    finish_reason,
    flag_or_none,
    identifier,
    identifier_or_none,
    real_or_none,
    seconds,
    timestamp,
    whole_number,
)
from stillhunt.sources.messages import (
    answer,
    answer_finish,
    asks_for_reasoning,
    instructions,
    newest_user_turn,
    signature_digest,
    system_text,
    tool_count,
)
from stillhunt.sources.records import AddressPaths, Field, Record, RecordMapping, at

NO_EXCHANGE = (
    "embedding",
    "image",
    "moderation",
    "transcription",
    "speech",
    "rerank",
    "search",
    "batch",
    "file",
    "fine_tuning",
    "video",
    "vector_store",
    "assistants",
    "assistant",
    "thread",
    "container",
    "sandbox",
    "mcp",
    "ocr",
    "add_message",
    "get_messages",
)
"""A call type with one of these words in it asks no model for an answer."""

NOBODY = frozenset({"default_user_id", "litellm_proxy_master_key", "litellm_proxy_admin", "None"})
"""What LiteLLM writes for a user or key that stands for no customer: its master key's."""


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def account(value: Any) -> str | None:
    """A user or key that stands for a customer."""
    name = identifier(value)
    return None if name in NOBODY else name


def account_of(user: Any, key_hash: Any, end_user: Any) -> Any:
    """Which of LiteLLM's names for the caller is the account."""
    behind_master_key = any(isinstance(name, str) and name in NOBODY for name in (user, key_hash))
    authenticated = user or key_hash
    return end_user or authenticated if behind_master_key else authenticated or end_user


def client_session(value: Any) -> str | None:
    """A session that the client named. LiteLLM gives every other request a random UUID of its own, which would count
    as a session of one request."""
    name = identifier_or_none(value)
    return None if name is None or _UUID.fullmatch(name) else name


def status_of(value: Any) -> int | None:
    """``success`` is 200; of a failure the error's code says what it was."""
    return 200 if value == "success" else None


def finish_of(value: Any) -> str | None:
    """The finish reason of a response body."""
    return finish_reason(answer_finish(value))


FIELDS = (
    Field("time", at("startTime"), timestamp),
    Field("request_id", at("id", "litellm_call_id"), identifier),
    Field(
        "account_id", at("@account"), identifier, named="metadata.user_api_key_user_id or user_api_key_hash"
    ),
    Field("org_id", at("metadata.user_api_key_org_id", "metadata.user_api_key_team_id"), identifier),
    Field("api_key_id", at("metadata.user_api_key_hash"), identifier),
    Field("session_id", at("session_id", "metadata.requester_metadata.session_id"), identifier_or_none),
    Field("session_id", at("trace_id"), client_session),
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
    Field("max_tokens", at("model_parameters.max_tokens"), capped_or_none),
    Field("max_tokens", at("model_parameters.max_completion_tokens"), capped_or_none),
    Field("max_tokens", at("model_parameters.max_output_tokens"), capped_or_none),
    Field("temperature", at("model_parameters.temperature"), real_or_none),
    Field("stream", at("stream", "model_parameters.stream"), flag_or_none),
    Field("reasoning", at("model_parameters"), asks_for_reasoning),
    Field("tools", at("model_parameters.tools", "model_parameters.functions"), tool_count),
    Field("status", at("status"), status_of),
    Field("status", at("error_information.error_code", "error_information.error_class"), error_status),
    Field("finish_reason", at("response"), finish_of),
    Field("latency_ms", at("@duration_s"), seconds),
    Field("user_agent", at("metadata.user_agent", "user_agent"), identifier_or_none),
    Field("reasoning_signature", at("messages"), signature_digest),
    Field("system_prompt", at("messages"), system_text),
    Field("system_prompt", at("model_parameters.instructions", "model_parameters.system"), instructions),
    Field("prompt", at("messages"), newest_user_turn),
    Field("completion", at("response"), answer),
)


def unfold(record: Record) -> Iterable[Record]:
    """The payload itself, also out of the ``kwargs`` that LiteLLM hands to a callback, with what takes two fields to
    tell: ``@account``, ``@duration_s`` (``response_time`` is only the time to the first token when the answer is
    streamed), ``@peer`` or ``@forwarded_for``."""
    for name in ("kwargs", "standard_logging_object"):
        inner = record.get(name)
        if isinstance(inner, dict):
            record = inner
    metadata = record.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    found = address(metadata.get("requester_ip_address") or record.get("requester_ip_address"))
    found["@account"] = account_of(
        metadata.get("user_api_key_user_id"),
        metadata.get("user_api_key_hash"),
        record.get("end_user") or metadata.get("user_api_key_end_user_id"),
    )
    start, end = record.get("startTime"), record.get("endTime")
    if isinstance(start, int | float) and isinstance(end, int | float) and end >= start:
        found["@duration_s"] = end - start
    return ({**record, **found},)


def address(stated: Any) -> dict[str, Any]:
    """``@peer`` or ``@forwarded_for``: LiteLLM writes its peer's address or, with ``use_x_forwarded_for``, the whole
    header into one field."""
    if not isinstance(stated, str) or not stated:
        return {}
    return {"@forwarded_for" if "," in stated else "@peer": stated}


def passed_over(record: Record) -> str | None:
    """A reason for calls that ask no model for an answer."""
    call = record.get("call_type")
    if isinstance(call, str) and any(word in call for word in NO_EXCHANGE):
        return "call_type names no exchange with a model"
    return None


def looks_like(records: Sequence[Record]) -> bool:
    """Whether these are StandardLoggingPayloads: they carry the key's hash in ``metadata``, and camel-case times."""
    payloads = [payload for record in records for payload in unfold(record)]
    return any(
        "startTime" in payload
        and "call_type" in payload
        and isinstance(payload.get("metadata"), dict)
        and ("user_api_key_hash" in payload["metadata"] or "model_map_information" in payload)
        for payload in payloads
    )


LITELLM = RecordMapping(
    kind="litellm_jsonl",
    fields=FIELDS,
    looks_like=looks_like,
    address=AddressPaths(
        peer=at("@peer"),
        forwarded_for=at("@forwarded_for", "metadata.requester_custom_headers.x-forwarded-for"),
    ),
    unfold=unfold,
    passed_over=passed_over,
)
