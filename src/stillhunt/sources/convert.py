"""Single values of somebody else's log, turned into the types of ``requests``.

Each function takes a value that is neither null nor empty and returns the canonical one, or None where the value
says that there is none. It raises :class:`UnusableError` where the value cannot be what the column needs. Functions
whose name ends in ``_or_none`` read what the *client* of the API chose freely; they never raise, since otherwise a
client could keep its rows out of every scan by sending nonsense.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

EARLIEST_US = 946_684_800_000_000
"""2000-01-01T00:00:00Z in microseconds since 1970; an earlier time is a time in another unit."""
LATEST_US = 4_102_444_800_000_000
"""2100-01-01T00:00:00Z in microseconds since 1970."""

INT32_MAX = 2**31 - 1
INT16_MAX = 2**15 - 1


class UnusableError(ValueError):
    """A value cannot be used. ``expected`` names what would have been, never the value itself."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected


# --- text -----------------------------------------------------------------------------------------------------


def identifier(value: Any) -> str | None:
    """An opaque name: a string or a whole number."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise UnusableError("a string")


def identifier_or_none(value: Any) -> str | None:
    """As :func:`identifier`, of something the client chose."""
    return value.strip() or None if isinstance(value, str) else None


def country(value: Any) -> str | None:
    """ISO 3166 alpha-2, in capitals."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z]{2}", value.strip()):
        return value.strip().upper()
    raise UnusableError("an ISO 3166 alpha-2 country code")


# --- numbers --------------------------------------------------------------------------------------------------


def whole_number(value: Any, largest: int = INT32_MAX) -> int:
    """A count from 0 to ``largest``: an integer, an integral float, or either as a string."""
    if isinstance(value, bool):
        raise UnusableError("a whole number")
    if isinstance(value, int):
        number = value
    else:
        exact = _number(value)
        if not math.isfinite(exact) or exact != int(exact):
            raise UnusableError("a whole number")
        number = int(exact)
    if not 0 <= number <= largest:
        raise UnusableError(f"a whole number from 0 to {largest}")
    return number


def capped_or_none(value: Any) -> int | None:
    """A count that the client asked for; what is too large for the column becomes its largest value."""
    try:
        exact = _number(value)
    except UnusableError:
        return None
    if math.isnan(exact) or exact < 0:
        return None
    return INT32_MAX if exact > INT32_MAX else int(exact)


def real_or_none(value: Any) -> float | None:
    """A finite number that the client asked for, such as a temperature."""
    try:
        exact = _number(value)
    except UnusableError:
        return None
    return exact if math.isfinite(exact) and abs(exact) < 3e38 else None


def milliseconds(value: Any) -> int:
    """A duration in milliseconds, from a number of milliseconds."""
    return _duration(_number(value))


def seconds(value: Any) -> int:
    """A duration in milliseconds, from a number of seconds."""
    return _duration(_number(value) * 1000)


def _duration(value: float) -> int:
    if not math.isfinite(value) or not 0 <= value <= INT32_MAX:
        raise UnusableError("a duration from 0 to 24 days")
    return round(value)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise UnusableError("a number")
    try:
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, str):
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise UnusableError("a number")


def flag(value: Any) -> bool:
    """True or false, as such, as 0 and 1, or as a word."""
    if isinstance(value, bool):
        return value
    if value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in ("true", "false", "1", "0"):
        return value.strip().lower() in ("true", "1")
    raise UnusableError("true or false")


def flag_or_none(value: Any) -> bool | None:
    """As :func:`flag`, of something the client chose."""
    try:
        return flag(value)
    except UnusableError:
        return None


# --- times ----------------------------------------------------------------------------------------------------


def timestamp(value: Any) -> int:
    """Microseconds since 1970, from a datetime, ISO 8601, or a number of seconds. What names no zone is UTC."""
    if isinstance(value, datetime):
        return _in_range(_of_datetime(value))
    if isinstance(value, str):
        try:
            return _in_range(_of_datetime(datetime.fromisoformat(value.strip())))
        except ValueError:
            pass
    return epoch_seconds(value)


def epoch_seconds(value: Any) -> int:
    """Microseconds since 1970, from a number of seconds."""
    return _epoch(value, 1e6)


def epoch_milliseconds(value: Any) -> int:
    """Microseconds since 1970, from a number of milliseconds."""
    return _epoch(value, 1e3)


def epoch_microseconds(value: Any) -> int:
    """Microseconds since 1970, from a number of microseconds."""
    return _epoch(value, 1.0)


def epoch_nanoseconds(value: Any) -> int:
    """Microseconds since 1970, from a number of nanoseconds, also as a string (OTLP JSON)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _in_range(value // 1000)
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 25:
        return _in_range(int(value) // 1000)
    return _epoch(value, 1e-3)


def _epoch(value: Any, to_microseconds: float) -> int:
    try:
        exact = _number(value)
    except UnusableError as error:
        raise UnusableError("a time") from error
    if not math.isfinite(exact):
        raise UnusableError("a time")
    scaled = exact * to_microseconds
    if not math.isfinite(scaled):
        raise UnusableError("a time between the years 2000 and 2100")
    return _in_range(round(scaled))


def _of_datetime(value: datetime) -> int:
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    try:
        since = aware - datetime(1970, 1, 1, tzinfo=UTC)
    except OverflowError as error:
        raise UnusableError("a time between the years 2000 and 2100") from error
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _in_range(microseconds: int) -> int:
    if not EARLIEST_US <= microseconds < LATEST_US:
        raise UnusableError("a time between the years 2000 and 2100")
    return microseconds


# --- what came of the request ---------------------------------------------------------------------------------


def http_status(value: Any) -> int:
    """An HTTP status, also as a string."""
    number = whole_number(value)
    if not 100 <= number <= 599:
        raise UnusableError("an HTTP status from 100 to 599")
    return number


FINISH_REASONS: Mapping[str, str] = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "complete": "stop",
    "completed": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "incomplete": "length",
    "tool_use": "tool_use",
    "tool_call": "tool_use",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "refusal": "refusal",
    "content_filter": "refusal",
    "content_filtered": "refusal",
    "safety": "refusal",
    "blocklist": "refusal",
    "prohibited_content": "refusal",
    "guardrail_intervened": "refusal",
}
"""How vendors call the four ways in which an answer ends (contract, section 1)."""


def finish_reason(value: Any) -> str | None:
    """``stop``, ``length``, ``tool_use`` or ``refusal``; another vendor's word stays, in small letters. Of a
    list, the first that is not empty."""
    if isinstance(value, list | tuple):
        value = next((item for item in value if isinstance(item, str) and item), None)
    if not isinstance(value, str) or not value.strip():
        return None
    word = value.strip().lower()
    return FINISH_REASONS.get(word, word[:64])


ERROR_STATUSES: Mapping[str, int] = {
    "badrequesterror": 400,
    "contextwindowexceedederror": 400,
    "contentpolicyviolationerror": 400,
    "invalid_request_error": 400,
    "authenticationerror": 401,
    "authentication_error": 401,
    "permissiondeniederror": 403,
    "permission_error": 403,
    "notfounderror": 404,
    "not_found_error": 404,
    "ratelimiterror": 429,
    "rate_limit_error": 429,
    "budgetexceedederror": 429,
    "internalservererror": 500,
    "api_error": 500,
    "serviceunavailableerror": 503,
    "timeout": 504,
    "apitimeouterror": 504,
    "overloaded_error": 529,
}
"""HTTP statuses that stand behind the error names of the common client libraries and APIs."""


def error_status(value: Any) -> int | None:
    """An HTTP status from the name of an error, or from the status itself; None where neither is known."""
    try:
        return http_status(value)
    except UnusableError:
        name = str(value).rsplit(".", 1)[-1].strip().lower()
        return ERROR_STATUSES.get(name)


NO_ANSWER_PATHS = (
    "embedding",
    "moderation",
    "rerank",
    "/images",
    "/audio",
    "/files",
    "/batches",
    "/models",
    "count_tokens",
)
ANSWER_PATHS = (
    "/chat/completions",
    "/completions",
    "/responses",
    "/messages",
    ":generatecontent",
    ":streamgeneratecontent",
    "/converse",
    "/converse-stream",
    "/invoke",
    "/invoke-with-response-stream",
    "/api/chat",
    "/api/generate",
)
"""How the paths end at which the common APIs are asked for an answer."""


def asks_for_an_answer(path: Any) -> bool | None:
    """Whether a request path is one at which a model is asked for an answer; None where that is not known."""
    if not isinstance(path, str):
        return None
    plain = path.partition("?")[0].rstrip("/").lower()
    if plain.endswith(ANSWER_PATHS):
        return True
    return False if any(word in plain for word in NO_ANSWER_PATHS) else None
