from __future__ import annotations

import hashlib

import numpy as np
import pytest
from toy_language import language

from stillhunt.errors import SettingError
from stillhunt.marks.detect import detect
from stillhunt.marks.embed import answers
from stillhunt.marks.evalues import (
    TILTS,
    WEIGHTED_TILTS,
    first_crossing,
    log_e_process,
    log_e_weighted,
)
from stillhunt.marks.keys import SubKey
from stillhunt.marks.localise import localise
from stillhunt.marks.profile import PRESETS
from stillhunt.marks.schemes import scheme_of, schemes_of
from stillhunt.marks.windows import documents, windows_of

TONGUE = language(1)
WITH_E = ["vllm", "vllm-dual", "sglang-dual", "radioactive"]


def subkey(number: int) -> SubKey:
    return SubKey(hashlib.sha256(b"e key %d" % number).digest())


@pytest.mark.parametrize("preset", WITH_E)
def test_e_factors_have_mean_at_most_one_over_words(preset: str) -> None:
    """A fair sample of windows under one key: the mean factor is 1 within its error, for every tilt used."""
    scheme = scheme_of(PRESETS[preset], subkey(0))
    rng = np.random.default_rng(2)
    windows = windows_of(documents(rng.integers(0, 50_000, (20, 5_000)).tolist()), scheme.width)
    scores = scheme.scores(windows)
    for tilt in [one for one in TILTS if one < 0.5]:  # above, the factor's variance is infinite
        factors = scheme.log_factors(scores, tilt)
        assert factors is not None
        values = np.exp(factors)
        assert abs(values.mean() - 1) < 5 * values.std() / np.sqrt(len(values))


@pytest.mark.parametrize("preset", WITH_E)
def test_weighted_factors_have_mean_at_most_one_over_words(preset: str) -> None:
    scheme = scheme_of(PRESETS[preset], subkey(0))
    rng = np.random.default_rng(2)
    windows = windows_of(documents(rng.integers(0, 50_000, (20, 5_000)).tolist()), scheme.width)
    scores, weights = scheme.scores(windows), rng.random(len(windows))
    for t in [one for one in WEIGHTED_TILTS if one < 0.5]:
        moment = scheme.log_moment(t * weights)
        assert moment is not None
        values = np.exp(t * weights * scores - moment)
        assert abs(values.mean() - 1) < 5 * values.std() / np.sqrt(len(values))
    process = log_e_weighted(scheme, scores, weights)
    assert process is not None
    assert len(process) == len(scores)
    with pytest.raises(ValueError, match=r"weights in \[0, 1\]"):
        log_e_weighted(scheme, scores, weights * 2)


@pytest.mark.parametrize("preset", WITH_E)
def test_looking_at_any_time_keeps_the_level(preset: str) -> None:
    """Ville: over keys, the process ever reaches 20 with probability at most 0.05, however often one looks."""
    rng = np.random.default_rng(3)
    windows = windows_of(documents(answers(TONGUE.step, 4, 100, None, rng)), PRESETS[preset].width)
    rekeyed = schemes_of(PRESETS[preset])
    keys = 1_500
    crossed = 0
    for number in range(keys):
        scheme = rekeyed(subkey(number))
        process = log_e_process(scheme, scheme.scores(windows))
        assert process is not None
        crossed += first_crossing(process, 0.05) is not None
    assert crossed / keys <= 0.05
    assert crossed > 0


@pytest.mark.parametrize("preset", WITH_E)
def test_a_mark_crosses_early_and_the_end_agrees_with_detection(preset: str) -> None:
    scheme = scheme_of(PRESETS[preset], subkey(1))
    rng = np.random.default_rng(4)
    texts = documents(answers(TONGUE.step, 4, 100, scheme, rng))
    windows = windows_of(texts, scheme.width)
    process = log_e_process(scheme, scheme.scores(windows))
    assert process is not None
    crossing = first_crossing(process, 1e-6)
    assert crossing is not None
    assert crossing < 250
    assert detect(texts, scheme).log10_e == pytest.approx(process[-1] / np.log(10))
    with pytest.raises(ValueError, match="level"):
        first_crossing(process, 0.0)


def test_synthid_has_no_e_value() -> None:
    scheme = scheme_of(PRESETS["transformers-synthid"], subkey(0))
    texts = documents([[1, 2, 3, 4, 5, 6]])
    assert np.isnan(detect(texts, scheme).log10_e)
    with pytest.raises(SettingError, match="no e-values"):
        localise(windows_of(texts, 4, pad=0), scheme)


@pytest.mark.parametrize("preset", ["vllm", "radioactive"])
def test_marked_stretches_are_found_where_they_are(preset: str) -> None:
    scheme = scheme_of(PRESETS[preset], subkey(2))
    rng = np.random.default_rng(5)
    step = language(3, vocabulary=1_500).step
    plain = answers(step, 5, 400, None, rng)
    other = language(
        4, vocabulary=1_500
    ).step  # two answers of one model from one start would be the same answer
    marked = [answers(one, 1, 250, scheme, rng)[0] for one in (step, other)]
    mixed = plain[0] + marked[0] + plain[1] + marked[1] + plain[2]
    texts = documents([plain[3], mixed, plain[4]])
    found = localise(windows_of(texts, scheme.width), scheme)
    assert [stretch.document for stretch in found] == [1, 1]
    for stretch, (start, end) in zip(found, [(400, 650), (1050, 1300)], strict=True):
        assert abs(stretch.start - start) < 40
        assert abs(stretch.end - end) < 40
        assert stretch.log10_p < -3


def test_unmarked_texts_have_no_stretch_at_the_level() -> None:
    """Family-wise over all stretches of all documents, under 1,000 keys, at level 0.05."""
    rng = np.random.default_rng(6)
    windows = windows_of(documents(answers(TONGUE.step, 4, 100, None, rng)), 4)
    rekeyed = schemes_of(PRESETS["vllm"])
    found = sum(bool(localise(windows, rekeyed(subkey(number)), level=0.05)) for number in range(1_000))
    assert found / 1_000 <= 0.05
    assert localise(windows_of(documents([]), 4), rekeyed(subkey(0))) == []
    with pytest.raises(SettingError, match="level"):
        localise(windows, rekeyed(subkey(0)), level=2.0)
