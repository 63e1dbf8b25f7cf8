"""What a suspect's own weights find probable: equal to a plain reading, text by text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.torch import checked_with_torch, needs_torch
from stillhunt.errors import InputError
from stillhunt.trace.open_weights import _spans, load_readings


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    checks = Path(__file__).with_name("reading_checks.py")
    return checked_with_torch(checks, str(tmp_path_factory.mktemp("suspect")))


@needs_torch
def test_probabilities_are_those_of_the_model_after_all_that_stands_before(found: dict[str, Any]) -> None:
    assert found["worst"] < 1e-5
    assert found["rows"] == found["windows"] > 150
    assert found["long"] > 100
    assert 0.16 < found["sums"][0] <= found["sums"][1] <= 1.0
    assert found["again"]


@needs_torch
def test_what_is_no_suspect_of_ours_is_named(found: dict[str, Any]) -> None:
    assert found["beyond"] == "token 50 is beyond the model's 50"
    assert found["nothing"].startswith("expected a causal language model's folder")


@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=80, unique=True), st.integers(2, 700))
def test_every_place_is_read_once_and_behind_what_precedes_it(places: list[int], longest: int) -> None:
    ordered = np.array(sorted(places))
    served = []
    for start, chosen in _spans(ordered, longest):
        served += chosen.tolist()
        read = ordered[chosen] - start
        assert start >= 0
        assert (read >= 1).all()
        assert (read <= longest).all()
        assert start == 0 or (read > (longest // 2) - 1).all()
    assert sorted(served) == list(range(len(ordered)))


@pytest.mark.parametrize(
    "columns",
    [
        {"context": [[1, 2]], "candidates": [[3, 4]]},
        {"context": [[1, 2], [1]], "candidates": [[3, 4], [3, 4]], "probabilities": [[0.1, 0.2], [0.1, 0.2]]},
        {"context": [1], "candidates": [[3, 4]], "probabilities": [[0.1, 0.2]]},
        {"context": [], "candidates": [], "probabilities": []},
    ],
)
def test_tables_that_are_no_readings_are_refused(tmp_path: Path, columns: dict[str, list[Any]]) -> None:
    pq.write_table(pa.table(columns), tmp_path / "read.parquet")
    with pytest.raises(InputError, match="expected"):
        load_readings(tmp_path / "read.parquet")
