"""The registry of issued answers: how fast it is built, how large it is, what a look-up takes, finds and finds wrongly.

    python -m bench.registry [--scale small|full]

full enters 30 million answers (about 4 GB on disk while it runs), small 400,000. Among made answers stand real ones of
20 models; the suspect file of 10,000 rows holds real ones verbatim and with 10, 20 and 30 % of their words replaced by
words of other answers, and made ones that were never entered. False matches are counted on made answers, on real
answers of five other models to questions that the registry holds no answer to, and, hardest, to the same questions.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bench.answer_texts import Phrases, made, phrases, real_answers
from bench.result import Row, share, show, write
from numpy.typing import NDArray

from stillhunt.schema.requests import TIMESTAMP
from stillhunt.sketch.keys import SketchKey, create_keys, key_words
from stillhunt.sketch.minhash import sketch_rows
from stillhunt.sketch.texts import Texts, fixed_binary, texts_of
from stillhunt.trace.dataset import CLOSE
from stillhunt.trace.registry.build import ISSUED, write_registry
from stillhunt.trace.registry.files import RECEIPT_BYTES, Registry, open_registry
from stillhunt.trace.registry.lookup import FALSE_MATCH_RATE, look_up

ENTRIES = {"small": 400_000, "full": 30_000_000}
UNRELATED = {"small": 50_000, "full": 200_000}
EDITS = (0.0, 0.1, 0.2, 0.3)
EDITED_ROWS = 1_500
SUSPECT_ROWS = 10_000
COUNTED = "found, 200 characters and more"
BATCH = 65_536
AT_MOST = {
    ("build", "time"): 30.0,
    ("build", "size"): 128.0,
    ("10,000 rows", "time, registry on disk"): 60.0,
    ("10,000 rows", "time, registry in memory"): 60.0,
    ("made texts, never entered", "match"): 1e-3,
}
"""Promises: a figure above these, or a share below those that follow, ends the bench with status 1."""
AT_LEAST = {("verbatim", COUNTED): 0.99, ("20% of words replaced", COUNTED): 0.9}
HELD_MODELS = 5
HELD_QUESTIONS = 5
"""Every so manieth model and question is kept out of the registry."""
START = 1_776_816_000  # 22 April 2026


@dataclass(frozen=True)
class Answers:
    """``entered``: real answers that the registry holds. ``same``: of other models to the same questions. ``other``: of
    other models to other questions."""

    entered: list[str]
    same: list[str]
    other: list[str]


@dataclass
class Clock:
    """Seconds that making texts and sketches took, which is not the registry's work."""

    making: float = 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds, asks, shows; 0 when every figure keeps its promise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--scale", choices=tuple(ENTRIES), default="full")
    scale = parser.parse_args(arguments).scale
    answers, source = divided()
    with tempfile.TemporaryDirectory(prefix="registry-bench-") as name:
        folder = Path(name)
        key = create_keys(folder / "sketch.key").current
        rows = build(folder / "registry", answers, source, key, ENTRIES[scale])
        registry = open_registry(folder / "registry")
        rows += ask(folder, answers, source, ENTRIES[scale])
        rows += false_matches(registry, answers, source, key, ENTRIES[scale], UNRELATED[scale])
    show(rows)
    write("registry", rows)
    broken = [row for row in rows if not kept(row)]
    for row in broken:
        print(f"promise not kept: {row.case}, {row.metric}: {row.value:.4g}")
    return 1 if broken else 0


def kept(row: Row) -> bool:
    """Whether a figure keeps its promise, if one was made."""
    place = (row.case, row.metric)
    return AT_LEAST.get(place, row.value) <= row.value <= AT_MOST.get(place, row.value)


def divided() -> tuple[Answers, Phrases]:
    """Real answers, kept apart by model and by question, and the source of made ones."""
    real = real_answers()
    models = sorted({row["model"] for row in real})[::HELD_MODELS]
    questions = set(sorted({row["instruction"] for row in real})[::HELD_QUESTIONS])
    parts: dict[tuple[bool, bool], list[str]] = {(a, b): [] for a in (False, True) for b in (False, True)}
    for row in real:
        parts[row["model"] in models, row["instruction"] in questions].append(row["output"])
    source = phrases([row["output"] for row in real])
    if not real:
        room = [text for piece in made(source, 0, 20_000, seed=9) for text in spelt(piece)]
        return Answers(room[:16_000], [], room[16_000:]), source
    return Answers(parts[False, False], parts[True, False], parts[True, True]), source


def build(path: Path, answers: Answers, source: Phrases, key: SketchKey, entries: int) -> list[Row]:
    """Enters made answers, and the real ones among them."""
    clock = Clock()
    begun = time.perf_counter()
    made_ = write_registry(path, [(key.key_id, issued(answers, source, key, entries, clock))], ["bench"])
    seconds = time.perf_counter() - begun - clock.making
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    n = made_.entries
    return [
        Row("build", "entries", n, "", n=n),
        Row("build", "distinct texts", made_.texts, "", n=n),
        Row("build", "segments", len(made_.segments), "", n=n),
        Row("build", "time", seconds / 60, "min", n=n),
        Row("build", "speed", n / seconds, "entries/s", n=n),
        Row("build", "peak memory, texts included", peak, "GB", n=n),
        Row("build", "size", made_.bytes_on_disk / n, "bytes/entry", n=n),
    ]


def issued(
    answers: Answers, source: Phrases, key: SketchKey, entries: int, clock: Clock
) -> Iterator[pa.RecordBatch]:
    """Batches of ISSUED: made answers with an equal share of the real ones in each."""
    random = np.random.default_rng(4)
    batches = -(-(entries - len(answers.entered)) // BATCH)
    edges = np.linspace(0, len(answers.entered), batches + 1).astype(int).tolist()
    for batch in range(batches):
        begun = time.perf_counter()
        first = batch * BATCH
        count = min(BATCH, entries - len(answers.entered) - first)
        pieces = list(made(source, first, count))
        planted = answers.entered[edges[batch] : edges[batch + 1]]
        if planted:
            pieces.append(texts_of(pa.array(planted, pa.large_string())))
        accounts = [f"account-{one}" for one in random.integers(0, 25_000, count)]
        accounts += [f"planted-{one}" for one in range(edges[batch], edges[batch + 1])]
        given = entered(pieces, accounts, key, random)
        clock.making += time.perf_counter() - begun
        yield given


def entered(
    pieces: Sequence[Texts], accounts: list[str], key: SketchKey, random: np.random.Generator
) -> pa.RecordBatch:
    """Texts as a batch of ISSUED, with random times and receipt ids."""
    words = key_words(key).shingle
    sketched = [sketch_rows(one, np.arange(len(one.offsets) - 1), words) for one in pieces]
    n = len(accounts)
    seconds = START + random.integers(0, 45 * 86_400, n)
    columns = [
        fixed_binary(np.concatenate([one for one, _ in sketched]).astype("<u4", copy=False).view(np.uint8)),
        pa.array(np.concatenate([chars for _, chars in sketched])),
        pa.array(accounts),
        pa.array(seconds * 1_000_000).cast(TIMESTAMP),
        fixed_binary(random.integers(0, 256, (n, RECEIPT_BYTES), dtype=np.uint8)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=ISSUED)


def ask(folder: Path, answers: Answers, source: Phrases, entries: int) -> list[Row]:
    """The command on a suspect file, twice: with nothing of the registry in memory, and again."""
    random = np.random.default_rng(5)
    chosen = [random.choice(len(answers.entered), EDITED_ROWS) for _ in EDITS]
    vocabulary = [word for text in answers.entered[:2_000] for word in text.split(" ")]
    rows = [
        edited(answers.entered[at], part, vocabulary, random)
        for part, each in zip(EDITS, chosen, strict=True)
        for at in each
    ]
    fresh = (text for piece in made(source, entries, SUSPECT_ROWS - len(rows)) for text in spelt(piece))
    rows += list(fresh)
    suspect = folder / "suspect.jsonl"
    suspect.write_text("".join(json.dumps({"output": text}) + "\n" for text in rows), encoding="utf-8")
    run_command(folder, suspect)  # compiles what is not compiled yet
    forget(folder / "registry")
    cold = run_command(folder, suspect)
    warm = run_command(folder, suspect)
    summary = json.loads((folder / "traced" / "summary.json").read_text())
    found = [
        Row("10,000 rows", "time, registry on disk", cold, "s", n=SUSPECT_ROWS),
        Row("10,000 rows", "time, registry in memory", warm, "s", n=SUSPECT_ROWS),
        Row("10,000 rows", "not read to the end", summary["not_read_to_the_end"], "rows", n=SUSPECT_ROWS),
    ]
    origins = pq.read_table(folder / "traced" / "origins.parquet", columns=["number", "account_id"])
    pairs = set(zip(origins["number"].to_pylist(), origins["account_id"].to_pylist(), strict=True))
    matching = set(pq.read_table(folder / "traced" / "rows.parquet")["number"].to_pylist())
    long = np.array([len(text) >= 200 for text in rows])
    for part, each, first in zip(EDITS, chosen, range(0, len(rows), EDITED_ROWS), strict=False):
        hit = np.array([(first + i, f"planted-{at}") in pairs for i, at in enumerate(each.tolist())])
        alike = np.array([first + i in matching for i in range(EDITED_ROWS)])
        counted = long[first : first + EDITED_ROWS]
        case = "verbatim" if part == 0 else f"{part:.0%} of words replaced"
        found.append(share(case, COUNTED, int(hit[counted].sum()), int(counted.sum())))
        found.append(share(case, "match, shorter", int(alike[~counted].sum()), int((~counted).sum())))
    return found


def run_command(folder: Path, suspect: Path) -> float:
    """Seconds of ``stillhunt trace dataset`` as a process of its own."""
    code = "from stillhunt.cli.main import main; main()"
    options = [
        "--registry",
        folder / "registry",
        "--key-file",
        folder / "sketch.key",
        "--out",
        folder / "traced",
    ]
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", code, "trace", "dataset", suspect, *options, "--overwrite", "--json"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - begun


def forget(folder: Path) -> None:
    """Asks the system to drop the files of a folder from its memory."""
    for path in folder.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(handle)


def edited(text: str, part: float, vocabulary: Sequence[str], random: np.random.Generator) -> str:
    """``text`` with this share of its words, at least 0, replaced by words of other answers."""
    words = text.split(" ")
    for at in random.choice(len(words), round(part * len(words)), replace=False):
        words[at] = vocabulary[random.integers(0, len(vocabulary))]
    return " ".join(words)


def false_matches(
    registry: Registry, answers: Answers, source: Phrases, key: SketchKey, entries: int, unrelated: int
) -> list[Row]:
    """How many texts match that were never entered."""
    fresh = [
        (pa.array(spelt(piece), pa.large_string()))
        for first in range(0, unrelated, 20_000)
        for piece in made(source, entries + SUSPECT_ROWS + first, min(20_000, unrelated - first))
    ]
    found = [Row("false matches", "bound, unrelated texts", FALSE_MATCH_RATE, "share", n=1)]
    cases = {
        "made texts, never entered": fresh,
        "other models, other questions": [pa.array(answers.other, pa.large_string())],
        "other models, the same questions": [pa.array(answers.same, pa.large_string())],
    }
    for case, groups in cases.items():
        counted = matched = close = 0
        for texts in groups:
            if len(texts):
                looked = look_up(registry, texts, [key])
                best = np.zeros(len(texts))
                np.maximum.at(best, looked.matches["row"].to_numpy(), looked.matches["similarity"].to_numpy())
                counted += int((~looked.short).sum())
                matched += int((best[~looked.short] > 0).sum())
                close += int((best[~looked.short] >= CLOSE).sum())
        found.append(share(case, "match", matched, counted))
        found.append(share(case, "match as a close copy", close, counted))
    return found


def spelt(piece: Texts) -> list[str]:
    """The texts of a piece as Python strings."""
    raw: bytes = piece.data.tobytes()
    edges: NDArray[np.int64] = piece.offsets
    return [
        raw[a:b].decode("utf-8", "replace")
        for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]


if __name__ == "__main__":
    raise SystemExit(main())
