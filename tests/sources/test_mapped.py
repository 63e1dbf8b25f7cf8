"""Anybody's own log through a TOML mapping, and what is said when the mapping is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stillhunt.errors import SettingError
from stillhunt.schema.progress import Silent
from stillhunt.schema.requests import REQUESTS
from stillhunt.sources.mapped import load_mapping, mapped_source, parse_path
from stillhunt.sources.source import Parsed

WHOLE = """
kind = "our_gateway"

[columns]
account_id = ["customer.id", "customer_name"]
time = "at"
model = "request.model"
user_agent = 'headers."user-agent"'
channel = { constant = "api" }
status = "outcome"
latency_ms = "took"
prompt = "request.messages"
system_prompt = "request.system"
completion = "response"
input_tokens = "usage.0"
stream = "flags.stream"

[time]
unit = "ms"

[latency]
unit = "s"

[address]
peer = "remote"
forwarded_for = 'headers."x-forwarded-for"'

[only]
kind = ["chat", "completion"]
request.live = true
"""
RECORD = {
    "at": 1_760_000_000_250,
    "kind": "chat",
    "customer": {"id": 17},
    "headers": {"user-agent": "sdk/1", "x-forwarded-for": "198.51.100.7"},
    "remote": "10.0.0.1",
    "request": '{"model": "m-1", "live": true, "system": "Be brief.", "messages": [{"role": "user", "content": "q"}]}',
    "response": {"choices": [{"message": {"content": "a"}}]},
    "outcome": "RateLimitError",
    "took": 1.25,
    "usage": [12, 34],
    "flags": {"stream": "true"},
}


def read(tmp_path: Path, mapping: str, *records: dict[str, Any]) -> list[Parsed]:
    rules, log = tmp_path / "mapping.toml", tmp_path / "log.jsonl"
    rules.write_text(mapping)
    log.write_text("".join(json.dumps(record) + "\n" for record in records))
    return list(mapped_source(load_mapping(rules), (log,), "log", ("10.0.0.0/8",)).batches(Silent()))


def test_every_part_of_a_mapping(tmp_path: Path) -> None:
    others = [
        {**RECORD, "kind": "embedding"},
        {**RECORD, "request": {"live": False}},
        {**RECORD, "customer": {}},
    ]
    (batch,) = read(tmp_path, WHOLE, RECORD, *others)
    (row,) = batch.requests.to_pylist()
    assert {name: value for name, value in row.items() if value is not None and name != "time"} == {
        "account_id": "17",
        "channel": "api",
        "client_ip": "198.51.100.7",
        "completion": "a",
        "input_tokens": 12,
        "latency_ms": 1250,
        "model": "m-1",
        "prompt": "q",
        "status": 429,
        "stream": True,
        "system_prompt": "Be brief.",
        "user_agent": "sdk/1",
    }
    assert row["time"].isoformat() == "2025-10-09T08:53:20.250000+00:00"
    assert batch.notes == {
        "passed over: kind is another than the mapping asks for": 1,
        "passed over: request.live is another than the mapping asks for": 1,
    }
    assert [each.reason for each in batch.rejected] == [
        "account_id: expected a value in customer.id or customer_name, got none"
    ]
    assert load_mapping(tmp_path / "mapping.toml").kind == "our_gateway"


@pytest.mark.parametrize(
    ("stated", "value", "expected"),
    [
        ('unit = "s"', 1_760_000_000.25, "2025-10-09T08:53:20.250000+00:00"),
        ('unit = "us"', "1760000000250000", "2025-10-09T08:53:20.250000+00:00"),
        ('unit = "ns"', 1_760_000_000_250_000_999, "2025-10-09T08:53:20.250000+00:00"),
        ('format = "%d/%b/%Y:%H:%M:%S %z"', "09/Oct/2025:10:53:20 +0200", "2025-10-09T08:53:20+00:00"),
        (
            'format = "%Y-%m-%d %H.%M"\ntimezone = "Europe/Oslo"',
            "2025-10-09 10.53",
            "2025-10-09T08:53:00+00:00",
        ),
        ('timezone = "Europe/Oslo"', "2025-10-09T10:53:20", "2025-10-09T08:53:20+00:00"),
        ('timezone = "Europe/Oslo"', "2025-10-09T08:53:20Z", "2025-10-09T08:53:20+00:00"),
        ("", "2025-10-09T08:53:20", "2025-10-09T08:53:20+00:00"),
    ],
)
def test_times(tmp_path: Path, stated: str, value: Any, expected: str) -> None:
    mapping = f'[columns]\naccount_id = "a"\ntime = "t"\n[time]\n{stated}\n'
    (batch,) = read(tmp_path, mapping, {"a": "x", "t": value})
    assert [row["time"].isoformat() for row in batch.requests.to_pylist()] == [expected]


def test_a_time_of_another_form_is_rejected_with_the_form(tmp_path: Path) -> None:
    mapping = '[columns]\naccount_id = "a"\ntime = "t"\n[time]\nformat = "%d.%m.%Y"\n'
    (batch,) = read(tmp_path, mapping, {"a": "x", "t": "2025-10-09"})
    assert [(each.reason, each.value) for each in batch.rejected] == [
        ("time: expected a time such as %d.%m.%Y", "2025-10-09")
    ]


def test_a_vendors_table_with_one_column_changed(tmp_path: Path) -> None:
    mapping = 'base = "litellm_jsonl"\n[columns]\naccount_id = "metadata.user_api_key_team_id"\n'
    fixture = Path(__file__).parent / "fixtures" / "litellm.jsonl"
    (batch,) = read(tmp_path, mapping, *map(json.loads, fixture.read_text().splitlines()))
    (row,) = batch.requests.to_pylist()
    assert (row["account_id"], row["prompt"], row["status"]) == ("team-1", "the question", 200)
    assert [each.row for each in batch.rejected] == [2]  # the second names no team
    assert batch.notes == {"passed over: call_type names no exchange with a model": 1}


def test_otlp_as_the_base_still_brings_pieces_together(tmp_path: Path) -> None:
    mapping = 'base = "otel_json"\n[columns]\naccount_id = \'"app.tenant"\'\n'
    ids = {"traceId": "ab", "spanId": "cd"}
    attributes = [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {"key": "app.tenant", "value": {"stringValue": "t-1"}},
    ]
    span = {**ids, "startTimeUnixNano": "1760000000000000000", "attributes": attributes}
    event = {**ids, "eventName": "gen_ai.user.message", "body": {"stringValue": "q"}}
    (batch,) = read(
        tmp_path,
        mapping,
        {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]},
        {"resourceLogs": [{"scopeLogs": [{"logRecords": [event]}]}]},
    )
    assert [(row["account_id"], row["prompt"]) for row in batch.requests.to_pylist()] == [("t-1", "q")]


NEEDED = '[columns]\naccount_id = "a"\ntime = "t"\n'


@pytest.mark.parametrize(
    ("mapping", "where", "problem"),
    [
        ('[columns]\naccount_id = "a"', "columns", "expected a path for time, got none"),
        ('[column]\naccount_id = "a"', "column", "Did you mean columns?"),
        (NEEDED + 'acount = "b"', "columns.acount", "expected a column of the mapping, got 'acount'"),
        (NEEDED + 'modle = "b"', "columns.modle", "Did you mean model?"),
        (NEEDED + "model = 3", "columns.model", "expected a path, or a list of paths, got 3"),
        (NEEDED + "model = []", "columns.model", "expected a path, or a list of paths, got []"),
        (NEEDED + 'model = ["a", 3]', "columns.model", "expected a path, or a list of paths"),
        (NEEDED + 'model = "a..b"', "columns.model", "expected keys separated by dots, got 'a..b'"),
        (NEEDED + 'model = ""', "columns.model", "expected keys separated by dots, got ''"),
        (
            NEEDED + 'model = { const = "m" }',
            "columns.model",
            "expected { constant = ... }, got the keys ['const']",
        ),
        (NEEDED + 'input_tokens = { constant = "x" }', "columns.input_tokens", "expected a number, got 'x'"),
        (NEEDED + "model = { constant = 3.5 }", "columns.model", "expected a value for model, got 3.5"),
        ('[columns]\ntime = "t"\naccount_id = { constant = "x" }', "columns.account_id", "got a constant"),
        (NEEDED + '[time]\nunit = "min"', "time.unit", "expected a unit of the mapping, got 'min'"),
        (NEEDED + '[time]\nzone = "x"', "time.zone", "expected a key of the mapping, got 'zone'"),
        (
            NEEDED + '[time]\nunit = "s"\nformat = "%Y"',
            "time",
            "expected unit, or format and timezone, got both",
        ),
        (NEEDED + '[time]\nformat = "iso"', "time.format", "expected a format such as %Y-%m-%d, got 'iso'"),
        (
            NEEDED + '[time]\ntimezone = "Oslo"',
            "time.timezone",
            "expected a zone such as Europe/Oslo, got 'Oslo'",
        ),
        (NEEDED + '[latency]\nunit = "h"', "latency.unit", "Known: s, ms."),
        (NEEDED + '[latency]\nunits = "s"', "latency.units", "Did you mean unit?"),
        (NEEDED + '[address]\nip = "x"', "address.ip", "Known: peer, forwarded_for, forwarded."),
        ("time = 3\n" + NEEDED, "time", "expected a table, got 3"),
        ('base = "litelm"\n' + NEEDED, "base", "Did you mean litellm_jsonl?"),
        ("[columns\n", "", "expected TOML"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(tmp_path: Path, mapping: str, where: str, problem: str) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(mapping)
    with pytest.raises(SettingError) as caught:
        load_mapping(path)
    assert caught.value.where == (f"{path}: {where}" if where else str(path))
    assert problem in str(caught.value)


def test_a_mapping_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"gone\.toml: cannot be read"):
        load_mapping(tmp_path / "gone.toml")
    (tmp_path / "latin.toml").write_bytes(b'kind = "\xe9"')
    with pytest.raises(SettingError, match=r"latin\.toml: expected UTF-8"):
        load_mapping(tmp_path / "latin.toml")


def test_every_column_can_be_mapped(tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text("[columns]\n" + "".join(f'{name} = "{name}"\n' for name in REQUESTS.names))
    assert {field.column for field in load_mapping(path).fields} == set(REQUESTS.names)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", ("a",)),
        ("a.b.0", ("a", "b", "0")),
        ('"a.b".c', ("a.b", "c")),
        ("a.'x \"y\" z'", ("a", 'x "y" z')),
        ('a . "say \\"x\\""', ("a", 'say "x"')),
        ("x-forwarded-for", ("x-forwarded-for",)),
    ],
)
def test_paths(text: str, expected: tuple[str, ...]) -> None:
    assert parse_path(text) == expected


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a b", 'a."b', '"a"b'])
def test_what_is_no_path(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_path(text)
