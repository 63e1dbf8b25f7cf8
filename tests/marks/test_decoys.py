from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest
from toy_language import language

from stillhunt.errors import SettingError
from stillhunt.marks.decoys import decoy_schemes, make_plan, run_plan, sum_of_scores
from stillhunt.marks.embed import answers
from stillhunt.marks.keys import KeyPath, commitment_record, master_key, opening_record
from stillhunt.marks.profile import PRESETS
from stillhunt.marks.schemes import scheme_of
from stillhunt.marks.windows import documents, windows_of

TONGUE = language(1)
KEY = master_key(bytes(range(32)))
PATH = KeyPath("answers", "2026-11")
SEED = "5e" * 32


def commitment_and_opening(preset: str) -> tuple[str, dict[str, object]]:
    record = commitment_record(KEY, PATH, PRESETS[preset].to_json())
    return record["commitment"], opening_record(KEY, record)


@pytest.mark.parametrize("preset", ["vllm", "radioactive", "transformers-synthid"])
def test_a_marked_text_beats_every_decoy_and_p_stands_at_its_floor(preset: str) -> None:
    commitment, opening = commitment_and_opening(preset)
    scheme = scheme_of(PRESETS[preset], KEY.subkey(PATH))
    texts = documents(answers(TONGUE.step, 4, 60, scheme, np.random.default_rng(1)))
    windows = windows_of(texts, scheme.width, pad=scheme.pad)
    plan = make_plan(commitment, windows, decoys=499, seed=SEED)
    result = run_plan(plan, plan.digest, opening, windows)
    assert result.decoys_at_or_above == 0
    assert result.p_value == result.floor == 1 / 500
    assert result.plan == plan.digest


def test_p_values_of_unmarked_texts_are_ranks() -> None:
    """Over texts and decoy seeds, P(p <= 0.1) is 0.1: the true key is one among exchangeable keys."""
    commitment, opening = commitment_and_opening("vllm")
    rng = np.random.default_rng(2)
    low = 0
    runs = 300
    for run in range(runs):
        texts = documents(answers(TONGUE.step, 1, 30, None, rng))
        windows = windows_of(texts, 4)
        plan = make_plan(commitment, windows, decoys=19, seed=f"{run:064x}")
        low += run_plan(plan, plan.digest, opening, windows).p_value <= 0.1
    assert binomtest(low, runs, 0.1).pvalue > 1e-3


def test_nothing_can_be_changed_after_the_commitment() -> None:
    commitment, opening = commitment_and_opening("vllm")
    windows = windows_of(documents([list(range(50))]), 4)
    weights = np.ones(len(windows))
    plan = make_plan(commitment, windows, decoys=9, seed=SEED, weights=weights)
    assert run_plan(plan, plan.digest, opening, windows, weights).decoys == 9
    with pytest.raises(SettingError, match="published"):
        run_plan(replace(plan, decoys=10), plan.digest, opening, windows, weights)
    with pytest.raises(SettingError, match="windows or weights"):
        run_plan(plan, plan.digest, opening, windows)
    with pytest.raises(SettingError, match="windows or weights"):
        run_plan(plan, plan.digest, opening, windows.at(np.arange(40)), weights[:40])
    with pytest.raises(SettingError, match="does not give its commitment"):
        run_plan(plan, plan.digest, {**opening, "subkey": "00" * 32}, windows, weights)
    other = commitment_record(KEY, KeyPath("answers", "2026-12"), PRESETS["vllm"].to_json())
    with pytest.raises(SettingError, match="another commitment"):
        run_plan(plan, plan.digest, opening_record(KEY, other), windows, weights)


def test_decoys_come_from_the_seed_alone_and_differ() -> None:
    windows = windows_of(documents([list(range(200))]), 4)
    profile = PRESETS["vllm"]
    first = [sum_of_scores(scheme, windows, None) for scheme in decoy_schemes(SEED, 20, profile)]
    assert first == [sum_of_scores(scheme, windows, None) for scheme in decoy_schemes(SEED, 20, profile)]
    assert first != [sum_of_scores(scheme, windows, None) for scheme in decoy_schemes("00" * 32, 20, profile)]
    assert len(set(first)) == 20


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"decoys": 0}, "at least 1 decoy"),
        ({"seed": "5E" * 32}, "64 lower-case"),
        ({"statistic": "max"}, "one of"),
    ],
)
def test_plans_out_of_range_are_refused(change: dict[str, object], problem: str) -> None:
    windows = windows_of(documents([[1, 2, 3]]), 4)
    with pytest.raises(SettingError, match=problem):
        make_plan("sha256:0", windows, **{"seed": SEED, **change})  # type: ignore[arg-type]
