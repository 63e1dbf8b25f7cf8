"""Known answers: the generator's authors', and those that vLLM and SGLang publish for their own marks."""

from __future__ import annotations

import numpy as np
import pytest

from stillhunt.marks.murmur3 import murmur3_coins, murmur3_contexts
from stillhunt.marks.philox import philox4x32_10
from stillhunt.marks.schemes import exponential_scores, uniforms, vllm_dual_keys
from stillhunt.marks.words import PAD, HmacWords, Murmur3Words, PhiloxWords, WordFunction

# Random123 1.14, kat_vectors, lines "philox4x32 10".
RANDOM123 = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]

FUNCTIONS: list[WordFunction] = [
    PhiloxWords(2**63 + 12345),
    Murmur3Words(2**63 + 12345),
    HmacWords(b"k" * 32),
]


@pytest.mark.parametrize(("counter", "key", "expected"), RANDOM123)
def test_philox_gives_the_published_answers(
    counter: tuple[int, int, int, int], key: tuple[int, int], expected: tuple[int, int, int, int]
) -> None:
    assert philox4x32_10(counter, key) == expected


def test_philox_words_are_vllms() -> None:
    # vLLM's compatibility vector for philox4x32-10-v1: key 42, the upper 24 bits.
    contexts = np.array([[1, 2, 3, 4], [4, 5, 6, 7]], dtype=np.uint32)
    words = PhiloxWords(42).table(contexts, 9)[:, 7:]
    assert (words >> 8).tolist() == [[1661833, 10571167], [9742331, 13375724]]
    expected = ((np.array([1661833, 10571167]) + 1) / (2**24 + 1)).astype(np.float32)
    assert np.array_equal(uniforms(words, "philox")[0], expected)


def test_murmur3_words_are_sglangs() -> None:
    # SGLang's known answers, shared by its detector and its selector.
    contexts = np.array([[1, 2, 3, 4], [4, 3, 2, 1]], dtype=np.uint32)
    assert murmur3_contexts(contexts).tolist() == [1145416960, 47748951]
    tokens = [0, 1, 17, 8191, 8192, 16396]
    first = Murmur3Words(0x0123456789ABCDEF).table(contexts[:1], 16397)[0, tokens]
    second = Murmur3Words(0xFEDCBA9876543210).table(contexts[1:], 16397)[0, tokens]
    assert first.tolist() == [1293512163, 858402549, 2305555132, 2450309311, 227333036, 2684237202]
    assert second.tolist() == [221641642, 4015047244, 843143906, 1076944989, 3882127500, 2413234263]
    hashes = murmur3_contexts(contexts)
    assert int(murmur3_coins(0x0123456789ABCDEF, 0x1111222233334444, hashes)[0]) >= 2**31
    assert int(murmur3_coins(0xFEDCBA9876543210, 0x9999AAAABBBBCCCC, hashes)[1]) < 2**31


def test_murmur3_leaves_pads_out() -> None:
    padded = np.array([[PAD, PAD, 3, 4]], dtype=np.uint32)
    assert murmur3_contexts(padded).tolist() == murmur3_contexts(padded[:, 2:]).tolist()


@pytest.mark.parametrize("words", FUNCTIONS, ids=lambda one: one.name)
@pytest.mark.parametrize("width", [1, 3, 4, 5, 9])
def test_table_and_pairs_agree(words: WordFunction, width: int) -> None:
    rng = np.random.default_rng(width)
    contexts = rng.integers(0, 200_000, (6, width)).astype(np.uint32)
    contexts[0, 0] = PAD
    tokens = np.array([0, 1, 2, 3, 7, 100], dtype=np.uint32)
    table = words.table(contexts, 101)
    assert table.shape == (6, 101)
    assert np.array_equal(table[np.arange(6), tokens], words.paired(contexts, tokens))


@pytest.mark.parametrize("words", FUNCTIONS, ids=lambda one: one.name)
def test_words_look_uniform_and_change_with_every_input(words: WordFunction) -> None:
    contexts = np.array([[5, 6, 7, 8]], dtype=np.uint32)
    row = words.table(contexts, 20_000)[0]
    scores = exponential_scores(row)
    assert abs(float(scores.mean()) - 1) < 5 / np.sqrt(20_000)
    assert len(np.unique(row)) > 19_990
    for place in range(4):
        other = contexts.copy()
        other[0, place] += 1
        assert not np.array_equal(words.table(other, 64), words.table(contexts, 64))


def test_keys_do_not_show_in_representations() -> None:
    for words in FUNCTIONS:
        assert "12345" not in repr(words)
        assert "kkk" not in repr(words)


def test_vllms_dual_keys_are_two() -> None:
    first, second = vllm_dual_keys(42)
    assert first != second
    assert max(first, second) < 2**64


def test_no_uniform_is_one_and_no_score_is_infinite() -> None:
    """The trap: in float32 both common formulas round to 1 for the topmost words, and ``-log(1 - u)`` is infinite."""
    top = np.array([2**32 - 1, 2**32 - 100], dtype=np.uint32)
    assert (((top >> 8).astype(np.float32) + np.float32(0.5)) / np.float32(2**24)).max() == 1.0
    assert ((top.astype(np.float64) + 0.5) / 2**32).astype(np.float32).max() == 1.0
    for prf in ("philox", "murmur3", "hmac-sha256"):
        u = uniforms(top, prf)
        assert u.max() < 1.0
        assert np.isfinite(-np.log(-np.log(u))).all()
    assert uniforms(np.array([0], dtype=np.uint32), "philox")[0] > 0
    assert exponential_scores(top).max() == pytest.approx(32 * np.log(2))


def test_scores_never_exceed_the_ideal_draw() -> None:
    """A word h stands for the cell [h, h + 1) / 2**32; the score is taken at its lower end."""
    h = np.array([0, 1, 12345, 2**31, 2**32 - 2], dtype=np.uint32)
    lower, upper = -np.log1p(-(h / 2**32)), -np.log1p(-((h + 1.0) / 2**32))
    assert np.allclose(exponential_scores(h), lower)
    assert (exponential_scores(h) < upper).all()
