"""Honest kinds have the traits by which they resemble campaigns, and campaigns those that are reported of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stillhunt.simulate.clock import HOUR
from stillhunt.simulate.scenarios import scenario
from stillhunt.simulate.simulation import Simulation, window

Members = Callable[[str], set[str]]


def _of(table: pa.Table, accounts: set[str]) -> pa.Table:
    return table.filter(pc.is_in(table["account_id"], pa.array(sorted(accounts), pa.string())))


def _counts(table: pa.Table, column: str) -> np.ndarray:
    counted = table.group_by(column).aggregate([("account_id", "count")])
    counts = counted["account_id_count"].to_numpy()
    return np.sort(counts)[::-1]


def _hours(table: pa.Table) -> np.ndarray:
    hours = table["time"].cast(pa.int64()).to_numpy() // HOUR % 24
    return np.bincount(hours, minlength=24)


def test_individuals_have_a_heavy_tail(demo: Simulation, members: Members) -> None:
    counts = _counts(_of(demo.requests, members("individual")), "account_id")
    busiest = counts[: len(counts) // 100].sum() / counts.sum()
    assert busiest > 0.05
    assert counts.max() > 20 * np.median(counts)


def test_people_sleep(demo: Simulation, members: Members) -> None:
    """Within one country the quietest hours carry far less than the busiest."""
    table = _of(demo.requests, members("individual"))
    for country in ("US", "IN"):
        hours = np.sort(_hours(table.filter(pc.equal(table["country"], country))))
        assert hours[:6].sum() < 0.4 * hours[-6:].sum()


def test_people_converse(demo: Simulation, members: Members) -> None:
    table = _of(demo.requests, members("individual"))
    turns = _counts(table.filter(pc.is_valid(table["session_id"])), "session_id")
    assert turns.mean() > 2
    assert (turns == 1).mean() > 0.1


@pytest.mark.parametrize("column", ["client_ip", "user_agent", "tls_fingerprint", "system_prompt", "asn"])
def test_strangers_share_what_is_popular(demo: Simulation, members: Members, column: str) -> None:
    table = _of(demo.requests, members("individual"))
    pairs = table.group_by([column, "account_id"]).aggregate([]).filter(pc.is_valid(pc.field(column)))
    assert _counts(pairs, column)[0] >= 5


def test_enterprises_share_an_office_and_a_card(demo: Simulation, members: Members) -> None:
    accounts = _of(demo.accounts, members("enterprise"))
    for column in ("payment_fingerprint", "signup_ip", "email_domain", "org_id"):
        assert np.median(_counts(accounts, column)) >= 3
    requests = _of(demo.requests, members("enterprise"))
    pairs = requests.group_by(["client_ip", "account_id"]).aggregate([])
    assert _counts(pairs, "client_ip")[0] >= 10


def test_batch_jobs_come_in_bursts(demo: Simulation, members: Members) -> None:
    """A tenth of an enterprise account's active hours carries most of its requests; the top account far more."""
    requests = _of(demo.requests, members("enterprise"))
    counts = _counts(requests, "account_id")
    assert counts[0] > 0.03 * counts.sum()
    assert _gap_variation(requests) > 2


def _gap_variation(requests: pa.Table) -> float:
    """Median coefficient of variation of gaps between an account's requests, of accounts with enough of them."""
    ordered = requests.sort_by([("account_id", "ascending"), ("time", "ascending")])
    account = ordered["account_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    time = ordered["time"].cast(pa.int64()).to_numpy()
    spreads = []
    for number in np.unique(account):
        gaps = np.diff(time[account == number])
        if len(gaps) >= 50:
            spreads.append(gaps.std() / gaps.mean())
    return float(np.median(spreads))


def test_a_course_asks_the_same_questions(demo: Simulation, members: Members) -> None:
    requests = _of(demo.requests, members("university"))
    pairs = requests.group_by(["prompt", "account_id"]).aggregate([])
    assert _counts(pairs, "prompt")[0] >= 10


def test_agent_users_share_nothing_but_their_agent(demo: Simulation, members: Members) -> None:
    requests, accounts = (_of(table, members("agent_user")) for table in (demo.requests, demo.accounts))
    assert pc.count_distinct(requests["system_prompt"]).as_py() <= 4
    assert (
        _counts(accounts.filter(pc.is_valid(accounts["payment_fingerprint"])), "payment_fingerprint")[0] == 1
    )


def test_evaluators_send_the_same_items_when_a_model_appears(demo: Simulation, members: Members) -> None:
    requests = _of(demo.requests, members("evaluation"))
    new = pc.starts_with(requests["model"], "alto-5")
    assert 0.2 < pc.mean(new.cast(pa.float64())).as_py() < 0.95
    pairs = requests.group_by(["prompt", "account_id"]).aggregate([])
    assert _counts(pairs, "prompt")[0] >= 5
    assert _of(demo.accounts, members("evaluation"))["authorised_use"].null_count > 0


def test_trial_farms_are_people_on_one_trial_after_another(demo: Simulation, members: Members) -> None:
    accounts = _of(demo.accounts, members("trial_farm"))
    assert set(accounts["plan"].to_pylist()) == {"trial"}
    devices = _of(demo.requests, members("trial_farm")).group_by(["device_id", "account_id"]).aggregate([])
    assert _counts(devices.filter(pc.is_valid(devices["device_id"])), "device_id")[0] >= 3


def test_more_than_one_sign_up_in_ten_is_some_multi_account_abuse(demo: Simulation, members: Members) -> None:
    start = pa.scalar(window(scenario("demo")).start, pa.int64()).cast(
        demo.accounts.schema.field("created_at").type
    )
    young = demo.accounts.filter(pc.greater_equal(demo.accounts["created_at"], start))
    abuse = members("trial_farm") | members("reseller") | members("distillation")
    assert _of(young, abuse).num_rows / young.num_rows > 0.1


def _distinct_per_account(table: pa.Table, column: str) -> np.ndarray:
    counted = table.group_by("account_id").aggregate([(column, "count_distinct"), ("time", "count")])
    busy = counted.filter(pc.greater(counted["time_count"], 30))
    return busy[f"{column}_count_distinct"].to_numpy()


def test_build_runners_show_many_addresses_and_programs_on_one_account(
    demo: Simulation, members: Members
) -> None:
    requests = _of(demo.requests, members("ci"))
    assert np.median(_distinct_per_account(requests, "client_ip")) > 10
    assert np.median(_distinct_per_account(requests, "user_agent")) >= 2
    assert _gap_variation(requests) > 2


def test_gateways_strip_what_identifies_their_users(demo: Simulation, members: Members) -> None:
    requests = _of(demo.requests, members("gateway"))
    assert np.median(_distinct_per_account(requests, "user_agent")) == 1
    assert np.median(_distinct_per_account(requests, "client_ip")) <= 3
    assert np.median(_distinct_per_account(requests, "prompt")) > 20
    assert "resale" in _of(demo.accounts, members("gateway"))["authorised_use"].to_pylist()


def test_licensed_vendors_work_as_campaigns_do_under_a_licence(demo: Simulation, members: Members) -> None:
    accounts, requests = (_of(table, members("synthetic_data")) for table in (demo.accounts, demo.requests))
    assert set(accounts["authorised_use"].to_pylist()) == {"synthetic_data"}
    assert _counts(accounts, "payment_fingerprint")[0] >= 3
    heads = pc.value_counts(pc.utf8_slice_codeunits(requests["prompt"], 0, 40))
    assert heads.field("counts").to_numpy().max() > 0.1 * requests.num_rows
    assert _hours(requests).min() > 0.3 * _hours(requests).max()


def test_a_migration_closes_old_accounts_and_loads_new_ones_at_once(
    demo: Simulation, members: Members
) -> None:
    accounts = _of(demo.accounts, members("migration"))
    moved = 0
    for org in accounts["org_id"].unique().to_pylist():
        own = accounts.filter(pc.equal(accounts["org_id"], org))
        old, new = own.filter(pc.is_valid(own["closed_at"])), own.filter(pc.is_null(own["closed_at"]))
        if old.num_rows and new.num_rows:
            assert pc.min(new["created_at"]).as_py() > pc.max(old["created_at"]).as_py()
            assert pc.max(new["created_at"]).as_py() < pc.min(old["closed_at"]).as_py()
            moved += 1
    assert moved >= 2


def test_agencies_open_accounts_together_on_one_card(demo: Simulation, members: Members) -> None:
    accounts = _of(demo.accounts, members("agency"))
    for column in ("payment_fingerprint", "email_domain", "signup_ip"):
        assert np.median(_counts(accounts, column)) >= 3
    assert accounts["org_id"].null_count == accounts.num_rows


def test_vpn_users_sit_behind_the_same_exits_and_share_nothing_else(
    demo: Simulation, members: Members
) -> None:
    requests, accounts = (_of(table, members("vpn_user")) for table in (demo.requests, demo.accounts))
    assert _counts(requests.group_by(["client_ip", "account_id"]).aggregate([]), "client_ip")[0] >= 5
    paying = accounts.filter(pc.is_valid(accounts["payment_fingerprint"]))
    assert _counts(paying, "payment_fingerprint")[0] == 1


def test_big_relays_resell_and_harvest_nothing(demo: Simulation, members: Members) -> None:
    truth = demo.truth.to_pylist()
    relays = {row["account_id"] for row in truth if (row["campaign"] or "").startswith("big-relay")}
    assert len(relays) >= 40
    assert relays <= members("reseller")


def test_a_letter_pool_takes_turns(demo: Simulation, members: Members) -> None:
    """Requests per account of a pool that is scheduled by last use hardly differ; individuals' do."""
    closed = demo.accounts.filter(pc.is_valid(demo.accounts["closed_at"]))["account_id"].to_pylist()
    requests = _of(demo.requests, members("letter") - set(closed))
    time = requests["time"].cast(pa.int64()).to_numpy()
    middle = requests.filter(pa.array((time > np.quantile(time, 0.2)) & (time < np.quantile(time, 0.95))))
    counts = _counts(middle, "account_id")
    steady = counts[counts > np.median(counts) / 2]
    assert steady.std() / steady.mean() < 0.35
    people = _counts(_of(demo.requests, members("individual")), "account_id")
    assert people.std() / people.mean() > 1
