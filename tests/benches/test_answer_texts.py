"""What the registry's benchmark is fed with: made answers and edited ones."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from bench.answer_texts import made, phrases
from bench.registry import edited, kept, spelt
from bench.result import Row

from stillhunt.sketch.keys import SketchKey
from stillhunt.sketch.minhash import EMPTY, sketch_texts

SOURCE = phrases([" ".join(f"w{i}x{j}" for j in range(200)) for i in range(50)])


def texts(first: int, count: int, threads: int = 2) -> list[str]:
    return [text for piece in made(SOURCE, first, count, threads=threads) for text in spelt(piece)]


def test_texts_depend_on_their_number_alone_but_for_their_length() -> None:
    assert texts(100, 20) == texts(100, 20)
    one, other = texts(100, 20, threads=1), texts(110, 10, threads=1)
    assert [a[:30] for a in one[10:]] == [b[:30] for b in other]
    assert len(set(texts(0, 500))) == 500


def test_made_texts_share_no_passage() -> None:
    sketches = sketch_texts(pa.array(texts(0, 300)), SketchKey("k", bytes(32)))
    one, other = sketches[:150], sketches[150:]
    both = ((one == other) & (one != EMPTY)).sum(axis=1)
    assert both.max() < 20


@pytest.mark.parametrize("part", [0.0, 0.1, 0.3])
def test_the_stated_share_of_words_is_replaced(part: float) -> None:
    text = " ".join(f"word{i}" for i in range(100))
    words = edited(text, part, ["new"], np.random.default_rng(1)).split(" ")
    assert words.count("new") == round(100 * part)
    assert [word for word in words if word != "new"] == [f"word{i}" for i in range(100) if words[i] != "new"]


def test_a_broken_promise_is_told() -> None:
    assert kept(Row("build", "size", 121.0, "bytes/entry"))
    assert not kept(Row("build", "size", 129.0, "bytes/entry"))
    assert not kept(Row("verbatim", "found, 200 characters and more", 0.98, "share"))
    assert kept(Row("verbatim", "match, shorter", 0.1, "share"))
