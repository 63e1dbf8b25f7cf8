"""The kernels against a plain reading of spec/registry.md, and against brute force."""

from __future__ import annotations

import json
import math

import numpy as np
import plain_registry
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stillhunt.sketch.minhash import EMPTY
from stillhunt.trace.registry import index, search, theory

VECTORS = json.loads(plain_registry.VECTORS.read_text())["vectors"]
U32 = NDArray[np.uint32]


def related(seed: int, count: int, values: int) -> U32:
    """Sketches of which some are near copies of others, with few values to a slot and some empty slots."""
    random = np.random.default_rng(seed)
    sketches = random.integers(0, values, (count, 64)).astype(np.uint32) * np.uint32(7919)
    for text in range(1, count, 2):
        keep = random.random(64) < random.uniform(0.3, 1.0)
        sketches[text, keep] = sketches[text - 1, keep]
    sketches[random.random((count, 64)) < random.uniform(0, 0.3, count)[:, None]] = EMPTY
    sketches[0] = EMPTY
    return sketches


def found_in(held: U32, asked: U32, threshold: float, **more: int) -> search.Found:
    codes = index.codes_of(held)
    weights = search.weights_of(index.count_codes(codes), len(held))
    posted = index.post(held)
    segment = (index.pack(codes), posted.cells, posted.postings)
    return search.search(asked, index.codes_of(asked), weights, threshold, segment, **more)


def test_the_vectors_are_those_of_the_plain_reading() -> None:
    assert plain_registry.vectors() == VECTORS, "run: .venv/bin/python tests/trace/plain_registry.py"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_kernels_give_the_vectors(vector: dict[str, object]) -> None:
    sketch = np.frombuffer(bytes.fromhex(str(vector["sketch"])), dtype="<u4").astype(np.uint32)[None]
    assert index.pack(index.codes_of(sketch)).tobytes().hex() == vector["codes"]
    hashes = [None if v == EMPTY else f"{int(index.slot_hash(s, v)):08x}" for s, v in enumerate(sketch[0])]
    assert hashes == vector["hashes"]


@pytest.mark.parametrize("values", [5, 200, 1 << 18])
def test_texts_are_posted_under_their_rarest_slots(values: int) -> None:
    sketches = related(3, 300, values)
    posted = index.post(sketches)
    cells = len(posted.cells) - 1
    assert cells == index.cells_for(300)
    under: list[set[tuple[int, int]]] = [set() for _ in sketches]
    for cell in range(cells):
        for posting in posted.postings[posted.cells[cell] : posted.cells[cell + 1]].tolist():
            under[posting & 0xFFFFFF].add((cell, posting >> 24))
    wanted = [
        {(h * cells >> 32, h & 0xFF) for h in hashes} for hashes in plain_registry.posted(sketches.tolist())
    ]
    assert under == wanted
    assert posted.cells[-1] == len(posted.postings)


@hypothesis_settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 80), st.sampled_from([3, 60, 1 << 18]), st.floats(-5, 40))
def test_a_search_finds_what_brute_force_finds(seed: int, count: int, values: int, threshold: float) -> None:
    held = related(seed, count, values)
    asked = np.concatenate([held[:10], related(seed + 1, 5, values)])
    found = found_in(held, asked, threshold, threads=2)
    assert not found.cut.any()
    got: dict[int, dict[int, tuple[float, float]]] = {row: {} for row in range(len(asked))}
    alike = search.similarity(found.equal, found.filled)
    for row, text, score, similarity in zip(found.row, found.text, found.score, alike, strict=True):
        got[int(row)][int(text)] = (float(score), float(similarity))
    for row, one in enumerate(asked.tolist()):
        wanted = plain_registry.matches(one, held.tolist(), threshold)
        # A text may also be met by two slots whose cell and print agree by chance; brute force knows the whole hash.
        extra = set(got[row]) - set(wanted)
        assert len(extra) <= 1 or values == 3
        for text, (score, similarity) in wanted.items():
            assert got[row][text] == (pytest.approx(score), pytest.approx(similarity))


def test_of_many_matches_the_best_are_kept_and_it_is_said() -> None:
    random = np.random.default_rng(4)
    one = random.integers(0, 1 << 31, 64).astype(np.uint32)
    held = np.tile(one, (300, 1))
    for text in range(299):
        held[text, random.choice(64, 5, replace=False)] = random.integers(0, 1 << 31, 5)
    found = found_in(held, one[None], -1e9)
    assert len(found.text) == search.MOST_FOUND
    assert found.cut.tolist() == [True]
    assert found.equal[found.text == 299].tolist() == [64]


def test_a_text_whose_postings_are_not_all_read_is_named() -> None:
    held = related(5, 200, 1 << 18)
    assert found_in(held, held[2:3], 10.0).cut.tolist() == [False]
    assert found_in(held, held[2:3], 10.0, most_read=3).cut.tolist() == [True]


def test_cells_and_postings_that_lead_out_are_refused() -> None:
    held = related(6, 100, 1 << 18)
    codes = index.codes_of(held)
    weights = search.weights_of(index.count_codes(codes), len(held))
    posted = index.post(held)
    far = posted.cells.copy()
    far[1:] += np.uint32(10_000)
    strangers = posted.postings | np.uint32(0xFFFFFF)
    for cells, postings in ((far, posted.postings), (posted.cells, strangers)):
        with pytest.raises(ValueError, match="leads out"):
            search.search(held, codes, weights, 1.0, (index.pack(codes), cells, postings))


def test_a_score_is_the_logarithm_of_an_e_value() -> None:
    """Under the null a registered text's code is drawn from the counts: the expectation of exp(score) is 1."""
    counts = np.random.default_rng(7).integers(0, 5_000, (64, 64))
    texts = 10**9
    weights = search.weights_of(counts * 3_000, texts)
    p = (counts * 3_000 + 1) / (texts + 64)
    expected = p * np.exp(weights.agree) + (1 - p) * np.exp(weights.differ)
    assert expected[:, :63] == pytest.approx(1.0)
    assert (weights.agree[:, 63] == 0).all()


def test_unrelated_texts_reach_a_score_no_oftener_than_the_bound() -> None:
    """P(score >= log(1 / level)) <= level, at levels that can be counted."""
    random = np.random.default_rng(8)
    popular = (random.pareto(0.6, (2, 4_000, 64)) * 3).astype(np.uint32) % 1_000
    held, asked = popular[0], popular[1]
    codes, own = index.codes_of(held), index.codes_of(asked)
    weights = search.weights_of(index.count_codes(codes), len(held))
    slots = np.arange(64)
    score = np.where(codes == own, weights.agree[slots, own], weights.differ[slots, own]).sum(axis=1)
    for level in (0.2, 0.05, 0.01):
        assert (score >= math.log(1 / level)).mean() <= level


@pytest.mark.parametrize("jaccard", [0.4, 0.5, 0.6, 0.8])
def test_recall_is_as_the_closed_form_says(jaccard: float) -> None:
    random = np.random.default_rng(9)
    n = 3_000
    held = random.integers(0, 1 << 31, (n, 64)).astype(np.uint32)
    asked = np.where(random.random((n, 64)) < jaccard, held, random.integers(0, 1 << 31, (n, 64))).astype(
        np.uint32
    )
    found = found_in(held, asked, math.log(n / 1e-6))
    recall = (found.row == found.text).sum() / n
    assert recall == pytest.approx(theory.recall(jaccard), abs=0.03)


def test_expected_false_matches_grow_with_the_rows() -> None:
    assert theory.expected_false_matches(10_000, 1e-6) == pytest.approx(0.01)
