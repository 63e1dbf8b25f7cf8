"""The null holds over keys; marks are found; the known traps are traps."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import gammaincc
from scipy.stats import kstest
from toy_language import language

from stillhunt.errors import SettingError
from stillhunt.marks.detect import detect, detect_each, detect_windows
from stillhunt.marks.embed import Marker, answers
from stillhunt.marks.keys import SubKey
from stillhunt.marks.profile import PRESETS, Profile
from stillhunt.marks.schemes import Green, Gumbel, Scheme, scheme_of, schemes_of, uniforms
from stillhunt.marks.synthid import SynthId
from stillhunt.marks.windows import Documents, Windows, documents, windows_of
from stillhunt.marks.words import PhiloxWords

TONGUE = language(1)
NULL_KEYS = 10_000


def subkey(number: int) -> SubKey:
    return SubKey(hashlib.sha256(b"test key %d" % number).digest())


@pytest.fixture(scope="module")
def unmarked() -> Documents:
    rng = np.random.default_rng(11)
    return documents(answers(TONGUE.step, 6, 40, None, rng))


def p_values_over_keys(profile: Profile, windows: Windows, keys: int) -> NDArray[np.float64]:
    rekeyed = schemes_of(profile)
    return np.exp([rekeyed(subkey(number)).log_p(windows)[1] for number in range(keys)])


@pytest.mark.parametrize(
    ("preset", "keys"),
    [
        ("vllm", NULL_KEYS),
        ("sglang", NULL_KEYS),
        ("sglang-dual", NULL_KEYS),
        ("vllm-dual", 3_000),
        ("forensic", 2_000),
    ],
)
def test_p_values_are_uniform_over_keys(preset: str, keys: int, unmarked: Documents) -> None:
    profile = PRESETS[preset]
    windows = windows_of(unmarked, profile.width)
    if keys < NULL_KEYS:
        windows = windows.at(np.arange(60))
    found = p_values_over_keys(profile, windows, keys)
    assert kstest(found, "uniform").pvalue > 1e-3


@pytest.mark.parametrize(("preset", "keys"), [("radioactive", NULL_KEYS), ("transformers-synthid", 300)])
def test_discrete_p_values_are_never_too_small_over_keys(preset: str, keys: int, unmarked: Documents) -> None:
    """Discrete statistics give p-values above uniform: P(p <= level) <= level, and not much less."""
    profile = PRESETS[preset]
    windows = windows_of(unmarked, profile.width, pad=scheme_of(profile, subkey(0)).pad)
    found = p_values_over_keys(profile, windows, keys)
    for level in (0.5, 0.1, 0.05, 0.01):
        share = float((found <= level).mean())
        error = 4 * np.sqrt(level * (1 - level) / keys)
        assert share <= level + error
        assert share >= level * 0.6 - error


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_mark_is_found_under_its_key_and_no_other(preset: str) -> None:
    profile = PRESETS[preset]
    scheme = scheme_of(profile, subkey(1))
    rows, length = (2, 60) if profile.prf == "hmac-sha256" else (8, 100)
    prompts = [[3, 1, 4, 1, 5]] * rows
    rng = np.random.default_rng(3)
    marker = Marker(scheme, rows, context=profile.context, prompts=prompts)
    made: list[list[int]] = [[] for _ in range(rows)]
    for _ in range(length):
        for row, token in zip(made, marker.choose(TONGUE.step(made), rng).tolist(), strict=True):
            row.append(token)
    texts = documents(made, prompts)
    own = detect(texts, scheme, context=profile.context)
    other = detect(texts, scheme_of(profile, subkey(2)), context=profile.context)
    assert own.log10_p < -10
    assert other.log10_p > -4
    assert own.scored + own.repeated + own.in_prompt == own.seen == rows * length


def test_a_choice_under_the_mark_has_the_models_law_over_keys() -> None:
    """Gumbel-max and SynthID leave one token's law unchanged; the green list does not."""
    logits = np.log(np.array([[0.5, 0.3, 0.15, 0.05]]))
    rng = np.random.default_rng(4)
    contexts = np.array([[9, 8, 7, 6]], dtype=np.uint32)
    for preset in ("vllm", "sglang-dual", "transformers-synthid", "radioactive"):
        profile = replace(PRESETS[preset], width=4, depth=4)
        rekeyed = schemes_of(profile)
        keys = 6_000
        chosen = [int(rekeyed(subkey(number)).choose(logits, contexts, rng)[0]) for number in range(keys)]
        shares = np.bincount(chosen, minlength=4) / keys
        distance = np.abs(shares - [0.5, 0.3, 0.15, 0.05]).max()
        assert (distance < 4 * 0.5 / np.sqrt(keys)) == (preset != "radioactive"), preset


def test_detection_agrees_with_the_engines_own_statistic() -> None:
    """What vLLM's detector computes: midpoint-like uniforms in float32, contexts once, an integer gamma tail."""
    scheme = Gumbel(PhiloxWords(42), 4)
    rng = np.random.default_rng(9)
    ids = rng.integers(0, 50, 300).tolist()
    windows = windows_of(documents([ids]), 4, unique="context")
    u = uniforms(PhiloxWords(42).paired(windows.contexts, windows.tokens), "philox").astype(np.float64)
    score = float(-np.log1p(-u).sum())
    found = detect(documents([ids]), scheme, unique="context")
    assert found.statistic == pytest.approx(score, rel=1e-6)
    assert found.p_value == pytest.approx(float(gammaincc(len(windows), score)), rel=1e-4)


def test_sglangs_published_text_is_found() -> None:
    # The answer that SGLang's detector test holds: made under its key by taking the largest of 64 words each time.
    answer = [5, 33, 16, 8, 25, 28, 63, 47, 41, 27, 3, 6, 4, 13, 22, 2]
    answer += [48, 32, 2, 52, 27, 41, 60, 45, 53, 4, 3, 51, 19, 38, 3, 20]
    secret = (0x0123456789ABCDEF).to_bytes(8, "big") + bytes(24)
    found = detect(
        documents([answer], [[100, 200, 300, 400]]),
        scheme_of(PRESETS["sglang"], SubKey(secret)),
        context="prompt",
    )
    assert found.scored == 32
    assert found.log10_p < -30


def test_without_first_occurrences_honest_texts_look_marked() -> None:
    """Trap: repeats reuse one random value. Over keys, far more than 5 % fall below 0.05 when each repeat counts."""
    rng = np.random.default_rng(21)
    texts = documents(answers(language(2, 30, 3.0).step, 10, 80, None, rng))
    profile = Profile(width=1)
    once, every = windows_of(texts, 1), windows_of(texts, 1, unique="none")
    keys = 1_000
    honest = (p_values_over_keys(profile, once, keys) < 0.05).mean()
    naive = (p_values_over_keys(profile, every, keys) < 0.05).mean()
    assert honest < 0.05 + 4 * np.sqrt(0.05 * 0.95 / keys)
    assert naive > 0.1
    with pytest.raises(SettingError, match="distinct windows"):
        detect(texts, scheme_of(profile, subkey(0)), unique="none")


def test_text_copied_from_the_prompt_is_no_mark() -> None:
    """Trap: a model that repeats a marked passage of its prompt has not been trained on anything."""
    scheme = scheme_of(PRESETS["vllm"], subkey(5))
    rng = np.random.default_rng(6)
    passage = answers(TONGUE.step, 1, 200, scheme, rng)[0]
    honest = answers(TONGUE.step, 1, 50, None, rng)[0]
    with_prompt = detect(documents([passage + honest], [[1, 2, *passage]]), scheme)
    without = detect(documents([passage + honest]), scheme)
    assert without.log10_p < -10
    assert with_prompt.in_prompt >= 195
    assert with_prompt.log10_p > -4


def test_greedy_answers_carry_no_gumbel_mark() -> None:
    """Trap: at temperature 0 the logits leave no choice, and nothing is there to find."""
    rng = np.random.default_rng(7)
    scheme = scheme_of(PRESETS["vllm"], subkey(8))
    greedy = language(1).logits * 1e6
    made = answers(lambda rows: greedy[[row[-1] if row else 0 for row in rows]], 4, 60, scheme, rng)
    assert detect(documents(made), scheme).log10_p > -4


def test_weights_give_a_bound_and_must_fit() -> None:
    scheme = scheme_of(PRESETS["radioactive"], subkey(3))
    rng = np.random.default_rng(2)
    windows = windows_of(documents(answers(TONGUE.step, 8, 100, scheme, rng)), 1)
    plain = detect_windows(windows, scheme)
    bound = detect_windows(windows, scheme, np.ones(len(windows)))
    assert plain.log10_p <= bound.log10_p <= plain.log10_p + 2
    with pytest.raises(SettingError, match="weights"):
        detect_windows(windows, scheme, np.ones(3))


@pytest.mark.parametrize("preset", ["vllm", "vllm-dual", "radioactive"])
def test_weighted_p_values_hold_over_keys(preset: str, unmarked: Documents) -> None:
    profile = PRESETS[preset]
    windows = windows_of(unmarked, profile.width).at(np.arange(80))
    weights = np.random.default_rng(1).integers(1, 20, 80).astype(float)
    rekeyed = schemes_of(profile)
    found = np.exp([rekeyed(subkey(number)).log_p(windows, weights)[1] for number in range(2_000)])
    for level in (0.1, 0.05, 0.01):
        assert (found <= level).mean() <= level


def test_synthid_windows_that_share_a_residue_share_all_bits() -> None:
    """Trap: only 65,536 windows differ to the public hash. Where two agree there, every depth's bit agrees under every
    key, so a binomial tail over windows and depths counts one observation as many."""
    profile = PRESETS["transformers-synthid"]
    rng = np.random.default_rng(5)
    windows = windows_of(documents(rng.integers(0, 50_000, (4, 500)).tolist()), 4, pad=0)
    rekeyed = schemes_of(profile)
    twins: dict[bytes, list[int]] = {}
    for row, bits in enumerate(_bits(rekeyed(subkey(0)), windows)):
        twins.setdefault(bits.tobytes(), []).append(row)
    pairs = [rows[:2] for rows in twins.values() if len(rows) > 1]
    assert (
        len(pairs) >= 10
    )  # 2,000 windows: 30 are expected, against 0.002 by chance over 30 independent bits
    for number in (1, 2, 3):
        bits = _bits(rekeyed(subkey(number)), windows)
        assert all(np.array_equal(bits[one], bits[other]) for one, other in pairs)


def _bits(scheme: Scheme, windows: Windows) -> NDArray[np.uint8]:
    assert isinstance(scheme, SynthId)
    return scheme.bits(windows.contexts, windows.tokens)


def test_each_document_is_tested_by_itself() -> None:
    scheme = scheme_of(PRESETS["vllm"], subkey(4))
    rng = np.random.default_rng(13)
    marked, plain = answers(TONGUE.step, 1, 150, scheme, rng)[0], answers(TONGUE.step, 1, 150, None, rng)[0]
    found = detect_each(documents([plain, marked, []]), scheme)
    assert [one.seen for one in found] == [150, 150, 0]
    assert found[0].log10_p > -3
    assert found[1].log10_p < -10
    assert found[2].p_value == 1.0
    assert found[1].log10_p == pytest.approx(detect(documents([marked]), scheme).log10_p)
    with_prompts = detect_each(documents([plain, plain + plain], [[], plain[:50]]), scheme)
    assert [one.in_prompt for one in with_prompts] == [0, 92]  # 46 contexts, twice
    assert with_prompts[1].repeated > 90
    assert [one.scored + one.repeated + one.in_prompt for one in with_prompts] == [150, 300]
    with pytest.raises(SettingError, match="distinct windows"):
        detect_each(documents([plain]), scheme, unique="none")


def test_nothing_to_score_is_no_evidence() -> None:
    for preset in PRESETS:
        scheme: Scheme = scheme_of(PRESETS[preset], subkey(0))
        found = detect(documents([[]]), scheme)
        assert (found.scored, found.log10_p, found.p_value) == (0, 0.0, 1.0)


def test_a_green_list_is_a_share_of_the_vocabulary_after_every_context() -> None:
    scheme = scheme_of(Profile(scheme="green", gamma=0.25), subkey(0))
    assert isinstance(scheme, Green)
    assert scheme.share == 0.25
    contexts = np.arange(40, dtype=np.uint32).reshape(10, 4)
    green = scheme.words.table(contexts, 5_000) < scheme.threshold
    assert np.abs(green.mean(axis=1) - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 5_000)
