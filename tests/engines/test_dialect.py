"""Queries on their way to Spark."""

from __future__ import annotations

import pytest

from stillhunt.engines.dialect import to_spark


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("SELECT epoch_us(t) // 10 FROM x", "SELECT unix_micros(t) DIV 10 FROM x"),
        ("SELECT p[2:4] FROM x", "SELECT substring(p, 2, 3) FROM x"),
        ("SELECT n / 24.0, 1e6 FROM x", "SELECT n / 24.0D, 1e6 FROM x"),
        ("SELECT identity_of(a, b) FROM x", "SELECT IDENTITY_OF(a, b) FROM x"),
        (
            "SELECT time_bucket(INTERVAL 1 HOUR, min(t)) FROM x",
            "SELECT TIMESTAMP_MICROS(unix_micros(MIN(t)) - pmod(unix_micros(MIN(t)) - 946857600000000, 3600000000)) "
            "FROM x",
        ),
        ("SELECT a FROM x ORDER BY a", "SELECT a FROM x ORDER BY a NULLS LAST"),
    ],
)
def test_what_differs_is_translated(given: str, made: str) -> None:
    steps = to_spark(given)
    assert steps.kept == ()
    assert steps.select.lower() == made.lower()


def test_what_is_read_twice_is_kept_and_what_is_read_once_is_not() -> None:
    steps = to_spark(
        "WITH a AS (SELECT i FROM x), b AS (SELECT i FROM a), c AS (SELECT i FROM b JOIN a USING (i)) "
        "SELECT c.i FROM c JOIN b ON b.i = c.i",
        "kept_7",
    )
    assert steps.kept == (("kept_7_a", "SELECT i FROM x"), ("kept_7_b", "SELECT i FROM kept_7_a AS a"))
    assert steps.select == (
        "WITH c AS (SELECT i FROM kept_7_b AS b JOIN kept_7_a AS a USING (i)) "
        "SELECT c.i FROM c JOIN kept_7_b AS b ON b.i = c.i"
    )


def test_a_bucket_of_months_is_refused() -> None:
    with pytest.raises(ValueError, match="days or less"):
        to_spark("SELECT time_bucket(INTERVAL 1 MONTH, t) FROM x")
