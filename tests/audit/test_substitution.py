"""The substitution test: exact under its null, and it sees another model's way of writing."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from scipy.stats import binomtest

from stillhunt.audit.substitution import read_pairs, substitution_test
from stillhunt.errors import InputError

WORDS = [
    "the",
    "model",
    "answers",
    "with",
    "care",
    "and",
    "at",
    "length",
    "about",
    "data",
    "tables",
    "prices",
    "logs",
    "receipts",
    "and",
    "proofs",
]


def answer(rng: random.Random, favourite: str = "") -> str:
    words = rng.choices(WORDS, k=rng.randint(10, 30))
    return " ".join(words + [favourite] * (len(words) // 8 if favourite else 0))


def pairs(seed: int, count: int, favourite: str = "") -> list[tuple[str, str]]:
    rng = random.Random(seed)
    return [(answer(rng), answer(rng, favourite)) for _ in range(count)]


def test_equal_sources_are_rarely_told_apart() -> None:
    low = sum(substitution_test(pairs(seed, 20), flips=199).p_value <= 0.1 for seed in range(100))
    assert binomtest(low, 100, 0.1, alternative="greater").pvalue > 0.01, low


def test_another_way_of_writing_is_seen_and_the_order_of_sides_does_not_matter() -> None:
    given = pairs(1, 60, "certainly")
    found = substitution_test(given)
    assert found.p_value <= 0.001
    assert found.statistic > 3
    turned = substitution_test([(service, named) for named, service in given])
    assert turned.p_value == found.p_value


def test_too_few_pairs_and_rows_of_another_shape_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps({"named": "a", "service": "b"}) + "\n" for _ in range(3)))
    with pytest.raises(InputError, match="at least 20 pairs, got 3"):
        read_pairs(file)
    file.write_text('{"named": "a"}\n')
    with pytest.raises(InputError, match="row 1: expected texts in `named` and `service`"):
        read_pairs(file)
