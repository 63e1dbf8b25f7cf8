"""``write_report``: from the directory that a scan wrote to one file that people open."""

from __future__ import annotations

from pathlib import Path

from stillhunt.engines.output import whole_file
from stillhunt.errors import OutputError
from stillhunt.report.compose import compose
from stillhunt.report.html import render_html
from stillhunt.report.result import load_result

REPORT = "report.html"


def write_report(result: Path) -> Path:
    """Reads the scan's output directory ``result``, writes ``report.html`` into it and returns its path.

    Raises InputError where the directory is not a scan's whole output, OutputError where it cannot be written.
    """
    document = compose(load_result(result))
    target = result / REPORT
    page = render_html(document)
    try:
        with whole_file(target) as aside:
            aside.write_text(page, encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"cannot write the report ({error.strerror or error})",
            str(target),
            "Make room, or move what stands there.",
        ) from error
    return target
