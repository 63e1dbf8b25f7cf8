"""Arrow strings as flat buffers, however they were sliced."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillhunt.errors import InputError
from stillhunt.sketch.texts import fixed_binary, is_valid, texts_of

KINDS = [pa.string(), pa.large_string(), pa.binary(), pa.large_binary()]


@given(
    values=st.lists(st.one_of(st.none(), st.text(max_size=8)), max_size=40),
    start=st.integers(0, 20),
    length=st.integers(0, 20),
    kind=st.sampled_from(KINDS),
)
@settings(max_examples=150, deadline=None)
def test_slices_give_their_own_texts(
    values: list[str | None], start: int, length: int, kind: pa.DataType
) -> None:
    array = pa.array(values, pa.string()).cast(kind).slice(start, length)
    texts = texts_of(array)
    found = [
        bytes(texts.data[texts.offsets[i] : texts.offsets[i + 1]]).decode() if texts.valid[i] else None
        for i in range(len(array))
    ]
    assert found == values[start : start + length]


def test_no_text_is_copied() -> None:
    array = pa.array(["abc", "def"])
    assert texts_of(array).data.ctypes.data == array.buffers()[2].address


@pytest.mark.parametrize(
    "array",
    [
        pa.array([1, 2]),
        pa.array(["a", "b"]).dictionary_encode(),
        pa.array(["a"], pa.string_view()),
        pa.array([["a"]]),
    ],
    ids=lambda array: str(array.type),
)
def test_another_type_is_refused_by_name(array: pa.Array) -> None:
    with pytest.raises(InputError, match="expected texts as string or large_string, got") as failure:
        texts_of(array)
    assert str(array.type) in failure.value.problem


def test_an_empty_array_has_no_texts() -> None:
    for kind in KINDS:
        texts = texts_of(pa.array([], kind))
        assert texts.offsets.tolist() == [0]
        assert texts.valid.tolist() == []


@given(st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=40), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_validity_of_a_slice(values: list[int | None], start: int) -> None:
    assert is_valid(pa.array(values, pa.int8())[start:]).tolist() == [v is not None for v in values[start:]]


def test_rows_become_fixed_size_binary() -> None:
    values = np.arange(6, dtype=np.uint8).reshape(3, 2)
    array = fixed_binary(values, np.array([True, False, True]))
    array.validate(full=True)
    assert array.type == pa.binary(2)
    assert array.to_pylist() == [b"\0\1", None, b"\4\5"]
    assert array.null_count == 1
    assert fixed_binary(values).null_count == 0
