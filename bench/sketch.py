"""Sketches on one core: speed and error beside other libraries, labels against real prompts, and what a key opens.

    python -m bench.sketch [--scale small|full]

Every method runs in the same process, pinned to one core, in turns; seconds are CPU seconds of this process. Figures
are medians over the rounds, with their range. `full` differs in the number of rounds and of pairs.
"""

from __future__ import annotations

import argparse
import os
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from bench import sketch_rivals as rivals
from bench.prompt_texts import generated_prompts, real_prompts
from bench.result import Row, show, write
from bench.sketch_leak import leak_rows
from numpy.typing import NDArray

from stillhunt.schema.requests import SKETCH_SLOTS
from stillhunt.sketch.capability import label_texts
from stillhunt.sketch.columns import sketch_requests
from stillhunt.sketch.keys import KeyRing, SketchKey
from stillhunt.sketch.theory import jaccard_sd

OURS = "stillhunt, keyed"


@dataclass(frozen=True)
class Contestant:
    """A method, the share of the texts that it is timed on, and whether it takes an Arrow array."""

    name: str
    method: rivals.Method
    share: float = 1.0
    arrow: bool = False


CONTESTANTS = (
    Contestant(OURS, rivals.keyed, arrow=True),
    Contestant("stillhunt, unkeyed", rivals.unkeyed, arrow=True),
    Contestant("stillhunt, keyed, from a list of str", rivals.keyed_from_list),
    Contestant("rensa, rho from strings", rivals.rensa_rho, 0.2),
    Contestant("rensa, MinHash from strings", rivals.rensa_plain, 0.2),
    Contestant("rensa, MinHash from hashes by numpy", rivals.rensa_plain_hashed, 0.2),
    Contestant("rensa, rho from hashes by numpy", rivals.rensa_rho_hashed, 0.2),
    Contestant("datasketch, SHA-1", rivals.datasketch_sha1, 0.02),
    Contestant("datasketch, CRC-32", rivals.datasketch_crc32, 0.02),
)


def main() -> None:
    """Parses, measures, shows."""
    parser = argparse.ArgumentParser(prog="bench.sketch")
    parser.add_argument("--scale", choices=("small", "full"), default="full")
    full = parser.parse_args().scale == "full"
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    prompts = real_prompts()
    texts = [text for family in prompts.values() for text in family] or generated_prompts()
    texts = [text for text in texts if text]
    np.random.default_rng(0).shuffle(texts)  # type: ignore[arg-type]
    median = np.median([len(text) for text in texts])
    print(f"{len(texts):,} {'real' if prompts else 'generated'} texts, median {median:,.0f} characters")
    rows = speeds(texts, rounds=9 if full else 5)
    rows += stage_speed(texts, rounds=9 if full else 5)
    rows += errors(texts, pairs=4000 if full else 1500, seeds=12 if full else 4)
    rows += labels(prompts)
    rows += leak_rows(texts)
    show(rows)
    print(f"written to {write('sketch', rows)}")


def cpu_seconds(run: Callable[[], object]) -> float:
    """CPU seconds of this process for one call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def speeds(texts: Sequence[str], rounds: int) -> list[Row]:
    """MB/s of UTF-8 text, and how many times faster ours is."""
    given: list[tuple[Contestant, Any, float]] = []
    for each in CONTESTANTS:
        some = texts[: int(len(texts) * each.share)]
        megabytes = sum(len(text.encode()) for text in some) / 1e6
        given.append((each, pa.array(some, pa.large_string()) if each.arrow else some, megabytes))
        each.method(given[-1][1][:10], 1)
    rate = np.array(
        [
            [size / cpu_seconds(lambda m=each.method, t=some: m(t, 1)) for each, some, size in given]
            for _ in range(rounds)
        ]
    )
    rows = []
    for column, (each, some, _) in enumerate(given):
        rows.append(_row(each.name, "speed", rate[:, column], "MB/s", len(some)))
        if each.name != OURS:
            rows.append(_row(OURS, "times as fast", rate[:, 0] / rate[:, column], "x", rounds, each.name))
    return rows


def stage_speed(texts: Sequence[str], rounds: int) -> list[Row]:
    """The whole stage as ingest runs it: ids, distinct texts, sketches, codes and labels."""
    size = sum(len(text.encode()) for text in texts) / 1e6
    table = pa.table({"prompt": pa.array(texts)}).to_batches(max_chunksize=8192)
    ring = KeyRing(SketchKey("k", bytes(32)))
    rate = np.array(
        [
            size / cpu_seconds(lambda: [sketch_requests(batch, ring, keep_text=False) for batch in table])
            for _ in range(rounds)
        ]
    )
    return [_row("sketch_requests, with ids, codes, labels", "speed", rate[1:], "MB/s", len(texts))]


def errors(texts: Sequence[str], pairs: int, seeds: int) -> list[Row]:
    """Root mean square error of the estimated Jaccard similarity, on pairs that are alike to every degree."""
    first, second = _pairs(texts, pairs)
    sets = [({t[i : i + 5] for i in range(len(t) - 4)}) for t in (*first, *second)]
    union = np.array([len(a | b) for a, b in zip(sets[:pairs], sets[pairs:], strict=True)])
    exact = np.array([len(a & b) for a, b in zip(sets[:pairs], sets[pairs:], strict=True)]) / union
    rows = []
    for each in CONTESTANTS:
        if each.method is rivals.keyed_from_list:
            continue  # its sketches are those of the first
        off = []
        for seed in range(1, seeds + 1):
            a, b = (each.method(pa.array(some) if each.arrow else some, seed) for some in (first, second))
            off.append(rivals.jaccard(rivals.values(a), rivals.values(b)) - exact)
        # Pairs under one key go together, so the keys are what is counted: two standard errors over them.
        by_seed = np.sqrt(np.square(off).mean(axis=1))
        for metric, each_seed in (("RMSE of Jaccard", by_seed), ("bias of Jaccard", np.mean(off, axis=1))):
            mean, spread = float(each_seed.mean()), 2 * float(each_seed.std(ddof=1)) / np.sqrt(seeds)
            row = Row(each.name, metric, mean, "", "exact sets", pairs * seeds, mean - spread, mean + spread)
            if each.method is rivals.unkeyed:  # it has no seed
                row = Row(each.name, metric, mean, "", "exact sets", pairs)
            rows.append(row)
    expected = float(np.sqrt(np.square(jaccard_sd(exact, union)).mean()))
    independent = float(np.sqrt((exact * (1 - exact)).mean() / SKETCH_SLOTS))
    return [
        *rows,
        Row("theory, one permutation in 64 slots", "RMSE of Jaccard", expected, "", "exact sets", pairs),
        Row("theory, 64 permutations", "RMSE of Jaccard", independent, "", "exact sets", pairs),
    ]


def _pairs(texts: Sequence[str], pairs: int) -> tuple[list[str], list[str]]:
    """Texts of 100 characters and more, and the same with a stretch from another text put in place of a part. Letters
    are folded, so that every method is asked about the same sets."""
    rng = np.random.default_rng(2)
    folded = [" ".join(text.lower().split(" ")) for text in texts if len(text) >= 100 and text.isascii()]
    folded = [text.translate(dict.fromkeys(range(9, 14), " ")) for text in folded]
    chosen = rng.choice(len(folded), (pairs, 2))
    first, second = [], []
    for (a, b), share in zip(chosen, rng.uniform(0, 1, pairs), strict=True):
        text = folded[a][:5000]
        cut = int(len(text) * share)
        first.append(text)
        second.append(text[:cut] + folded[b][: len(text) - cut])
    return first, second


def labels(prompts: dict[str, list[str]]) -> list[Row]:
    """Capability labels: real prompts whose file says what they are, and the held-out prompts of the tests."""
    path = Path(__file__).parents[1] / "tests" / "sketch" / "held_out_prompts.toml"
    rows = _scores("held-out prompts", tomllib.loads(path.read_text(encoding="utf-8")))
    truth = {
        "mathematics": "mathematics",
        "software_engineering": "software_engineering",
        "agentic": "agentic_reasoning",
    }
    real = {label: prompts[family] for family, label in truth.items() if family in prompts}
    return rows + (_scores("real prompts", real) if real else [])


def _scores(case: str, prompts: dict[str, list[str]]) -> list[Row]:
    truth = np.array([label for label, texts in prompts.items() for _ in texts])
    found = np.array(label_texts(pa.array([t for texts in prompts.values() for t in texts])).to_pylist())
    rows, f1 = [], []
    for label in prompts:
        hits = int(((truth == label) & (found == label)).sum())
        recall, precision = hits / int((truth == label).sum()), hits / max(int((found == label).sum()), 1)
        f1.append(2 * recall * precision / max(recall + precision, 1e-12))
        rows.append(Row(f"{case}: {label}", "recall", recall, "", "their file", int((truth == label).sum())))
        rows.append(
            Row(f"{case}: {label}", "precision", precision, "", "their file", int((found == label).sum()))
        )
    return [Row(case, "macro-F1", float(np.mean(f1)), "", "their file", len(truth)), *rows]


def _row(
    case: str, metric: str, values: NDArray[np.float64], unit: str, n: int, baseline: str | None = None
) -> Row:
    return Row(
        case, metric, float(np.median(values)), unit, baseline, n, float(values.min()), float(values.max())
    )


if __name__ == "__main__":
    main()
