"""The page of figures: a bench writes between its own marks and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.page import PAGE, table, write_between


def test_a_table_has_its_head_once() -> None:
    assert table(["a", "b"], [["1", "2"], ["3", "4"]]) == ["| a | b |", "|---|---|", "| 1 | 2 |", "| 3 | 4 |"]


def test_only_what_stands_between_the_marks_changes(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- made: x -->\nold\n<!-- end -->\nb\n<!-- made: y -->\nkept\n<!-- end -->\n")
    write_between("x", ["| new |", r"\1"], page)
    assert page.read_text() == (
        "a\n<!-- made: x -->\n| new |\n\\1\n<!-- end -->\nb\n<!-- made: y -->\nkept\n<!-- end -->\n"
    )


def test_a_page_without_the_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- made: y -->\n<!-- end -->\n")
    with pytest.raises(ValueError, match="made: x"):
        write_between("x", [], page)
    assert page.read_text() == "a\n<!-- made: y -->\n<!-- end -->\n"


@pytest.mark.parametrize("name", ["detection", "rivals", "retention", "delay", "evasion"])
def test_the_real_page_has_every_bench_s_marks_once(name: str) -> None:
    assert PAGE.read_text(encoding="utf-8").count(f"<!-- made: {name} -->\n") == 1
