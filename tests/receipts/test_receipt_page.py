"""The page in a real browser, without any network: every vector, the form, and how it looks."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from receipt_scene import Scene, with_witnesses
from receipt_vectors import VECTORS

from report.chromium import Page, find_chromium, running_browser
from stillhunt.receipts.page import page

pytestmark = [
    pytest.mark.xdist_group("receipt-page"),
    pytest.mark.skipif(
        find_chromium() is None and os.environ.get("STILLHUNT_REQUIRE_ALL") != "1",
        reason="needs chromium; run: tools/setup.sh chromium",
    ),
]
ALL = json.loads(VECTORS.read_text(encoding="utf-8"))
FIRST = ALL["receipts"][0]
VERIFY_ALL = """
(async (all) => {
  const raw = (text) => text === null ? null : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const steps = {};
  for (const row of all.receipts) {
    const given = { request: raw(row.request), response: raw(row.response), promise: row.promise };
    try { await verifyReceipt(row.document, all.trust, given); steps[row.name] = 0; }
    catch (error) { steps[row.name] = error.step; }
  }
  return steps;
})(%s)
"""
FLIP_ALL = """
async (text, trust, link, answer) => {
  const bytes = utf8(text), response = Uint8Array.from(atob(answer), (c) => c.charCodeAt(0)), held = [];
  for (let at = 0; at < bytes.length; at += 3) {
    if (at >= link && at < link + 44) continue;
    const changed = bytes.slice();
    changed[at] ^= 1;
    try {
      await verifyReceipt(new TextDecoder().decode(changed), trust, { response });
      held.push(at);
    } catch {}
  }
  return held;
}
"""
OVERFLOWING = """
[...document.querySelectorAll("body *")]
  .filter((e) => e.getClientRects().length
    && e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
  .map((e) => e.tagName)
"""


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    assert find_chromium(), "needs chromium; run: tools/setup.sh chromium"
    with running_browser() as browser:
        yield browser.new_page()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "verify.html"
    path.write_text(page(), encoding="utf-8")
    return path.as_uri()


def fill(browser_page: Page, document: str, trust: str) -> str:
    """Fills the form, presses the button, and gives the result's text."""
    browser_page.evaluate(
        f"byId('document').value = {json.dumps(document)}; byId('trust').value = {json.dumps(trust)};"
        "byId('result').replaceChildren(); document.querySelector('button').click()"
    )
    browser_page.wait_for("byId('result').children.length > 0")
    text: str = browser_page.evaluate("byId('result').className + ': ' + byId('result').innerText")
    return text


def test_every_vector_ends_at_its_step(browser_page: Page, address: str) -> None:
    browser_page.show(address, width=1280)
    steps = browser_page.evaluate(VERIFY_ALL % json.dumps(ALL))
    assert steps == {row["name"]: row["step"] for row in ALL["receipts"]}
    assert browser_page.console == []
    assert [one for one in browser_page.requested if not one.startswith("file:")] == []


def test_no_byte_of_a_receipt_can_change(browser_page: Page, address: str) -> None:
    browser_page.show(address, width=1280)
    document = FIRST["document"]
    link = document.index(json.loads(document)["opening"]["link"])
    given = [document, ALL["trust"], link, FIRST["response"]]
    accepted = browser_page.evaluate(f"({FLIP_ALL})(...{json.dumps(given)})")
    assert accepted == []


def test_the_form_says_what_holds_and_what_does_not(browser_page: Page, address: str) -> None:
    browser_page.show(address, width=1280)
    text = fill(browser_page, FIRST["document"], ALL["trust"])
    assert text.startswith("good: This receipt verifies")
    assert "entry 1" in text
    assert "was not compared" in text
    stream = next(row for row in ALL["receipts"] if row["name"] == "stream, as recorded")
    recorded = base64.b64decode(stream["response"]).decode()
    assert "it is a promise" in fill(browser_page, recorded, ALL["trust"])
    browser_page.evaluate("byId('promise').checked = true")
    assert "commits to this answer" in fill(browser_page, recorded, ALL["trust"])
    assert "step\n5" in fill(browser_page, recorded.replace("DONE", "done"), ALL["trust"]).replace(
        "\n\n", "\n"
    )
    assert fill(browser_page, FIRST["document"], "nonsense").startswith("bad: This receipt does not verify")
    browser_page.evaluate("byId('promise').checked = false")


KNOWS_ML_DSA = """
crypto.subtle.generateKey({ name: "ML-DSA-44" }, false, ["sign", "verify"]).then(() => true, () => false)
"""


def test_ml_dsa_cosignatures_count_where_the_browser_knows_them(
    browser_page: Page, address: str, tmp_path: Path
) -> None:
    scene = Scene(tmp_path / "store")
    first = scene.logged(range(3))[0]
    scene.cosign(1, ml_dsa=True)
    document = scene.issuer.document(first.receipt.id)
    assert document is not None
    trust = with_witnesses(scene.keys, 1, "all", ml_dsa=True)
    browser_page.show(address, width=1280)
    text = fill(browser_page, document.encode(), trust)
    if browser_page.evaluate(KNOWS_ML_DSA):
        assert text.startswith("good: This receipt verifies")
    else:
        assert "do not meet the quorum; this browser cannot check ML-DSA-44" in text
    assert fill(browser_page, document.encode(), with_witnesses(scene.keys, 1, "none")).startswith("good")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_its_window(width: int, dark: bool, browser_page: Page, address: str, tmp_path: Path) -> None:
    browser_page.show(address, width=width, dark=dark)
    fill(browser_page, FIRST["document"], ALL["trust"])
    time.sleep(0.1)
    assert browser_page.evaluate(OVERFLOWING) == []
    background = browser_page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(22, 24, 27)" if dark else "rgb(251, 251, 250)")
    assert len(browser_page.screenshot(tmp_path / "page.png", full=True)) > 5000
    if folder := os.environ.get("STILLHUNT_SCREENSHOTS"):
        (Path(folder) / f"receipt-{width}-{'dark' if dark else 'light'}.png").write_bytes(
            (tmp_path / "page.png").read_bytes()
        )


def test_the_page_asks_for_nothing_from_elsewhere() -> None:
    text = page()
    assert "http:" not in text
    assert "https:" not in text
    assert "src=" not in text
    assert "@import" not in text
