"""Reads texts with a suspect's own weights: how probable it finds each next token (spec/trace.md, section 3.2).

The suspect must share the tokenizer of the marked answers; the probabilities are those of its last layer, without
temperature or any cut. Needs the extra ``marks``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stillhunt.engines.output import whole_file
from stillhunt.errors import InputError, MissingExtraError
from stillhunt.marks.windows import Documents, windows_of
from stillhunt.schema.progress import Progress

TOP = 32
"""Candidates that are kept after each context, the most probable first."""
_LONGEST = 1024
"""Tokens that are read at a time, where the model allows as many."""
_SCHEMA = pa.schema(
    [
        ("context", pa.list_(pa.uint32())),
        ("candidates", pa.list_(pa.uint32())),
        ("probabilities", pa.list_(pa.float64())),
    ]
)


@dataclass(frozen=True)
class Readings:
    """contexts: (m, width) uint32, each once. candidates: (m, k) uint32, probabilities: (m, k), in their order."""

    contexts: NDArray[np.uint32]
    candidates: NDArray[np.uint32]
    probabilities: NDArray[np.float64]


def read_texts(
    weights: Path, texts: Documents, width: int, progress: Progress, *, top: int = TOP, device: str = "cpu"
) -> Readings:
    """The suspect's ``top`` most probable tokens after every complete context of ``texts``, where it is met first.

    weights: folder of a causal model as transformers saves it. Prompts are read before their texts. Raises
    InputError where the folder holds no such model or a token is beyond its vocabulary.
    """
    try:
        import torch
        from transformers import AutoModelForCausalLM
    except ImportError as error:
        raise MissingExtraError(
            "reading with weights needs torch and transformers",
            str(weights),
            "Run: pip install 'stillhunt[marks]'.",
        ) from error
    try:
        model = AutoModelForCausalLM.from_pretrained(weights, local_files_only=True).to(device).eval()
    except (OSError, ValueError) as error:
        raise InputError(f"expected a causal language model's folder ({error})", str(weights)) from error
    if len(texts.tokens) and int(texts.tokens.max()) >= model.config.vocab_size:
        raise InputError(
            f"token {int(texts.tokens.max())} is beyond the model's {model.config.vocab_size}",
            str(weights),
            "The suspect must have the tokenizer of the marked answers.",
        )
    windows = windows_of(texts, width, context="skip", unique="context")
    longest = min(_LONGEST, int(getattr(model.config, "max_position_embeddings", _LONGEST)))
    candidates = np.zeros((len(windows), min(top, model.config.vocab_size)), dtype=np.uint32)
    probabilities = np.zeros(candidates.shape)
    progress.stage("reading", len(texts), "texts")
    with torch.inference_mode():
        for document in range(len(texts)):
            rows = np.flatnonzero(windows.document == document)
            before = texts.prompts[texts.prompt_offsets[document] : texts.prompt_offsets[document + 1]]
            text = texts.tokens[texts.offsets[document] : texts.offsets[document + 1]]
            whole = np.concatenate([before, text]).astype(np.int64)
            places = windows.position[rows] + len(before)  # the token to come; what stands before it is read
            for start, chosen in _spans(places, longest):
                end = int(places[chosen].max())
                seen = torch.from_numpy(whole[start:end]).to(device)[None]
                logits = model(seen).logits[0, torch.from_numpy(places[chosen] - 1 - start).to(device)]
                best = torch.topk(torch.softmax(logits.double(), dim=-1), candidates.shape[1], dim=-1)
                candidates[rows[chosen]] = best.indices.cpu().numpy()
                probabilities[rows[chosen]] = best.values.cpu().numpy()
            progress.advance(1)
    return Readings(windows.contexts, candidates, probabilities)


def save_readings(readings: Readings, path: Path) -> None:
    """Writes readings as Parquet."""
    columns = [_lists(part) for part in (readings.contexts, readings.candidates, readings.probabilities)]
    table = pa.table([pa.array(column) for column in columns], schema=_SCHEMA)
    with whole_file(path) as aside:
        pq.write_table(table, aside, compression="zstd")


def load_readings(path: Path) -> Readings:
    """Readings of :func:`save_readings`, or of anybody who could read with the weights. Raises InputError."""
    try:
        table = pq.read_table(path)
        columns = [table[name].combine_chunks() for name in _SCHEMA.names]
        parts = [np.array(column.to_pylist()) for column in columns]
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise InputError(
            f"expected Parquet with context, candidates and probabilities, lists of even length ({error})",
            str(path),
        ) from error
    if any(part.ndim != 2 for part in parts) or len(parts[0]) == 0:
        raise InputError("expected rows of lists, each column's of one length", str(path))
    return Readings(parts[0].astype(np.uint32), parts[1].astype(np.uint32), parts[2].astype(np.float64))


def _lists(part: NDArray[np.generic]) -> pa.Array:
    offsets = np.arange(len(part) + 1, dtype=np.int32) * part.shape[1]
    return pa.ListArray.from_arrays(offsets, np.ascontiguousarray(part).ravel())


def _spans(places: NDArray[np.int64], longest: int) -> list[tuple[int, NDArray[np.int64]]]:
    """Stretches to read at a time: where each begins, and which of ``places`` it serves. All but the first serve
    the later half of what they read, so that every token is read behind a good part of what precedes it."""
    spans, start = [], 0
    left = np.arange(len(places))
    while len(left):
        served = places[left] <= start + longest
        if not served.any():
            start = int(places[left].min()) - longest // 2
            continue
        spans.append((start, left[served]))
        left = left[~served]
        start = start + longest - longest // 2
    return spans
