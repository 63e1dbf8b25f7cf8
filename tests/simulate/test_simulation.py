"""A log as a whole: repeatable, of the contract's schema, within its window and of the size asked for."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stillhunt.errors import SettingError
from stillhunt.schema.accounts import ACCOUNTS, TRUTH
from stillhunt.schema.requests import REQUESTS
from stillhunt.simulate.scenarios import SCENARIOS, scenario
from stillhunt.simulate.simulation import Simulation, simulate, stream, window

_ALWAYS = (
    "time",
    "request_id",
    "account_id",
    "channel",
    "model",
    "status",
    "prompt",
    "client_ip",
    "asn",
    "country",
)
_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "stream",
    "reasoning",
    "tools",
    "latency_ms",
)


def test_equal_seeds_give_equal_bytes() -> None:
    first, second = simulate("demo", 3, 0.1), simulate("demo", 3, 0.1)
    assert _bytes(first.requests) == _bytes(second.requests)
    assert _bytes(first.accounts) == _bytes(second.accounts)
    assert _bytes(first.truth) == _bytes(second.truth)


def test_other_seeds_give_other_accounts() -> None:
    first, second = simulate("honest", 3, 0.05), simulate("honest", 4, 0.05)
    assert not set(first.accounts["account_id"].to_pylist()) & set(second.accounts["account_id"].to_pylist())


def _bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue().to_pybytes()


def test_tables_have_the_schemas_of_the_contract(demo: Simulation) -> None:
    assert demo.requests.schema == REQUESTS
    assert demo.accounts.schema == ACCOUNTS
    assert demo.truth.schema == TRUTH


def test_accounts_truth_and_requests_name_the_same_accounts(demo: Simulation) -> None:
    accounts = demo.accounts["account_id"].to_pylist()
    assert len(set(accounts)) == len(accounts)
    assert demo.truth["account_id"].to_pylist() == accounts
    assert set(demo.requests["account_id"].unique().to_pylist()) <= set(accounts)


def test_every_request_has_its_own_id(demo: Simulation) -> None:
    assert pc.count_distinct(demo.requests["request_id"]).as_py() == demo.requests.num_rows


def test_requests_lie_in_the_window_and_in_order(demo: Simulation) -> None:
    time = demo.requests["time"].cast(pa.int64()).to_numpy()
    span = window(scenario("demo"))
    assert time.min() >= span.start
    assert time.max() < span.end
    assert (time[1:] >= time[:-1]).all()


@pytest.mark.parametrize("column", _ALWAYS + _COUNTS)
def test_no_row_lacks_what_every_request_has(demo: Simulation, column: str) -> None:
    assert demo.requests[column].null_count == 0


def test_failed_requests_have_no_answer(demo: Simulation) -> None:
    failed = demo.requests.filter(pc.not_equal(demo.requests["status"], 200))
    assert failed.num_rows > 0
    assert pc.sum(failed["output_tokens"]).as_py() == 0
    assert failed["completion"].null_count == failed["finish_reason"].null_count == failed.num_rows


def test_answered_requests_have_one(demo: Simulation) -> None:
    answered = demo.requests.filter(pc.equal(demo.requests["status"], 200))
    assert answered["completion"].null_count == answered["finish_reason"].null_count == 0
    assert pc.min(answered["output_tokens"]).as_py() > 0


def test_cached_tokens_are_part_of_the_input(demo: Simulation) -> None:
    cached, given = demo.requests["cached_input_tokens"], demo.requests["input_tokens"]
    assert pc.all(pc.less_equal(cached, given)).as_py()


def test_accounts_are_opened_before_they_are_used_and_not_used_once_closed(demo: Simulation) -> None:
    used = demo.requests.group_by("account_id").aggregate([("time", "min"), ("time", "max")])
    rows = used.join(demo.accounts.select(["account_id", "created_at", "closed_at"]), "account_id")
    assert pc.all(pc.less_equal(rows["created_at"], rows["time_min"])).as_py()
    closed = rows.filter(pc.is_valid(rows["closed_at"]))
    assert closed.num_rows > 50
    assert pc.all(pc.less_equal(closed["time_max"], closed["closed_at"])).as_py()


def test_scale_multiplies_the_accounts_of_every_kind() -> None:
    half, whole = (_counts(simulate("honest", 2, scale)) for scale in (0.1, 0.2))
    for kind in ("individual", "agent_user", "saas", "enterprise", "university", "trial_farm"):
        assert whole[kind] == pytest.approx(2 * half[kind], rel=0.1, abs=2)


def _counts(log: Simulation) -> dict[str, int]:
    counted = log.truth.group_by("kind").aggregate([("account_id", "count")])
    return dict(zip(counted["kind"].to_pylist(), counted["account_id_count"].to_pylist(), strict=True))


def test_the_demo_has_three_campaigns_of_about_one_percent(demo: Simulation) -> None:
    counts = _counts(demo)
    assert demo.truth.num_rows >= 5000
    assert 0.005 <= counts["distillation"] / demo.truth.num_rows <= 0.02
    named = demo.truth.filter(pc.equal(demo.truth["kind"], "distillation"))["campaign"].unique().to_pylist()
    assert sorted(named) == ["drip", "letter", "small"]


def test_honest_accounts_name_no_campaign(demo: Simulation) -> None:
    pooled = pc.is_in(demo.truth["kind"], pa.array(["distillation", "reseller"]))
    assert demo.truth.filter(pooled)["campaign"].null_count == 0
    assert (
        demo.truth.filter(pc.invert(pooled))["campaign"].null_count
        == demo.truth.num_rows - pc.sum(pooled).as_py()
    )


def test_the_honest_profile_has_no_distillation() -> None:
    assert "distillation" not in _counts(simulate("honest", 1, 0.1))


def test_a_component_changes_no_other() -> None:
    """Honest accounts, and all that they do, are the same with and without a campaign beside them."""
    beside, alone = simulate("letter", 6, 0.05), simulate("honest", 6, 0.05)
    honest = pc.is_in(beside.requests["account_id"], alone.truth["account_id"].combine_chunks())
    assert beside.requests.num_rows > alone.requests.num_rows
    assert beside.requests.filter(honest).equals(alone.requests)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), 1e9])
def test_a_scale_out_of_range_is_refused(scale: float) -> None:
    with pytest.raises(SettingError, match="scale above 0"):
        list(stream("demo", 1, scale))


def test_an_unknown_profile_is_refused_and_the_known_named() -> None:
    with pytest.raises(SettingError) as refused:
        scenario("nobody")
    assert all(name in str(refused.value) for name in SCENARIOS)


_CATALOGUES = {
    "requests": (
        "channel",
        "model",
        "asn",
        "country",
        "user_agent",
        "tls_fingerprint",
        "status",
        "finish_reason",
        "max_tokens",
    ),
    "accounts": ("payment_issuer", "payment_country", "country", "verification", "plan"),
}


@pytest.mark.parametrize(("table", "column"), [(t, c) for t, columns in _CATALOGUES.items() for c in columns])
def test_hostile_accounts_use_nothing_that_honest_ones_do_not(
    demo: Simulation, table: str, column: str
) -> None:
    hostile = demo.truth.filter(pc.equal(demo.truth["kind"], "distillation"))["account_id"].combine_chunks()
    rows: pa.Table = getattr(demo, table)
    theirs = pc.is_in(rows["account_id"], hostile)
    values, others = (set(rows.filter(mask)[column].to_pylist()) for mask in (theirs, pc.invert(theirs)))
    assert len(values - others) <= len(others) // 100  # in a small log somebody is alone with a small carrier


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("requests", "request_id"),
        ("requests", "account_id"),
        ("requests", "api_key_id"),
        ("requests", "session_id"),
        ("requests", "device_id"),
        ("requests", "reasoning_signature"),
        ("accounts", "payment_fingerprint"),
        ("accounts", "org_id"),
    ],
)
def test_identifiers_look_alike_whoever_they_belong_to(demo: Simulation, table: str, column: str) -> None:
    """One length, and first digits that are evenly spread among the few and among the many."""
    rows: pa.Table = getattr(demo, table)
    values = pc.unique(rows[column].drop_null())
    assert pc.count_distinct(pc.utf8_length(values)).as_py() == 1
    digits = pc.value_counts(pc.utf8_slice_codeunits(values, -6, -5)).field("counts").to_numpy()
    assert len(digits) == 16
    assert digits.max() < 2 * digits.mean() + 20
