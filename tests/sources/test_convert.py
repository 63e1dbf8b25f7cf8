"""Single values of somebody else's log. What the client chose never raises."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stillhunt.sources import convert
from stillhunt.sources.convert import INT16_MAX, INT32_MAX, UnusableError

NOON_US = int(datetime(2026, 4, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
RAISING = [
    convert.identifier,
    convert.country,
    convert.whole_number,
    convert.milliseconds,
    convert.seconds,
    convert.flag,
    convert.timestamp,
    convert.epoch_seconds,
    convert.epoch_milliseconds,
    convert.epoch_microseconds,
    convert.epoch_nanoseconds,
    convert.http_status,
]
FROM_THE_CLIENT = [
    convert.identifier_or_none,
    convert.capped_or_none,
    convert.real_or_none,
    convert.flag_or_none,
    convert.finish_reason,
    convert.error_status,
    convert.asks_for_an_answer,
]


def unusable(function: Callable[[Any], Any], value: Any) -> str | None:
    """What was expected in place of the value; None where it converts."""
    try:
        function(value)
    except UnusableError as error:
        return error.expected
    return None


@pytest.mark.parametrize("function", RAISING)
@given(value=ANYTHING)
@example(value=1.7e302)
def test_a_value_converts_or_is_unusable_and_nothing_else(function: Callable[[Any], Any], value: Any) -> None:
    expected = unusable(function, value)
    assert expected != ""
    assert expected is None or not isinstance(value, str) or len(value) < 6 or value not in expected


@pytest.mark.parametrize("function", FROM_THE_CLIENT)
@given(value=ANYTHING)
def test_what_the_client_chose_never_raises(function: Callable[[Any], Any], value: Any) -> None:
    found = function(value)
    assert found is None or isinstance(found, str | bool | int | float)


@given(ANYTHING)
def test_numbers_fit_their_columns(value: Any) -> None:
    capped = convert.capped_or_none(value)
    assert capped is None or 0 <= capped <= INT32_MAX
    if unusable(convert.whole_number, value) is None:
        expected = unusable(lambda each: convert.whole_number(each, INT16_MAX), value)
        fits = convert.whole_number(value) <= INT16_MAX
        assert (expected is None) == fits


@pytest.mark.parametrize(
    ("function", "value", "expected"),
    [
        (convert.identifier, " a ", "a"),
        (convert.identifier, "  ", None),
        (convert.identifier, 12345678901234567890, "12345678901234567890"),
        (convert.country, " de ", "DE"),
        (convert.whole_number, "12.0", 12),
        (convert.whole_number, 0, 0),
        (convert.capped_or_none, 1e99, INT32_MAX),
        (convert.capped_or_none, -1, None),
        (convert.real_or_none, "0.5", 0.5),
        (convert.real_or_none, 1e39, None),
        (convert.seconds, 1.2345, 1234),
        (convert.milliseconds, "7", 7),
        (convert.flag, "TRUE", True),
        (convert.flag, 0, False),
        (convert.timestamp, "2026-04-01T14:00:00+02:00", NOON_US),
        (convert.timestamp, "2026-04-01T12:00:00", NOON_US),
        (convert.timestamp, datetime(2026, 4, 1, 12, tzinfo=UTC), NOON_US),
        (convert.timestamp, NOON_US / 1e6, NOON_US),
        (convert.epoch_milliseconds, NOON_US // 1_000, NOON_US),
        (convert.epoch_nanoseconds, str(NOON_US * 1_000 + 999), NOON_US),
        (convert.http_status, "429", 429),
        (convert.finish_reason, "end_turn", "stop"),
        (convert.finish_reason, ["", "max_tokens"], "length"),
        (convert.finish_reason, "Content_Filter", "refusal"),
        (convert.finish_reason, "PAUSED", "paused"),
        (convert.error_status, "litellm.exceptions.RateLimitError", 429),
        (convert.error_status, "overloaded_error", 529),
        (convert.error_status, "no such error", None),
        (convert.asks_for_an_answer, "/v1/chat/completions?x=1", True),
        (convert.asks_for_an_answer, "/v1/embeddings", False),
        (convert.asks_for_an_answer, "/healthz", None),
    ],
)
def test_values(function: Callable[[Any], Any], value: Any, expected: Any) -> None:
    assert function(value) == expected


@pytest.mark.parametrize(
    ("function", "value", "expected"),
    [
        (convert.identifier, 1.5, "a string"),
        (convert.country, "Germany", "ISO 3166"),
        (convert.whole_number, -1, "from 0 to"),
        (convert.whole_number, True, "a whole number"),
        (convert.seconds, 1e9, "24 days"),
        (convert.timestamp, 7, "between the years 2000 and 2100"),
        (convert.timestamp, "soon", "a time"),
        (convert.http_status, 42, "from 100 to 599"),
    ],
)
def test_unusable_values_say_what_was_expected(
    function: Callable[[Any], Any], value: Any, expected: str
) -> None:
    with pytest.raises(UnusableError, match=expected):
        function(value)
