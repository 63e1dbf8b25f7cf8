"""Results of a scan to write reports of."""

from __future__ import annotations

from pathlib import Path

import pytest
from scan_result import write_scan_result

from stillhunt.report.compose import compose
from stillhunt.report.document import Document
from stillhunt.report.html import render_html
from stillhunt.report.result import load_result


@pytest.fixture(scope="session")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three campaigns, 55 rejected rows, hostile strings. Not to be changed: see ``own_result``."""
    return write_scan_result(tmp_path_factory.mktemp("scan") / "result", rejected=55)


@pytest.fixture
def own_result(tmp_path: Path) -> Path:
    """The same, for a test to spoil."""
    return write_scan_result(tmp_path / "result", rejected=55)


@pytest.fixture(scope="session")
def empty_result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan that found nothing."""
    return write_scan_result(tmp_path_factory.mktemp("scan") / "result", shapes=())


@pytest.fixture(scope="session")
def document(result: Path) -> Document:
    return compose(load_result(result))


@pytest.fixture(scope="session")
def page(document: Document) -> str:
    return render_html(document)


@pytest.fixture(scope="session")
def empty_page(empty_result: Path) -> str:
    return render_html(compose(load_result(empty_result)))
