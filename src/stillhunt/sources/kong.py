"""Kong AI Gateway's logs, as its log plugins (file-log, http-log, ...) write them.

The ``ai`` object follows Kong's AI audit log reference: ``ai.proxy`` with ``prompt_tokens`` in 3.8 and after,
``ai.<plugin>`` with ``prompt_token`` before; payloads are there where ``log_payloads`` is on. The account is Kong's
consumer: its ``custom_id`` (the operator's own name for it), else user name, else id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stillhunt.sources.convert import (
    asks_for_an_answer,
    capped_or_none,
    epoch_milliseconds,
    flag_or_none,
    http_status,
    identifier,
    identifier_or_none,
    milliseconds,
    real_or_none,
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
from stillhunt.sources.records import AddressPaths, Field, Record, RecordMapping, at

PROXIES = ("proxy", "ai-proxy-advanced", "ai-proxy")
"""Under which of these the exchange itself is logged; the first that is there counts."""


def request_mode(value: Any) -> bool | None:
    """``stream`` or ``realtime``, against ``oneshot``."""
    return value in ("stream", "realtime") if isinstance(value, str) else None


FIELDS = (
    Field("time", at("started_at"), epoch_milliseconds),
    Field("request_id", at("request.id", "request.headers.x-request-id"), identifier_or_none),
    Field(
        "account_id",
        at(
            "consumer.custom_id",
            "consumer.username",
            "consumer.id",
            "authenticated_entity.consumer_id",
            "authenticated_entity.id",
        ),
        identifier,
    ),
    Field("org_id", at("consumer_groups.0.name", "consumer_groups.0.id"), identifier_or_none),
    Field("api_key_id", at("authenticated_entity.id"), identifier_or_none),
    Field(
        "model", at("@ai.meta.request_model", "@ai.meta.response_model", "@request.model"), identifier_or_none
    ),
    Field(
        "input_tokens",
        at("@ai.usage.prompt_tokens", "@ai.usage.prompt_token", "@ai.usage.input_tokens"),
        whole_number,
    ),
    Field(
        "output_tokens",
        at("@ai.usage.completion_tokens", "@ai.usage.completion_token", "@ai.usage.output_tokens"),
        whole_number,
    ),
    Field("cached_input_tokens", at("@ai.usage.prompt_tokens_details.cached_tokens"), whole_number),
    Field("max_tokens", at("@request.max_tokens"), capped_or_none),
    Field("max_tokens", at("@request.max_completion_tokens"), capped_or_none),
    Field("temperature", at("@request.temperature"), real_or_none),
    Field("stream", at("@ai.meta.request_mode"), request_mode),
    Field("stream", at("@request.stream"), flag_or_none),
    Field("reasoning", at("@request"), asks_for_reasoning),
    Field("tools", at("@request.tools"), tool_count),
    Field("status", at("response.status"), http_status),
    Field("finish_reason", at("@ai.payload.response"), finish_of),
    Field("latency_ms", at("latencies.request"), milliseconds),
    Field("user_agent", at("request.headers.user-agent"), identifier_or_none),
    Field("reasoning_signature", at("@request"), signature_digest),
    Field("system_prompt", at("@request"), system_text),
    Field("prompt", at("@request"), newest_user_turn),
    Field("completion", at("@ai.payload.response"), answer),
)


def unfold(record: Record) -> Iterable[Record]:
    """With ``@ai``, what the proxying plugin logged, and ``@request``, the request's body."""
    ai = record.get("ai")
    if not isinstance(ai, Mapping):
        return (record,)
    plugin = next((ai[name] for name in PROXIES if isinstance(ai.get(name), Mapping)), None)
    if plugin is None:
        plugin = next((each for each in ai.values() if isinstance(each, Mapping) and "meta" in each), {})
    payloads = (plugin.get("payload"), ai.get("payload"))
    body = next(
        (each["request"] for each in payloads if isinstance(each, Mapping) and each.get("request")), None
    )
    return ({**record, "@ai": plugin, "@request": unpacked(body)},)


def passed_over(record: Record) -> str | None:
    """A reason for requests that went to no model. One that was refused before the AI plugin ran counts as an
    exchange if its path asks for an answer."""
    request = record.get("request")
    answers = asks_for_an_answer(request.get("uri")) if isinstance(request, Mapping) else None
    if answers is False:
        return "path asks no model for an answer"
    if answers is None and "@ai" not in record:
        return "no AI plugin had part in it"
    return None


def looks_like(records: Sequence[Record]) -> bool:
    """Whether these are entries of Kong's log plugins."""
    return any(
        "started_at" in record
        and isinstance(record.get("latencies"), Mapping)
        and isinstance(record.get("request"), Mapping)
        for record in records
    )


KONG = RecordMapping(
    kind="kong_json",
    fields=FIELDS,
    looks_like=looks_like,
    address=AddressPaths(
        peer=at("client_ip"),
        forwarded_for=at("request.headers.x-forwarded-for"),
        forwarded=at("request.headers.forwarded"),
    ),
    unfold=unfold,
    passed_over=passed_over,
)
