"""Text ids: SipHash of the bytes, and grouping by them."""

from __future__ import annotations

import numpy as np
import plain_sketch
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from stillhunt.sketch.digest import distinct, text_ids
from stillhunt.sketch.keys import SketchKey, key_words
from stillhunt.sketch.texts import texts_of


def ids_of(texts: list[bytes], key: SketchKey) -> np.ndarray:
    return text_ids(texts_of(pa.array(texts, pa.binary())), np.arange(len(texts)), key_words(key).text)


@given(texts=st.lists(st.binary(max_size=40), max_size=5), secret=st.binary(min_size=32, max_size=32))
@settings(max_examples=60, deadline=None)
def test_ids_are_those_of_the_plain_reading(texts: list[bytes], secret: bytes) -> None:
    found = ids_of(texts, SketchKey("k", secret))
    assert [int(each).to_bytes(8, "little") for each in found] == [
        plain_sketch.text_id(text, secret) for text in texts
    ]


def test_every_length_around_a_block_and_around_256(key: SketchKey) -> None:
    texts = [bytes(range(n % 256)) + b"x" * (n - n % 256) for n in (*range(18), 254, 255, 256, 257, 511, 512)]
    assert [int(each).to_bytes(8, "little") for each in ids_of(texts, key)] == [
        plain_sketch.text_id(text, key.secret) for text in texts
    ]


def test_more_texts_than_are_read_at_once_each_of_its_own_length(key: SketchKey) -> None:
    lengths = np.random.default_rng(0).permutation([*range(0, 600, 7), 3000, 3001, 8, 8, 8])
    texts = [bytes((n + each) % 256 for each in range(n)) for n in lengths.tolist()]
    assert [int(each).to_bytes(8, "little") for each in ids_of(texts, key)] == [
        plain_sketch.text_id(text, key.secret) for text in texts
    ]


def test_ids_under_another_key_differ(key: SketchKey, other_key: SketchKey) -> None:
    texts = [b"same", b"text"]
    assert not np.isin(ids_of(texts, key), ids_of(texts, other_key)).any()


def test_only_the_rows_asked_for_are_read(key: SketchKey) -> None:
    texts = texts_of(pa.array(["a", "b", None, "c"]))
    found = text_ids(texts, np.array([3, 0]), key_words(key).text)
    assert found.tolist() == ids_of([b"c", b"a"], key).tolist()


@given(st.lists(st.integers(0, 12).map(lambda n: n * 2**40), max_size=60))
@settings(max_examples=100, deadline=None)
def test_equal_ids_form_a_group(values: list[int]) -> None:
    # All of them fall into one place of the table, so that it has to search on.
    ids = np.array(values, dtype=np.uint64)
    first, group = distinct(ids)
    met = list(dict.fromkeys(values))
    assert first.tolist() == [values.index(each) for each in met]
    assert group.tolist() == [met.index(each) for each in values]
