"""From DuckDB's dialect, in which queries are written, to Spark's: sqlglot's translation, and what it leaves out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlglot
from sqlglot import exp

_US = {"SECOND": 1_000_000, "MINUTE": 60_000_000, "HOUR": 3_600_000_000, "DAY": 86_400_000_000}
_ORIGIN_US = int(datetime(2000, 1, 3, tzinfo=UTC).timestamp()) * 1_000_000
"""Where DuckDB's ``time_bucket`` begins to count."""


@dataclass(frozen=True)
class Steps:
    """A SELECT in Spark's dialect, after other SELECTS whose rows are to be kept, under names, while it runs."""

    kept: tuple[tuple[str, str], ...]
    select: str


def to_spark(sql: str, prefix: str = "kept") -> Steps:
    """One SELECT in Spark's dialect.

    What WITH names and the query reads more than once is to be kept first, as a view ``<prefix>_<name>``: Spark would
    compute it anew each time, with all that lies under it.
    """
    query = sqlglot.parse_one(sql, read="duckdb")
    with_ = query.args.get("with_")
    named = list(with_.expressions) if with_ is not None and not with_.recursive else []
    before: list[exp.Expr] = []
    kept: list[tuple[str, str]] = []
    for cte in named:
        if len([table for table in query.find_all(exp.Table) if table.name == cte.alias]) < 2:
            before.append(cte)
            continue
        name = f"{prefix}_{cte.alias}"
        kept.append((name, _spark(_with(cte.this, before))))
        for table in query.find_all(exp.Table):
            if table.name == cte.alias:
                if not table.alias:
                    table.set("alias", exp.TableAlias(this=exp.to_identifier(cte.alias)))
                table.set("this", exp.to_identifier(name))
    return Steps(tuple(kept), _spark(_with(query, before)))


def _with(query: exp.Expr, named: Sequence[exp.Expr]) -> exp.Expr:
    made = query.copy()
    made.set("with_", exp.With(expressions=[one.copy() for one in named]) if named else None)
    return made


def _spark(query: exp.Expr) -> str:
    return query.transform(_translated).sql(dialect="spark")


def _translated(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Anonymous) and node.name.lower() == "epoch_us":
        return exp.Anonymous(this="unix_micros", expressions=node.expressions)
    if isinstance(node, exp.DateBin):
        return _bucket(node)
    if isinstance(node, exp.Bracket) and isinstance(node.expressions[0], exp.Slice):
        return _part(node)
    if isinstance(node, exp.Literal) and not node.is_string and re.fullmatch(r"\d*\.\d+", node.name):
        return exp.Var(this=f"{node.name}D")  # a decimal's division would round to few digits
    return node


def _bucket(node: exp.DateBin) -> exp.Expr:
    width = node.this
    if not isinstance(width, exp.Interval) or width.text("unit").upper() not in _US:
        raise ValueError(f"expected time_bucket with an interval in days or less, got {node.sql()}")
    step = int(width.this.name) * _US[width.text("unit").upper()]
    time = node.expression.transform(_translated)
    since = f"unix_micros({time.sql('spark')})"
    return exp.Anonymous(
        this="timestamp_micros", expressions=[exp.Var(this=f"{since} - pmod({since} - {_ORIGIN_US}, {step})")]
    )


def _part(node: exp.Bracket) -> exp.Expr:
    first, last = int(node.expressions[0].this.name), int(node.expressions[0].expression.name)
    return exp.Anonymous(
        this="substring",
        expressions=[node.this, exp.Literal.number(first), exp.Literal.number(last - first + 1)],
    )
