"""The page on profiles says what the profiles are."""

from __future__ import annotations

from pathlib import Path

from stillhunt.simulate.reference import page
from stillhunt.simulate.scenarios import EVASION, KINDS, SCENARIOS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "profiles.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "refresh it: python -m stillhunt.simulate.reference > docs/reference/profiles.md"
    )


def test_the_page_names_every_profile_kind_and_knob() -> None:
    text = page()
    assert all(f"`{name}`" in text for name in (*SCENARIOS, *KINDS, *EVASION))
