"""Texts for benches: the real prompts beside the repository where they are, else generated ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import zstandard

from stillhunt.simulate.grammar.words import WORDS

REAL = Path(__file__).parents[2] / "shared" / "data" / "prompts"
GENERATED = 20_000


def real_prompts() -> dict[str, list[str]]:
    """Prompts by the family whose file they are in; empty where there are none."""
    found = {}
    for path in sorted(REAL.glob("*.jsonl.zst")):
        with zstandard.open(path, "rt", encoding="utf-8") as file:
            found[path.name.split(".")[0]] = [json.loads(line)["text"] for line in file]
    return found


def generated_prompts(texts: int = GENERATED) -> list[str]:
    """Sentences of words drawn by rank, of the lengths that prompts have: their median is 400 characters."""
    rng = np.random.default_rng(1)
    words = np.array(sorted({word for listed in WORDS.values() for word in listed.split("|")}))
    weights = 1 / np.arange(2, len(words) + 2)
    lengths = np.maximum(rng.lognormal(np.log(60), 1.0, texts).astype(int), 1)
    drawn = rng.choice(words, lengths.sum(), p=weights / weights.sum())
    return [" ".join(part) + "." for part in np.split(drawn, np.cumsum(lengths)[:-1])]
