"""``stillhunt demo``: the comparison with the truth. The whole run is checked with the README's blocks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from stillhunt.cli.demo import compare
from stillhunt.cli.main import run
from stillhunt.schema.campaigns import CAMPAIGNS, MEMBERS

TRUTH = {
    **{f"h{n}": {"account_id": f"h{n}", "campaign": "pool", "kind": "distillation"} for n in range(4)},
    **{f"t{n}": {"account_id": f"t{n}", "campaign": None, "kind": "trial_farm"} for n in range(3)},
    "i": {"account_id": "i", "campaign": None, "kind": "individual"},
}


def _outcome(members: list[tuple[str, str, float, str | None]], kinds: dict[str, str]) -> Any:
    campaigns = [
        {
            "campaign_id": name,
            "kind": kind,
            "accounts": 1,
            "requests": 1,
            "q_value": 0.001,
            "kind_confidence": 0.9,
            "score": 1.0,
        }
        for name, kind in kinds.items()
    ]
    rows = [
        dict(zip(("account_id", "campaign_id", "membership", "authorised_use"), row, strict=True))
        for row in members
    ]
    found = SimpleNamespace(
        campaigns=pa.Table.from_pylist(campaigns, CAMPAIGNS), members=pa.Table.from_pylist(rows, MEMBERS)
    )
    return SimpleNamespace(campaigns=found)


def test_flags_are_held_against_the_truth() -> None:
    outcome = _outcome(
        [
            ("h0", "c-1", 1.0, None),
            ("h1", "c-1", 0.5, None),
            ("h2", "c-1", 0.49, None),  # not firm enough to be flagged
            ("h3", "c-2", 1.0, None),  # coordinated, but held to be a trial farm
            ("t0", "c-2", 0.9, None),
            ("i", "c-1", 0.7, None),
            ("t1", "c-1", 0.9, "synthetic_data"),  # licensed
        ],
        {"c-2": "trial_farm", "c-1": "distillation"},
    )
    got = compare(outcome, TRUTH)
    assert (got["flagged"], got["right"], got["hostile"]) == (3, 2, 4)
    assert got["precision"] == pytest.approx(2 / 3)
    assert got["recall"] == 0.5
    assert got["planted"] == {"pool": {"accounts": 4, "flagged": 2}}
    assert got["wrongly_flagged"] == {"individual": 1}
    assert [row["campaign"] for row in got["campaigns"]] == ["c-1", "c-2"]
    assert got["campaigns"][0]["truth"] == {"pool": 2, "individual": 1, "trial_farm": 1}


def test_nothing_flagged_is_precise_and_finds_nothing() -> None:
    got = compare(_outcome([], {}), TRUTH)
    assert (got["precision"], got["recall"], got["campaigns"]) == (1.0, 0.0, [])


def test_an_output_that_is_taken_is_refused(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old").touch()
    assert run(["demo", "--out", str(tmp_path)]) == 2
    assert "--overwrite" in capsys.readouterr().err
