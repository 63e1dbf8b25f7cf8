"""Codes of a row: bands as the page says, and equal as often as theory says."""

from __future__ import annotations

import numpy as np
import plain_sketch
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_minhash import pairs_of

from stillhunt.sketch.codes import bands, digests, prompt_codes
from stillhunt.sketch.keys import SketchKey, key_words
from stillhunt.sketch.minhash import sketch_texts
from stillhunt.sketch.theory import band_agrees

slots = st.lists(st.one_of(st.just(2**32 - 1), st.integers(0, 2**32 - 1)), min_size=64, max_size=64)


@given(sketches=st.lists(slots, min_size=1, max_size=4), secret=st.binary(min_size=32, max_size=32))
@settings(max_examples=60, deadline=None)
def test_bands_are_those_of_the_plain_reading(sketches: list[list[int]], secret: bytes) -> None:
    found = bands(np.array(sketches, dtype=np.uint32), key_words(SketchKey("k", secret)).band)
    assert [bytes(each) for each in found] == [plain_sketch.band(each, secret) for each in sketches]


def test_a_prompt_has_its_band_and_the_first_bytes_of_its_id() -> None:
    ids = np.array([0x0807060504030201], dtype=np.uint64)
    band = np.array([[9, 8, 7, 6]], dtype=np.uint8)
    assert digests(ids).tolist() == [[1, 2, 3, 4]]
    assert prompt_codes(band, ids).tolist() == [[9, 8, 7, 6, 1, 2, 3, 4]]


@pytest.mark.parametrize("jaccard", [0.3, 0.6, 0.9])
def test_bands_agree_as_often_as_theory_says(jaccard: float, key: SketchKey) -> None:
    pairs = 4000
    first, second, exact, _ = pairs_of(jaccard, 400, pairs)
    a, b = (bands(sketch_texts(pa.array(texts), key), key_words(key).band) for texts in (first, second))
    parts = (a.view("<u2") == b.view("<u2")).mean()
    both = (a == b).all(axis=1).mean()
    true = float(np.mean(exact))
    assert parts == pytest.approx(true, abs=4.5 * np.sqrt(true * (1 - true) / (2 * pairs)))
    expected = float(band_agrees(true))
    assert both == pytest.approx(expected, abs=4.5 * np.sqrt(expected * (1 - expected) / pairs))


def test_parts_of_unrelated_texts_agree_as_16_bits_do(key: SketchKey) -> None:
    rng = np.random.default_rng(3)
    found = bands(rng.integers(0, 2**32, (3000, 64), dtype=np.uint32), key_words(key).band).view("<u2")
    for part in (0, 1):
        _, counts = np.unique(found[:, part], return_counts=True)
        pairs = (counts * (counts - 1) // 2).sum()
        expected = 3000 * 2999 / 2 / 2**16  # about 69 pairs, nearly Poisson
        assert pairs == pytest.approx(expected, abs=4.5 * np.sqrt(expected))


def test_bands_under_another_key_are_unrelated(key: SketchKey, other_key: SketchKey) -> None:
    sketches = np.random.default_rng(5).integers(0, 2**32, (2000, 64), dtype=np.uint32)
    a, b = (bands(sketches, key_words(each).band).view("<u2") for each in (key, other_key))
    assert (a == b).sum() <= 3
