"""Which texts of a stream are written to ``sketches`` once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from stillhunt.schema.requests import SKETCHES
from stillhunt.sources import filling


def sketches(role: str, ids: list[int]) -> pa.RecordBatch:
    words = [each.to_bytes(8, "little") for each in ids]
    columns = {
        "text_id": pa.array(words, SKETCHES.field("text_id").type),
        "role": pa.repeat(pa.scalar(role), len(ids)),
    }
    arrays = [columns.get(field.name, pa.nulls(len(ids), field.type)) for field in SKETCHES]
    return pa.RecordBatch.from_arrays(arrays, schema=SKETCHES)


def ids_left(seen: filling._SeenTexts, role: str, ids: list[int]) -> list[int]:
    left = seen.unseen(sketches(role, ids)).column("text_id").to_pylist()
    return [int.from_bytes(each, "little") for each in left]


def test_a_text_is_new_once_in_each_role() -> None:
    seen = filling._SeenTexts()
    ids = np.random.default_rng(1).integers(1, 2**63, 300).tolist()
    assert ids_left(seen, "prompt", ids) == ids
    assert ids_left(seen, "prompt", [*ids[:9], 5]) == [5]
    assert ids_left(seen, "system", ids) == ids


def test_two_texts_of_one_place_are_both_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "_SEEN_SLOTS", 16)
    seen = filling._SeenTexts()
    pair = [3 + (1 << 32), 3 + (2 << 32)]
    assert ids_left(seen, "system", pair) == pair
    assert ids_left(seen, "system", pair) == []


def test_what_is_forgotten_is_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "_SEEN_SLOTS", 1)
    seen = filling._SeenTexts()
    assert ids_left(seen, "prompt", [1]) == [1]
    assert ids_left(seen, "prompt", [2]) == [2]
    assert ids_left(seen, "prompt", [3]) == [3]
    assert ids_left(seen, "prompt", [1, 2]) == [2]
