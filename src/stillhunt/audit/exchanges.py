"""The buyer's own gateway log: one value per exchange, with the receipt id and bodies where they were kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from stillhunt.errors import InputError
from stillhunt.schema.progress import Progress
from stillhunt.sketch.capability import label_texts
from stillhunt.sources.canonical import Read
from stillhunt.sources.columns import Wanted
from stillhunt.sources.csv_rows import read_csv
from stillhunt.sources.detect import SourceSettings
from stillhunt.sources.jsonl_rows import read_jsonl
from stillhunt.sources.litellm import unfold
from stillhunt.sources.logs import open_logs
from stillhunt.sources.parquet_rows import read_parquet
from stillhunt.sources.record_files import Unreadable, read_records
from stillhunt.sources.source import Parsed, Skipped, Source

KEPT = Wanted(
    pa.schema([("receipt_id", pa.string()), ("request_body", pa.binary()), ("response_body", pa.binary())]),
    (),
    {
        "receipt_id": ("receipt-id", "http.response.header.receipt-id"),
        "request_body": ("http.request.body",),
        "response_body": ("http.response.body",),
    },
)
"""What a canonical log may carry besides the columns of the contract."""

_READERS: Mapping[str, Read] = {
    "canonical_parquet": read_parquet,
    "canonical_jsonl": read_jsonl,
    "canonical_csv": read_csv,
}
_LITELLM = "litellm_jsonl"
_HEADERS = ("receipt-id", "llm_provider-receipt-id")
_FACTS = (
    *("time", "request_id", "account_id", "api_key_id", "model", "input_tokens", "output_tokens"),
    *("status", "latency_ms", "finish_reason"),
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One row of the gateway's log. ``application`` is its ``account_id``, ``key`` its ``api_key_id``; ``model`` is
    the one asked for. Bodies are raw bytes, None where they were not kept."""

    time: datetime
    application: str
    key: str = ""
    model: str = ""
    request_id: str = ""
    receipt_id: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    status: int | None = None
    latency_ms: int | None = None
    finish_reason: str | None = None
    capability: str | None = None
    request: bytes | None = None
    response: bytes | None = None

    @property
    def answered(self) -> bool:
        """Whether the log does not say that it failed."""
        return self.status is None or 200 <= self.status < 300


@dataclass(frozen=True)
class Gateway:
    """The log, in order of time, and what of it could not be used: ``rejected`` rows by reason, whole files."""

    exchanges: tuple[Exchange, ...]
    rejected: Mapping[str, int] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()


def read_gateway(
    logs: Sequence[str],
    progress: Progress,
    *,
    kind: str | None = None,
    mapping: Path | None = None,
    bodies: Path | None = None,
) -> Gateway:
    """Reads logs through the sources. ``bodies``: a folder of ``REQUEST_ID.request`` and ``REQUEST_ID.response``.

    Raises InputError where no row can be used.
    """
    log = open_logs(logs, kind, SourceSettings(mapping=mapping))
    progress.stage("reading the log", log.bytes, "bytes")
    found: list[Exchange] = []
    rejected: dict[str, int] = {}
    skipped = list(log.skipped)
    for source in log.sources:
        kept = _kept(source)
        try:
            for parsed in source.batches(progress):
                found += _exchanges(parsed, kept)
                for each in parsed.rejected:
                    rejected[each.reason] = rejected.get(each.reason, 0) + 1
        except InputError as error:
            if len(log.sources) == 1 and not found:
                raise
            skipped.append(Skipped(error.where or source.location, error.problem))
    if not found:
        reason = max(rejected, key=lambda one: rejected[one], default="it holds no row")
        raise InputError(
            f"none of the log's rows can be used: {reason}", ", ".join(logs), "See docs/reference/sources.md."
        )
    if bodies is not None:
        found = [_with_bodies(one, bodies) for one in found]
    found.sort(key=lambda one: one.time)
    return Gateway(tuple(found), rejected, tuple(skipped))


def _exchanges(parsed: Parsed, kept: Mapping[tuple[str, int], Mapping[str, Any]]) -> Iterator[Exchange]:
    batch = parsed.requests
    names = set(batch.schema.names)
    columns = {name: batch.column(name).to_pylist() for name in _FACTS}
    rows = range(1, batch.num_rows + 1) if parsed.rows is None else parsed.rows.to_pylist()
    labels = _labels(batch, names)
    for at, row in enumerate(rows):
        value = {name: column[at] for name, column in columns.items()}
        more = kept.get((parsed.file, row), {})
        yield Exchange(
            time=value["time"],
            application=value["account_id"],
            key=value["api_key_id"] or "",
            model=value["model"] or "",
            request_id=value["request_id"] or "",
            receipt_id=more.get("receipt_id") or "",
            input_tokens=value["input_tokens"],
            output_tokens=value["output_tokens"],
            status=value["status"],
            latency_ms=value["latency_ms"],
            finish_reason=value["finish_reason"],
            capability=labels[at],
            request=more.get("request_body"),
            response=more.get("response_body"),
        )


def _labels(batch: pa.RecordBatch, names: set[str]) -> list[str | None]:
    prompts = batch.column("prompt")
    if pa.types.is_dictionary(prompts.type):
        prompts = prompts.dictionary_decode()
    if prompts.null_count < len(prompts):
        labels: list[str | None] = label_texts(prompts).to_pylist()
        return labels
    if "capability" in names:
        stated: list[str | None] = batch.column("capability").to_pylist()
        return stated
    return [None] * batch.num_rows


def _kept(source: Source) -> dict[tuple[str, int], dict[str, Any]]:
    """Receipt ids and bodies by file and row, where the log carries them."""
    if source.kind in _READERS:
        kept: dict[tuple[str, int], dict[str, Any]] = {}
        for found in _READERS[source.kind](Path(source.location), KEPT, lambda _: None):
            columns = {
                name: values.to_pylist() if isinstance(values, pa.Array) else list(values)
                for name, values in found.columns.items()
            }
            for at, row in enumerate(found.rows.to_pylist()) if columns else ():
                kept[found.file, row] = {name: _as_kept(name, column[at]) for name, column in columns.items()}
        return kept
    if source.kind == _LITELLM:
        path = Path(source.location)
        rows = (item for item in read_records(path) if not isinstance(item, Unreadable))
        return {(str(path), row): {"receipt_id": receipt_header(record)} for row, record in rows}
    return {}


def receipt_header(record: Mapping[str, Any]) -> str | None:
    """``Receipt-Id`` as LiteLLM passes on the vendor's headers, in ``hidden_params.additional_headers``."""
    (payload,) = unfold(record)
    hidden = payload.get("hidden_params")
    headers = hidden.get("additional_headers") if isinstance(hidden, dict) else None
    if not isinstance(headers, dict):
        return None
    plain = {name.lower().replace("_", "-"): value for name, value in headers.items()}
    names = [name.replace("_", "-") for name in _HEADERS]
    return next((str(plain[name]) for name in names if plain.get(name)), None)


def _as_kept(name: str, value: Any) -> Any:
    if value is None or value == "":
        return None
    if name == "receipt_id":
        return str(value).strip().lower()
    return value.encode() if isinstance(value, str) else value


def _with_bodies(one: Exchange, folder: Path) -> Exchange:
    if not one.request_id or "/" in one.request_id or one.request_id.startswith("."):
        return one
    kept = {
        name: path.read_bytes() if (path := folder / f"{one.request_id}.{name}").is_file() else None
        for name in ("request", "response")
    }
    return replace(one, request=kept["request"] or one.request, response=kept["response"] or one.response)
