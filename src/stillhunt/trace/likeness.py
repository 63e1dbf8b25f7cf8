"""How alike the answers of models are, instruction by instruction, where few others chose the same words.

Runs of one to three words in the first 60 words of an answer, without words of the instruction, each weighed by
log((n + 1) / df) over the n models that answered. Source: inverse document frequency, Spärck Jones (1972), with the
answers to one instruction as the documents.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

F64 = NDArray[np.float64]

WORDS = 60
LONGEST_RUN = 3
RIDGE = 0.1
_WORD = re.compile(r"\w+|[^\w\s]|\n")


def likeness(instructions: Sequence[str], answers: Sequence[Sequence[str]]) -> F64:
    """Mean cosine between models, shape (models, models); NaN for two models with no common instruction.

    answers: one row per instruction, one text per model; an empty text is no answer.
    """
    models = len(answers[0]) if answers else 0
    total = np.zeros((models, models))
    times = np.zeros((models, models))
    for instruction, texts in zip(instructions, answers, strict=True):
        asked = set(_words(instruction))
        runs = [_runs(_words(text)[:WORDS]) - {(word,) for word in asked} for text in texts]
        cosine = _cosine(runs)
        if cosine is not None:
            given = np.array([bool(one) for one in runs])
            total += cosine
            times += np.outer(given, given)
    return np.divide(total, times, out=np.full_like(total, np.nan), where=times > 0)


def centred(alike: F64) -> F64:
    """What is left of likeness after each model's mean; shape kept, the diagonal NaN. The naive comparison."""
    off = alike.copy()
    np.fill_diagonal(off, np.nan)
    means = np.nanmean(off, axis=1)
    result: F64 = off - means[:, None] - means[None, :] + np.nanmean(off)
    return result


def own_share(
    alike: F64, models: Sequence[int], candidates: Sequence[int], left_out: NDArray[np.bool_]
) -> F64:
    """What each candidate adds to the others: ridge regression of a model on the candidates.

    left_out: shape (models, candidates), candidates that must not explain a model, such as its own family. Returns that
    shape, NaN where left out. A candidate that resembles a model only as other candidates do adds little.
    """
    result = np.full(left_out.shape, np.nan)
    for row, model in enumerate(models):
        columns = np.flatnonzero(~left_out[row]).tolist()
        used = [candidates[j] for j in columns]
        gram = alike[np.ix_(used, used)] + RIDGE * np.eye(len(used))
        result[row, columns] = np.linalg.solve(gram, alike[used, model])
    return result


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _runs(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + n]) for n in range(1, LONGEST_RUN + 1) for i in range(len(words) - n + 1)}


def _cosine(runs: Sequence[set[tuple[str, ...]]]) -> F64 | None:
    number: dict[tuple[str, ...], int] = {}
    rows, columns = [], []
    for model, one in enumerate(runs):
        for run in one:
            rows.append(model)
            columns.append(number.setdefault(run, len(number)))
    if not number:
        return None
    held = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(runs), len(number)))
    frequency = np.bincount(columns, minlength=len(number))
    answered = sum(1 for one in runs if one)
    weighed = held @ diags_array(np.sqrt(np.log((answered + 1) / frequency)))
    gram: F64 = (weighed @ weighed.T).toarray()
    length = np.sqrt(np.diag(gram))
    scale = np.outer(length, length)
    result: F64 = np.divide(gram, scale, out=np.zeros_like(gram), where=scale > 0)
    return result
