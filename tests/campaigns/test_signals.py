"""What each signal links, what it does not, and the words that it has for people."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from logs import at, ids, links, make_log, prompt, seen, signal_of, system

from stillhunt.campaigns.moves import hands_off
from stillhunt.campaigns.pipeline import collect
from stillhunt.campaigns.signals.hands_off_after_refusal import hands_off_after_refusal
from stillhunt.campaigns.signals.model import SIGNALS_V1
from stillhunt.campaigns.signals.moves_to_model_together import moves_to_model_together
from stillhunt.campaigns.signals.prompts_share_template import prompts_share_template
from stillhunt.campaigns.signals.replaces_banned_account import replaces_banned_account
from stillhunt.campaigns.signals.replays_reasoning_signature import replays_reasoning_signature
from stillhunt.campaigns.signals.shares_address import shares_address
from stillhunt.campaigns.signals.shares_client_stack import shares_client_stack
from stillhunt.campaigns.signals.shares_device import shares_device
from stillhunt.campaigns.signals.shares_parameters import shares_parameters
from stillhunt.campaigns.signals.shares_payment import shares_payment
from stillhunt.campaigns.signals.shares_registration import shares_registration
from stillhunt.campaigns.signals.shares_system_prompt import shares_system_prompt
from stillhunt.campaigns.signals.signal import Signal, stated_null
from stillhunt.campaigns.signals.signs_up_together import signs_up_together
from stillhunt.campaigns.signals.starts_together import starts_together
from stillhunt.campaigns.turns import keeps_time, takes_turns
from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.campaigns import CHANNELS
from stillhunt.schema.coverage import SIGNAL_NEEDS

Row = dict[str, Any]


def sent(account: str, **facts: Any) -> Row:
    return {"account_id": account, "time": at(1)} | facts


def person(account: str, **facts: Any) -> Row:
    return {"account_id": account} | facts


def on(accounts: list[Row]) -> list[Row]:
    """One exchange of each of these accounts."""
    return [sent(each["account_id"]) for each in accounts]


def test_prompts_of_one_template_are_linked_whatever_their_text(engine: DuckDB) -> None:
    rows = [
        sent("a", prompt_sketch=prompt("AAAA", "1")),
        sent("a", prompt_sketch=prompt("AAAA", "2")),
        sent("b", prompt_sketch=prompt("AAAA", "3")),
        sent("c", prompt_sketch=prompt("BBBB", "1")),
        sent("d"),
    ]
    log = make_log(engine, rows)
    assert links(log, prompts_share_template(log)) == {"prompt template 41414141": {"a": 2, "b": 1}}


def test_system_prompts_are_linked_by_their_band(engine: DuckDB) -> None:
    rows = [
        sent("a", system_sketch=system("AAAA")),
        sent("b", system_sketch=system("AAAA")),
        sent("b", system_sketch=system("AAAB")),
        sent("c", system_sketch=None),
    ]
    log = make_log(engine, rows)
    assert links(log, shares_system_prompt(log)) == {"system prompt 41414141": {"a": 1, "b": 1}}


def test_a_client_is_agent_and_fingerprint_together(engine: DuckDB) -> None:
    rows = [
        sent("a", user_agent="sdk/1", tls_fingerprint="t1"),
        sent("b", user_agent="sdk/1", tls_fingerprint="t1"),
        sent("c", user_agent="sdk/1", tls_fingerprint="t2"),
        sent("d", user_agent="sdk/2", tls_fingerprint="t1"),
        sent("e", user_agent="sdk/1"),
    ]
    log = make_log(engine, rows)
    assert links(log, shares_client_stack(log)) == {"client sdk/1 over t1": {"a": 1, "b": 1}}


def test_parameters_are_cap_temperature_and_tools_together(engine: DuckDB) -> None:
    rows = [
        sent("a", max_tokens=777, temperature=0.25, tools=3),
        sent("b", max_tokens=777, temperature=0.25, tools=3),
        sent("c", max_tokens=777, temperature=0.25),
        sent("d", max_tokens=777, temperature=0.25, tools=0),
        sent("e", max_tokens=777),
        sent("f", max_tokens=778, temperature=0.25, tools=3),
    ]
    log = make_log(engine, rows)
    assert links(log, shares_parameters(log)) == {
        "parameters: cap 777, temperature 0.25, tools 3": {"a": 1, "b": 1},
        "parameters: cap 777, temperature 0.25, tools 0": {"c": 1, "d": 1},
    }


def test_an_address_is_called_from_or_signed_up_from(engine: DuckDB) -> None:
    rows = [sent("a", client_ip="1.2.3.4"), sent("b", client_ip="9.9.9.9"), sent("c", client_ip="8.8.8.8")]
    log = make_log(engine, rows, [person("b", signup_ip="1.2.3.4"), person("c", signup_ip="7.7.7.7")])
    assert links(log, shares_address(log)) == {"address 1.2.3.4": {"a": 1, "b": 1}}


def test_devices_are_linked_by_id(engine: DuckDB) -> None:
    log = make_log(engine, [sent("a", device_id="d1"), sent("b", device_id="d1"), sent("c", device_id="d2")])
    assert links(log, shares_device(log)) == {"device d1": {"a": 1, "b": 1}}


def test_payment_instruments_are_linked_by_fingerprint(engine: DuckDB) -> None:
    people = [
        person("a", payment_fingerprint="f1"),
        person("b", payment_fingerprint="f1"),
        person("c", payment_fingerprint="f2"),
        person("d"),
    ]
    log = make_log(engine, on(people), people)
    assert links(log, shares_payment(log)) == {"payment instrument f1": {"a": 1, "b": 1}}


def test_a_registration_is_domain_issuer_and_country_together(engine: DuckDB) -> None:
    people = [
        person("a", email_domain="x.org", payment_issuer="bank", payment_country="FR"),
        person("b", email_domain="x.org", payment_issuer="bank", payment_country="FR"),
        person("c", email_domain="x.org", payment_issuer="bank", payment_country="DE"),
        person("d", email_domain="y.org"),
        person("e", email_domain="y.org"),
        person("f", payment_issuer="bank", payment_country="FR"),
    ]
    log = make_log(engine, on(people), people)
    assert links(log, shares_registration(log)) == {
        "registered with x.org, issuer bank, card from FR": {"a": 1, "b": 1},
        "registered with y.org": {"d": 1, "e": 1},
    }


def test_sign_ups_meet_in_an_hour_and_in_a_day(engine: DuckDB) -> None:
    people = [
        person("a", created_at=at(2.1)),
        person("b", created_at=at(2.9)),
        person("c", created_at=at(9)),
        person("d", created_at=at(24.1)),
        person("e"),
    ]
    log = make_log(engine, on(people), people)
    assert links(log, signs_up_together(log)) == {
        "signed up in the hour 2026-04-20 02:00": {"a": 1, "b": 1},
        "signed up in the day 2026-04-20": {"a": 1, "b": 1, "c": 1},
    }


def test_first_exchanges_meet_in_an_hour_after_the_first_day(engine: DuckDB) -> None:
    rows = [{"account_id": name, "time": at(hours)} for name, hours in
            (("old", 0), ("older", 0.5), ("a", 50.1), ("a", 60), ("b", 50.8), ("c", 60.1))]  # fmt: skip
    log = make_log(engine, rows)
    assert links(log, starts_together(log)) == {"first seen in the hour 2026-04-22 02:00": {"a": 1, "b": 1}}


def test_who_turns_to_a_model_sends_it_half_of_a_day(engine: DuckDB) -> None:
    def uses(account: str, model: str, *hours: float) -> list[Row]:
        return [{"account_id": account, "time": at(hour), "model": model} for hour in hours]

    rows = [
        *uses("a", "old", 0, 50.0, 51.0), *uses("a", "new", 50.2, 60.0, 90.0),
        *uses("b", "old", 3), *uses("b", "new", 50.9),
        *uses("another hour", "old", 0), *uses("another hour", "new", 51.1),
        *uses("tries it", "old", 0, 50.3, 50.4, 55.0), *uses("tries it", "new", 50.2, 80.0, 81.0),
        *uses("too new", "old", 40.0), *uses("too new", "new", 50.1),
    ]  # fmt: skip
    log = make_log(engine, rows)
    assert links(log, moves_to_model_together(log)) == {
        "turned to new in the hour 2026-04-22 02:00": {"a": 1, "b": 1}
    }


def test_an_account_replaces_one_closed_in_the_same_hour_or_the_one_before(engine: DuckDB) -> None:
    people = [
        person("banned", created_at=at(-500), closed_at=at(10.5)),
        person("same hour", created_at=at(10.9)),
        person("next hour", created_at=at(11.4)),
        person("too late", created_at=at(12.1)),
        person("too early", created_at=at(9.9)),
    ]
    log = make_log(engine, on(people), people)
    assert links(log, replaces_banned_account(log)) == {
        "closed or replaced about 2026-04-20 10:00": {"banned": 1, "same hour": 1, "next hour": 1}
    }


def test_a_reasoning_signature_ties_the_accounts_that_carry_it(engine: DuckDB) -> None:
    rows = [
        sent("a", reasoning_signature="0123456789abcdef"),
        sent("b", reasoning_signature="0123456789abcdef"),
        sent("c", reasoning_signature="0123456789abxxxx"),
    ]
    log = make_log(engine, rows)
    assert links(log, replays_reasoning_signature(log)) == {
        "reasoning signature 0123456789ab": {"a": 1, "b": 1}
    }


def handed(account: str, minutes: float, text: str, **facts: Any) -> Row:
    return {"account_id": account, "time": at(minutes=minutes), "prompt_sketch": prompt("T", text),
            "prompt_chars": 10, "status": 200, "finish_reason": "stop"} | facts  # fmt: skip


@pytest.mark.parametrize(
    "failure", [{"status": 429}, {"status": 403}, {"status": 502}, {"finish_reason": "refusal"}]
)
def test_a_prompt_that_failed_and_came_back_elsewhere_is_a_hand_off(engine: DuckDB, failure: Row) -> None:
    rows = [handed("a", 0, "1", **failure), handed("b", 9, "1"), handed("c", 100, "2")]
    log = make_log(engine, rows)
    assert links(log, hands_off_after_refusal(log)) == {"one handed-off prompt": {"a": 1, "b": 1}}


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([handed("a", 0, "1", status=429), handed("b", 11, "1")], id="too late"),
        pytest.param([handed("a", 0, "1", status=429), handed("a", 1, "1")], id="same account"),
        pytest.param([handed("a", 0, "1", status=429), handed("b", 1, "2")], id="another text"),
        pytest.param([handed("a", 0, "1"), handed("b", 1, "1")], id="nothing failed"),
        pytest.param([handed("b", 0, "1"), handed("a", 1, "1", status=429)], id="the failure came last"),
        pytest.param(
            [handed("a", 0, "1", status=429), handed("b", 1, "1"),
             handed("c", 300, "1"), handed("d", 301, "1")], id="it moves anyway"),
        pytest.param([handed("a", 0, "1", status=400), handed("b", 1, "1")], id="a mistake of the caller"),
    ],
)  # fmt: skip
def test_what_is_no_hand_off(engine: DuckDB, rows: list[Row]) -> None:
    log = make_log(engine, rows)
    assert hands_off_after_refusal(log).links.num_rows == 0


def test_a_hand_off_weighs_by_how_many_accounts_send_the_prompt(engine: DuckDB) -> None:
    rows = [
        handed("a", 0, "1", status=429),
        handed("b", 1, "1"),
        handed("c", 500, "1"),
        handed("d", 900, "1"),
    ]
    found = hands_off_after_refusal(make_log(engine, rows)).links
    assert sorted(found["n"].to_pylist()) == [1, 1]
    assert set(found["accounts"].to_pylist()) == {4}


FIELDS: dict[str, Row] = {
    "prompts_share_template": {"prompt_sketch": prompt("T")},
    "shares_system_prompt": {"system_sketch": system("S")},
    "shares_client_stack": {"user_agent": "u", "tls_fingerprint": "t"},
    "shares_parameters": {"max_tokens": 5, "temperature": 0.5},
    "shares_address": {"client_ip": "1.1.1.1"},
    "shares_device": {"device_id": "d"},
    "replays_reasoning_signature": {"reasoning_signature": "r"},
    "shares_payment": {"payment_fingerprint": "f"},
    "shares_registration": {"email_domain": "x.org"},
    "signs_up_together": {"created_at": at(3)},
}
OF_PEOPLE = {"shares_payment", "shares_registration", "signs_up_together"}


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_popularity_counts_accounts_of_the_whole_log_once(engine: DuckDB, name: str) -> None:
    (signal,) = [signal for signal in SIGNALS_V1 if signal.name == name]
    facts = FIELDS[name]
    carriers = [f"a{i}" for i in range(5)]
    rows = [sent(each, **({} if name in OF_PEOPLE else facts)) for each in carriers for _ in range(3)]
    people = [person(each, **(facts if name in OF_PEOPLE else {})) for each in carriers]
    log = make_log(engine, [*rows, sent("none")], people)
    found = signal.collect(log).links
    assert set(found["accounts"].to_pylist()) == {5}
    per_account = found.group_by("account").aggregate([("artefact", "count_distinct")])
    assert {ids(log)[i] for i in per_account["account"].to_pylist()} == set(carriers)
    assert set(found["n"].to_pylist()) == ({1} if name in OF_PEOPLE else {3})


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_an_artefact_of_one_account_ties_nobody(engine: DuckDB, name: str) -> None:
    (signal,) = [signal for signal in SIGNALS_V1 if signal.name == name]
    facts = FIELDS[name]
    rows = [sent("a", **({} if name in OF_PEOPLE else facts)), sent("b")]
    people = [person("a", **facts)] if name in OF_PEOPLE else None
    assert signal.collect(make_log(engine, rows, people)).links.num_rows == 0


def test_a_log_with_times_alone_feeds_what_needs_no_more(engine: DuckDB) -> None:
    log = make_log(engine, [sent("a"), sent("b")])
    assert [signal.name for signal, _ in collect(log, seen(log), SIGNALS_V1)] == ["starts_together"]
    assert {"starts_together", "takes_turns"} <= set(seen(log).active)


def test_a_missing_column_switches_off_its_signals_and_no_others(engine: DuckDB) -> None:
    facts = {
        name: value for each, row in FIELDS.items() if each not in OF_PEOPLE for name, value in row.items()
    }
    facts |= {"status": 200, "finish_reason": "stop", "model": "m"}
    people = {name: value for each in OF_PEOPLE for name, value in FIELDS[each].items()} | {
        "closed_at": at(9)
    }
    every = {signal.name for signal in SIGNALS_V1}

    def active(without: set[str]) -> set[str]:
        kept = {name: value for name, value in facts.items() if name not in without}
        described = {name: value for name, value in people.items() if name not in without}
        log = make_log(engine, [sent("a", **kept)], [person("a", **described)])
        return {signal.name for signal, _ in collect(log, seen(log), SIGNALS_V1)}

    assert active(set()) == every
    for signal in SIGNALS_V1:
        need = SIGNAL_NEEDS[signal.name]
        for columns in [{name} for name in (*need.requests, *need.accounts)] + [
            set(group) for group in need.any_of
        ]:
            if columns == {"time"}:
                continue
            off = every - active(columns)
            assert signal.name in off
            lacking = {s for s in every if _lacks(s, columns)}
            assert off == lacking, columns


def _lacks(name: str, gone: set[str]) -> bool:
    need = SIGNAL_NEEDS[name]
    return bool(gone & {*need.requests, *need.accounts}) or any(set(group) <= gone for group in need.any_of)


@pytest.mark.parametrize("signal", SIGNALS_V1, ids=[signal.name for signal in SIGNALS_V1])
def test_a_docstring_is_fit_for_an_accused_customer(signal: Signal) -> None:
    text = " ".join((inspect.getdoc(signal.collect) or "").split())
    claim = text.split(". ")[0]
    assert 20 < len(claim) < 200
    for part in ("Null: ", "Unit: ", "Source: ", "Misleads "):
        assert part in text, part
        told = text.split(part, 1)[1].split(". ")[0]
        assert len(told) > 2, part
    assert signal.null == stated_null(signal.collect)
    assert "independent" in signal.null or "does not depend" in signal.null or "only by" in signal.null
    assert signal.null.endswith(".")


@pytest.mark.parametrize(
    ("test", "words"),
    [(takes_turns, "independently"), (keeps_time, "independently"), (hands_off, "does not depend")],
)
def test_group_tests_state_their_nulls_too(test: Callable[..., object], words: str) -> None:
    assert words in stated_null(test)
    for part in ("Returns ", "Misleads ", "Source: "):
        assert part in " ".join((inspect.getdoc(test) or "").split()) + " "


def test_a_function_without_a_null_is_no_signal() -> None:
    def silent() -> None:
        """Says nothing."""

    with pytest.raises(ValueError, match="silent states no null"):
        stated_null(silent)


def test_the_model_speaks_of_known_channels_and_is_told_apart_by_name() -> None:
    names = [signal.name for signal in SIGNALS_V1]
    assert len(set(names)) == len(names)
    assert {signal.channel for signal in SIGNALS_V1} <= set(CHANNELS)
    assert {*names, "takes_turns"} <= set(SIGNAL_NEEDS)
    assert len({signal.family for signal in SIGNALS_V1}) >= 4
    assert signal_of(shares_payment).channel == "payment"
