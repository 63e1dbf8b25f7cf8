"""A long task list is worked through in parts: the same pool as in one go."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stillhunt.simulate import campaign
from stillhunt.simulate.scenarios import scenario
from stillhunt.simulate.scene import Batch, build_scene
from stillhunt.simulate.simulation import window

PARTS = 5


def pool(monkeypatch: pytest.MonkeyPatch, parts: int) -> list[Batch]:
    one = scenario("letter")
    (operator,) = one.operators
    monkeypatch.setattr(
        campaign, "_PART", operator.accounts * operator.rate * one.thin * one.days / parts + 1
    )
    scene = build_scene(7, window(one), one.thin)
    return list(campaign.campaign(scene, scene.seeds.child("pool", operator.name), operator))


def test_a_pool_in_parts_is_the_same_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = pool(monkeypatch, 1), pool(monkeypatch, PARTS)
    assert (len(whole), len(parts)) == (1, PARTS + 1)
    (one,) = whole
    requests = pa.concat_tables([batch.requests for batch in parts])
    accounts = pa.concat_tables([batch.accounts for batch in parts])
    truth = pa.concat_tables([batch.truth for batch in parts])
    assert requests.num_rows == pytest.approx(one.requests.num_rows, rel=0.06)
    assert accounts.num_rows == pytest.approx(one.accounts.num_rows, rel=0.15)
    assert set(requests["account_id"].to_pylist()) <= set(accounts["account_id"].to_pylist())
    assert len(set(accounts["account_id"].to_pylist())) == accounts.num_rows
    assert accounts["account_id"].to_pylist() == truth["account_id"].to_pylist()
    assert set(truth["kind"].to_pylist()) == set(one.truth["kind"].to_pylist()) == {"distillation"}
    assert set(truth["campaign"].to_pylist()) == set(one.truth["campaign"].to_pylist())
    assert pc.count_distinct(requests["request_id"]).as_py() == requests.num_rows


def test_parts_follow_one_another_and_share_settings_and_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [batch.requests for batch in pool(monkeypatch, PARTS)[:-1]]
    middle = [float(np.median(part["time"].cast(pa.int64()).to_numpy())) for part in parts]
    assert middle == sorted(middle)
    settings = [
        set(zip(part["max_tokens"].to_pylist(), part["tools"].to_pylist(), strict=True)) for part in parts
    ]
    assert len(settings[0] & settings[-1]) >= len(settings[0]) / 2
    heads = [
        {text.split("\n\n")[0] for text in part["prompt"].to_pylist() if "\n\n" in text} for part in parts
    ]
    assert set.intersection(*heads)
    first, second = (
        {text for text in part["prompt"].to_pylist() if text.split("\n\n")[0] in set.intersection(*heads)}
        for part in parts[:2]
    )
    assert len(first & second) < 0.05 * len(first)
