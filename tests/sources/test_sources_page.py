"""docs/reference/sources.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sources_page import OF_ACCOUNTS, PAGE, signals_of, written

from stillhunt.schema.coverage import SIGNAL_NEEDS
from stillhunt.sources.detect import KINDS
from stillhunt.sources.mapped import BASES, load_mapping

DOCS = PAGE.parents[1]


def test_the_tables_are_those_of_the_code() -> None:
    page = PAGE.read_text("utf-8")
    assert page == written(page), "run: .venv/bin/python tests/sources/sources_page.py"
    for kind in KINDS:
        assert f"| `{kind.name}`" in page
        assert kind.documented
        assert {"time", "account_id"} <= kind.columns
    assert all(f"`{name}`" in page.partition("## Kinds")[0] for name in OF_ACCOUNTS)


def test_a_signal_is_fed_or_not() -> None:
    fed, lacking = signals_of({"time", "account_id", "client_ip", "user_agent"})
    assert fed == "`takes_turns`, `starts_together`, `shares_address`"
    assert "`shares_client_stack` (needs `tls_fingerprint`)" in lacking
    named = {name for name in SIGNAL_NEEDS if f"`{name}`" in fed + lacking}
    assert named | set(OF_ACCOUNTS) == set(SIGNAL_NEEDS)


def test_every_mapping_that_the_docs_show_can_be_loaded(tmp_path: Path) -> None:
    page = (DOCS / "howto" / "map-your-own-log.md").read_text("utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 3
    for number, block in enumerate(blocks):
        path = tmp_path / f"{number}.toml"
        path.write_text(block, "utf-8")
        assert load_mapping(path).fields


def test_the_docs_name_every_base() -> None:
    page = (DOCS / "howto" / "map-your-own-log.md").read_text("utf-8")
    assert {name for name in BASES if f"`{name}`" in page} == set(BASES)


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{page}: {target}"
