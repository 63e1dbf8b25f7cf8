"""Each campaign shape has the traits that are reported of it, and each knob of evasion does what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stillhunt.simulate.clock import DAY
from stillhunt.simulate.scenarios import EVASION, SCENARIOS, Scenario
from stillhunt.simulate.simulation import Simulation, simulate

Log = Callable[[str], Simulation]


def _alone(one: Scenario) -> Scenario:
    """A profile with hardly anybody but its operators."""
    return replace(one, accounts={"individuals": 5}, relays=0)


@pytest.fixture(scope="module")
def shape() -> Log:
    """The pools of a profile, or of a knob of evasion, each simulated once."""
    known: dict[str, Simulation] = {}

    def of(name: str) -> Simulation:
        if name not in known:
            known[name] = simulate(_alone(SCENARIOS.get(name) or EVASION[name]), 4)
        return known[name]

    return of


def _hostile(log: Simulation, table: str, name: str | None = None) -> pa.Table:
    rows: pa.Table = getattr(log, table)
    chosen = pc.equal(log.truth["kind"], "distillation")
    if name is not None:
        chosen = pc.and_(chosen, pc.equal(log.truth["campaign"], name))
    return rows.filter(pc.is_in(rows["account_id"], log.truth.filter(chosen)["account_id"].combine_chunks()))


def _shared(accounts: pa.Table, column: str) -> float:
    """Accounts per distinct value, of those that have one."""
    values = accounts[column].drop_null()
    return len(values) / max(1, pc.count_distinct(values).as_py())


def _per_day(log: Simulation, name: str | None = None) -> float:
    """Requests per account and day in use, before thinning."""
    requests = _hostile(log, "requests", name)
    spans = requests.group_by("account_id").aggregate([("time", "min"), ("time", "max"), ("time", "count")])
    days = pc.divide(pc.subtract(spans["time_max"], spans["time_min"]).cast(pa.int64()), DAY)
    used = np.maximum(days.to_numpy(), 1) + 0.5
    return float(pc.sum(spans["time_count"]).as_py() / used.sum() / SCENARIOS["letter"].thin)


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in ("honest", "demo")])
def test_hostile_accounts_are_a_hundredth_or_less(shape: Log, name: str) -> None:
    honest = sum(SCENARIOS["honest"].accounts.values())
    hostile = pc.sum(pc.equal(shape(name).truth["kind"], "distillation")).as_py()
    assert hostile >= 30
    assert hostile / (honest + hostile) <= 0.011


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("letter", 15, 35), ("relay_sessions", 6, 46), ("drip", 6, 20), ("rotated", 500, 4000)],
)
def test_shapes_keep_their_rate_per_account_and_day(shape: Log, name: str, least: float, most: float) -> None:
    assert least < _per_day(shape(name)) < most


def test_the_second_pool_takes_over_what_the_banned_one_did(shape: Log) -> None:
    log = shape("two_pools")
    first = _hostile(log, "accounts", "two_pools-a")
    assert first["closed_at"].null_count == 0
    closed = pc.max(first["closed_at"]).as_py()
    later = _hostile(log, "requests", "two_pools-b")
    before, after = (
        later.filter(compare(later["time"], closed)).num_rows for compare in (pc.less, pc.greater)
    )
    assert after > before
    systems = [
        set(_hostile(log, "requests", f"two_pools-{pool}")["system_prompt"].drop_null().to_pylist())
        for pool in "ab"
    ]
    assert systems[0] & systems[1]


def test_the_first_reports_are_three_operators_of_whom_one_jumps_to_the_new_model(shape: Log) -> None:
    log = shape("first_reports")
    names = set(_hostile(log, "truth")["campaign"].to_pylist())
    assert names == {"first_reports-a", "first_reports-b", "first_reports-c"}
    assert _shared(_hostile(log, "accounts"), "payment_fingerprint") > 2
    requests = _hostile(log, "requests", "first_reports-c")
    new = pc.starts_with(requests["model"], "alto-5")
    release = pc.min(requests.filter(new)["time"])
    day = pc.and_(
        pc.greater_equal(requests["time"], release),
        pc.less(requests["time"].cast(pa.int64()), release.cast(pa.int64()).as_py() + int(1.5 * DAY)),
    )
    assert pc.mean(new.filter(day).cast(pa.float64())).as_py() > 0.25


def test_relayed_sessions_carry_signed_reasoning_from_one_account_to_another(shape: Log) -> None:
    requests = _hostile(shape("relay_sessions"), "requests")
    signed = requests.filter(pc.is_valid(requests["reasoning_signature"]))
    pairs = signed.group_by(["reasoning_signature", "account_id"]).aggregate([])
    assert pairs.num_rows > pc.count_distinct(signed["reasoning_signature"]).as_py() * 1.05


def test_a_harness_sends_one_popular_system_prompt(shape: Log) -> None:
    requests = _hostile(shape("harness"), "requests")
    assert pc.count_distinct(requests["system_prompt"]).as_py() == 1


def test_rotated_accounts_are_burnt_in_days_and_replaced(shape: Log) -> None:
    accounts = _hostile(shape("rotated"), "accounts")
    assert accounts["closed_at"].null_count < 0.4 * accounts.num_rows
    assert accounts.num_rows > 3 * SCENARIOS["rotated"].operators[0].accounts


def test_drip_runs_on_free_trials(shape: Log) -> None:
    accounts = _hostile(shape("drip"), "accounts")
    assert set(accounts["plan"].to_pylist()) == {"trial"}


def test_a_small_pool_starts_together_on_shared_cards_and_machines(shape: Log) -> None:
    log = shape("small")
    accounts = _hostile(log, "accounts")
    created = accounts["created_at"].cast(pa.int64()).to_numpy()
    assert np.quantile(created, 0.9) - np.quantile(created, 0.1) < DAY / 2
    assert _shared(accounts, "payment_fingerprint") > 3
    devices = _hostile(log, "requests").group_by(["device_id", "account_id"]).aggregate([])
    assert _shared(devices, "device_id") > 1.4


def test_a_third_of_a_mixed_pool_is_the_laboratorys(shape: Log) -> None:
    requests = _hostile(shape("mixed"), "requests")
    heads = [prompt[:40] for prompt in requests["prompt"].to_pylist()]
    _, counts = np.unique(heads, return_counts=True)
    assert 0.1 < counts.max() / len(heads) < 0.5


def test_probing_is_mostly_refused_and_comes_before_volume(shape: Log) -> None:
    log = shape("probe")
    probing, volume = (_hostile(log, "requests", name) for name in ("probe", "probe-volume"))
    refused = [
        pc.mean(pc.equal(rows["finish_reason"], "refusal").cast(pa.float64())).as_py()
        for rows in (probing, volume)
    ]
    assert refused[0] > 0.6
    assert refused[1] < 0.1
    tried, carried = (rows["time"].cast(pa.int64()).to_numpy() for rows in (probing, volume))
    assert np.quantile(tried, 0.95) < np.quantile(carried, 0.05)


@pytest.mark.parametrize(
    ("knob", "column", "table"),
    [("own_cards", "payment_fingerprint", "accounts"), ("own_addresses", "signup_ip", "accounts")],
)
def test_own_things_are_not_shared(shape: Log, knob: str, column: str, table: str) -> None:
    assert _shared(_hostile(shape("reusing"), table), column) > 1.8
    assert _shared(_hostile(shape(knob), table), column) < 1.1


def test_own_devices_are_not_shared(shape: Log) -> None:
    shared = []
    for knob in ("reusing", "own_devices"):
        pairs = _hostile(shape(knob), "requests").group_by(["device_id", "account_id"]).aggregate([])
        shared.append(_shared(pairs, "device_id"))
    assert shared[0] > 1.4
    assert shared[1] < 1.1


def test_fresh_exits_are_new_with_each_session(shape: Log) -> None:
    requests = _hostile(shape("fresh_exits"), "requests")
    per_account = requests.group_by("account_id").aggregate([("client_ip", "count_distinct")])
    assert pc.mean(per_account["client_ip_count_distinct"]).as_py() > 8


def test_rewriting_takes_the_common_head_away(shape: Log) -> None:
    share = []
    for knob in ("reusing", "paraphrased", "rewritten", "bare_tasks"):
        prompts = _hostile(shape(knob), "requests")["prompt"].to_pylist()
        _, counts = np.unique([prompt[:60] for prompt in prompts], return_counts=True)
        share.append(counts.max() / len(prompts))
    assert share[0] > 2 * share[1] > 2 * share[2] > 0
    assert share[3] < share[1]


def test_a_slow_ramp_brings_volume_late(shape: Log) -> None:
    first_days = []
    for knob in ("reusing", "slow_ramp"):
        time = _hostile(shape(knob), "requests")["time"].cast(pa.int64()).to_numpy()
        first_days.append((time < time.min() + 3 * DAY).mean())
    assert first_days[1] < 0.6 * first_days[0]


def test_human_rhythm_leaves_a_night_to_each_account(shape: Log) -> None:
    quiet = []
    for knob in ("reusing", "human_rhythm"):
        requests = _hostile(shape(knob), "requests")
        hour = pc.hour(requests["time"]).to_numpy()
        account = requests["account_id"].combine_chunks().dictionary_encode().indices.to_numpy()
        used = np.zeros((account.max() + 1, 24), dtype=bool)
        used[account, hour] = True
        rolled = np.stack([np.roll(used, -shift, axis=1)[:, :6].any(axis=1) for shift in range(24)])
        quiet.append((~rolled).any(axis=0).mean())
    assert quiet[1] > quiet[0] + 0.2


def test_decoys_dilute_the_harvest(shape: Log) -> None:
    instructed = []
    for knob in ("reusing", "decoys"):
        prompts = _hostile(shape(knob), "requests")["prompt"].to_pylist()
        _, counts = np.unique([prompt[:40] for prompt in prompts], return_counts=True)
        instructed.append(np.sort(counts)[-3:].sum() / len(prompts))
    assert instructed[1] < 0.75 * instructed[0]


def test_replayed_conversations_have_follow_ups_and_no_instruction(shape: Log) -> None:
    prompts = _hostile(shape("replay"), "requests")["prompt"].to_pylist()
    _, counts = np.unique([prompt[:60] for prompt in prompts], return_counts=True)
    assert counts.max() < 0.1 * len(prompts)


def test_failing_over_opens_no_new_accounts(shape: Log) -> None:
    assert _hostile(shape("fail_over"), "truth").num_rows <= EVASION["fail_over"].operators[0].accounts
    assert _hostile(shape("reusing"), "truth").num_rows > EVASION["reusing"].operators[0].accounts


def test_every_knob_of_evasion_is_a_profile_of_its_own() -> None:
    reusing = EVASION["reusing"].operators
    assert all(one.operators != reusing for name, one in EVASION.items() if name != "reusing")


def test_an_account_that_carries_any_harvest_is_distillation_and_the_rest_of_the_pool_is_not() -> None:
    one = _alone(SCENARIOS["mixed"])
    lean = replace(one.operators[0], customers_share=0.985)
    log = simulate(replace(one, operators=(lean,)), 2)
    kinds = log.truth.filter(pc.is_valid(log.truth["campaign"]))["kind"].to_pylist()
    assert {"distillation", "reseller"} == set(kinds)
