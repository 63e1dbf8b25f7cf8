"""The audit's page in a real browser: it fits, asks for nothing, and shows hostile names as text."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audit.vendor_scene import Faults, Vendor
from report.chromium import Page, find_chromium, running_browser
from stillhunt.cli.main import app

HOSTILE = "<script>document.title='run'</script><img src=x onerror=alert(1)>"

pytestmark = [
    pytest.mark.xdist_group("audit-page"),
    pytest.mark.skipif(
        find_chromium() is None and os.environ.get("STILLHUNT_REQUIRE_ALL") != "1",
        reason="needs chromium; run: tools/setup.sh chromium",
    ),
]
OVERFLOWING = """
[...document.querySelectorAll("body *")]
  .filter((e) => !e.closest(".wide, thead") && e.getClientRects().length
    && e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
  .map((e) => `${e.tagName}.${e.className}`)
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    faults = Faults(swapped=2, dropped=0.01, overbilled=0.02, altered=1)
    vendor = Vendor(tmp_path_factory.mktemp("page") / "v", 5, 200, 2, faults)
    log = vendor.folder / "gateway.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    for row in rows[:40]:
        row["account_id"] = HOSTILE
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = vendor.folder / "audit"
    assert CliRunner().invoke(app, ["audit", *vendor.arguments, "--out", str(out)]).exit_code == 1
    return (out / "audit.html").as_uri()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with running_browser() as browser:
        yield browser.new_page()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_and_asks_for_nothing(
    width: int, dark: bool, page: Page, address: str, tmp_path: Path
) -> None:
    page.show(address, width=width, dark=dark)
    assert page.evaluate(OVERFLOWING) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert (page.console, page.requested) == ([], [address])
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(20, 23, 27)" if dark else "rgb(247, 246, 243)")


def test_names_from_the_log_are_text(page: Page, address: str) -> None:
    page.show(address, width=1280)
    assert page.evaluate("document.title").startswith("Audit of ")
    assert page.evaluate("document.querySelectorAll('script, img').length") == 0
    assert HOSTILE in page.evaluate("document.body.textContent")
