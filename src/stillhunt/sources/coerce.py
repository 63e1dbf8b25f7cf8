"""Values as they come, made into the types of a schema.

A whole column is converted at once where it can be. A column with a value that does not convert is gone through
value by value, so that only the rows at fault are rejected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillhunt.schema.requests import TEXT_COLUMNS, TIMESTAMP

EXCERPT_CHARS = 80
"""Length, in characters, to which a rejected value is cut."""

NAIVE = "times without a zone were read as UTC"

_EMPTY = pa.scalar("")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ((1e11, 1_000_000, "seconds"), (1e14, 1_000, "milliseconds"), (1e17, 1, "microseconds"))
# (below this magnitude, microseconds per unit, unit); what is larger is nanoseconds. 1e11 s lies in the year 5138.

_COUNTS = frozenset(
    ("input_tokens", "output_tokens", "cached_input_tokens", "max_tokens", "tools", "latency_ms", "asn")
)
_TRUE = frozenset(("true", "t", "yes", "y", "1", "on"))
_FALSE = frozenset(("false", "f", "no", "n", "0", "off"))


@dataclass(frozen=True)
class Fault:
    """A value that does not convert: the row's place in the batch, from 0, what was expected, and the value."""

    index: int
    reason: str
    value: str


@dataclass(frozen=True)
class Coerced:
    """A converted column. Faulty rows are null in ``values``."""

    values: pa.Array
    faults: tuple[Fault, ...] = ()
    notes: Mapping[str, int] = field(default_factory=dict)


class _UnfitError(ValueError):
    """A value that does not convert; the message says what was expected."""


def coerce(name: str, values: pa.Array, target: pa.DataType) -> Coerced:
    """Makes a column of the type ``target``; a text column that comes as a dictionary stays one. ``name`` is the
    column's, for messages and for what only some columns know: a negative count is taken as unknown, an empty text is
    null unless it is a text column."""
    if pa.types.is_dictionary(values.type):
        if name in TEXT_COLUMNS and (kept := _dictionary(name, values, target)) is not None:
            return Coerced(kept)
        values = values.dictionary_decode()
    if pa.types.is_null(values.type):
        return Coerced(pa.nulls(len(values), target))
    values = _plain(values)
    notes: dict[str, int] = {}
    try:
        converted = _convert_column(name, values, target, notes)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        return coerce_values(name, _python_values(values), target)
    if name in _COUNTS and converted.null_count < len(converted):
        converted = _unknown_if_negative(name, converted, notes)
    return Coerced(converted, (), notes)


def _dictionary(name: str, values: pa.DictionaryArray, target: pa.DataType) -> pa.Array | None:
    """The column with its few texts converted; None where one of them is null or does not convert."""
    texts = coerce(name, values.dictionary, target)
    if texts.faults or texts.values.null_count:
        return None
    return pa.DictionaryArray.from_arrays(values.indices, texts.values)


def _plain(values: pa.Array) -> pa.Array:
    kind = values.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return values.cast(pa.string())
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return values.cast(pa.binary())
    if pa.types.is_decimal(kind):
        return values.cast(pa.float64())
    return values


def _convert_column(name: str, values: pa.Array, target: pa.DataType, notes: dict[str, int]) -> pa.Array:
    kind = values.type
    if pa.types.is_binary(kind) and not pa.types.is_fixed_size_binary(target):
        values = values.cast(pa.string())  # refuses invalid UTF-8
        kind = values.type
    if pa.types.is_string(kind) and name not in TEXT_COLUMNS:
        values = _null_where(values, pc.equal(values, _EMPTY))
    if pa.types.is_floating(kind):
        values = _null_where(values, pc.is_nan(values))
    if target == TIMESTAMP:
        return _times(values, notes)
    if pa.types.is_string(target):
        return _strings(name, values)
    if pa.types.is_boolean(target) and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        if not pc.all(pc.is_in(values.drop_null(), pa.array([0, 1], kind)), min_count=0).as_py():
            raise pa.ArrowInvalid("neither 0 nor 1")
        return values.cast(pa.bool_())
    if pa.types.is_boolean(kind) and not pa.types.is_boolean(target):
        raise pa.ArrowInvalid("a truth value is no number")
    return values.cast(target)


def _null_where(values: pa.Array, mask: pa.Array) -> pa.Array:
    if not pc.any(mask).as_py():
        return values
    return pc.if_else(mask, pa.scalar(None, values.type), values)


def _strings(name: str, values: pa.Array) -> pa.Array:
    kind = values.type
    if pa.types.is_string(kind):
        if not _is_ascii(values):
            values.validate(full=True)  # a Parquet file may hold anything under this type
        return values
    if name in TEXT_COLUMNS:
        raise pa.ArrowInvalid("not text")
    if pa.types.is_list(kind) and name == "finish_reason":
        return _strings(
            name, pc.list_element(_null_where(values, pc.equal(pc.list_value_length(values), 0)), 0)
        )
    if pa.types.is_floating(kind):  # whole numbers that a missing value turned into floats
        return values.cast(pa.int64()).cast(pa.string())
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return values.cast(pa.string())
    raise pa.ArrowInvalid("not text")


def _is_ascii(values: pa.StringArray) -> bool:
    """Whether no byte of the texts is above 127."""
    _, offsets, data = values.buffers()
    if len(values) == 0 or data is None:
        return True
    bounds = np.frombuffer(offsets, dtype=np.int32)
    first, last = bounds[values.offset], bounds[values.offset + len(values)]
    return bool(first == last or np.frombuffer(data, dtype=np.int8)[first:last].min() >= 0)


def _times(values: pa.Array, notes: dict[str, int]) -> pa.Array:
    kind = values.type
    if pa.types.is_timestamp(kind):
        if kind.tz is None:
            notes[NAIVE] = len(values) - values.null_count
            values = values.cast(pa.timestamp(kind.unit, "UTC"))
        return values.cast(TIMESTAMP, safe=kind.unit != "ns")
    if pa.types.is_date(kind):
        notes[NAIVE] = len(values) - values.null_count
        return values.cast(pa.timestamp("us")).cast(TIMESTAMP)
    if pa.types.is_string(kind):
        return _times_from_text(values, notes)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _times_from_numbers(values, notes)
    raise pa.ArrowInvalid("not a time")


def _times_from_text(values: pa.Array, notes: dict[str, int]) -> pa.Array:
    for unit in ("us", "ns"):
        for zone in ("UTC", None):
            try:
                times = values.cast(pa.timestamp(unit, zone))
            except pa.ArrowInvalid:
                continue
            return _times(times, notes)
    return _times_from_numbers(values.cast(pa.float64()), notes)


def _times_from_numbers(values: pa.Array, notes: dict[str, int]) -> pa.Array:
    """Numbers since 1970; the unit follows from the magnitude of each."""
    number = values.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False)
    size = np.abs(number)
    if not np.isfinite(size).all() or (size >= 1e20).any():
        raise pa.ArrowInvalid("not a time")
    whole = pa.types.is_integer(values.type)
    exact = values.fill_null(0).cast(pa.int64()).to_numpy(zero_copy_only=False) if whole else None
    micros = np.zeros(len(number), dtype=np.int64)
    known = ~values.is_null().to_numpy(zero_copy_only=False)
    lower = 0.0
    for upper, factor, unit in (*_UNITS, (math.inf, 0, "nanoseconds")):
        here = known & (size >= lower) & (size < upper)
        lower = upper
        if not here.any():
            continue
        notes[f"time: numbers were read as {unit} since 1970"] = int(here.sum())
        if factor == 0:
            micros[here] = exact[here] // 1000 if exact is not None else number[here] / 1000
        elif exact is not None:
            micros[here] = exact[here] * factor
        else:
            micros[here] = np.rint(number[here] * factor)
    return pa.array(micros, mask=~known).cast(pa.timestamp("us")).cast(TIMESTAMP)


def _unknown_if_negative(name: str, values: pa.Array, notes: dict[str, int]) -> pa.Array:
    negative = pc.less(values, pa.scalar(0, values.type))
    count = pc.sum(negative).as_py()
    if not count:
        return values
    notes[f"{name}: negative values were taken as unknown"] = count
    return pc.if_else(negative, pa.scalar(None, values.type), values)


def coerce_values(name: str, values: Iterable[Any], target: pa.DataType) -> Coerced:
    """The same as :func:`coerce` for Python values, one by one."""
    convert = value_converter(name, target)
    results: list[Any] = []
    faults: list[Fault] = []
    notes: dict[str, int] = {}
    for index, value in enumerate(values):
        try:
            results.append(None if value is None else convert(value, notes))
        except _UnfitError as unfit:
            results.append(None)
            shown = "" if name in TEXT_COLUMNS else excerpt(value)
            faults.append(Fault(index, f"{name}: expected {unfit}", shown))
    converted = pa.array(results, target)
    if name in _COUNTS and converted.null_count < len(converted):
        converted = _unknown_if_negative(name, converted, notes)
    return Coerced(converted, tuple(faults), notes)


def _python_values(values: pa.Array) -> Iterable[Any]:
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us", values.type.tz), safe=False)
    elif pa.types.is_string(values.type):
        values = values.view(pa.binary())  # it may hold invalid UTF-8
    return (value.as_py() for value in values)


def excerpt(value: object) -> str:
    """A value as a person would write it, cut to EXCERPT_CHARS."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= EXCERPT_CHARS else text[: EXCERPT_CHARS - 1] + "…"


Converter = Callable[[Any, dict[str, int]], Any]


def value_converter(name: str, target: pa.DataType) -> Converter:
    """A function ``(value, notes) -> value`` that converts one value and raises ValueError saying what was
    expected. It accepts everything that the columns' path accepts, and more."""
    if target == TIMESTAMP:
        return _time
    if pa.types.is_integer(target):
        limit = 1 << (target.bit_width - 1)
        return lambda value, _notes: _whole(value, limit)
    if pa.types.is_floating(target):
        return lambda value, _notes: _number(value)
    if pa.types.is_boolean(target):
        return lambda value, _notes: _truth(value)
    if pa.types.is_fixed_size_binary(target):
        return lambda value, _notes: _bytes(value, target.byte_width)
    if name in TEXT_COLUMNS:
        return lambda value, _notes: _text(value)
    return lambda value, _notes: _name(name, value)


def _decoded(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _UnfitError("valid UTF-8") from error
    return value


def _text(value: Any) -> str:
    value = _decoded(value)
    if not isinstance(value, str):
        raise _UnfitError("text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise _UnfitError("valid UTF-8") from error
    return value


def _name(name: str, value: Any) -> str | None:
    if name == "finish_reason" and isinstance(value, list):
        value = value[0] if value else None
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if isinstance(value, int | float):
        return str(value)
    return _text(value) or None


def _number(value: Any) -> float | None:
    value = _decoded(value)
    if isinstance(value, str):
        if not (value := value.strip()):
            return None
        try:
            value = float(value)
        except ValueError as error:
            raise _UnfitError("a number") from error
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _UnfitError("a number")
    return None if math.isnan(value) else float(value)


def _whole(value: Any, limit: int) -> int | None:
    if isinstance(value, str | bytes):
        text = _decoded(value).strip()
        try:
            value = int(text) if text else None
        except ValueError:
            try:
                value = _number(text)
            except _UnfitError as error:
                raise _UnfitError("a whole number") from error
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise _UnfitError("a whole number")
    if not -limit <= value < limit:
        raise _UnfitError(f"a whole number below {limit}")
    return int(value)


def _truth(value: Any) -> bool | None:
    value = _decoded(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    if isinstance(value, str):
        word = value.strip().lower()
        if not word:
            return None
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
    raise _UnfitError("true or false")


def _bytes(value: Any, width: int) -> bytes | None:
    if isinstance(value, str):
        if not value:
            return None
        try:
            value = bytes.fromhex(value)
        except ValueError as error:
            raise _UnfitError(f"{width} bytes in hexadecimal") from error
    if not isinstance(value, bytes) or len(value) != width:
        raise _UnfitError(f"{width} bytes")
    return value


def _time(value: Any, notes: dict[str, int]) -> datetime | None:
    value = _decoded(value)
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        try:
            value = float(text) if "." in text else int(text)
        except ValueError:
            value = _moment(text)
    if isinstance(value, bool):
        raise _UnfitError("a time")
    if isinstance(value, int | float):
        return _time_from_number(value, notes)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - the zone follows
    if not isinstance(value, datetime):
        raise _UnfitError("a time")
    moment: datetime = value
    if moment.tzinfo is None:
        notes[NAIVE] = notes.get(NAIVE, 0) + 1
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


def _moment(text: str) -> datetime:
    cleaned = text.upper().removesuffix(" UTC").removesuffix(" GMT")
    zoned = cleaned if cleaned == text.upper() else cleaned + "Z"
    try:
        return datetime.fromisoformat(zoned)
    except ValueError as error:
        raise _UnfitError("a time (ISO 8601, or seconds, milliseconds or microseconds since 1970)") from error


def _time_from_number(value: float, notes: dict[str, int]) -> datetime | None:
    if isinstance(value, float) and math.isnan(value):
        return None
    for below, factor, unit in (*_UNITS, (1e20, 0, "nanoseconds")):
        if abs(value) < below:
            micros = round(value * factor) if factor else int(value) // 1000
            note = f"time: numbers were read as {unit} since 1970"
            notes[note] = notes.get(note, 0) + 1
            try:
                return _EPOCH + timedelta(microseconds=micros)
            except OverflowError:
                break
    raise _UnfitError("a time between the years 1 and 9999")
