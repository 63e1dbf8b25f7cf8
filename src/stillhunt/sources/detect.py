"""Which kind of log a place holds: by the name of the kind, or by what its first records look like."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from stillhunt.errors import InputError, SettingError
from stillhunt.schema.requests import REQUESTS
from stillhunt.sources.byte_stream import ByteStream, unreadable
from stillhunt.sources.canonical import CanonicalLog
from stillhunt.sources.csv_rows import read_csv, read_header
from stillhunt.sources.database_url import SCHEMES, parse_database_url
from stillhunt.sources.envoy import ENVOY
from stillhunt.sources.helicone import HELICONE
from stillhunt.sources.jsonl_rows import read_jsonl
from stillhunt.sources.kong import KONG
from stillhunt.sources.langfuse import LANGFUSE
from stillhunt.sources.litellm import LITELLM
from stillhunt.sources.litellm_postgres import OVERLAP, SpendLogs, cursor_from
from stillhunt.sources.litellm_spend_logs import SPEND_LOGS
from stillhunt.sources.mapped import load_mapping, mapped_source
from stillhunt.sources.otel import OTEL
from stillhunt.sources.parquet_rows import open_parquet, read_parquet
from stillhunt.sources.records import RecordMapping
from stillhunt.sources.source import Source

Format = Literal["parquet", "jsonl", "json", "csv"]
"""``json`` is a JSON text over several lines: one document, or a list of records."""

PEEK_RECORDS = 20
PEEK_BYTES = 1 << 20

_CSV_SUFFIXES = frozenset((".csv", ".tsv", ".txt"))


@dataclass(frozen=True)
class Peek:
    """The beginning of a file. ``columns`` are those of a table, or the keys of the first records; ``records`` are
    the first JSON objects, at most PEEK_RECORDS, and empty for Parquet and CSV."""

    path: Path
    format: Format
    columns: tuple[str, ...] = ()
    records: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class SourceSettings:
    """What some kinds need to know. ``mapping`` is the file given with ``--map``; ``cursors`` says, by kind and
    location, where an incremental source was left the last time, and ``lake`` is the lake that it was read into;
    ``overlap`` is how long before that place it begins again."""

    trusted_proxies: tuple[str, ...] = ()
    mapping: Path | None = None
    cursors: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    lake: Path | None = None
    overlap: timedelta = OVERLAP


@dataclass(frozen=True)
class Kind:
    """A kind of log. A file is of the first kind in KINDS that recognises it; a location such as
    ``postgresql://...`` is of the first that lists its scheme. ``about`` says what it is, ``documented`` which page
    names its fields, and in which version; ``columns`` are those of ``requests`` that it can fill."""

    name: str
    about: str
    documented: str
    columns: frozenset[str]
    open: Callable[[str, SourceSettings], Source]
    recognises: Callable[[Peek], bool] = lambda _: False
    schemes: tuple[str, ...] = ()


_CONTRACT = "docs/reference/sources.md, Columns"
_ALL = frozenset(REQUESTS.names)


CANONICAL_KINDS: tuple[Kind, ...] = (
    Kind(
        "canonical_parquet",
        "Parquet with the columns of the contract",
        _CONTRACT,
        _ALL,
        lambda location, _: CanonicalLog("canonical_parquet", Path(location), read_parquet),
        lambda peek: peek.format == "parquet",
    ),
    Kind(
        "canonical_jsonl",
        "one JSON object a line, with the fields of the contract",
        _CONTRACT,
        _ALL,
        lambda location, _: CanonicalLog("canonical_jsonl", Path(location), read_jsonl),
        lambda peek: peek.format == "jsonl",
    ),
    Kind(
        "canonical_csv",
        "CSV with a header, with the columns of the contract",
        _CONTRACT,
        _ALL,
        lambda location, _: CanonicalLog("canonical_csv", Path(location), read_csv),
        lambda peek: peek.format == "csv",
    ),
)


def _vendor(mapping: RecordMapping, about: str, documented: str) -> Kind:
    return Kind(
        mapping.kind,
        about,
        documented,
        mapping.columns,
        lambda location, settings: mapped_source(
            mapping, (Path(location),), location, settings.trusted_proxies
        ),
        lambda peek: mapping.looks_like(peek.records or (dict.fromkeys(peek.columns),)),
    )


def _spend_logs(location: str, settings: SourceSettings) -> Source:
    database = parse_database_url(location)
    fields = settings.cursors.get((SPEND_LOGS.kind, database.location))
    return SpendLogs(
        database,
        settings.trusted_proxies,
        cursor_from(fields, database.location),
        settings.lake,
        settings.overlap,
    )


VENDOR_KINDS: tuple[Kind, ...] = (
    _vendor(
        LITELLM,
        "LiteLLM's StandardLoggingPayload, one a line",
        "docs.litellm.ai/docs/proxy/logging_spec, LiteLLM 1.106",
    ),
    Kind(
        SPEND_LOGS.kind,
        "LiteLLM's table LiteLLM_SpendLogs in PostgreSQL",
        "litellm/proxy/schema.prisma, LiteLLM 1.106",
        SPEND_LOGS.columns,
        _spend_logs,
        schemes=SCHEMES,
    ),
    _vendor(
        OTEL,
        "OpenTelemetry traces and logs, as OTLP JSON",
        "opentelemetry.io/docs/specs/semconv/gen-ai, 1.27 to 1.37 and after; OTLP 1.9",
    ),
    _vendor(
        ENVOY,
        "JSON access logs of Envoy AI Gateway",
        "aigateway.envoyproxy.io/docs, Access Logs With AI/LLM/MCP Metadata, 0.3 and after",
    ),
    _vendor(
        KONG,
        "entries of Kong's log plugins",
        "developer.konghq.com/ai-gateway/ai-audit-log-reference, 3.12, and the form before 3.8",
    ),
    _vendor(
        LANGFUSE,
        "Langfuse's export of observations",
        "langfuse.com/docs, blob storage export field reference, 2026",
    ),
    _vendor(
        HELICONE,
        "Helicone's export of requests",
        "HeliconeRequest in packages/llm-mapper/types.ts of Helicone, 2025",
    ),
)

KINDS: tuple[Kind, ...] = (*VENDOR_KINDS, *CANONICAL_KINDS)
"""Every kind of log, the special before the general: the order in which they are asked."""


def open_source(location: str, kind: str | None = None, settings: SourceSettings | None = None) -> Source:
    """Opens a file, or a database by its URL, as the kind that is named or recognised. Raises InputError when it is
    of no known kind, and SettingError when ``kind`` is none."""
    settings = settings or SourceSettings()
    scheme = url_scheme(location)
    if scheme is not None:
        return _open_url(location, scheme, kind, settings)
    if settings.mapping is not None:
        if kind is not None:
            raise SettingError(
                "--map and --kind exclude each other", "--map, --kind", "A mapping names its kind as `base`."
            )
        mapping = load_mapping(settings.mapping)
        return mapped_source(mapping, (Path(location),), location, settings.trusted_proxies)
    if kind is not None:
        named = [each for each in KINDS if each.name == kind]
        if not named:
            raise SettingError(
                f"expected one of {', '.join(each.name for each in KINDS)}; got {kind!r}",
                "--kind",
                "Leave --kind out to have it recognised, or describe your own log with --map.",
            )
        if named[0].schemes:
            raise InputError(
                f"{kind} is read from a URL, not from a file",
                location,
                f"Such as {named[0].schemes[0]}://...",
            )
        return named[0].open(location, settings)
    peek = look(Path(location))
    for each in KINDS:
        if each.recognises(peek):
            return each.open(location, settings)
    shown = ", ".join(peek.columns[:12]) or "none"
    raise InputError(
        f"this {peek.format} file is of no known kind; its fields are: {shown}",
        location,
        f"Name its kind with --kind ({', '.join(each.name for each in KINDS)}), or describe it with --map FILE.",
    )


def _open_url(location: str, scheme: str, kind: str | None, settings: SourceSettings) -> Source:
    """Opens what is no file. The URL may hold a password, so that messages only name its scheme."""
    found = [each for each in KINDS if scheme in each.schemes]
    if not found:
        raise InputError(
            f"no kind of log is read from {scheme}://", f"{scheme}://...", "Give files, folders or globs."
        )
    if settings.mapping is not None or kind not in (None, found[0].name):
        raise SettingError(
            f"{scheme}:// is always read as {found[0].name}",
            "--map" if kind is None else "--kind",
            "Leave it out.",
        )
    return found[0].open(location, settings)


def url_scheme(location: str) -> str | None:
    """The scheme of a location that is a URL, such as ``postgresql``; None for a path."""
    scheme, mark, _ = location.partition("://")
    return scheme.lower() if mark and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme) else None


def look(path: Path) -> Peek:
    """Reads the beginning of a file. Raises InputError when it is empty, cannot be read, or is no format of ours."""
    try:
        if path.stat().st_size == 0:
            raise InputError(
                "the file is empty; expected Parquet, JSON lines or CSV",
                str(path),
                "Leave it out, or check that the export ran to its end.",
            )
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise unreadable(path, error) from error
    if magic == b"PAR1" or path.suffix.lower() in (".parquet", ".pq"):
        with open_parquet(path) as parquet:
            return Peek(path, "parquet", tuple(parquet.schema_arrow.names))
    head = _head(path)
    start = head.decode("utf-8-sig", "replace").lstrip()
    if start[:1] in ("{", "["):
        return _look_at_json(path, start)
    suffixes = {suffix.lower() for suffix in path.suffixes}
    if suffixes & _CSV_SUFFIXES or (not suffixes & {".json", ".jsonl", ".ndjson"} and _is_table(start)):
        return Peek(path, "csv", tuple(read_header(path)[0]))
    raise InputError(
        "expected Parquet, JSON lines or CSV; the file begins like none of them",
        str(path),
        "Name its kind with --kind, or leave it out.",
    )


def _head(path: Path) -> bytes:
    """The first bytes, unpacked: PEEK_BYTES, or more where the first line is longer."""
    head = b""
    stream = ByteStream(path)
    for chunk in stream:
        head += chunk
        if len(head) >= PEEK_BYTES and (b"\n" in head or len(head) >= 64 * PEEK_BYTES):
            break
    if not head:
        raise stream.fault or InputError(
            "the file holds nothing once it is unpacked", str(path), "Leave it out, or export it again."
        )
    return head


def _is_table(start: str) -> bool:
    line = start.split("\n", 1)[0]
    return "\ufffd" not in line and "\0" not in line and any(mark in line for mark in ",;\t")


def _look_at_json(path: Path, text: str) -> Peek:
    decoder = json.JSONDecoder()
    records: list[Mapping[str, Any]] = []
    at = 0
    while len(records) < PEEK_RECORDS:
        while at < len(text) and text[at] in " \t\r\n,[":
            at += 1
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            line_end = text.find("\n", at)
            if line_end < 0:
                break
            at = line_end + 1
            continue
        if isinstance(value, dict):
            records.append(value)
    first_line = text.split("\n", 1)[0]
    columns = tuple(dict.fromkeys(name for record in records for name in record))
    one_a_line = text.startswith("{") and _is_json(first_line)
    broken_first = text.startswith("{") and bool(records) and not _is_json(first_line) and "\n{" in text
    return Peek(path, "jsonl" if one_a_line or broken_first else "json", columns, tuple(records))


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
