"""From a result directory to one file."""

from __future__ import annotations

from pathlib import Path

import pytest

from stillhunt.errors import InputError, OutputError
from stillhunt.report import write
from stillhunt.report.write import write_report

pytestmark = pytest.mark.xdist_group("report-page")


def test_the_report_stands_in_the_result(own_result: Path, page: str) -> None:
    before = sorted(path.name for path in own_result.iterdir())
    assert write_report(own_result) == own_result / "report.html"
    assert (own_result / "report.html").read_text(encoding="utf-8") == page
    assert sorted(path.name for path in own_result.iterdir()) == sorted([*before, "report.html"])


def test_a_report_replaces_the_one_before(own_result: Path) -> None:
    (own_result / "report.html").write_text("old", encoding="utf-8")
    write_report(own_result)
    assert (own_result / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_spoilt_result_leaves_no_report(own_result: Path) -> None:
    (own_result / "members.parquet").unlink()
    with pytest.raises(InputError):
        write_report(own_result)
    assert not (own_result / "report.html").exists()


def test_a_failure_on_the_way_leaves_the_old_report(
    own_result: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_result / "report.html").write_text("old", encoding="utf-8")

    def fail(_document: object) -> str:
        raise RuntimeError

    monkeypatch.setattr(write, "render_html", fail)
    with pytest.raises(RuntimeError):
        write_report(own_result)
    assert (own_result / "report.html").read_text(encoding="utf-8") == "old"
    assert not [path for path in own_result.iterdir() if "partial" in path.name]


def test_a_place_that_cannot_be_written_is_an_output_error(own_result: Path) -> None:
    (own_result / "report.html").mkdir()
    (own_result / "report.html" / "kept").touch()
    with pytest.raises(OutputError):
        write_report(own_result)
