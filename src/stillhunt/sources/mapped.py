"""Anybody's own log: a mapping written in TOML (``ingest --map mapping.toml``).

.. code-block:: toml

    base = "litellm_jsonl"               # optional: a kind whose table this one changes

    [columns]
    account_id = "customer.id"           # a path: keys from the outside in, as TOML writes dotted keys
    model = ["request.model", "model"]   # alternatives: the first that is there counts
    user_agent = 'headers."user-agent"'  # a key with a dot or the like in it is quoted
    channel = { constant = "api" }

    [time]
    unit = "ms"                          # of numbers: s, ms, us or ns
    # format = "%d/%b/%Y:%H:%M:%S %z"    # of texts that are not ISO 8601
    # timezone = "Europe/Oslo"           # of times that name no zone; else UTC

    [latency]
    unit = "s"                           # s or ms; ms if it is not said

    [address]                            # client_ip, behind the proxies that the settings trust
    peer = "remote_addr"
    forwarded_for = 'headers."x-forwarded-for"'

    [only]                               # which records are exchanges; others are passed over
    type = ["GENERATION"]
"""

from __future__ import annotations

import difflib
import re
import tomllib
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from stillhunt.errors import SettingError
from stillhunt.schema.requests import REQUESTS
from stillhunt.sources.convert import (
    INT16_MAX,
    UnusableError,
    capped_or_none,
    country,
    epoch_microseconds,
    epoch_milliseconds,
    epoch_nanoseconds,
    epoch_seconds,
    error_status,
    finish_reason,
    flag,
    flag_or_none,
    identifier,
    identifier_or_none,
    milliseconds,
    real_or_none,
    seconds,
    timestamp,
    whole_number,
)
from stillhunt.sources.envoy import ENVOY
from stillhunt.sources.helicone import HELICONE
from stillhunt.sources.kong import KONG
from stillhunt.sources.langfuse import LANGFUSE
from stillhunt.sources.litellm import LITELLM
from stillhunt.sources.messages import answer, newest_user_turn, system_text, tool_count
from stillhunt.sources.otel import OTEL, OtelFiles, unfold_otlp
from stillhunt.sources.records import (
    AddressPaths,
    Convert,
    Field,
    Record,
    RecordLog,
    RecordMapping,
    RecordPath,
    as_it_is,
    no_exception,
)
from stillhunt.sources.records import lookup as value_at
from stillhunt.sources.source import Source

BASES = {mapping.kind: mapping for mapping in (LITELLM, OTEL, ENVOY, KONG, LANGFUSE, HELICONE)}
"""The kinds that a mapping may start from."""

_SECTIONS = ("base", "kind", "columns", "time", "latency", "address", "only")
_EPOCHS: Mapping[str, Convert] = {
    "s": epoch_seconds,
    "ms": epoch_milliseconds,
    "us": epoch_microseconds,
    "ns": epoch_nanoseconds,
}
_DURATIONS: Mapping[str, Convert] = {"s": seconds, "ms": milliseconds}
_KEY = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s."']+))\s*(\.|$)""")


def tools(value: Any) -> int | None:
    """How many tools, from a number or from their list."""
    counted = tool_count(value)
    return whole_number(value, INT16_MAX) if counted is None else counted


def stated_status(value: Any) -> int:
    """An HTTP status, or the name of a well-known error."""
    found = error_status(value)
    if found is None:
        raise UnusableError("an HTTP status from 100 to 599")
    return found


def system(value: Any) -> str | None:
    """The system prompt, from a text of its own or from a message list."""
    found = system_text(value)
    return value if found is None and isinstance(value, str) else found


_CONVERTERS: Mapping[str, Convert] = {
    "time": timestamp,
    "account_id": identifier,
    "input_tokens": whole_number,
    "output_tokens": whole_number,
    "cached_input_tokens": whole_number,
    "max_tokens": capped_or_none,
    "temperature": real_or_none,
    "stream": flag_or_none,
    "reasoning": flag,
    "tools": tools,
    "status": stated_status,
    "finish_reason": finish_reason,
    "latency_ms": milliseconds,
    "asn": whole_number,
    "country": country,
    "system_prompt": system,
    "prompt": newest_user_turn,
    "completion": answer,
}
"""What is not named here is an identifier that the client may have chosen."""


def load_mapping(path: Path) -> RecordMapping:
    """The mapping in a TOML file. Raises SettingError that names the file and the key that is wrong."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingError(f"cannot be read ({error.strerror})", str(path), "Check the path.") from error
    except UnicodeDecodeError as error:
        raise SettingError("expected UTF-8", str(path), "Save the mapping as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"expected TOML ({error})", str(path), "Mend the place that is named.") from error
    return _Reader(str(path)).mapping(document)


def mapped_source(
    mapping: RecordMapping, paths: tuple[Path, ...], location: str, trusted_proxies: tuple[str, ...] = ()
) -> Source:
    """Files read through a mapping; OTLP files, whose exchanges come in pieces, through their own reader."""
    if mapping.unfold is unfold_otlp:
        return OtelFiles(paths, location, trusted_proxies, mapping)
    return RecordLog(mapping, paths, location, trusted_proxies)


def parse_path(text: str) -> RecordPath:
    """Keys from ``a.b."c.d".0``. Raises ValueError where it is none."""
    keys: list[str] = []
    at, more = 0, True
    while more:
        match = _KEY.match(text, at)
        if match is None:
            raise ValueError(text)
        double, single, bare, dot = match.groups()
        keys.append(re.sub(r"\\(.)", r"\1", double) if double is not None else single or bare or "")
        at, more = match.end(), dot == "."
    if at != len(text):
        raise ValueError(text)
    return tuple(keys)


def _leaves(table: Mapping[str, Any], above: RecordPath = ()) -> Iterator[tuple[RecordPath, Any]]:
    """The values of nested tables with their paths; TOML makes such tables of dotted keys."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


class _Reader:
    """One mapping file, with its name for messages."""

    def __init__(self, name: str) -> None:
        self._name = name

    def mapping(self, document: Mapping[str, Any]) -> RecordMapping:
        for section in document:
            self._known(section, section, _SECTIONS)
        base = None
        if "base" in document:
            self._known(str(document["base"]), "base", tuple(BASES), what="kind")
            base = BASES[document["base"]]
        columns = self._table(document, "columns")
        fields = [field for column, stated in columns.items() for field in self._fields(column, stated)]
        if base is not None:
            fields += [field for field in base.fields if field.column not in columns]
        fields = self._with_units(fields, document)
        for column in ("time", "account_id"):
            if not any(field.column == column for field in fields):
                raise self._wrong("columns", f"expected a path for {column}, got none", f"Add {column} = ...")
        address = self._address(self._table(document, "address"))
        return RecordMapping(
            kind=str(document.get("kind", base.kind if base else "mapped")),
            fields=tuple(fields),
            looks_like=lambda _: False,
            address=address or (base.address if base else AddressPaths()),
            unfold=base.unfold if base else as_it_is,
            passed_over=self._only(self._table(document, "only"), base),
        )

    # --- columns ---

    def _fields(self, column: str, stated: Any) -> list[Field]:
        where = f"columns.{column}"
        self._known(column, where, tuple(REQUESTS.names), what="column")
        convert = _CONVERTERS.get(column, identifier_or_none)
        if isinstance(stated, Mapping):
            if set(stated) != {"constant"} or isinstance(stated["constant"], dict | list):
                raise self._wrong(
                    where,
                    f"expected {{ constant = ... }}, got the keys {sorted(stated)}",
                    "Or give a path, as a text.",
                )
            return [self._constant(column, where, stated["constant"], convert)]
        return [Field(column, self._paths(where, stated), convert)]

    def _constant(self, column: str, where: str, constant: Any, convert: Convert) -> Field:
        if column in ("time", "account_id"):
            raise self._wrong(where, "expected a path, got a constant", "Each row needs its own value.")
        try:
            value = convert(constant)
        except UnusableError as error:
            raise self._wrong(where, f"expected {error.expected}, got {constant!r}", "Mend it.") from error
        if value is None:
            raise self._wrong(where, f"expected a value for {column}, got {constant!r}", "Mend it.")
        return Field(column, ((),), lambda _: value)

    def _paths(self, where: str, stated: Any) -> tuple[RecordPath, ...]:
        texts = stated if isinstance(stated, list) else [stated]
        if not texts or not all(isinstance(text, str) for text in texts):
            raise self._wrong(
                where, f"expected a path, or a list of paths, got {stated!r}", 'Such as "request.model".'
            )
        paths = []
        for text in texts:
            try:
                paths.append(parse_path(text))
            except ValueError as error:
                raise self._wrong(
                    where, f"expected keys separated by dots, got {text!r}", "Quote keys with a dot in them."
                ) from error
        return tuple(paths)

    # --- units ---

    def _with_units(self, fields: Iterable[Field], document: Mapping[str, Any]) -> list[Field]:
        converters: dict[str, Convert] = {}
        if "time" in document:
            converters["time"] = self._time(self._table(document, "time"))
        latency = self._table(document, "latency")
        for key in latency:
            self._known(key, f"latency.{key}", ("unit",))
        if latency:
            self._known(str(latency["unit"]), "latency.unit", tuple(_DURATIONS), what="unit")
            converters["latency_ms"] = _DURATIONS[latency["unit"]]
        return [
            replace(each, convert=converters[each.column])
            if each.column in converters and each.paths != ((),)
            else each
            for each in fields
        ]

    def _time(self, stated: Mapping[str, Any]) -> Convert:
        for key in stated:
            self._known(key, f"time.{key}", ("unit", "format", "timezone"))
        if "unit" in stated and ("format" in stated or "timezone" in stated):
            raise self._wrong("time", "expected unit, or format and timezone, got both", "Leave one out.")
        if "unit" in stated:
            self._known(str(stated["unit"]), "time.unit", tuple(_EPOCHS), what="unit")
            return _EPOCHS[stated["unit"]]
        zone = self._zone(stated["timezone"]) if "timezone" in stated else None
        form = stated.get("format")
        if form is not None and (not isinstance(form, str) or "%" not in form):
            raise self._wrong("time.format", f"expected a format such as %Y-%m-%d, got {form!r}", "Mend it.")
        if form is None and zone is None:
            return timestamp

        def convert(value: Any) -> int:
            if not isinstance(value, str):
                return timestamp(value)
            try:
                moment = datetime.strptime(value, form) if form else datetime.fromisoformat(value)  # noqa: DTZ007
            except ValueError as error:
                raise UnusableError(f"a time such as {form or 'ISO 8601'}") from error
            return timestamp(moment.replace(tzinfo=zone) if moment.tzinfo is None else moment)

        return convert

    def _zone(self, name: Any) -> zoneinfo.ZoneInfo:
        try:
            return zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
            raise self._wrong(
                "time.timezone", f"expected a zone such as Europe/Oslo, got {name!r}", ""
            ) from error

    # --- the rest ---

    def _address(self, stated: Mapping[str, Any]) -> AddressPaths | None:
        names = ("peer", "forwarded_for", "forwarded")
        for key in stated:
            self._known(key, f"address.{key}", names)
        paths = {name: self._paths(f"address.{name}", stated[name]) for name in names if name in stated}
        return AddressPaths(**paths) if paths else None

    def _only(self, stated: Mapping[str, Any], base: RecordMapping | None) -> Any:
        before = base.passed_over if base else no_exception
        wanted: list[tuple[RecordPath, list[Any], str]] = []
        for path, values in _leaves(stated):
            reason = f"{'.'.join(path)} is another than the mapping asks for"
            wanted.append((path, values if isinstance(values, list) else [values], reason))
        if not wanted:
            return before

        def passed_over(record: Record) -> str | None:
            for path, values, reason in wanted:
                if value_at(record, path) not in values:
                    return reason
            return before(record)

        return passed_over

    def _table(self, document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        stated = document.get(name, {})
        if not isinstance(stated, Mapping):
            raise self._wrong(name, f"expected a table, got {stated!r}", f"Write [{name}] above its keys.")
        return stated

    def _known(self, given: str, where: str, names: Sequence[str], what: str = "key") -> None:
        if given not in names:
            near = difflib.get_close_matches(given, names, 1)
            advice = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(names)}."
            raise self._wrong(where, f"expected a {what} of the mapping, got {given!r}", advice)

    def _wrong(self, where: str, problem: str, remedy: str) -> SettingError:
        return SettingError(problem, f"{self._name}: {where}", remedy)
