"""The check against labels that leak finds a leak, and finds none where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from stillhunt.simulate.leaks import is_fixed, leaks
from stillhunt.simulate.simulation import Simulation, simulate


@pytest.fixture(scope="module")
def quiet() -> Simulation:
    """An honest log of which a twentieth is called hostile at random."""
    log = simulate("honest", 3, 0.15)
    kinds = np.array(log.truth["kind"].to_pylist(), dtype=object)
    kinds[np.random.default_rng(1).random(len(kinds)) < 0.05] = "distillation"
    place = log.truth.column_names.index("kind")
    return replace(log, truth=log.truth.set_column(place, "kind", pa.array(kinds, pa.string())))


def _changed(log: Simulation, table: str, column: str, values: list[object]) -> Simulation:
    old: pa.Table = getattr(log, table)
    place = old.column_names.index(column)
    new = old.set_column(place, old.schema.field(column), pa.array(values, old.schema.field(column).type))
    return replace(log, **{table: new})


def test_labels_drawn_at_random_leak_nowhere(quiet: Simulation) -> None:
    found = leaks(quiet)
    assert len(found) > 100
    assert found[0].auc < 0.72


def test_every_column_is_looked_at(quiet: Simulation) -> None:
    looked = {leak.column for leak in leaks(quiet)}
    assert {f"requests.{name}" for name in quiet.requests.column_names} <= looked
    assert {f"accounts.{name}" for name in quiet.accounts.column_names} <= looked


def test_a_column_that_gives_the_label_away_comes_first(quiet: Simulation) -> None:
    hostile = {row["account_id"] for row in quiet.truth.to_pylist() if row["kind"] == "distillation"}
    accounts = quiet.accounts["account_id"].to_pylist()
    codes = ["contract" if account in hostile else "card" for account in accounts]
    best = leaks(_changed(quiet, "accounts", "verification", list(codes)))[0]
    assert best.column == "accounts.verification"
    assert best.auc > 0.95
    issued = [
        f"acct{'0' if account in hostile else '9'}{number:08d}" for number, account in enumerate(accounts)
    ]
    best = leaks(_changed(quiet, "accounts", "email_domain", list(issued)))[0]
    assert best.name == "accounts.email_domain alphabetical"
    assert best.auc > 0.95


def test_a_missing_value_that_gives_the_label_away_comes_first(quiet: Simulation) -> None:
    hostile = {row["account_id"] for row in quiet.truth.to_pylist() if row["kind"] == "distillation"}
    senders = quiet.requests["account_id"].to_pylist()
    sessions = quiet.requests["session_id"].to_pylist()
    shown = [s or "sess_0" if a in hostile else None for a, s in zip(senders, sessions, strict=True)]
    best = leaks(_changed(quiet, "requests", "session_id", list(shown)))[0]
    assert best.column == "requests.session_id"
    assert best.auc > 0.95


def test_a_log_of_one_side_only_is_refused() -> None:
    with pytest.raises(ValueError, match="only one of the two"):
        leaks(simulate("honest", 3, 0.02))


def test_fixed_columns_are_named_by_their_beginning() -> None:
    assert is_fixed("accounts.payment_issuer missing", ("accounts.payment",))
    assert not is_fixed("requests.time hour", ("accounts.payment",))
    assert not is_fixed("requests.time hour", ())
