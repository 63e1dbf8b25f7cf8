"""Capability labels against prompts written by hand."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from stillhunt.schema.requests import MODEL_CAPABILITIES
from stillhunt.sketch.capability import LANE, label_rows, label_texts
from stillhunt.sketch.texts import texts_of

HERE = Path(__file__).parent
NAMED = [label for label in MODEL_CAPABILITIES if label != "other"]


def macro_f1(prompts: dict[str, list[str]]) -> tuple[float, dict[str, float]]:
    """The mean of the labels' F1, and each. ``other`` is never right, and never a label of its own."""
    truth = [label for label, texts in prompts.items() for _ in texts]
    found = label_texts(pa.array([text for texts in prompts.values() for text in texts])).to_pylist()
    f1 = {}
    for label in prompts:
        right = sum(t == f == label for t, f in zip(truth, found, strict=True))
        f1[label] = 2 * right / (truth.count(label) + found.count(label))
    return sum(f1.values()) / len(f1), f1


def held_out() -> dict[str, list[str]]:
    return tomllib.loads((HERE / "held_out_prompts.toml").read_text())


def test_prompts_that_the_rules_were_not_written_with() -> None:
    prompts = held_out()
    assert sorted(prompts) == sorted(NAMED)
    assert min(len(texts) for texts in prompts.values()) >= 8
    mean, f1 = macro_f1(prompts)
    assert mean >= 0.8, f1


@pytest.mark.parametrize("part", ["tuned", "fresh"])
def test_prompts_at_hand_when_the_rules_were_written(part: str) -> None:
    mean, f1 = macro_f1(tomllib.loads((HERE / "labelled_prompts.toml").read_text())[part])
    assert mean >= 0.9, f1


def test_no_prompt_is_in_both_sets() -> None:
    at_hand = tomllib.loads((HERE / "labelled_prompts.toml").read_text())
    known = {text for part in at_hand.values() for texts in part.values() for text in texts}
    assert known.isdisjoint(text for texts in held_out().values() for text in texts)


def test_a_label_does_not_depend_on_the_texts_around_it() -> None:
    texts = [text for part in held_out().values() for text in part]
    texts += ["x" * 3000 + " " + text for text in texts] + ["", "?", "é" * 900]
    array = pa.array(texts)
    alone = [label_texts(pa.array([text])).to_pylist()[0] for text in texts]
    assert sum(len(text) for text in texts) > 8 * LANE
    assert label_texts(array).to_pylist() == alone
    order = np.random.default_rng(4).permutation(len(texts))
    codes = label_rows(texts_of(array), order)
    assert [MODEL_CAPABILITIES[code] for code in codes] == [alone[i] for i in order]


def test_nulls_have_no_label_and_any_bytes_have_one() -> None:
    assert label_texts(pa.array([None, "Hi there!"])).to_pylist()[0] is None
    wrong = pa.array([b"\xff\xfe\x80" * 400, b"\x80", b""], pa.binary())
    assert set(label_texts(wrong).to_pylist()) <= set(MODEL_CAPABILITIES)


def test_an_empty_array_has_no_labels() -> None:
    assert label_texts(pa.array([], pa.string())).to_pylist() == []
