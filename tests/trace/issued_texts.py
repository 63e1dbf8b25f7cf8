"""Made answers, edited ones, and registries of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from stillhunt.schema.requests import TIMESTAMP
from stillhunt.sketch.keys import SketchKey
from stillhunt.sketch.minhash import sketch_texts
from stillhunt.sketch.texts import fixed_binary
from stillhunt.trace.registry.build import ISSUED, write_registry
from stillhunt.trace.registry.files import RECEIPT_BYTES, Registry

KEY = SketchKey("k-test", bytes(range(32)))
START = 1_776_816_000

_LETTERS = np.array(list("etaoinshrdlu"))
_random = np.random.default_rng(0)
WORDS = ["".join(_random.choice(_LETTERS, size)) for size in _random.integers(2, 9, 3_000)]


def answers(count: int, words: int = 70, seed: int = 1) -> list[str]:
    """Texts of random words, about 450 characters each."""
    random = np.random.default_rng(seed)
    return [" ".join(WORDS[i] for i in random.integers(0, len(WORDS), words)) for _ in range(count)]


def edited(text: str, part: float, seed: int = 2) -> str:
    """``text`` with this share of its words replaced."""
    random = np.random.default_rng(seed)
    words = text.split(" ")
    for at in random.choice(len(words), round(part * len(words)), replace=False):
        words[at] = WORDS[random.integers(0, len(WORDS))]
    return " ".join(words)


def issued(
    texts: Sequence[str],
    accounts: Sequence[str] | None = None,
    *,
    key: SketchKey = KEY,
    receipts: Sequence[bytes | None] | None = None,
    first: int = 0,
) -> pa.RecordBatch:
    """One entry for each text, a minute apart; by default each to an account of its own."""
    n = len(texts)
    sketches = sketch_texts(pa.array(texts, pa.string()), key)
    seconds = START + 60 * (first + np.arange(n))
    columns = [
        fixed_binary(sketches.astype("<u4", copy=False).view(np.uint8)),
        pa.array([len(text) for text in texts], pa.int32()),
        pa.array([f"a-{first + i}" for i in range(n)] if accounts is None else accounts, pa.string()),
        pa.array(seconds * 1_000_000).cast(TIMESTAMP),
        pa.array([None] * n if receipts is None else receipts, pa.binary(RECEIPT_BYTES)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=ISSUED)


def registry_of(path: Path, texts: Sequence[str], *, limit: int = 1 << 22) -> Registry:
    """A registry of one entry for each text."""
    return write_registry(path, [(KEY.key_id, [issued(texts)])], ["one"], segment_entries=limit)
