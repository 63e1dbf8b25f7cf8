"""Writes the tables of docs/reference/sources.md out of the code: ``python tests/sources/sources_page.py``."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from stillhunt.schema.coverage import SIGNAL_NEEDS, coverage
from stillhunt.schema.requests import REQUESTS
from stillhunt.sources.detect import CANONICAL_KINDS, VENDOR_KINDS, Kind

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "sources.md"
OF_ACCOUNTS = tuple(name for name, need in SIGNAL_NEEDS.items() if need.accounts)
"""Signals that need a table of accounts beside any log."""
_SHORT = {
    "litellm_jsonl": "LiteLLM file",
    "litellm_postgres": "LiteLLM table",
    "otel_json": "OpenTelemetry",
    "envoy_json": "Envoy",
    "kong_json": "Kong",
    "langfuse_export": "Langfuse",
    "helicone_export": "Helicone",
}


def table(head: Sequence[str], rows: Collection[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def signals_of(columns: Collection[str]) -> tuple[str, str]:
    """The signals that a log with these columns can feed, and those that it cannot with what they lack."""
    found = coverage(dict.fromkeys(columns, 1.0), ())
    fed = [f"`{name}`" for name in found.active if name not in OF_ACCOUNTS]
    lacking = [
        f"`{name}` (needs {', '.join(f'`{column}`' for column in columns)})"
        for name, columns in found.missing.items()
        if name not in OF_ACCOUNTS
    ]
    return ", ".join(fed), ", ".join(lacking) or "none"


def kinds_table() -> str:
    """One row per kind."""
    rows = []
    for kind in (*VENDOR_KINDS, *CANONICAL_KINDS):
        fed, lacking = signals_of(kind.columns)
        name = f"`{kind.name}`" + ("; received: `otel_http`" if kind.name == "otel_json" else "")
        rows.append((name, kind.about, kind.documented, fed, lacking))
    return table(("kind", "what is read", "fields as documented in", "can feed", "cannot feed"), rows)


def columns_table() -> str:
    """One row per column of ``requests``, one column per vendor's kind."""
    kinds: Sequence[Kind] = VENDOR_KINDS
    rows = [
        (
            f"`{name}`",
            f"`{REQUESTS.field(name).type}`",
            *("yes" if name in kind.columns else "" for kind in kinds),
        )
        for name in REQUESTS.names
    ]
    return table(("column", "type", *(_SHORT[kind.name] for kind in kinds)), rows)


def written(page: str) -> str:
    """The page with its tables made anew."""
    for name, made in (("kinds", kinds_table()), ("columns", columns_table())):
        block = f"<!-- made: {name} -->\n{made}\n<!-- end -->"
        page, count = re.subn(
            rf"<!-- made: {name} -->.*?<!-- end -->", lambda _, block=block: block, page, flags=re.DOTALL
        )
        assert count == 1, f"{PAGE} has no place for the table of {name}"
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
