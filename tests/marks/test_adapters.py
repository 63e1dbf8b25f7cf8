"""Marks inside real engines: torch and transformers, in an environment of their own (adapter_checks.py runs there)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from servers.torch import checked_with_torch, needs_torch

pytestmark = [needs_torch, pytest.mark.xdist_group("adapters")]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    checks = Path(__file__).with_name("adapter_checks.py")
    return checked_with_torch(checks, str(tmp_path_factory.mktemp("keys")))


def test_synthid_is_that_of_transformers(results: dict[str, Any]) -> None:
    """Its table, its bits and its reweighing, and an answer that its own processor marked."""
    found = results["synthid"]
    assert found["tables_equal"]
    assert found["bits_equal"]
    assert found["reweighing_differs_by"] < 1e-5
    assert found["own_key"] < -10
    assert found["other_key"] > -4


@pytest.mark.parametrize(
    "preset", ["vllm", "vllm-dual", "sglang", "sglang-dual", "radioactive", "transformers-synthid"]
)
def test_answers_marked_in_generate_are_detected(results: dict[str, Any], preset: str) -> None:
    found = results["processors"]
    assert found[preset] < -10
    assert found[f"{preset}, other key"] > -4
    assert found["unmarked"] > -4


def test_the_gumbel_choice_is_the_one_that_torch_makes(results: dict[str, Any]) -> None:
    assert results["gumbel_choice_equal"]


def test_processors_notice_when_their_choice_is_not_kept(results: dict[str, Any]) -> None:
    said = results["refusals"]
    assert "one generate call" in said["second call"]
    assert "not those that the mark chose" in said["beams"]


def test_each_bucket_marks_under_its_own_key_and_nobody_opts_out(results: dict[str, Any]) -> None:
    """Row 0 has a ticket, row 1 none, row 2 a forged one; rows 0 and 1 changed places in the batch."""
    table = results["vllm"]["table"]
    marked = {name for name, log10_p in table.items() if log10_p < -10}
    assert marked == {"row 0, bucket", "row 1, no bucket", "row 2, no bucket"}
    assert all(log10_p > -4 for name, log10_p in table.items() if name not in marked)


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        ("gumbel", "must choose after top-p"),
        ("synthid", "must choose after top-p"),
        ("speculative", "speculative decoding"),
        ("async", "hides the last tokens"),
        ("v2", "model runner V2"),
        ("placeholder", "placeholders instead of tokens"),
        ("unannounced", "never announced"),
        ("settings", "expected the settings"),
        ("ticket", "expected stillhunt_bucket"),
    ],
)
def test_what_vllms_interface_cannot_carry_is_refused(
    results: dict[str, Any], case: str, problem: str
) -> None:
    assert problem in results["vllm"]["said"][case]
