"""OpenTelemetry's GenAI spans and events, from OTLP JSON files.

Semantic conventions for generative AI up to 1.37 and after (``gen_ai.input.messages``, ``gen_ai.provider.name``),
up to 1.36 (one event per message), up to 1.27 (``gen_ai.content.prompt`` on the span), and the flattened
``gen_ai.prompt.0.content`` of OpenLLMetry. Attributes come before resource attributes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stillhunt.errors import InputError
from stillhunt.schema.progress import Progress
from stillhunt.sources.convert import (
    capped_or_none,
    epoch_nanoseconds,
    error_status,
    finish_reason,
    flag_or_none,
    http_status,
    identifier_or_none,
    milliseconds,
    real_or_none,
    whole_number,
)
from stillhunt.sources.forwarded import Network, networks
from stillhunt.sources.litellm import account
from stillhunt.sources.messages import (
    answer,
    answer_finish,
    instructions,
    newest_user_turn,
    signature_digest,
    system_text,
    tool_count,
)
from stillhunt.sources.otel_join import Join, Joined
from stillhunt.sources.otel_pieces import Piece, json_pieces
from stillhunt.sources.record_files import Unreadable, read_records
from stillhunt.sources.records import AddressPaths, Batch, Field, Record, RecordMapping, key
from stillhunt.sources.source import Parsed, Rejected, Source

EXCHANGES = frozenset({"chat", "text_completion", "generate_content", "completion", "responses", "messages"})
"""Values of ``gen_ai.operation.name`` (and OpenLLMetry's ``llm.request.type``) that ask a model for an answer."""


def finish_of(value: Any) -> str | None:
    """The finish reason among output messages."""
    return finish_reason(answer_finish(value))


_ACCOUNT = (
    "enduser.id",
    "enduser.pseudo.id",
    "user.id",
    "user.hash",
    "metadata.user_api_key_user_id",
    "metadata.user_api_key_hash",
    "traceloop.association.properties.user_id",
    "langfuse.user.id",
    "llm.user",
)
FIELDS = (
    Field("time", key("@start"), epoch_nanoseconds),
    Field("request_id", key("gen_ai.response.id", "@span_id"), identifier_or_none),
    Field(
        "account_id",
        key(*_ACCOUNT) + tuple(("@resource", name) for name in _ACCOUNT),
        account,
        named=f"{', '.join(_ACCOUNT)} (attribute or resource)",
    ),
    Field("org_id", key("organization.id", "tenant.id", "metadata.user_api_key_org_id"), identifier_or_none),
    Field("api_key_id", key("metadata.user_api_key_hash"), identifier_or_none),
    Field("session_id", key("gen_ai.conversation.id", "session.id"), identifier_or_none),
    Field(
        "model",
        key("gen_ai.request.model", "gen_ai.response.model", "llm.request.model"),
        identifier_or_none,
    ),
    Field(
        "input_tokens",
        key("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens"),
        whole_number,
    ),
    Field(
        "output_tokens",
        key("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens"),
        whole_number,
    ),
    Field(
        "cached_input_tokens",
        key("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
        whole_number,
    ),
    Field("max_tokens", key("gen_ai.request.max_tokens", "llm.request.max_tokens"), capped_or_none),
    Field("temperature", key("gen_ai.request.temperature", "llm.temperature"), real_or_none),
    Field("stream", key("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming"), flag_or_none),
    Field("tools", key("gen_ai.tool.definitions", "@functions"), tool_count),
    Field("status", key("http.response.status_code", "http.status_code"), http_status),
    Field("status", key("error.type", "@ok"), error_status),
    Field("finish_reason", key("gen_ai.response.finish_reasons"), finish_reason),
    Field("finish_reason", key("gen_ai.output.messages", "@choices", "@completions"), finish_of),
    Field("latency_ms", key("@duration_ms"), milliseconds),
    Field("user_agent", key("user_agent.original", "http.user_agent"), identifier_or_none),
    Field("device_id", key("device.id", "app.installation.id"), identifier_or_none),
    Field("country", key("client.geo.country_iso_code", "geo.country.iso_code"), identifier_or_none),
    Field("tls_fingerprint", key("tls.client.ja4", "tls.client.ja3"), identifier_or_none),
    Field("reasoning_signature", key("gen_ai.input.messages", "@messages", "@prompts"), signature_digest),
    Field("system_prompt", key("gen_ai.system_instructions"), instructions),
    Field(
        "system_prompt", key("gen_ai.input.messages", "@messages", "gen_ai.prompt", "@prompts"), system_text
    ),
    Field("prompt", key("gen_ai.input.messages", "@messages", "gen_ai.prompt", "@prompts"), newest_user_turn),
    Field(
        "completion", key("gen_ai.output.messages", "@choices", "gen_ai.completion", "@completions"), answer
    ),
)


def passed_over(record: Record) -> str | None:
    """A reason for spans that ask no model for an answer."""
    operation = record.get("gen_ai.operation.name", record.get("llm.request.type"))
    if operation is None and not any(
        name in record for name in ("gen_ai.request.model", "gen_ai.response.model", "llm.request.model")
    ):
        return "span of something else than a model"
    if operation is not None and operation not in EXCHANGES:
        return "operation asks no model for an answer"
    return None


def looks_like(records: Sequence[Record]) -> bool:
    """Whether these are OTLP export requests of traces or logs."""
    return any(
        isinstance(record.get(name), list)
        for record in records
        for name in ("resourceSpans", "resource_spans", "resourceLogs", "resource_logs")
    )


def unfold_otlp(record: Record) -> Iterator[Record]:
    """The spans and whole events of an export request, one by one. :class:`OtelFiles` does better: it brings
    together what belongs together."""
    for piece in json_pieces(record):
        if not isinstance(piece, str) and piece.what != "message":
            yield piece.values


OTEL = RecordMapping(
    kind="otel_json",
    fields=FIELDS,
    looks_like=looks_like,
    # On a server's span client.address is the client's; the peer is only what was at the socket.
    address=AddressPaths(
        peer=key("client.address", "http.client_ip", "network.peer.address", "net.sock.peer.addr"),
        forwarded_for=key("http.request.header.x-forwarded-for"),
        forwarded=key("http.request.header.forwarded"),
    ),
    unfold=unfold_otlp,
    passed_over=passed_over,
)


# --- files ----------------------------------------------------------------------------------------------------

Place = tuple[str, int]
"""A file and a row in it."""

LONE_MESSAGE = "message event without its span"


@dataclass(frozen=True)
class OtelFiles:
    """OTLP JSON files, traces and logs, as a Source. Spans and events find each other across files while fewer
    than 50,000 of them wait."""

    paths: tuple[Path, ...]
    location: str
    trusted_proxies: tuple[str, ...] = ()
    mapping: RecordMapping = OTEL
    trusted: tuple[Network, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "trusted", networks(self.trusted_proxies))

    @property
    def kind(self) -> str:
        return self.mapping.kind

    def batches(self, progress: Progress) -> Iterator[Parsed]:
        """Streams the files in the order given. Raises InputError when a file cannot be opened, or not be read to
        its end, after what was read before."""
        batch = Batch(self.mapping, self.trusted)
        join: Join[Place] = Join(hold_s=float("inf"))
        failure: InputError | None = None
        try:
            for path in self.paths:
                for item in read_records(path, progress.advance):
                    if isinstance(item, Unreadable):
                        batch.reject(Rejected(str(path), item.row, item.reason))
                    else:
                        row, request = item
                        for _ in take_request(request, (str(path), row), join, batch):
                            yield batch.take()
                    if batch.is_full:
                        yield batch.take()
        except InputError as error:
            failure = error
        for joined in join.rest():
            add_joined(batch, joined)
            if batch.is_full:
                yield batch.take()
        if not batch.is_empty:
            yield batch.take()
        if failure is not None:
            raise failure


def together(sources: Iterable[Source]) -> tuple[Source, ...]:
    """The same sources with those of OTLP files made one, in the place of the first: spans and the events with
    their content are often exported to files of their own."""
    merged: list[Source] = []
    at: int | None = None
    for source in sources:
        first = merged[at] if at is not None else None
        if isinstance(source, OtelFiles) and isinstance(first, OtelFiles) and at is not None:
            merged[at] = replace(
                first, paths=first.paths + source.paths, location=f"{first.location}, {source.location}"
            )
            continue
        if isinstance(source, OtelFiles):
            at = len(merged)
        merged.append(source)
    return tuple(merged)


def take_request(request: Record, place: Place, join: Join[Place], batch: Batch) -> Iterator[None]:
    """One OTLP JSON export request into a join and a batch; comes back whenever the batch is to be taken."""
    if not looks_like([request]):
        batch.reject(Rejected(*place, "expected an OTLP export request of traces or logs"))
    for piece in json_pieces(request):
        if isinstance(piece, str):
            batch.reject(Rejected(*place, piece))
        else:
            yield from take_piece(piece, place, join, batch, 0.0)
        if batch.is_full:
            yield


def take_piece(piece: Piece, place: Place, join: Join[Place], batch: Batch, now: float) -> Iterator[None]:
    """One span or event into a join, and into a batch what is complete with it; comes back whenever the batch is
    to be taken."""
    if piece.what == "span" and batch.mapping.passed_over(piece.values) is not None:
        batch.add(piece.values, *place)
        return
    for joined in join.add(piece, place, now):
        add_joined(batch, joined)
        if batch.is_full:
            yield


def add_joined(batch: Batch, joined: Joined[Place]) -> None:
    """What a join gave, into a batch."""
    if joined.is_exchange:
        batch.add(joined.values, *joined.place)
    else:
        batch.pass_over(LONE_MESSAGE)
