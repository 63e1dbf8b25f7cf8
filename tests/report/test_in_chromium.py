"""The page in a real browser, without any network: it draws, fits, follows the scheme, and asks for nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from chromium import Page, find_chromium, running_browser
from scan_result import SHAPES, write_scan_result

from stillhunt.report.write import write_report

pytestmark = [
    pytest.mark.xdist_group("report-page"),
    pytest.mark.skipif(
        find_chromium() is None and os.environ.get("STILLHUNT_REQUIRE_ALL") != "1",
        reason="needs chromium; run: tools/setup.sh chromium",
    ),
]

DISTILLATION = "campaign-c-5d1f0a77"
OVERFLOWING = """
[...document.querySelectorAll("body *")]
  .filter((e) => !e.closest(".scroll, svg, .unseen-text, .skip") && e.getClientRects().length
    && e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
  .map((e) => `${e.tagName}.${e.className}`)
"""
CLIPPED = """
[...document.querySelectorAll(".chart")]
  .filter((e) => e.querySelector("svg").getBoundingClientRect().bottom > e.getBoundingClientRect().bottom + 0.5)
  .map((e) => e.id)
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("chromium") / "result"
    shapes = (replace(SHAPES[0], accounts=620, score=200.0), *SHAPES[1:])
    return write_report(write_scan_result(directory, shapes=shapes, rejected=55)).as_uri()


@pytest.fixture(scope="module")
def empty_report(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("chromium") / "empty"
    return write_report(write_scan_result(directory, shapes=())).as_uri()


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    assert find_chromium(), "needs chromium; run: tools/setup.sh chromium"
    with running_browser() as browser:
        yield browser.new_page()


def _drawn(page: Page) -> None:
    """Waits until every chart is there, and opens whatever can be opened."""
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    page.wait_for("[...document.querySelectorAll('.chart')].every((box) => box.dataset.drawn === 'yes')")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_draws_fits_and_asks_for_nothing(
    browser_page: Page, report: str, width: int, dark: bool
) -> None:
    browser_page.show(report, width=width, dark=dark)
    _drawn(browser_page)
    assert browser_page.evaluate("window.innerWidth") == width
    assert browser_page.console == []
    assert browser_page.requested == [report]
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= width
    assert browser_page.evaluate(OVERFLOWING) == []
    assert browser_page.evaluate(CLIPPED) == []
    assert browser_page.evaluate("window.pwned") is None
    charts = browser_page.evaluate("document.querySelectorAll('.chart svg').length")
    assert charts == 9
    line = f"document.querySelector('#{DISTILLATION}-rhythm svg .mark-line path').getAttribute('d').length"
    assert browser_page.evaluate(line) > 1000, "the line of the campaign has its points"
    bars = f"document.querySelectorAll('#{DISTILLATION}-hours svg .mark-rect path').length"
    assert browser_page.evaluate(bars) >= 24


@pytest.mark.parametrize("width", [320, 768, 1024, 1190])
def test_the_page_fits_between_phone_and_desk(browser_page: Page, report: str, width: int) -> None:
    browser_page.show(report, width=width)
    _drawn(browser_page)
    assert browser_page.evaluate(OVERFLOWING) == []
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_link_to_a_folded_campaign_opens_it_and_draws_its_charts(browser_page: Page, report: str) -> None:
    browser_page.show(report, width=1280)
    farm = "campaign-c-90b2e4c1"
    chart = f"document.getElementById('{farm}-rhythm')"
    browser_page.wait_for(f"document.getElementById('{DISTILLATION}-hours').dataset.drawn === 'yes'")
    assert browser_page.evaluate(f"{chart}.dataset.drawn") is None, "what is folded away waits"
    browser_page.evaluate(f"location.hash = '#{farm}'")
    browser_page.wait_for(f"document.getElementById('{farm}').open && {chart}.dataset.drawn === 'yes'")
    assert browser_page.evaluate(f"{chart}.querySelector('svg').getBoundingClientRect().width") > 400
    browser_page.wait_for(f"Math.abs(document.getElementById('{farm}').getBoundingClientRect().top) < 100")
    assert browser_page.console == []


def test_a_folded_campaign_opens_by_keyboard(browser_page: Page, report: str) -> None:
    browser_page.show(report, width=390)
    browser_page.evaluate("document.querySelector('.group > summary').focus()")
    for key in ("Enter", "Tab", "Enter"):
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            codes = {"windowsVirtualKeyCode": {"Enter": 13, "Tab": 9}[key], "key": key, "code": key}
            browser_page.call("Input.dispatchKeyEvent", type=kind, **codes, **text)
    browser_page.wait_for("document.querySelector('.group').open && document.querySelector('.folded').open")


def test_dark_and_light_differ_and_so_do_their_charts(browser_page: Page, report: str) -> None:
    colours = []
    for dark in (False, True):
        browser_page.show(report, width=1280, dark=dark)
        _drawn(browser_page)
        colours.append(
            browser_page.evaluate(
                "['body', '.campaign', '.campaign h2', '.chart .mark-line path', '.chart .role-axis-label text', "
                "'.picture', '.picture .dot', '.strand.ch-content'].map((where) => {"
                " const seen = getComputedStyle(document.querySelector(where));"
                " return [seen.color, seen.backgroundColor, seen.fill, seen.stroke].join(); })"
            )
        )
    light, night = colours
    assert all(one != other for one, other in zip(light, night, strict=True))


def test_a_chart_answers_the_pointer(browser_page: Page, report: str) -> None:
    browser_page.show(report, width=1280)
    _drawn(browser_page)
    box = browser_page.evaluate(
        f"(() => {{ const chart = document.getElementById('{DISTILLATION}-rhythm');"
        " chart.scrollIntoView({block: 'center', behavior: 'instant'});"
        " const seen = chart.getBoundingClientRect(); return [seen.x, seen.y]; })()"
    )
    time.sleep(0.2)
    for step in range(3):
        browser_page.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0] + 300 + step, y=box[1] + 80)
    browser_page.wait_for("!document.querySelector('.tip').hidden")
    told = browser_page.evaluate("document.querySelector('.tip').innerText")
    assert "Requests of the campaign" in told
    assert "Apr 2026" in told
    assert "undefined" not in told


def test_a_long_member_list_is_found_through(browser_page: Page, report: str) -> None:
    browser_page.show(report, width=1280)
    table = f"document.querySelector('table[data-members={DISTILLATION}]')"
    tools = f"document.getElementById('{DISTILLATION}-tools')"
    assert browser_page.evaluate(f"{table}.tBodies[0].rows.length") == 50
    assert "50 of 620 accounts shown" in browser_page.evaluate(f"{tools}.innerText")
    browser_page.evaluate(f"document.getElementById('{DISTILLATION}-more').click()")
    assert browser_page.evaluate(f"{table}.tBodies[0].rows.length") == 250
    look = f"(() => {{ const field = {tools}.querySelector('input'); field.value = '%s';"
    look += " field.dispatchEvent(new Event('input')); })()"
    browser_page.evaluate(look % "pwned=1")
    assert browser_page.evaluate(f"{table}.tBodies[0].innerText").startswith(
        "<script>window.pwned=1</script>"
    )
    assert "1 of 1 accounts" in browser_page.evaluate(f"{tools}.innerText")
    browser_page.evaluate(look % "licensed, not")
    assert "synthetic data" in browser_page.evaluate(f"{table}.tBodies[0].innerText")
    browser_page.evaluate(look % "no such account")
    assert browser_page.evaluate(f"{table}.tBodies[0].rows.length") == 0
    assert browser_page.evaluate("window.pwned") is None
    assert browser_page.console == []


def test_without_scripts_everything_but_the_charts_is_there(browser_page: Page, report: str) -> None:
    browser_page.show(report, width=1280, scripts=False)
    shown = browser_page.evaluate("document.body.innerText")
    assert "The charts need JavaScript" in shown
    assert "The first 50 of 620 accounts" in shown
    assert "Find an account" not in shown
    assert browser_page.evaluate("document.querySelectorAll('.picture line').length") > 100
    assert browser_page.evaluate("document.querySelectorAll('table.members tbody tr').length") == 50 + 20 + 8


def test_the_page_stays_where_it_is_while_charts_are_drawn(browser_page: Page, report: str) -> None:
    browser_page.show(report, width=1280)
    _drawn(browser_page)
    heights = "[...document.querySelectorAll('.chart')].map((box) => box.offsetHeight)"
    drawn = browser_page.evaluate(heights)
    browser_page.evaluate("document.querySelectorAll('.chart').forEach((box) => box.replaceChildren())")
    assert browser_page.evaluate(heights) == drawn
    assert min(drawn) > 100


def test_an_empty_report_is_a_good_page_too(browser_page: Page, empty_report: str) -> None:
    for width in (390, 1280):
        browser_page.show(empty_report, width=width)
        assert browser_page.console == []
        assert browser_page.requested == [empty_report]
        assert browser_page.evaluate(OVERFLOWING) == []
        assert "No campaign found" in browser_page.evaluate("document.querySelector('h1').innerText")


def test_a_paper_copy_holds_every_chart(browser_page: Page, report: str) -> None:
    browser_page.show(report, width=1280, dark=True)
    _drawn(browser_page)
    browser_page.call("Emulation.setEmulatedMedia", media="print")
    try:
        assert (
            browser_page.evaluate("getComputedStyle(document.querySelector('.contents')).display") == "none"
        )
        assert browser_page.evaluate("getComputedStyle(document.body).color") == "rgb(29, 35, 41)"
        assert (
            browser_page.evaluate("getComputedStyle(document.querySelector('.scroll.tall')).maxHeight")
            == "none"
        )
    finally:
        browser_page.call("Emulation.setEmulatedMedia", media="")


def test_the_browser_would_have_caught_a_request(browser_page: Page, tmp_path: Path) -> None:
    """The checks above can fail: a page that asks for something, overflows and logs is seen to do so."""
    bad: Path = tmp_path / "bad.html"
    bad.write_text(
        "<!doctype html><body><div style='width:3000px' class=wide>x</div><img src='http://192.0.2.1/x.png'>"
        "<script>console.error('loud'); window.pwned = 1</script>",
        encoding="utf-8",
    )
    browser_page.show(bad.as_uri(), width=390)
    assert "http://192.0.2.1/x.png" in browser_page.requested
    assert "DIV.wide" in browser_page.evaluate(OVERFLOWING)
    assert any("loud" in line for line in browser_page.console)
    assert browser_page.evaluate("window.pwned") == 1
