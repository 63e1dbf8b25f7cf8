"""The page that benches write their tables into, each between its own marks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "benchmark.md"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    rows = ["| " + " | ".join(cells) + " |" for cells in (head, *lines)]
    return [rows[0], "|---" * len(head) + "|", *rows[1:]]


def write_between(name: str, lines: Sequence[str], page: Path = PAGE) -> None:
    """Puts lines between ``<!-- made: name -->`` and the next ``<!-- end -->``. Raises ValueError where the page has no
    such marks."""
    marks = re.compile(rf"(<!-- made: {re.escape(name)} -->\n).*?(^<!-- end -->$)", re.MULTILINE | re.DOTALL)
    text = page.read_text(encoding="utf-8")
    body = "".join(line + "\n" for line in lines)
    made, count = marks.subn(lambda part: part[1] + body + part[2], text)
    if count != 1:
        raise ValueError(
            f"{page}: expected one `<!-- made: {name} -->` with an `<!-- end -->`, found {count}"
        )
    page.write_text(made, encoding="utf-8")
