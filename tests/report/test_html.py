"""The page: it asks for nothing, lets no string from the log act, and can be read by everybody."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest
from scan_result import HOSTILE, SHAPES, write_scan_result

from stillhunt.report.compose import compose
from stillhunt.report.document import Document
from stillhunt.report.html import MOST_FULL, MOST_INFERENCES, MOST_LINES, ROWS_WITHOUT_SCRIPT, render_html
from stillhunt.report.result import load_result
from stillhunt.report.wording import visible

pytestmark = pytest.mark.xdist_group("report-page")


class Tags(HTMLParser):
    """Every tag with its attributes, and the text within each kind of tag."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "br", "input", "use"):
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data


@pytest.fixture(scope="module")
def tags(page: str) -> Tags:
    return Tags(page)


def test_the_page_names_no_address_that_would_be_loaded(tags: Tags) -> None:
    loading = {
        "src",
        "href",
        "srcset",
        "data",
        "action",
        "poster",
        "xlink:href",
        "background",
        "formaction",
        "ping",
    }
    for tag, attributes in tags.tags:
        for name in loading & attributes.keys():
            assert (attributes[name] or "").startswith("#"), (tag, name, attributes[name])
        assert tag not in ("iframe", "object", "embed", "link", "base", "form", "img"), tag
        assert "url(" not in (attributes.get("style") or "")
    style = tags.texts["style"][0]
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_allows_our_scripts_by_digest_and_nothing_else(tags: Tags) -> None:
    policy = next(a["content"] for t, a in tags.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["base-uri"] == rules["form-action"] == "'none'"
    assert "unsafe" not in policy
    kinds = [attributes.get("type") for tag, attributes in tags.tags if tag == "script"]
    acting = [text for kind, text in zip(kinds, tags.texts["script"], strict=True) if kind is None]
    assert rules["script-src"].split() == [_digest(text) for text in acting]
    assert rules["style-src"].split() == [_digest(text) for text in tags.texts["style"]]
    assert len(acting) == 3


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_one_copy_of_the_chart_program_serves_every_chart(page: str) -> None:
    assert page.count("window.drawChart=") == 1


def test_no_string_of_the_log_becomes_a_tag_or_an_attribute(tags: Tags, page: str) -> None:
    for tag, attributes in tags.tags:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
    assert Counter(tag for tag, _ in tags.tags)["script"] == 4
    for text in HOSTILE[:3]:
        assert text not in page
    shown = " ".join(tags.texts["bdi"])
    for text in HOSTILE[:5]:
        assert visible(text) in shown
    assert "49" not in tags.texts["bdi"], "a template ran a string of the log"


def test_strings_in_the_data_for_scripts_cannot_end_it(page: str) -> None:
    data = page.split('id="report-data">', 1)[1].split("</script>", 1)[0]
    assert "<" not in data
    members = json.loads(data)["members"]["campaign-c-5d1f0a77"]
    assert {member[0] for member in members} >= {visible(text) for text in HOSTILE}


def test_characters_that_turn_text_round_never_reach_the_page(page: str) -> None:
    assert not re.search(
        "[\u202a-\u202e\u2066-\u2069\u200b]", page.split("<script>window.drawChart")[0].split("<main", 1)[1]
    )
    assert "\\u{202e}" in page


def test_hostile_names_in_every_field_stay_text(own_result: Path) -> None:
    path = own_result / "run.json"
    run = json.loads(path.read_text(encoding="utf-8"))
    bad = HOSTILE[1]
    run["versions"] = {bad: bad}
    run["settings"] = {bad: bad}
    run["rejected"] = {bad: 3}
    run["channels"] = {bad: bad}
    run["coverage"] = {"active": [bad], "missing": {bad + "2": [bad]}, "filled": {bad: 0.5}}
    run["stages"] = [{"name": bad, "seconds": 1.0}]
    path.write_text(json.dumps(run), encoding="utf-8")
    page = render_html(compose(load_result(own_result)))
    assert bad not in page
    assert not [tag for tag, _ in Tags(page).tags if tag == "img"]


def test_hostile_campaigns_stay_text(tmp_path: Path) -> None:
    bad = HOSTILE[1]
    shape = replace(
        SHAPES[0],
        campaign_id=bad,
        kind=bad,
        harvest={bad: (1.0, 0.5)},
        edge_channels=(((bad,), 1.0),),
        accounts=12,
    )
    page = render_html(compose(load_result(write_scan_result(tmp_path / "r", shapes=(shape,)))))
    assert bad not in page
    assert not [tag for tag, _ in Tags(page).tags if tag == "img"]


def test_the_page_opens_with_the_verdict(page: str, tags: Tags, document: Document) -> None:
    assert tags.texts["h1"][0] == document.verdict
    assert document.verdict in tags.texts["title"][0]
    assert page.index("Partial input") < page.index("What was scanned")


def test_sections_come_in_the_order_of_a_reader(page: str) -> None:
    order = (
        "What could not be seen",
        "Distillation campaigns, the strongest first",
        "How the accounts are tied together",
        "What is harvested",
        "What left, by capability and model",
        "Who is behind the requests",
        "Observed facts",
        "Scored inferences",
        "Counter-evidence",
        "Honest readings considered",
        "What the accounts share",
        "How sure, and what an error would look like",
        "Further campaigns",
        "How this was made",
    )
    body = page.split("<main", 1)[1]
    places = [body.index(heading) for heading in order]
    assert places == sorted(places)
    assert "All times in this report are in UTC." in page
    assert body.split("<script", 1)[0].count("UTC") == 1, "the time zone is said once"


def test_evidence_is_said_in_words(page: str) -> None:
    assert "1 in 10³¹¹" in page
    assert "Accounts of equal activity take up a template of this popularity" in page
    assert "licensed, not flagged: synthetic data" in page
    assert "the log lacks <code>device_id</code>" in page
    assert "151 million" in page


def test_ids_are_distinct_and_every_link_and_label_meets_one(tags: Tags) -> None:
    ids = Counter(a["id"] for _, a in tags.tags if "id" in a)
    assert not [name for name, n in ids.items() if n > 1]
    for tag, attributes in tags.tags:
        for name in ("aria-labelledby", "aria-describedby"):
            assert set((attributes.get(name) or "").split()) <= ids.keys(), (tag, attributes)
        link = attributes.get("href")
        if link:
            assert link[1:] in ids, link


def test_headings_leave_out_no_level(tags: Tags) -> None:
    levels = [int(tag[1]) for tag, _ in tags.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_a_screen_reader_finds_its_way(tags: Tags, page: str) -> None:
    kinds = Counter(tag for tag, _ in tags.tags)
    assert kinds["main"] == kinds["nav"] == 1
    assert kinds["caption"] == kinds["table"]
    assert [a["lang"] for t, a in tags.tags if t == "html"] == ["en"]
    for tag, attributes in tags.tags:
        if tag == "svg":
            assert attributes.get("aria-hidden") == "true" or attributes.get("role") == "img", attributes
        if attributes.get("role") in ("img", "region"):
            assert attributes.get("aria-label") or attributes.get("aria-labelledby"), attributes
        if tag == "th":
            assert attributes.get("scope") in ("row", "col")
    assert '<label>Find an account <input type="search"' in page


def test_a_long_list_shows_its_first_rows_without_a_script(page: str) -> None:
    table = page.split('data-members="campaign-c-5d1f0a77"')[1].split("</table>")[0]
    assert table.count("<tr>") == ROWS_WITHOUT_SCRIPT + 1
    assert f"The first {ROWS_WITHOUT_SCRIPT} of 61 accounts" in page


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Thirty distillation campaigns of 70 accounts among 130 of other kinds, all with higher scores."""
    small = {"accounts": 70, "per_day": 4.0}
    hostile = [replace(SHAPES[0], campaign_id=f"c-d{n}", score=50.0 - n, **small) for n in range(30)]
    others = [replace(SHAPES[1 + n % 2], campaign_id=f"c-o{n}", score=500.0 - n, **small) for n in range(130)]
    directory = tmp_path_factory.mktemp("crowded") / "result"
    return render_html(
        compose(load_result(write_scan_result(directory, shapes=(*others, *hostile), hostile=False)))
    )


def test_other_kinds_do_not_drown_the_distillation(crowded: str) -> None:
    own = [a["id"] for t, a in Tags(crowded).tags if t == "section" and "campaign" in (a.get("class") or "")]
    assert own == [f"campaign-c-d{n}" for n in range(MOST_FULL)]
    folded = [a["id"] for _, a in Tags(crowded).tags if a.get("class") == "folded"]
    assert len(folded) == 5 + 130
    assert folded[:5] == [f"campaign-c-d{n}" for n in range(25, 30)]
    assert crowded.index('id="campaign-c-d24"') < crowded.index('id="campaign-c-o0"')
    assert "65 campaigns, " in crowded
    for _, attributes in Tags(crowded).tags:
        assert not ("folded" in (attributes.get("class") or "") and "open" in attributes)


def test_a_crowded_page_stays_small_and_says_what_it_leaves_out(crowded: str) -> None:
    assert len(crowded.encode()) < 6_000_000
    assert "the evidence of 75 campaigns is left out of this page" in crowded
    data = json.loads(crowded.split('id="report-data">', 1)[1].split("</script>", 1)[0])
    shared = {
        chart["columns"]["background_requests"]
        for chart in data["charts"].values()
        if chart["spec"] == "rhythm"
    }
    assert len(shared) < 5, "campaigns share the columns of the background"
    longest = max(len(page_rows) for page_rows in data["columns"])
    assert all(
        0 <= place < len(data["columns"]) for c in data["charts"].values() for place in c["columns"].values()
    )
    assert longest <= 361


def test_lines_of_one_kind_are_counted_beyond_their_most(tmp_path: Path) -> None:
    tiny = {"accounts": 3, "per_day": 1.0, "harvest": {}, "edge_channels": (((), 1.0),)}
    shapes = [replace(SHAPES[1], campaign_id=f"c-{n}", **tiny) for n in range(MOST_LINES + 7)]
    page = render_html(compose(load_result(write_scan_result(tmp_path / "r", shapes=tuple(shapes)))))
    assert "And 7 more campaigns, in campaigns.parquet." in page
    assert page.count('class="folded"') == MOST_LINES
    assert 'id="others-1" open' in page, "with no distillation, the first kind stands open"
    assert 'href="#queue"' not in page


def test_weak_inferences_are_folded(own_result: Path) -> None:
    path = own_result / "findings.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    one = next(line for line in lines if json.loads(line)["role"] == "inferred")
    path.write_text("\n".join([*lines, *[one] * 4]) + "\n", encoding="utf-8")
    page = render_html(compose(load_result(own_result)))
    assert "<summary>2 more inferences</summary>" in page
    assert MOST_INFERENCES == 5


def test_an_empty_result_says_what_was_tested(empty_page: str) -> None:
    tags = Tags(empty_page)
    assert tags.texts["h1"][0] == "No campaign found among 5,204 accounts"
    assert "1,244 groups of accounts were tested on 7 channels" in empty_page
    assert "This does not show that there is no campaign" in empty_page
    assert "drawChart=" not in empty_page, "a page without charts carries no chart program"
    assert len(empty_page) < 60_000
    assert "<details open>" in empty_page


def test_the_same_document_gives_the_same_bytes(document: Document, page: str) -> None:
    assert render_html(document) == page


def test_a_campaign_without_tables_renders(own_result: Path) -> None:
    for path in (own_result / "evidence").iterdir():
        path.unlink()
    page = render_html(compose(load_result(own_result)))
    assert "How the accounts are tied together" not in page
    assert "timeline.parquet is missing" in page


def _scheme(style: str, dark: bool) -> dict[str, str]:
    light, rest = style.split("@media screen and (prefers-color-scheme: dark)", 1)
    found = dict(re.findall(r"--([a-z_-]+): (#[0-9a-f]{6})", light))
    if dark:
        found |= dict(re.findall(r"--([a-z_-]+): (#[0-9a-f]{6})", rest))
    return found


def _luminance(colour: str) -> float:
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_and_lines_stand_out_from_their_ground(dark: bool) -> None:
    """WCAG 2.2: 4.5 for text (1.4.3), 3 for what a graph needs (1.4.11)."""
    colours = _scheme(
        files("stillhunt.report").joinpath("assets/report.css").read_text(encoding="utf-8"), dark
    )
    kinds = ("distillation", "reseller", "trial_farm", "shared_team", "evaluation", "unclear")
    for ground in ("paper", "card", "sunk"):
        for text in ("ink", "muted", "link", *kinds):
            assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    channels = (
        "content",
        "timing",
        "life_cycle",
        "hand_off",
        "shocks",
        "infrastructure",
        "payment",
        "parameters",
    )
    for line in (*channels, "outcome", "campaign", "background", "focus"):
        for ground in ("card", "sunk"):
            assert _contrast(colours[line], colours[ground]) >= 3.0, (line, ground)
    assert _contrast(colours["ink"], colours["notice-paper"]) >= 4.5
