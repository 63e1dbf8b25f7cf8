"""Documents of token ids, and the windows of them that may be scored (spec/marks.md, section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stillhunt.errors import InputError, SettingError
from stillhunt.marks.words import PAD

ContextFrom = Literal["answer", "prompt", "skip"]
Unique = Literal["tuple", "context", "none"]
Scope = Literal["corpus", "document"]

_U = np.uint64
_REPEATED, _IN_PROMPT, _WITHOUT_CONTEXT, _KEPT = range(4)


@dataclass(frozen=True)
class Documents:
    """Answers as token ids, each with the ids of its prompt where they are known.

    tokens, prompts: all ids in a row, uint32. offsets, prompt_offsets: shape (documents + 1,).
    """

    tokens: NDArray[np.uint32]
    offsets: NDArray[np.int64]
    prompts: NDArray[np.uint32]
    prompt_offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1


def documents(answers: Sequence[Iterable[int]], prompts: Sequence[Iterable[int]] | None = None) -> Documents:
    """Documents of lists of ids; ``prompts`` in the same order, empty where unknown.

    Raises InputError where an id is not an integer in [0, 2³² − 1).
    """
    known: Sequence[Iterable[int]] = [()] * len(answers) if prompts is None else prompts
    if len(known) != len(answers):
        raise InputError(f"expected a prompt per answer, got {len(known)} for {len(answers)}")
    return Documents(*_flat(answers, "answer"), *_flat(known, "prompt"))


@dataclass(frozen=True)
class Windows:
    """Windows to score, in reading order.

    contexts: (n, width) uint32, PAD (or the scheme's pad) where there was no token. tokens: (n,) uint32.
    document, position: where each stands, (n,) int64. left_out: (documents, 3) int64, how many windows of each document
    were left out because they are repeated, stand in the prompt, or lack their context.
    """

    contexts: NDArray[np.uint32]
    tokens: NDArray[np.uint32]
    document: NDArray[np.int64]
    position: NDArray[np.int64]
    left_out: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def repeated(self) -> int:
        return int(self.left_out[:, 0].sum())

    @property
    def in_prompt(self) -> int:
        return int(self.left_out[:, 1].sum())

    @property
    def without_context(self) -> int:
        return int(self.left_out[:, 2].sum())

    @property
    def seen(self) -> int:
        """Windows before any was left out."""
        return len(self) + int(self.left_out.sum())

    def at(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Windows:
        """The windows of ``rows`` alone; the rest count as repeated."""
        document = self.document[rows]
        documents = len(self.left_out)
        gone = np.bincount(self.document, minlength=documents) - np.bincount(document, minlength=documents)
        left_out = self.left_out + np.outer(gone, [1, 0, 0])
        return Windows(self.contexts[rows], self.tokens[rows], document, self.position[rows], left_out)

    def split(self) -> Iterator[Windows]:
        """The windows of each document by themselves, for windows in reading order."""
        edges = np.searchsorted(self.document, np.arange(len(self.left_out) + 1))
        for number, (a, b) in enumerate(pairwise(edges.tolist())):
            yield Windows(
                self.contexts[a:b],
                self.tokens[a:b],
                np.zeros(b - a, dtype=np.int64),
                self.position[a:b],
                self.left_out[number : number + 1],
            )


def windows_of(
    texts: Documents,
    width: int,
    *,
    context: ContextFrom = "answer",
    unique: Unique = "tuple",
    scope: Scope = "corpus",
    pad: int = int(PAD),
) -> Windows:
    """The windows of ``texts`` that may be scored: not copied from the prompt, each once.

    unique: ``tuple`` keeps the first of each (context, token), ``context`` the first of each context, ``none`` all of
    them (which is no test: repeats are not independent). scope: within the whole corpus or each document.
    """
    if width < 1:
        raise SettingError(f"expected a context width of at least 1, got {width}")
    n = len(texts.tokens)
    contexts = np.empty((n, width), dtype=np.uint32)
    known = np.empty(n, dtype=np.int64)
    _fill(
        texts.tokens,
        texts.offsets,
        texts.prompts,
        texts.prompt_offsets,
        context == "prompt",
        np.uint32(pad),
        contexts,
        known,
    )
    document = np.repeat(np.arange(len(texts)), np.diff(texts.offsets))
    within = document if scope == "document" else np.zeros(n, dtype=np.int64)
    reason = np.full(n, _KEPT, dtype=np.int64)
    if unique != "none":
        reason[:] = _REPEATED
    reason[_in_prompt(texts, contexts, document, width)] = _IN_PROMPT
    if context == "skip":
        reason[known < width] = _WITHOUT_CONTEXT
    if unique != "none":
        prints = _fingerprints(contexts, texts.tokens, within, unique == "tuple")
        rows = np.flatnonzero(reason == _REPEATED)
        _, first = np.unique(prints[rows], return_index=True)
        reason[rows[first]] = _KEPT
    kept = reason == _KEPT
    tally = np.bincount(document * 4 + reason, minlength=4 * len(texts)).reshape(len(texts), 4)
    position = (np.arange(n) - texts.offsets[document])[kept]
    return Windows(contexts[kept], texts.tokens[kept], document[kept], position, tally[:, :_KEPT])


def counted_windows(
    texts: Documents, width: int, *, context: ContextFrom = "answer", pad: int = int(PAD)
) -> tuple[Windows, NDArray[np.int64]]:
    """The distinct windows of a corpus that do not stand in their prompts, and how often each occurs, (n,)."""
    every = windows_of(texts, width, context=context, unique="none", pad=pad)
    prints = _fingerprints(every.contexts, every.tokens, np.zeros(len(every), dtype=np.int64), True)
    _, first, inverse = np.unique(prints, return_index=True, return_inverse=True)
    order = np.argsort(first)
    counts = np.bincount(inverse, minlength=len(first))
    return every.at(first[order]), counts[order].astype(np.int64)


def context_fingerprints(contexts: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """64-bit fingerprints of contexts, (n, width) to (n,): unkeyed, equal on every machine."""
    nothing = np.zeros(len(contexts), dtype=np.int64)
    prints: NDArray[np.uint64] = _fingerprints(contexts, nothing, nothing, False)
    return prints


def windows_from(contexts: NDArray[np.uint32], tokens: NDArray[np.uint32]) -> Windows:
    """Windows that do not come from a document: contexts (n, width), tokens (n,). The caller answers for their being
    distinct."""
    nowhere = np.zeros(len(tokens), dtype=np.int64)
    return Windows(contexts, tokens, nowhere, nowhere, np.zeros((1, 3), dtype=np.int64))


def _in_prompt(
    texts: Documents, contexts: NDArray[np.uint32], document: NDArray[np.int64], width: int
) -> NDArray[np.bool_]:
    # A context that stands in its own document's prompt, followed there by any token.
    if len(texts.prompts) == 0:
        return np.zeros(len(contexts), dtype=bool)
    spans = np.empty((len(texts.prompts), width), dtype=np.uint32)
    known = np.empty(len(texts.prompts), dtype=np.int64)
    _fill(
        texts.prompts, texts.prompt_offsets, texts.prompts[:0], np.zeros_like(texts.prompt_offsets), False,
        PAD, spans, known,
    )  # fmt: skip
    full = known == width
    owner = np.repeat(np.arange(len(texts)), np.diff(texts.prompt_offsets))
    inside = _fingerprints(spans[full], texts.prompts[full], owner[full], False)
    return np.isin(_fingerprints(contexts, texts.tokens, document, False), inside)


def token_ids(ids: Iterable[int]) -> NDArray[np.uint32]:
    """Token ids as an array. Raises InputError where one is not a whole number in [0, 2³² − 1)."""
    array = np.asarray(ids if isinstance(ids, np.ndarray) else list(ids))
    if array.size == 0:
        return np.empty(0, dtype=np.uint32)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InputError(f"expected a list of whole numbers as token ids, got {array.dtype}")
    if int(array.min()) < 0 or int(array.max()) >= int(PAD):
        raise InputError("expected token ids from 0 to 4,294,967,294, got one outside")
    return array.astype(np.uint32)


def _flat(lists: Sequence[Iterable[int]], what: str) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    arrays = []
    for i, ids in enumerate(lists):
        try:
            arrays.append(token_ids(ids))
        except InputError as error:
            raise InputError(error.problem, f"{what} {i + 1}") from error
    offsets = np.zeros(len(arrays) + 1, dtype=np.int64)
    np.cumsum([len(array) for array in arrays], out=offsets[1:])
    return np.concatenate(arrays) if arrays else np.empty(0, dtype=np.uint32), offsets


@njit(nogil=True, cache=True)
def _fill(tokens, offsets, prompts, prompt_offsets, use_prompt, pad, contexts, known):  # type: ignore[no-untyped-def]
    width = contexts.shape[1]
    for d in range(len(offsets) - 1):
        start, prompt_end = offsets[d], prompt_offsets[d + 1]
        prompt_length = prompt_end - prompt_offsets[d] if use_prompt else 0
        for i in range(start, offsets[d + 1]):
            count = 0
            for j in range(width):
                back = width - j
                at = i - back
                if at >= start:
                    contexts[i, j] = tokens[at]
                    count += 1
                elif start - at <= prompt_length:
                    contexts[i, j] = prompts[prompt_end - (start - at)]
                    count += 1
                else:
                    contexts[i, j] = pad
            known[i] = count


@njit(nogil=True, cache=True, inline="always")
def _mix(h, word):  # type: ignore[no-untyped-def]
    h = (h ^ word) * _U(0x9E3779B97F4A7C15)
    h = (h ^ (h >> _U(32))) * _U(0xD6E8FEB86659FD93)
    return h ^ (h >> _U(32))


@njit(nogil=True, cache=True)
def _fingerprints(contexts, tokens, within, with_token):  # type: ignore[no-untyped-def]
    # Unkeyed 64-bit prints. A collision drops a window as if it repeated; that cannot depend on the key.
    prints = np.empty(len(tokens), dtype=np.uint64)
    for i in range(len(tokens)):
        h = _mix(_U(0x243F6A8885A308D3), _U(within[i]))
        for j in range(contexts.shape[1]):
            h = _mix(h, _U(contexts[i, j]))
        prints[i] = _mix(h, _U(tokens[i]) + _U(1)) if with_token else h
    return prints
