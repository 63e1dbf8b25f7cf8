"""How a rule is read: phrases, parts, choices, edges and measures, one small table each."""

from __future__ import annotations

import json
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillhunt.errors import SettingError
from stillhunt.schema.requests import MODEL_CAPABILITIES
from stillhunt.sketch.capability import HEAD, TAIL, label_texts, score_rows
from stillhunt.sketch.rules import GAP, compile_rules
from stillhunt.sketch.texts import texts_of

LABEL = MODEL_CAPABILITIES.index("writing")


def table(*phrases: str, weight: int = 1) -> str:
    return f'[[rule]]\nlabel = "writing"\nweight = {weight}\nphrases = {json.dumps(phrases)}\n'


def scores(rules: str, *texts: str) -> list[int]:
    flat = texts_of(pa.array(texts))
    found = score_rows(flat, np.arange(len(texts)), compile_rules(rules))
    assert not np.delete(found, LABEL, axis=1).any()
    return [int(score) for score in found[:, LABEL]]


@pytest.mark.parametrize(
    ("phrase", "yes", "no"),
    [
        (
            "red boat",
            ["a red boat", "RED  Boat!", "red\tboat", "(red boat)"],
            ["a redboat", "red boats", "ared boat"],
        ),
        ("boat*", ["boats", "the boat", "boat's"], ["aboat"]),
        ("*boat", ["steamboat", "boat"], ["boats"]),
        ("paint (a|the|) boat", ["paint a boat", "paint the boat", "paint boat"], ["paint an boat"]),
        ("(in (red|blue)|bare) boat", ["in red boat", "bare boat"], ["red boat", "in boat"]),
        ("0 boats", ["7 boats", "12345 boats"], ["x7 boats", "seven boats"]),
        ("$0 each", ["$15 each"], ["15 each", "$ each"]),
        ("^hello", ["hello there", "  hello"], ["oh hello", "oh\nhello"]),
        ("don't", ["I don't", "I don’t"], ["dont"]),
        ("f\\(x\\)", ["f(x)", "let F(X)=1"], ["fx", "f x"]),
        ("\nsteps:", ["go\nSteps: 1", "Steps: 1", "go\n\n  steps:"], ["the steps: 1"]),
        ("café", ["un café noir"], ["cafe"]),
        ("red ~ boat", ["red boat", "red and old boat"], ["boat red", "red"]),
        ("red + boat", ["red boat", "red\nboat"], ["red, boat", "red old boat"]),
        ("red ~ old ~ boat", ["red, very old, big boat"], ["red boat", "old red boat"]),
    ],
)
def test_a_phrase_is_found_where_the_page_says(phrase: str, yes: list[str], no: list[str]) -> None:
    assert scores(table(phrase), *yes, *no) == [1] * len(yes) + [0] * len(no)


def test_parts_may_be_apart_by_the_gap_and_no_more() -> None:
    texts = [f"red{'.' * apart}boat" for apart in (1, GAP - 2, GAP - 1, GAP, GAP + 1)]
    assert scores(table("red ~ boat"), *texts) == [1, 1, 1, 0, 0]


def test_a_phrase_counts_once_and_phrases_add_up() -> None:
    assert scores(table("boat", "red boat", weight=3), "boat boat boat", "red boat, red boat") == [3, 6]


def test_a_part_that_comes_too_late_can_be_taken_up_again() -> None:
    assert scores(table("red ~ boat"), "red " + "x" * 60 + " red boat") == [1]


def test_texts_do_not_run_into_each_other() -> None:
    assert scores(table("red ~ boat", "red boat"), *["red", "boat", "red", "boat", "red", "boat"]) == [0] * 6


def test_only_the_head_and_the_tail_are_read() -> None:
    inside = "." * HEAD + " boat " + "." * TAIL
    at_the_end = "." * (2 * HEAD) + " boat"
    short = "." * (HEAD + 20) + " boat " + "." * 30
    assert scores(table("boat"), inside, at_the_end, short) == [0, 1, 1]


def test_a_phrase_does_not_reach_from_the_head_into_the_tail() -> None:
    text = "." * (HEAD - 3) + "red" + "." * 1000 + "boat" + "." * (TAIL - 4)
    assert scores(table("red boat"), text) == [0]


def test_words_stand_for_their_list() -> None:
    rules = "[words]\ncraft = ['boat', 'tall ship']\n" + table("a {craft}")
    assert scores(rules, "a boat", "a tall ship", "a car") == [1, 1, 0]


@given(
    text=st.text(alphabet="ab0 \n.", max_size=30),
    phrase=st.lists(st.sampled_from(["a", "b", "ab", "0", "a0"]), min_size=1, max_size=3).map(" ".join),
    edges=st.tuples(st.booleans(), st.booleans()),
)
@settings(max_examples=200, deadline=None)
def test_whole_words_are_those_of_a_regular_expression(
    text: str, phrase: str, edges: tuple[bool, bool]
) -> None:
    body = phrase.replace(" ", " +").replace("0", "0+")
    left, right = ("" if edges[0] else r"(?<![ab0])"), ("" if edges[1] else r"(?![ab0])")
    if edges[0] and phrase[0] == "0":
        return  # a run of digits inside a word is one number: the page leaves no part of it to be found
    expected = re.search(left + body + right, text) is not None
    rules = table("*" * edges[0] + phrase + "*" * edges[1])
    assert scores(rules, text) == [int(expected)]


@pytest.mark.parametrize(
    ("measure", "yes", "no"),
    [
        ("bytes = { most = 5 }", "abcde", "abcdef"),
        ("bytes = { least = 6 }", "é" * 3, "abcde"),
        ("lines = { least = 2 }", "a\nb\nc", "a\nb"),
        ("numbers = { least = 2, most = 2 }", "12 and 7", "1 2 3"),
        ("marks = { least = 3 }", "f(x) = 1", "f(x)"),
        ("question = { least = 1 }", "why?  \n", "why? no"),
    ],
)
def test_a_measure_weighs_what_it_names(measure: str, yes: str, no: str) -> None:
    rules = table("boat") + f'[[measure]]\nlabel = "writing"\n{measure}\nweight = 2\n'
    assert scores(rules, yes, no) == [2, 0]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("[[rule]\n", "expected TOML"),
        ("", "expected a .*rule.* found none"),
        ('[[rule]]\nlabel = "sailing"\nweight = 1\nphrases = ["a"]\n', "expected a label"),
        (table("a {craft}"), r"expected a list of \[words\], got 'craft'"),
        (table("a (b|c"), "brackets closed"),
        (table("a)"), "brackets closed"),
        (table("*"), "expected a phrase"),
        (table("(a|b|c|d|e|f) " * 6), "at most 768 readings"),
        (
            table("a") + '[[measure]]\nlabel = "writing"\nwords = { least = 1 }\nweight = 1\n',
            "expected features",
        ),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused(rules: str, expected: str) -> None:
    with pytest.raises(SettingError, match=expected):
        compile_rules(rules)


def test_the_highest_sum_wins_then_the_earlier_label_then_other() -> None:
    rules = compile_rules(
        '[[rule]]\nlabel = "grading"\nweight = 2\nphrases = ["one"]\n'
        '[[rule]]\nlabel = "writing"\nweight = 2\nphrases = ["two"]\n'
        '[[rule]]\nlabel = "writing"\nweight = 1\nphrases = ["three"]\n'
        '[[rule]]\nlabel = "knowledge"\nweight = -1\nphrases = ["four"]\n'
    )
    texts = pa.array(["two one", "one two three", "nothing", "four", "", None])
    assert label_texts(texts, rules).to_pylist() == ["grading", "writing", "other", "other", "other", None]
