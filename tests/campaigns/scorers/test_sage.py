"""The graph network, in the environment that has torch (sage_checks.py runs there)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from servers.torch import checked_with_torch, needs_torch

pytestmark = [needs_torch, pytest.mark.xdist_group("adapters")]


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    return checked_with_torch(Path(__file__).with_name("sage_checks.py"))


def test_learns_from_ties_alone(results: dict[str, Any]) -> None:
    assert results["shape"] == [200]
    assert 0 <= results["range"][0] < results["range"][1] <= 1
    assert results["right_unseen"] > 0.95
    assert results["right_other_graph"] > 0.95


def test_a_layer_takes_weighted_means(results: dict[str, Any]) -> None:
    assert results["differs_from_dense"] < 1e-4


def test_the_seed_decides(results: dict[str, Any]) -> None:
    assert results["repeats"]
    assert results["other_seed_differs"]
    assert results["leaves_torch_s_state"]


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("one_side", "labels: expected hostile and honest accounts, got 0 hostile"),
        ("short_labels", "labels: expected one label for each of 200 accounts"),
        ("pointers", "indptr: expected 201 pointers for 200 rows"),
        ("columns", "features: expected 3 features per account, as in training, got 2"),
        ("settings", "settings: expected width, layers and steps"),
    ],
)
def test_what_does_not_fit_is_refused(results: dict[str, Any], case: str, told: str) -> None:
    assert results[case].startswith(told)
