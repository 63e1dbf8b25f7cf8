"""The invoice as one table: FOCUS 1.3 cost and usage rows, or a provider's usage export (spec/audit.md, "Invoice").

Each line is one amount of one measure, for one model and key (empty: any), in one period. ``quantity_step`` and
``cost_step`` are one unit in the last place that the file prints: what rounding can hide.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from stillhunt.audit.terms import MEASURES
from stillhunt.errors import InputError, SettingError
from stillhunt.sources.record_files import Unreadable, read_records
from stillhunt.sources.source import Skipped

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """An amount that was billed. ``measure`` is one of MEASURES, or empty for money alone; ``unit_price`` is per
    token or request; None where the file does not say."""

    start: datetime
    end: datetime
    model: str
    key: str
    measure: str
    quantity: float | None
    quantity_step: float
    cost: float | None
    cost_step: float
    currency: str
    unit_price: float | None
    where: str


@dataclass(frozen=True)
class Invoice:
    """All lines; ``other``: money that is no usage (tax, credit, fees), by category and currency."""

    lines: tuple[Line, ...]
    other: Mapping[str, float] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()


FOCUS_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "start": ("ChargePeriodStart",),
    "end": ("ChargePeriodEnd",),
    "model": ("x_Model", "SkuPriceDetails.x_Model", "Tags.model", "ResourceName"),
    "key": ("x_ApiKeyId", "Tags.api_key_id", "ResourceId"),
    "measure": ("x_Measure", "SkuMeter", "ChargeDescription"),
    "quantity": ("ConsumedQuantity", "PricingQuantity"),
    "unit": ("ConsumedUnit", "PricingUnit"),
    "cost": ("BilledCost",),
    "currency": ("BillingCurrency",),
    "unit_price": ("ContractedUnitPrice", "ListUnitPrice"),
    "price_unit": ("PricingUnit",),
    "category": ("ChargeCategory",),
}
"""Where FOCUS 1.3 says each thing; a dot goes into a column that holds JSON. The first that is filled counts."""

USAGE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "start": ("start", "start_time", "starting_at", "date", "day", "usage_date", "usage_date_utc"),
    "end": ("end", "end_time", "ending_at"),
    "model": ("model", "model_id", "model_version", "snapshot_id"),
    "key": ("key", "api_key_id", "api_key", "api_key_name"),
    "requests": ("requests", "num_model_requests", "request_count"),
    "input_tokens": ("input_tokens", "prompt_tokens"),
    "uncached_input_tokens": ("uncached_input_tokens",),
    "cache_read_input_tokens": ("cache_read_input_tokens",),
    "output_tokens": ("output_tokens", "completion_tokens"),
    "cost": ("cost", "cost_usd", "amount"),
    "currency": ("currency",),
}
"""Names under which usage exports give each thing."""

_WORDS = (
    ("output_tokens", re.compile(r"output|completion|generat", re.I)),
    ("cached_input_tokens", re.compile(r"cache", re.I)),
    ("input_tokens", re.compile(r"input|prompt", re.I)),
    ("requests", re.compile(r"request|call", re.I)),
)
_UNIT = re.compile(r"\s*([\d,.]*)\s*(k|thousand|m|million)?\s*(tokens?|requests?|calls?)\s*", re.I)
_TIMES = {"": 1.0, "k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6}


def read_invoice(
    path: Path, models: Sequence[str], keys: Sequence[str], mapping: Path | None = None
) -> Invoice:
    """Reads one file: CSV, Parquet or JSON. ``models``, ``keys``: names of the gateway's log, which are looked for in
    free text where no column holds them. ``mapping``: TOML, ``name = "Column"`` for names of FOCUS_COLUMNS or
    USAGE_COLUMNS. Raises InputError where it holds no line."""
    named = {} if mapping is None else _read_mapping(mapping)
    lines: list[Line] = []
    other: dict[str, float] = {}
    skipped: list[Skipped] = []
    known = _Known(tuple(sorted(models, key=len, reverse=True)), frozenset(keys))
    for number, row in _rows(path, skipped):
        where = f"{path.name}, row {number}"
        try:
            if "ChargePeriodStart" in row or "BilledCost" in row:
                found = _focus(row, {**FOCUS_COLUMNS, **named}, known, where, other)
            else:
                found = _usage(row, {**USAGE_COLUMNS, **named}, where)
            lines += found
        except (ValueError, InvalidOperation) as error:
            skipped.append(Skipped(where, f"row {number}: {error}"))
    if not lines:
        raise InputError(
            f"expected lines of usage; {skipped[0].reason if skipped else 'the file holds none'}",
            str(path),
            "Give FOCUS 1.3 as CSV or Parquet, a usage export, or say which column is which with --invoice-map.",
        )
    return Invoice(tuple(lines), other, tuple(skipped))


def _read_mapping(path: Path) -> dict[str, tuple[str, ...]]:
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingError(f"cannot read the mapping ({error})", str(path)) from error
    known = {*FOCUS_COLUMNS, *USAGE_COLUMNS}
    wrong = sorted(name for name in told if name not in known)
    if wrong:
        raise SettingError(f"expected some of {', '.join(sorted(known))}; got {', '.join(wrong)}", str(path))
    return {name: (column,) if isinstance(column, str) else tuple(column) for name, column in told.items()}


def _rows(path: Path, skipped: list[Skipped]) -> Iterator[tuple[int, Row]]:
    """Records; pages of a usage API (``data`` of periods, each with ``results``) are unfolded."""
    if not path.is_file():
        raise InputError("expected an invoice file; nothing is there", str(path), "Check the path.")
    for item in read_records(path):
        if isinstance(item, Unreadable):
            skipped.append(Skipped(str(path), f"row {item.row}: {item.reason}"))
            continue
        number, record = item
        buckets = record.get("data") if isinstance(record.get("data"), list) else [record]
        for bucket in buckets or ():
            results = bucket.get("results") if isinstance(bucket, dict) else None
            if not isinstance(results, list):
                yield number, bucket
                continue
            period = {name: value for name, value in bucket.items() if name != "results"}
            for result in results:
                yield number, {**result, **period}


@dataclass(frozen=True)
class _Known:
    models: tuple[str, ...]
    keys: frozenset[str]

    def model_in(self, texts: Sequence[str]) -> str:
        return next((model for model in self.models for text in texts if model and model in text), "")


def _focus(
    row: Row, columns: Mapping[str, tuple[str, ...]], known: _Known, where: str, other: dict[str, float]
) -> list[Line]:
    category = _value(row, columns["category"]) or "Usage"
    currency = _value(row, columns["currency"])
    cost, cost_step = _decimal(_value(row, columns["cost"]), "BilledCost")
    if category != "Usage":
        name = f"{category} {currency}".strip()
        other[name] = other.get(name, 0.0) + (cost or 0.0)
        return []
    start = _time(_value(row, columns["start"]), "ChargePeriodStart")
    end = _time(_value(row, columns["end"]), "ChargePeriodEnd")
    texts = [_value(row, (name,)) for name in ("SkuMeter", "SkuId", "ChargeDescription", "ResourceName")]
    stated = _value(row, columns["model"])
    model = stated if stated in known.models else known.model_in([stated, *texts]) or stated
    key = _value(row, columns["key"])
    unit, times = _unit(_value(row, columns["unit"]))
    quantity, step = _decimal(_value(row, columns["quantity"]), "ConsumedQuantity")
    measure = _measure(row, columns["measure"], unit)
    price, _ = _decimal(_value(row, columns["unit_price"]), "ContractedUnitPrice")
    _, price_times = _unit(_value(row, columns["price_unit"]))
    return [
        Line(
            start=start,
            end=end,
            model=model,
            key=key if not known.keys or key in known.keys else "",
            measure=measure,
            quantity=None if quantity is None or not measure else quantity * times,
            quantity_step=step * times,
            cost=cost,
            cost_step=cost_step,
            currency=currency,
            unit_price=None if price is None else price / price_times,
            where=where,
        )
    ]


def _usage(row: Row, columns: Mapping[str, tuple[str, ...]], where: str) -> list[Line]:
    """One line per measure. ``input_tokens`` counts cached ones too; where they are given apart they are added."""
    if not isinstance(row, Mapping):
        raise ValueError("expected an object")
    start = _time(_value(row, columns["start"]), "the start of the period")
    stated_end = _value(row, columns["end"])
    end = _time(stated_end, "the end of the period") if stated_end else start + timedelta(days=1)
    model, key = _value(row, columns["model"]), _value(row, columns["key"])
    currency = _value(row, columns["currency"])
    lines = []

    def add(measure: str, quantity: float | None, step: float, cost: float | None, cost_step: float) -> None:
        lines.append(
            Line(start, end, model, key, measure, quantity, step, cost, cost_step, currency, None, where)
        )

    for measure in ("requests", "input_tokens", "output_tokens"):
        quantity, step = _decimal(_value(row, columns[measure]), measure)
        if quantity is not None:
            add(measure, quantity, step, None, 0.0)
    for name, measure in (
        ("uncached_input_tokens", "input_tokens"),
        ("cache_read_input_tokens", "cached_input_tokens"),
    ):
        quantity, step = _decimal(_value(row, columns[name]), name)
        if quantity is not None and _value(row, columns["uncached_input_tokens"]):
            add(measure, quantity, step, None, 0.0)
    cost, cost_step = _decimal(_value(row, columns["cost"]), "cost")
    if cost is not None:
        add("", None, 0.0, cost, cost_step)
    if not lines:
        raise ValueError(f"expected some of {', '.join(MEASURES)} or a cost, found none")
    return lines


def _measure(row: Row, names: tuple[str, ...], unit: str) -> str:
    for name in names:
        text = _value(row, (name,))
        if text in MEASURES:
            return text
        for measure, words in _WORDS:
            if text and words.search(text):
                return measure
    return "requests" if unit.startswith(("request", "call")) else ""


def _value(row: Row, names: Sequence[str]) -> str:
    """The first filled of the columns ``names``, as text."""
    for name in names:
        value: Any = row.get(name)
        if value is None and "." in name:
            column, _, inner = name.partition(".")
            held = row.get(column)
            if isinstance(held, str) and held.startswith("{"):
                try:
                    held = json.loads(held)
                except ValueError:
                    held = None
            value = held.get(inner) if isinstance(held, dict) else None
        if value is not None and str(value).strip() not in ("", "null", "NULL"):
            return value.isoformat() if isinstance(value, datetime) else str(value).strip()
    return ""


def _decimal(text: str, name: str) -> tuple[float | None, float]:
    """A number and one unit in its last printed place."""
    if not text:
        return None, 0.0
    try:
        value = Decimal(text.replace(",", ""))
    except InvalidOperation:
        raise ValueError(f"{name}: expected a number, got {text[:40]!r}") from None
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError(f"{name}: expected a number, got {text[:40]!r}")
    return float(value), 10.0 ** min(exponent, 0)


def _unit(text: str) -> tuple[str, float]:
    """What a unit counts, and how many of it: ``1M tokens`` is a million."""
    found = _UNIT.fullmatch(text)
    if found is None:
        return text.lower(), 1.0
    number = float(found[1].replace(",", "")) if found[1] else 1.0
    return found[3].lower(), number * _TIMES[(found[2] or "").lower()]


def _time(text: str, name: str) -> datetime:
    if not text:
        raise ValueError(f"{name}: expected a time, found none")
    try:
        moment = (
            datetime.fromtimestamp(float(text), UTC)
            if text.isdigit() and len(text) > 8
            else datetime.fromisoformat(text)
        )
    except ValueError:
        raise ValueError(f"{name}: expected a time, got {text[:40]!r}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
