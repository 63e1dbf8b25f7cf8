"""Windows against ten obvious lines of Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillhunt.errors import InputError, SettingError
from stillhunt.marks.windows import ContextFrom, Scope, Unique, documents, windows_of
from stillhunt.marks.words import PAD

Lists = list[list[int]]


def _plain(
    answers: Lists, prompts: Lists, width: int, context: ContextFrom, unique: Unique, scope: Scope
) -> list[tuple[tuple[int, ...], int, int, int]]:
    kept, seen = [], set()
    for d, (answer, prompt) in enumerate(zip(answers, prompts, strict=True)):
        copied = {tuple(prompt[i - width : i]) for i in range(width, len(prompt))}
        before = prompt[-width:] if context == "prompt" else []
        for i, token in enumerate(answer):
            tail = (before + answer[:i])[-width:]
            if context == "skip" and i < width:
                continue
            window = tuple([int(PAD)] * (width - len(tail)) + tail)
            if window in copied:
                continue
            mark = (d if scope == "document" else 0, window, token if unique == "tuple" else 0)
            if unique != "none":
                if mark in seen:
                    continue
                seen.add(mark)
            kept.append((window, token, d, i))
    return kept


ids = st.integers(0, 3)
texts = st.lists(st.tuples(st.lists(ids, max_size=12), st.lists(ids, max_size=8)), max_size=4)


@settings(deadline=None)
@given(
    texts,
    st.integers(1, 5),
    st.sampled_from(["answer", "prompt", "skip"]),
    st.sampled_from(["tuple", "context", "none"]),
    st.sampled_from(["corpus", "document"]),
)
def test_windows_are_the_plain_ones(
    pairs: list[tuple[list[int], list[int]]], width: int, context: ContextFrom, unique: Unique, scope: Scope
) -> None:
    answers, prompts = [answer for answer, _ in pairs], [prompt for _, prompt in pairs]
    found = windows_of(documents(answers, prompts), width, context=context, unique=unique, scope=scope)
    rows = zip(
        map(tuple, found.contexts.tolist()),
        found.tokens.tolist(),
        found.document.tolist(),
        found.position.tolist(),
        strict=True,
    )
    assert list(rows) == _plain(answers, prompts, width, context, unique, scope)
    assert found.seen == sum(map(len, answers))
    assert found.seen == len(found) + found.repeated + found.in_prompt + found.without_context


def test_another_pad_stands_where_nothing_was() -> None:
    found = windows_of(documents([[7, 8]]), 3, pad=0)
    assert found.contexts.tolist() == [[0, 0, 0], [0, 0, 7]]


@pytest.mark.parametrize("ids", [[-1], [2**32 - 1], [1.5], ["a"], [[1, 2]]])
def test_ids_that_are_no_token_ids_are_refused(ids: list[int]) -> None:
    with pytest.raises(InputError, match="token ids"):
        documents([[1, 2], ids])


def test_misuse_is_refused() -> None:
    with pytest.raises(SettingError, match="width"):
        windows_of(documents([[1]]), 0)
    with pytest.raises(InputError, match="a prompt per answer"):
        documents([[1]], [[1], [2]])
    assert len(windows_of(documents([]), 4)) == 0
    assert len(windows_of(documents([np.array([], dtype=np.int64)]), 4)) == 0
