"""From DuckDB's dialect, in which queries are written, to Spark's: sqlglot's translation, and what it leaves out."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import sqlglot
from sqlglot import exp

_US = {"SECOND": 1_000_000, "MINUTE": 60_000_000, "HOUR": 3_600_000_000, "DAY": 86_400_000_000}
_ORIGIN_US = int(datetime(2000, 1, 3, tzinfo=UTC).timestamp()) * 1_000_000
"""Where DuckDB's ``time_bucket`` begins to count."""


def to_spark(sql: str) -> str:
    """One SELECT in Spark's dialect."""
    return sqlglot.parse_one(sql, read="duckdb").transform(_translated).sql(dialect="spark")


def _translated(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.Anonymous) and node.name.lower() == "epoch_us":
        return exp.Anonymous(this="unix_micros", expressions=node.expressions)
    if isinstance(node, exp.DateBin):
        return _bucket(node)
    if isinstance(node, exp.Bracket) and isinstance(node.expressions[0], exp.Slice):
        return _part(node)
    if isinstance(node, exp.Literal) and not node.is_string and re.fullmatch(r"\d*\.\d+", node.name):
        return exp.Var(this=f"{node.name}D")  # a decimal's division would round to few digits
    return node


def _bucket(node: exp.DateBin) -> exp.Expression:
    width = node.this
    if not isinstance(width, exp.Interval) or width.text("unit").upper() not in _US:
        raise ValueError(f"expected time_bucket with an interval in days or less, got {node.sql()}")
    step = int(width.this.name) * _US[width.text("unit").upper()]
    time = node.expression.transform(_translated)
    since = f"unix_micros({time.sql('spark')})"
    return exp.Anonymous(
        this="timestamp_micros", expressions=[exp.Var(this=f"{since} - pmod({since} - {_ORIGIN_US}, {step})")]
    )


def _part(node: exp.Bracket) -> exp.Expression:
    first, last = int(node.expressions[0].this.name), int(node.expressions[0].expression.name)
    return exp.Anonymous(
        this="substring",
        expressions=[node.this, exp.Literal.number(first), exp.Literal.number(last - first + 1)],
    )
