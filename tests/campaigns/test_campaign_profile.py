"""What a group does, beside what the rest of the log does."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from logs import at, make_log, numbers, prompt, system

from stillhunt.campaigns.log import Log
from stillhunt.campaigns.profile import Profile, profiles
from stillhunt.campaigns.summarise import summarise
from stillhunt.engines.duckdb import DuckDB


def sent(account: str, hours: float, **facts: Any) -> dict[str, Any]:
    return {"account_id": account, "time": at(hours)} | facts


def of(log: Log, *groups: tuple[str, ...]) -> tuple[list[Profile], Profile]:
    return profiles(log, summarise(log), [numbers(log, *group) for group in groups])


ROWS = [
    sent("a", 0, session_id="1", capability="grading", input_tokens=100, cached_input_tokens=20, output_tokens=300,
         reasoning=True, prompt_sketch=prompt("T", "1"), system_sketch=system("S"), client_ip="1.1.1.1", status=200,
         reasoning_signature="x"),
    sent("a", 48, session_id="2", capability="mathematics", input_tokens=100, output_tokens=100, reasoning=False,
         prompt_sketch=prompt("T", "2"), system_sketch=system("R"), client_ip="1.1.1.2", status=429,
         reasoning_signature="y"),
    sent("b", 1, session_id="3", capability="writing", input_tokens=100, output_tokens=200, reasoning=True,
         prompt_sketch=prompt("T", "1"), system_sketch=system("S"), client_ip="1.1.1.1", status=200,
         reasoning_signature="x"),
    sent("b", 1.1, session_id="3", capability=None, input_tokens=100, output_tokens=0, finish_reason="refusal",
         prompt_sketch=prompt("U", "3"), client_ip="1.1.1.1"),
    sent("c", 2, session_id="4", capability="writing", output_tokens=50, client_ip="2.2.2.2"),
    sent("d", 3, session_id="5", capability="conversation", output_tokens=150, client_ip="3.3.3.3"),
]  # fmt: skip
PEOPLE = [
    {"account_id": "a", "org_id": "o1", "payment_fingerprint": "f", "email_domain": "own.example", "plan": "free",
     "verification": "none", "closed_at": at(50)},
    {"account_id": "b", "org_id": "o1", "payment_fingerprint": "f", "email_domain": "own.example", "plan": "pro",
     "verification": "contract"},
    {"account_id": "c", "org_id": "o2", "email_domain": "mail.example", "plan": "trial", "verification": "phone"},
    {"account_id": "d", "email_domain": "mail.example"},
]  # fmt: skip


def test_every_share_of_a_small_group(engine: DuckDB) -> None:
    (group,), rest = of(make_log(engine, ROWS, PEOPLE), ("a", "b"))
    told = {field.name: getattr(group, field.name) for field in fields(Profile)}
    assert told == {
        "accounts": 2, "requests": 4, "first_seen": at(0), "last_seen": at(48), "output_tokens": 600,
        "reasoning_tokens": 500, "per_account_day": pytest.approx(4 / 3), "lifetime_days": pytest.approx(1 + 0.1 / 48),
        "harvested": pytest.approx(2 / 3), "turns": pytest.approx(4 / 3), "cached": pytest.approx(20 / 400),
        "output_mean": 150.0, "reasoning": 0.5, "failed": 0.5, "repeats": 0.5, "template": 0.75, "systems": 1.5,
        "same_org": 1.0, "contract": 0.5, "unverified": 0.5, "free": 0.5, "hours": pytest.approx(2 / 24),
        "parallel": 1.0, "one_card": 1.0, "one_domain": 1.0, "elicits": pytest.approx(1 / 3),
        "tenants": (), "refused": 0.25, "one_place": 1.0, "replayed": pytest.approx(1 / 12),
    }  # fmt: skip
    assert (rest.accounts, rest.requests, rest.output_mean, rest.same_org) == (2, 2, 100.0, 0.5)
    assert rest.one_card is None


def test_several_groups_and_the_rest_are_disjoint(engine: DuckDB) -> None:
    groups, rest = of(make_log(engine, ROWS, PEOPLE), ("a",), ("b", "c"))
    assert [group.requests for group in groups] == [2, 3]
    assert rest.requests == 1
    assert groups[1].same_org == 0.5


def test_a_log_of_one_group_is_held_against_itself(engine: DuckDB) -> None:
    (group,), rest = of(make_log(engine, ROWS, PEOPLE), ("a", "b", "c", "d"))
    assert rest == group


def test_what_a_log_cannot_tell_is_none_not_zero(engine: DuckDB) -> None:
    (group,), rest = of(
        make_log(engine, [sent("a", 0), sent("a", 1), sent("b", 1), sent("c", 5)]), ("a", "b")
    )
    certain = {"accounts", "requests", "first_seen", "last_seen", "output_tokens", "reasoning_tokens",
               "per_account_day", "lifetime_days", "hours", "parallel"}  # fmt: skip
    for profile in (group, rest):
        unknown = {field.name for field in fields(Profile) if getattr(profile, field.name) is None}
        assert unknown == {field.name for field in fields(Profile)} - certain


def test_a_popular_mail_domain_is_nobodys_own(engine: DuckDB) -> None:
    people = [{"account_id": name, "email_domain": "mail.example"} for name in "abcdefgh"]
    rows = [sent(name, 0) for name in "abcdefgh"]
    (group,), _ = of(make_log(engine, rows, people), ("a", "b", "c"))
    assert group.one_domain in (None, 0.0)


def test_accounts_used_one_after_another_do_not_overlap(engine: DuckDB) -> None:
    rows = [sent(name, 24 * day + hour) for day, name in enumerate("abcde") for hour in (0, 5)]
    rows += [sent(name, hour) for name in "vwxyz" for hour in (0, 90)]
    (serial, together), _ = of(make_log(engine, rows), tuple("abcde"), tuple("vwxyz"))
    assert (serial.parallel, together.parallel) == (0.0, 1.0)


def test_overlap_is_the_share_of_pairs(engine: DuckDB) -> None:
    generator = np.random.default_rng(0)
    first = generator.uniform(0, 100, 12)
    last = first + generator.exponential(20, 12)
    rows = [sent(f"a{i}", hours) for i in range(12) for hours in (first[i], last[i])]
    (group,), _ = of(make_log(engine, [*rows, sent("z", 1)]), tuple(f"a{i}" for i in range(12)))
    pairs = [(i, j) for i in range(12) for j in range(i)]
    assert group.parallel == pytest.approx(
        np.mean([first[i] <= last[j] and first[j] <= last[i] for i, j in pairs])
    )
