"""The queue of campaigns as people see it in a terminal: distillation one by one, other kinds counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from stillhunt.cli.scanning import Outcome
from stillhunt.report.wording import share
from stillhunt.schema.campaigns import FLAG_MEMBERSHIP

MOST_ROWS = 20
"""Distillation campaigns that are listed; the report and campaigns.parquet hold all."""
_MOST_NAMED = 3

Row = Mapping[str, Any]


def by_rank(outcome: Outcome) -> list[dict[str, Any]]:
    """Rows of campaigns.parquet: distillation first, then by falling score."""
    rows: list[dict[str, Any]] = outcome.campaigns.campaigns.to_pylist()
    return sorted(rows, key=lambda row: (row["kind"] != "distillation", -row["score"], row["campaign_id"]))


def flagged(outcome: Outcome) -> set[str]:
    """Account ids that are flagged for distillation (contract, section 3); licensed use is not."""
    kinds = {row["campaign_id"]: row["kind"] for row in outcome.campaigns.campaigns.to_pylist()}
    return {
        row["account_id"]
        for row in outcome.campaigns.members.to_pylist()
        if kinds[row["campaign_id"]] == "distillation"
        and row["membership"] >= FLAG_MEMBERSHIP
        and row["authorised_use"] is None
    }


def queue(rows: Sequence[Row], last: str, told: Mapping[str, str]) -> Group:
    """Two tables, of which either may be missing. ``last`` heads a last column that says ``told`` of each
    ``campaign_id``, and of each kind that is counted."""
    hostile = [row for row in rows if row["kind"] == "distillation"]
    others = [row for row in rows if row["kind"] != "distillation"]
    parts: list[Table | Text] = []
    if hostile:
        parts.append(_hostile(hostile[:MOST_ROWS], last, told))
    if len(hostile) > MOST_ROWS:
        parts.append(Text(f"and {len(hostile) - MOST_ROWS} more; the report lists all", "dim"))
    if hostile and others:
        parts.append(Text())
    if others:
        parts.append(_others(others, last if any(row["kind"] in told for row in others) else "", told))
    return Group(*parts)


def named(counts: Counter[str]) -> str:
    """``20 small, 1 saas``: the commonest first."""
    said = [f"{count:,} {name}" for name, count in counts.most_common(_MOST_NAMED)]
    rest = sum(counts.values()) - sum(count for _, count in counts.most_common(_MOST_NAMED))
    return ", ".join([*said, f"{rest:,} more"] if rest else said)


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """An empty table in the manner of all tables here; columns in ``right`` hold numbers."""
    made = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", no_wrap=name != columns[-1])
    return made


def _hostile(rows: Sequence[Row], last: str, told: Mapping[str, str]) -> Table:
    right = ("sure", "accounts", "requests", "q-value")
    made = table("distillation", *right, last, right=right)
    for row in rows:
        made.add_row(
            row["campaign_id"],
            share(row["kind_confidence"]),
            f"{row['accounts']:,}",
            f"{row['requests']:,}",
            f"{row['q_value']:.1e}",
            told.get(row["campaign_id"], ""),
        )
    return made


def _others(rows: Sequence[Row], last: str, told: Mapping[str, str]) -> Table:
    right = ("campaigns", "accounts", "requests")
    made = table("other kinds", *right, *([last] if last else []), right=right)
    for kind in dict.fromkeys(row["kind"] for row in rows):
        alike = [row for row in rows if row["kind"] == kind]
        numbers = (len(alike), sum(row["accounts"] for row in alike), sum(row["requests"] for row in alike))
        made.add_row(kind, *(f"{number:,}" for number in numbers), *([told.get(kind, "")] if last else []))
    return made
