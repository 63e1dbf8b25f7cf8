"""Which signals a log can feed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillhunt.schema.accounts import ACCOUNTS
from stillhunt.schema.campaigns import CHANNELS
from stillhunt.schema.coverage import SIGNAL_NEEDS, coverage
from stillhunt.schema.requests import LAKE_REQUESTS_WITH_TEXT

EVERYTHING = dict.fromkeys(LAKE_REQUESTS_WITH_TEXT.names, 1.0)
SHARES = st.dictionaries(st.sampled_from(LAKE_REQUESTS_WITH_TEXT.names), st.sampled_from((0.0, 0.001, 1.0)))
ACCOUNT_COLUMNS = st.sets(st.sampled_from(ACCOUNTS.names))


def test_needs_name_columns_and_channels_that_exist() -> None:
    for signal, need in SIGNAL_NEEDS.items():
        assert need.channel in CHANNELS, signal
        assert {*need.requests, *(name for group in need.any_of for name in group)} <= set(EVERYTHING), signal
        assert set(need.accounts) <= set(ACCOUNTS.names), signal


def test_a_full_log_feeds_every_signal() -> None:
    seen = coverage(EVERYTHING, ACCOUNTS.names)
    assert set(seen.active) == set(SIGNAL_NEEDS)
    assert seen.missing == {}


@pytest.mark.parametrize(
    ("filled", "accounts", "signal", "missing"),
    [
        ({}, (), "takes_turns", ("time",)),
        ({"time": 1.0}, (), "takes_turns", None),
        ({"client_ip": 0.0}, (), "shares_address", ("client_ip",)),
        ({"client_ip": 0.01}, (), "shares_address", None),
        ({"user_agent": 1.0}, (), "shares_client_stack", ("tls_fingerprint",)),
        ({"prompt": 1.0}, (), "prompts_share_template", None),
        ({"prompt_sketch": 1.0}, (), "prompts_share_template", None),
        ({}, (), "prompts_share_template", ("prompt_sketch or prompt",)),
        ({"prompt": 1.0}, (), "hands_off_after_refusal", ("status or finish_reason",)),
        ({"prompt": 1.0, "finish_reason": 0.5}, (), "hands_off_after_refusal", None),
        ({}, ("created_at",), "signs_up_together", None),
        ({}, ("created_at",), "replaces_banned_account", ("accounts.closed_at",)),
        ({"created_at": 1.0}, (), "signs_up_together", ("accounts.created_at",)),
    ],
)
def test_table(
    filled: dict[str, float], accounts: tuple[str, ...], signal: str, missing: tuple[str, ...] | None
) -> None:
    seen = coverage(filled, accounts)
    assert seen.missing.get(signal) == missing
    assert (signal in seen.active) == (missing is None)


@given(SHARES, ACCOUNT_COLUMNS, SHARES, ACCOUNT_COLUMNS)
def test_every_signal_is_on_or_missing_and_more_columns_switch_none_off(
    filled: dict[str, float], accounts: set[str], more: dict[str, float], more_accounts: set[str]
) -> None:
    seen = coverage(filled, accounts)
    assert sorted([*seen.active, *seen.missing]) == sorted(SIGNAL_NEEDS)
    richer = {name: max(filled.get(name, 0.0), more.get(name, 0.0)) for name in {*filled, *more}}
    assert set(seen.active) <= set(coverage(richer, accounts | more_accounts).active)
