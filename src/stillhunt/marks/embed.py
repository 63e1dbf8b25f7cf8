"""Marking answers token by token, for any model that gives logits as arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stillhunt.errors import SettingError
from stillhunt.marks.schemes import Scheme, sample
from stillhunt.marks.windows import ContextFrom
from stillhunt.marks.words import U32

Floats = NDArray[np.floating[Any]]
Step = Callable[[list[list[int]]], Floats]
"""Answers so far, one list per row, to logits (rows, vocabulary) with temperature and truncation applied."""


class Marker:
    """Chooses the next token of each of several answers, and remembers which contexts each answer has used: a repeated
    context is sampled without the mark, as vLLM's ``single_turn`` does, so that no answer loops."""

    def __init__(
        self,
        scheme: Scheme,
        rows: int,
        *,
        context: ContextFrom = "answer",
        prompts: Sequence[Iterable[int]] | None = None,
    ) -> None:
        if context == "prompt" and prompts is None:
            raise SettingError("contexts from the prompt need the prompts' token ids", "prompts")
        self._scheme = scheme
        self._skip_short = context == "skip"
        start = (
            [list(ids)[-scheme.width :] for ids in prompts]
            if prompts and context == "prompt"
            else [[]] * rows
        )
        self._tails = [list(ids) for ids in start]
        self._used: list[set[tuple[int, ...]]] = [set() for _ in range(rows)]

    def contexts(self) -> U32:
        """The context that each row's next token is chosen under, (rows, width)."""
        width = self._scheme.width
        out = np.full((len(self._tails), width), self._scheme.pad, dtype=np.uint32)
        for row, tail in enumerate(self._tails):
            if tail:
                out[row, width - len(tail) :] = tail
        return out

    def choose(self, logits: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
        """The next token of every row: logits (rows, vocabulary) to (rows,)."""
        if logits.ndim != 2 or len(logits) != len(self._tails):
            raise SettingError(f"expected logits of {len(self._tails)} rows, got shape {logits.shape}")
        contexts = self.contexts()
        marked = self._scheme.choose(logits, contexts, rng)
        plain = self.unmarked(contexts)
        tokens = np.where(plain, sample(logits, rng), marked) if plain.any() else marked
        self.append(contexts, tokens)
        return tokens

    def unmarked(self, contexts: U32) -> NDArray[np.bool_]:
        """Rows whose context was used before, or is incomplete where incomplete contexts are skipped."""
        short = [self._skip_short and len(tail) < self._scheme.width for tail in self._tails]
        used = [tuple(context) in seen for context, seen in zip(contexts.tolist(), self._used, strict=True)]
        return np.array([one or other for one, other in zip(short, used, strict=True)], dtype=np.bool_)

    def append(self, contexts: U32, tokens: NDArray[np.int64]) -> None:
        """Remembers that ``tokens`` followed ``contexts``."""
        width = self._scheme.width
        for row, (context, token) in enumerate(zip(contexts.tolist(), tokens.tolist(), strict=True)):
            self._used[row].add(tuple(context))
            self._tails[row] = [*self._tails[row], token][-width:]


def answers(
    step: Step, rows: int, length: int, scheme: Scheme | None, rng: np.random.Generator
) -> list[list[int]]:
    """``rows`` answers of ``length`` tokens from a model's ``step``; unmarked where ``scheme`` is None."""
    made: list[list[int]] = [[] for _ in range(rows)]
    marker = None if scheme is None else Marker(scheme, rows)
    for _ in range(length):
        logits = step(made)
        tokens = sample(logits, rng) if marker is None else marker.choose(logits, rng)
        for row, token in enumerate(tokens.tolist()):
            made[row].append(token)
    return made
