"""Sketches: the same as the plain reading for any bytes, and an estimate as good as theory says."""

from __future__ import annotations

import numpy as np
import plain_sketch
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stillhunt.sketch.keys import SketchKey, key_words
from stillhunt.sketch.minhash import EMPTY, estimate_jaccard, sketch_rows, sketch_texts
from stillhunt.sketch.texts import texts_of
from stillhunt.sketch.theory import jaccard_sd

CHUNK, BLOCK = 1024, 128
"""Sizes in which the kernel reads."""

_pieces = st.one_of(
    st.binary(max_size=20),
    st.text(max_size=20).map(str.encode),
    st.tuples(
        st.sampled_from([b"a", b"Z\t", "é".encode(), "山".encode(), "🙂".encode(), b"\xa0"]),
        st.integers(0, 700),
    ).map(lambda run: run[0] * run[1]),
)
any_bytes = st.lists(_pieces, max_size=6).map(b"".join)


def kernel(texts: list[bytes], key: SketchKey) -> tuple[list[list[int]], list[int]]:
    rows = np.arange(len(texts))
    sketches, chars = sketch_rows(texts_of(pa.array(texts, pa.binary())), rows, key_words(key).shingle)
    return sketches.tolist(), chars.tolist()


@given(texts=st.lists(any_bytes, max_size=4), secret=st.binary(min_size=32, max_size=32))
@example(texts=[b"\x80" * 5000, b"a"], secret=bytes(32))
@settings(max_examples=80, deadline=None)
def test_any_bytes_give_the_sketch_of_the_plain_reading(texts: list[bytes], secret: bytes) -> None:
    sketches, chars = kernel(texts, SketchKey("k", secret))
    assert sketches == [plain_sketch.sketch(text, secret) for text in texts]
    assert chars == [len(plain_sketch.symbols(text)) for text in texts]


@pytest.mark.parametrize("size", [CHUNK, BLOCK])
@pytest.mark.parametrize("character", ["é", "山", "🙂", "\xa0é"])
def test_a_character_may_lie_across_any_boundary(size: int, character: str, key: SketchKey) -> None:
    wide = character.encode()
    texts = [b"x" * (size + shift) + wide + b"and so on" for shift in range(-len(wide) - 5, 6)]
    texts += [wide * 3 + text for text in texts]
    assert kernel(texts, key)[0] == [plain_sketch.sketch(text, key.secret) for text in texts]


def test_a_null_and_an_empty_text_have_only_empty_slots(key: SketchKey) -> None:
    assert (sketch_texts(pa.array([None, ""], pa.string()), key) == EMPTY).all()


def test_the_order_and_number_of_shingles_do_not_matter(key: SketchKey) -> None:
    once, thrice = sketch_texts(pa.array(["abcdefgh" * 2, "abcdefgh" * 6]), key)
    assert (once == thrice).all()


def pairs_of(
    jaccard: float, shingles: int, pairs: int
) -> tuple[list[str], list[str], list[float], list[int]]:
    """Texts of random letters whose beginnings are the same, with their exact similarity and size of union."""
    rng = np.random.default_rng(7)
    shared = round(2 * shingles * jaccard / (1 + jaccard))
    first, second, exact, union = [], [], [], []
    for _ in range(pairs):
        letters = rng.integers(97, 123, 2 * (shingles + 4)).astype(np.uint8)
        a = letters[: shingles + 4].tobytes().decode()
        b = a[:shared] + letters[shingles + 4 + shared :].tobytes().decode()
        x, y = ({text[i : i + 5] for i in range(len(text) - 4)} for text in (a, b))
        first.append(a)
        second.append(b)
        exact.append(len(x & y) / len(x | y))
        union.append(len(x | y))
    return first, second, exact, union


@pytest.mark.parametrize("shingles", [40, 300, 3000])
@pytest.mark.parametrize("jaccard", [0.1, 0.5, 0.9])
def test_the_estimate_is_unbiased_and_within_the_error_of_theory(
    jaccard: float, shingles: int, key: SketchKey
) -> None:
    pairs = 1500 if shingles < 1000 else 500
    first, second, exact, union = pairs_of(jaccard, shingles, pairs)
    estimate = estimate_jaccard(sketch_texts(pa.array(first), key), sketch_texts(pa.array(second), key))
    error = estimate.jaccard - np.array(exact)
    theory = jaccard_sd(exact, union)
    assert abs(error.mean()) < 4.5 * theory.mean() / np.sqrt(pairs)
    # The relative error of a standard deviation from n samples is about 1 / sqrt(2 n).
    assert np.sqrt((error**2).mean()) == pytest.approx(
        np.sqrt((theory**2).mean()), rel=4.5 / np.sqrt(2 * pairs)
    )


def test_the_standard_error_that_comes_with_an_estimate_covers_it(key: SketchKey) -> None:
    first, second, exact, _ = pairs_of(0.5, 400, 800)
    estimate = estimate_jaccard(sketch_texts(pa.array(first), key), sketch_texts(pa.array(second), key))
    off = np.abs(estimate.jaccard - np.array(exact))
    assert 0.93 < (off < 2 * estimate.standard_error).mean() < 0.99


def pairs_of_words(pairs: int) -> tuple[list[str], list[str], list[float], list[int]]:
    """The same for sentences of few words, whose shingles are much alike: what a weak hash would stumble over."""
    rng = np.random.default_rng(8)
    sentence = "count the boats and ships in harbour 1 or harbour 2 then name every boat that left"
    words = sentence.split()
    first, second, exact, union = [], [], [], []
    for _ in range(pairs):
        a, b = (" ".join(rng.choice(words, 25)) for _ in range(2))
        b = a[: rng.integers(1, len(a))] + b
        x, y = ({text[i : i + 5] for i in range(len(text) - 4)} for text in (a, b))
        first.append(a)
        second.append(b)
        exact.append(len(x & y) / len(x | y))
        union.append(len(x | y))
    return first, second, exact, union


@pytest.mark.parametrize("pairs", [pairs_of(0.5, 300, 40), pairs_of_words(40)], ids=["letters", "words"])
def test_over_keys_the_estimate_is_unbiased_and_its_error_that_of_theory(
    pairs: tuple[list[str], list[str], list[float], list[int]],
) -> None:
    first, second, exact, union = pairs
    errors = []
    for number in range(300):
        key = SketchKey("k", np.random.default_rng(number).bytes(32))
        estimate = estimate_jaccard(sketch_texts(pa.array(first), key), sketch_texts(pa.array(second), key))
        errors.append(estimate.jaccard - np.array(exact))
    theory = jaccard_sd(exact, union)
    assert np.sqrt(np.square(errors).mean()) == pytest.approx(np.sqrt((theory**2).mean()), rel=0.05)
    # Pairs under one key go together, keys do not.
    by_key = np.mean(errors, axis=1)
    assert abs(by_key.mean()) < 4.5 * by_key.std() / np.sqrt(len(by_key))


def test_without_any_shingle_there_is_no_estimate(key: SketchKey) -> None:
    empty, full = sketch_texts(pa.array(["", "hello there"]), key)
    neither = estimate_jaccard(empty[None], empty[None])
    assert np.isnan(neither.jaccard[0])
    assert neither.slots[0] == 0
    assert estimate_jaccard(empty[None], full[None]).jaccard[0] == 0
    assert estimate_jaccard(full[None], full[None]).jaccard[0] == 1


def test_another_key_gives_an_unrelated_sketch(key: SketchKey, other_key: SketchKey) -> None:
    texts = pa.array(pairs_of(0.0, 1000, 50)[0])
    a, b = sketch_texts(texts, key), sketch_texts(texts, other_key)
    assert estimate_jaccard(a, b).jaccard.max() == 0.0
    # Values are spread alike, and those of the same slot do not go together.
    assert a.mean() == pytest.approx(b.mean(), rel=0.1)
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4.5 / np.sqrt(a.size)


@pytest.mark.parametrize("bit", [0, 7, 100, 255])
def test_one_bit_of_the_key_is_enough(bit: int, key: SketchKey) -> None:
    near = SketchKey("k", (int.from_bytes(key.secret, "big") ^ 1 << bit).to_bytes(32, "big"))
    texts = pa.array(pairs_of(0.0, 1000, 5)[0])
    assert estimate_jaccard(sketch_texts(texts, key), sketch_texts(texts, near)).jaccard.max() == 0.0


def test_a_prompt_of_ten_megabytes(key: SketchKey) -> None:
    part = pairs_of(0.0, 5000, 1)[0][0] + "é"
    text = part * (10_000_000 // len(part))
    sketches, chars = kernel([text.encode(), (part * 2).encode()], key)
    assert sketches[0] == sketches[1]
    assert chars[0] == len(text)
