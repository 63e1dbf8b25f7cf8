"""Numbers and names in plain words."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from stillhunt.report import wording
from stillhunt.schema.campaigns import CHANNELS, KINDS
from stillhunt.schema.coverage import SIGNAL_NEEDS


@pytest.mark.parametrize(
    ("log10_p", "said"),
    [
        (-311.2, "1 in 10³¹¹"),
        (-31.0, "1 in 10³¹"),
        (-6.0, "1 in 10⁶"),
        (-5.0, "1 in 100,000"),
        (-2.5, "1 in 320"),
        (-1.96, "1 in 91"),
        (-1.0, "1 in 10"),
        (math.log10(0.63), "6 in 10"),
        (0.0, "almost always"),
        (1e-12, "almost always"),
        (-5000.0, "practically never"),
        (-math.inf, "practically never"),
        (math.nan, "not computed"),
    ],
)
def test_chances_are_said_as_one_in_so_many(log10_p: float, said: str) -> None:
    assert wording.odds(log10_p) == said


@pytest.mark.parametrize(
    ("q_value", "sentence"),
    [
        (0.011, "About 1 in 91 campaigns reported at this strength would be a coincidence."),
        (0.0, "Fewer than 1 in 10³⁰⁰ campaigns reported at this strength would be a coincidence."),
        (0.9, "More than half of the campaigns reported at this strength would be coincidences."),
        (math.nan, "No q-value was computed for this campaign."),
    ],
)
def test_a_q_value_is_a_sentence(q_value: float, sentence: str) -> None:
    assert wording.q_in_words(q_value) == sentence


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (3.2e-31, "q = 3.2 × 10⁻³¹"),
        (9.97e-7, "q = 1.0 × 10⁻⁶"),
        (0.011, "q = 0.011"),
        (0.0, "q < 10⁻³⁰⁰"),
        (math.nan, "no q-value"),
    ],
)
def test_a_q_value_is_a_number_too(value: float, said: str) -> None:
    assert wording.q_number(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (84213, "84,213"),
        (999_999_999, "1 billion"),
        (999_400, "999,400"),
        (1_203_441, "1.2 million"),
        (151_000_000_000, "151 billion"),
        (0, "0"),
        (2.5e12, "2.5 trillion"),
    ],
)
def test_large_counts_are_read_at_a_glance(value: float, said: str) -> None:
    assert wording.large(value) == said


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (0.0, "0%"),
        (0.0004, "<0.1%"),
        (0.004, "0.4%"),
        (0.07, "7.0%"),
        (0.46, "46%"),
        (0.9968, "99.6%"),
        (0.99999, ">99.9%"),
        (1.0, "100%"),
    ],
)
def test_a_share_is_never_rounded_to_a_whole(part: float, said: str) -> None:
    assert wording.share(part) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (212.0, "212"),
        (0.0021, "0.0021"),
        (1.049, "1.05"),
        (1234567.0, "1,234,567"),
        (12345.6, "12,346"),
        (999.9, "1,000"),
        (0.0, "0"),
    ],
)
def test_measured_numbers_keep_three_digits(value: float, said: str) -> None:
    assert wording.number(value) == said


def test_numbers_that_are_none_are_said_not_to_be_known() -> None:
    assert wording.number(math.nan) == "not known"
    assert wording.money(None) == "not known"
    assert wording.money(2258.7) == "$2,259"
    assert wording.money(0) == "$0.00"


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (datetime(2026, 4, 22, 23, tzinfo=UTC), "22 Apr 2026"),
        (datetime(2026, 4, 30, tzinfo=UTC), "22 – 30 Apr 2026"),
        (datetime(2026, 6, 5, tzinfo=UTC), "22 Apr – 5 Jun 2026"),
        (datetime(2027, 1, 2, tzinfo=UTC), "22 Apr 2026 – 2 Jan 2027"),
    ],
)
def test_a_period_names_each_part_once(last: datetime, said: str) -> None:
    assert wording.period(datetime(2026, 4, 22, tzinfo=UTC), last) == said


@pytest.mark.parametrize(
    ("span", "said", "unit"),
    [
        (timedelta(hours=1), "1 hour", "hour"),
        (timedelta(hours=25), "25 hours", "25 hours"),
        (timedelta(days=9, minutes=-1), "9 days", "9 days"),
        (timedelta(minutes=90), "90 minutes", "90 minutes"),
        (timedelta(seconds=1), "1 second", "second"),
    ],
)
def test_a_duration_takes_the_unit_that_suits_it(span: timedelta, said: str, unit: str) -> None:
    assert wording.duration(span) == said
    assert wording.unit_of_time(round(span.total_seconds())) == unit


def test_lists_are_joined_as_in_a_sentence() -> None:
    assert wording.listed([]) == ""
    assert wording.listed(["a"]) == "a"
    assert wording.listed(["a", "b", "c"]) == "a, b and c"


def test_characters_that_hide_or_turn_text_are_spelt_out() -> None:
    assert wording.visible("a\u202egnp.exe\u200b\x00\u00a0b") == "a\\u{202e}gnp.exe\\u{200b}\\u{0}\\u{a0}b"
    assert wording.visible("Grüße 日本 🙂 a b") == "Grüße 日本 🙂 a b"


def test_a_long_string_says_how_much_it_leaves_out() -> None:
    short = wording.shortened("x" * 500, 120)
    assert len(short) < 160
    assert "390 characters" in short
    assert wording.shortened("x" * 120, 120) == "x" * 120


def test_every_name_of_ours_has_words() -> None:
    assert set(KINDS) == set(wording.KIND_LABELS) == set(wording.KIND_MEANINGS)
    assert set(CHANNELS) == set(wording.CHANNEL_LABELS)
    unnamed = set(SIGNAL_NEEDS) - set(wording.SIGNAL_LABELS)
    assert not unnamed, f"name these signals in SIGNAL_LABELS of report/wording.py: {sorted(unnamed)}"


def test_a_name_from_a_later_version_is_still_readable() -> None:
    assert wording.signal_label("shares_a_new_thing") == "Shares a new thing"
    assert wording.kind_label("new_kind") == "New kind"
    assert wording.channel_label("") == "Other"


def test_facts_are_told_without_brackets_or_quotes() -> None:
    assert wording.told({"hand_off": 27.2211, "client": 50}) == "hand off 27.2, client 50"
    assert wording.told(["a", 3.0, {"b": True}]) == "a, 3, b True"
    assert wording.told(None) == "None"
