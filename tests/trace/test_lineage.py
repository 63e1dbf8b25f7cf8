"""Lineage by texts: a copied habit is found, an unrelated model's p-value is no smaller than its level."""

import numpy as np
import pytest

from stillhunt.errors import SettingError
from stillhunt.trace.likeness import centred, likeness
from stillhunt.trace.lineage import attribute, holm

FAMILIES = {"a": ["a0"], "b": ["b0"], "c": ["c0"]}
CONTROLS = [f"k{i}" for i in range(24)]
MODELS = ["s", "a0", "b0", "c0", *CONTROLS]


def population(seed: int, copied: float, instructions: int = 25) -> tuple[list[str], list[list[str]]]:
    """Every model picks 20 of 60 words at random; the suspect takes a share of its words from a0's answer."""
    rng = np.random.default_rng(seed)
    answers = []
    for _ in range(instructions):
        texts = [[f"w{i}" for i in rng.choice(60, 20, replace=False)] for _ in MODELS]
        keep = rng.random(20) < copied
        texts[0] = [theirs if k else own for own, theirs, k in zip(texts[0], texts[1], keep, strict=True)]
        answers.append([" ".join(words) for words in texts])
    return [f"question {i}" for i in range(instructions)], answers


def test_the_teacher_is_first_and_named_beforehand_it_is_established() -> None:
    alike = likeness(*population(1, 0.5))
    open_question = attribute(alike, MODELS, "s", FAMILIES, CONTROLS)
    assert open_question[0].family == "a"
    assert open_question[0].p == open_question[0].floor == 1 / 25
    assert open_question[0].word == "leading candidate"
    assert attribute(alike, MODELS, "s", FAMILIES, CONTROLS, named="a")[0].word == "established"


def test_a_shared_base_is_never_called_a_teacher() -> None:
    alike = likeness(*population(1, 0.5))
    found = attribute(alike, MODELS, "s", FAMILIES, CONTROLS, named="a", bases={"s": "x", "a0": "x"})
    assert (found[0].family, found[0].shares_base, found[0].word) == ("a", True, "not established")


def test_an_unrelated_model_has_p_values_no_smaller_than_their_level() -> None:
    p = []
    for seed in range(200):
        found = attribute(likeness(*population(seed, 0, 4)), MODELS, "s", FAMILIES, CONTROLS)
        p.append(next(one.p for one in found if one.family == "a"))
    for level, allowed in ((0.04, 17), (0.2, 56), (0.52, 125)):  # binomial(200, level), 0.998 quantiles
        assert np.sum(np.array(p) <= level + 1e-9) <= allowed


def test_answers_that_are_missing_are_left_out() -> None:
    alike = likeness(["q", "r"], [["one two", "one two", ""], ["one", "three", ""]])
    assert alike[0, 1] == pytest.approx(0.5)
    assert np.isnan(alike[0, 2])
    assert np.isnan(np.diag(centred(alike[:2, :2]))).all()


def test_holm() -> None:
    assert holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])


def test_a_model_without_answers_is_an_error() -> None:
    alike = likeness(*population(1, 0))
    with pytest.raises(SettingError, match="no answers of z"):
        attribute(alike, MODELS, "s", {"z": ["z"]}, CONTROLS)
    with pytest.raises(SettingError, match="expected one of"):
        attribute(alike, MODELS, "s", FAMILIES, CONTROLS, named="z")
