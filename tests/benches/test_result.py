"""Rows of figures: what a run that measures some cases anew leaves as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import result
from bench.result import Row, beside_last, write


def test_cases_that_are_not_measured_anew_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result, "OUT", tmp_path)
    assert beside_last("x", [Row("a", "m", 1.0, "share")]) == [Row("a", "m", 1.0, "share")]
    write(
        "x",
        [Row("a", "m", 1.0, "share"), Row("a", "gone", 1.0, "s"), Row("b", "m", 2.0, "s", None, 3, 1.0, 4.0)],
    )
    assert beside_last("x", [Row("a", "m", 5.0, "share"), Row("c", "m", 6.0, "s")]) == [
        Row("b", "m", 2.0, "s", None, 3, 1.0, 4.0),
        Row("a", "m", 5.0, "share"),
        Row("c", "m", 6.0, "s"),
    ]
