"""Who is behind the requests of a group: parts of its traffic that one text runs through."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from logs import at, make_log, numbers

import stillhunt.campaigns.tenants as room
from stillhunt.campaigns.log import Log
from stillhunt.campaigns.tenants import Tenant, tenants
from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.requests import REQUESTS
from stillhunt.sketch.columns import sketch_requests
from stillhunt.sketch.keys import KeyRing, key_for

LAB = "Think inside tags, list every assumption, then grade your own answer from one to ten and say why."
SERVICE = "You summarise support tickets of the Harbour Bikes rental shop in three short friendly sentences."
POOL, OUTSIDE = [f"p{i}" for i in range(8)], [f"o{i}" for i in range(30)]
LETTERS = list("abcdefghijklmnopqrstuvwxyz")


def words(rng: np.random.Generator, count: int = 30) -> str:
    return " ".join("".join(rng.choice(LETTERS, 8)) for _ in range(count))


def row(account: str, prompt: str) -> dict[str, Any]:
    return {"account_id": account, "time": at(1), "prompt": prompt, "output_tokens": 10}


def mixed(rng: np.random.Generator, service_outside: bool = False) -> list[dict[str, Any]]:
    """A pool of which a laboratory sends 80 of 240 exchanges and a service 40, and other customers."""
    rows = [row(POOL[i % 8], f"{LAB} {words(rng)}") for i in range(80)]
    rows += [row(POOL[i % 5], f"{SERVICE} {words(rng)}") for i in range(40)]
    rows += [row(POOL[i % 8], words(rng, 40)) for i in range(120)]
    rows += [row(OUTSIDE[i % 30], words(rng, 40)) for i in range(300)]
    return rows + [
        row(OUTSIDE[i % 30], f"{SERVICE} {words(rng)}") for i in range(90 if service_outside else 0)
    ]


def opened(engine: DuckDB, rows: list[dict[str, Any]], labels: dict[str, str] | None = None) -> Log:
    """A log of these prompts, with those that contain a text under a label of its own."""
    made = sketch_requests(
        pa.RecordBatch.from_pylist(rows, pa.schema([REQUESTS.field(name) for name in rows[0]])),
        KeyRing(key_for(b"tenants")),
        keep_text=False,
    )
    requests = made.requests.to_pylist()
    for each, given in zip(requests, rows, strict=True):
        found = [label for text, label in (labels or {}).items() if text in given["prompt"]]
        each["capability"] = None if labels is None else (found or ["conversation"])[0]
    return make_log(engine, requests, None, pa.Table.from_batches([made.texts]))


def of(log: Log, *groups: list[str]) -> list[tuple[Tenant, ...]]:
    found = tenants(log, [numbers(log, *group) for group in groups])
    assert found is not None
    return found


def test_a_pool_falls_into_its_tenants_and_strangers_into_none(engine: DuckDB) -> None:
    log = opened(engine, mixed(np.random.default_rng(1)), {LAB: "grading", SERVICE: "writing"})
    (found,) = of(log, POOL)
    lab, service = found
    assert (lab.accounts, lab.cover, lab.capability) == (8, 1.0, "grading")
    assert (service.accounts, service.cover, service.capability) == (5, 5 / 8, "writing")
    assert lab.requests == pytest.approx(80, abs=2)
    assert service.requests == pytest.approx(40, abs=2)
    assert lab.share == pytest.approx(1 / 3, abs=0.01)
    assert lab.harvested == pytest.approx(1.0, abs=0.05)
    assert service.harvested == pytest.approx(0.0, abs=0.05)
    assert lab.output_tokens == 10 * lab.requests


def test_a_text_that_many_others_send_is_no_tenants(engine: DuckDB) -> None:
    log = opened(engine, mixed(np.random.default_rng(2), service_outside=True))
    (found,) = of(log, POOL)
    assert [tenant.requests for tenant in found] == [pytest.approx(80, abs=4)]
    assert (found[0].capability, found[0].harvested) == (None, None)


def test_strangers_have_no_tenant_and_groups_are_told_apart(engine: DuckDB) -> None:
    log = opened(engine, mixed(np.random.default_rng(3)))
    strangers, pool = of(log, OUTSIDE, POOL)
    assert strangers == ()
    assert len(pool) == 2


def test_a_text_of_two_accounts_is_one_customers(engine: DuckDB) -> None:
    rng = np.random.default_rng(4)
    rows = [row(POOL[i % 2], f"{LAB} {words(rng)}") for i in range(40)]
    rows += [row(POOL[i % 8], words(rng)) for i in range(80)] + [
        row(OUTSIDE[i], words(rng)) for i in range(30)
    ]
    assert of(opened(engine, rows), POOL) == [()]


def test_of_a_large_group_some_texts_are_looked_at_and_counts_are_scaled(
    engine: DuckDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened(engine, mixed(np.random.default_rng(5)))
    monkeypatch.setattr(room, "GROUP_TEXTS", 120)
    monkeypatch.setattr(room, "LOG_TEXTS", 270)
    (found,) = of(log, POOL)
    assert 50 <= found[0].requests <= 110
    assert found[0].requests % 2 == 0
    assert found[0].share == pytest.approx(1 / 3, abs=0.1)


def without_full_sketches(engine: DuckDB, log: Log) -> Log:
    return make_log(engine, log.engine.table("SELECT * EXCLUDE (account) FROM exchanges").to_pylist())


def test_without_full_sketches_a_tenant_is_seen_in_the_bands_that_its_text_decides(engine: DuckDB) -> None:
    rng = np.random.default_rng(6)
    rows = [row(POOL[i % 8], f"{LAB} {words(rng, 6)}") for i in range(120)]
    rows += [row(POOL[i % 8], words(rng, 40)) for i in range(120)]
    rows += [row(OUTSIDE[i % 30], words(rng, 40)) for i in range(300)]
    log = without_full_sketches(engine, opened(engine, rows, {LAB: "grading"}))
    strangers, (lab, *others) = of(log, OUTSIDE, POOL)
    assert (strangers, others) == ((), [])
    assert (lab.accounts, lab.capability) == (8, "grading")
    assert 40 <= lab.requests <= 120
    assert lab.harvested == pytest.approx(1.0, abs=0.05)


def test_without_full_sketches_a_text_that_many_others_send_is_no_tenants(engine: DuckDB) -> None:
    rng = np.random.default_rng(7)
    rows = [
        row(accounts[i % 8], f"{LAB} {words(rng, 6)}") for i in range(120) for accounts in (POOL, OUTSIDE)
    ]
    assert of(without_full_sketches(engine, opened(engine, rows)), POOL) == [()]


def test_without_prompts_nothing_is_said(engine: DuckDB) -> None:
    bare = make_log(engine, [{"account_id": "a", "time": at(1)}])
    assert tenants(bare, [numbers(bare, "a")]) is None
    assert of(opened(engine, mixed(np.random.default_rng(6)))) == []
