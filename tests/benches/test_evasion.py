"""Knobs are turned one at a time; of a group that shares one thing, one signal says so."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from bench import evasion
from bench.evasion import BASE, HAND_OFF, KNOBS, SMALL, Cost, dead, rows, tell, tied, world
from bench.simulated import account_ids, opened
from folders import START, write_log

from stillhunt.campaigns.pipeline import ScanSettings, find_groups
from stillhunt.campaigns.stages import Stages
from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.progress import Silent
from stillhunt.simulate.operators import Operator


def test_every_knob_turns_something_and_the_honest_traffic_stays() -> None:
    (base,) = KNOBS[BASE]
    for knob, operators in KNOBS.items():
        (operator,) = operators
        turned = [f.name for f in fields(Operator) if getattr(operator, f.name) != getattr(base, f.name)]
        assert bool(turned) == (knob != BASE)
        assert world(knob).accounts == world(BASE).accounts
        assert (operator.name, operator.accounts, operator.rate) == (base.name, base.accounts, base.rate)
    assert set(SMALL) <= set(KNOBS)


def test_a_signal_is_dead_where_it_spoke_in_the_base_and_does_not_here() -> None:
    base = {"address": 80.0, "device": 9.0, "turns": 3.0, "card": 50.0}
    assert dead(base, {"address": 2.0, "device": 8.0, "turns": 0.0}) == ["address", "card"]


def test_accounts_that_share_a_device_are_tied_by_that_signal(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    asked = [
        {
            "account_id": f"a{account:03d}",
            "time": START + timedelta(hours=float(rng.random() * 96)),
            "device_id": "shared" if account < 8 else f"d{account // 2}",
            "client_ip": f"192.0.2.{account}",
            "prompt": f"question {account} {number}",
            "status": 200,
        }
        for account in range(120)
        for number in range(4)
    ]
    people = [{"account_id": f"a{account:03d}", "email_domain": f"m{account}.test"} for account in range(120)]
    write_log(tmp_path / "log", [asked], people)
    with DuckDB(memory="1GB", threads=1) as engine:
        log, seen = opened(tmp_path / "log", tmp_path / "lake", engine)
        scan = find_groups(log, seen, ScanSettings(null_runs=5, threads=1), Stages(Silent()))
        ids = account_ids(log)
        group = np.array([ids.index(f"a{account:03d}") for account in range(8)], dtype=np.int32)
        families, signals = tied(scan.evidence, scan.conduct, group)
    assert signals["shares_device"] > 10.0
    assert families["network"] == pytest.approx(signals["shares_device"], abs=3.0)
    others = {name: nats for name, nats in signals.items() if name != "shares_device"}
    assert max(others.values()) < 5.0
    assert {HAND_OFF, "timing"} < set(others)


def test_the_table_names_what_died(monkeypatch: pytest.MonkeyPatch) -> None:
    base = Cost(50, 50, 50, 1000, 0, {"network": [90.0, 70.0, 80.0]}, {"shares_address": [99.0, 98.0, 97.0]})
    turned = Cost(50, 40, 45, 1000, 2, {"network": [1.0, 2.0, 30.0]}, {"shares_address": [0.0, 1.0, 20.0]})
    made = [*rows(BASE, base), *rows("own_addresses", turned)]
    written: list[str] = []
    monkeypatch.setattr(evasion, "write_between", lambda name, lines: written.extend([name, *lines]))
    tell([vars(row) for row in made])
    assert [cell.strip() for cell in written[4].split("|")[1:-1]] == [
        "`own_addresses`", "50", "0.80 (0.66–0.90)", "0.90", "2 of 1,000", "2", "`shares_address`",
    ]  # fmt: skip
    assert written[3].endswith("| 80 |  |")
