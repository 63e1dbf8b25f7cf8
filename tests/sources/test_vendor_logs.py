"""Each vendor's log against what its documentation says: the fixtures carry the documented fields.

LiteLLM: docs.litellm.ai/docs/proxy/logging_spec and ``litellm.types.utils.StandardLoggingPayload`` of 1.106.2.
Envoy AI Gateway: aigateway.envoyproxy.io/docs, "Access Logs With AI/LLM/MCP Metadata", 0.4.
Kong: developer.konghq.com/ai-gateway/ai-audit-log-reference (3.12) and its "LLM traffic entry"; the second row the
form before 3.8. Langfuse: blob storage export field reference (2026), and the camel case of its API.
Helicone: ``HeliconeRequest`` of packages/llm-mapper/types.ts (2025).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillhunt.schema.progress import Silent
from stillhunt.schema.requests import REQUESTS
from stillhunt.sources.mapped import BASES, mapped_source
from stillhunt.sources.records import RecordLog
from stillhunt.sources.source import Parsed

FIXTURES = Path(__file__).parent / "fixtures"
FILES = {
    "litellm_jsonl": "litellm.jsonl",
    "envoy_json": "envoy.jsonl",
    "kong_json": "kong.jsonl",
    "langfuse_export": "langfuse.jsonl",
    "helicone_export": "helicone.jsonl",
}
TRUSTED = ("10.0.0.0/8",)
TEXT = {"system_prompt": "Be brief.", "prompt": "the question", "completion": "the answer"}


def read(kind: str, path: Path | None = None, trusted: tuple[str, ...] = TRUSTED) -> list[Parsed]:
    path = path or FIXTURES / FILES[kind]
    return list(mapped_source(BASES[kind], (path,), path.name, trusted).batches(Silent()))


def rows(batches: Sequence[Parsed]) -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.requests.to_pylist()]


def notes(batches: Sequence[Parsed]) -> dict[str, int]:
    return {name: count for batch in batches for name, count in batch.notes.items()}


def records(kind: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FIXTURES / FILES[kind]).read_text().splitlines()]


def filled(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def test_litellm() -> None:
    batches = read("litellm_jsonl")
    first, second = rows(batches)
    assert filled(first) == {
        "time": datetime(2025, 10, 9, 8, 53, 20, 250_000, UTC),
        "request_id": "chatcmpl-1",
        "account_id": "user-1",
        "org_id": "team-1",
        "api_key_id": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
        "session_id": "s-1",
        "model": "m-1",
        "input_tokens": 12,
        "output_tokens": 34,
        "cached_input_tokens": 4,
        "max_tokens": 256,
        "temperature": 0.25,
        "stream": False,
        "reasoning": True,
        "tools": 1,
        "status": 200,
        "finish_reason": "tool_use",
        "latency_ms": 1500,
        "client_ip": "192.0.2.10",
        "user_agent": "OpenAI/Python 2.1",
        **TEXT,
    }
    # A master key's user is nobody, so the customer that the caller named counts; the header is walked from the right.
    assert (second["account_id"], second["status"], second["client_ip"]) == (
        "customer-9",
        429,
        "198.51.100.4",
    )
    assert (second["session_id"], second["finish_reason"], second["stream"]) == (None, None, True)
    assert notes(batches) == {"passed over: call_type names no exchange with a model": 1}


def test_envoy() -> None:
    batches = read("envoy_json")
    first, refused, broken = rows(batches)
    assert filled(first) == {
        "time": datetime(2025, 8, 30, 16, 51, 37, 894_000, UTC),
        "request_id": "83b63da3-45a9-4196-98b8-1a7f697d6d8d",
        "account_id": "acct-1",
        "model": "m-1",
        "input_tokens": 15,
        "output_tokens": 7,
        "status": 200,
        "latency_ms": 1526,
        "client_ip": "198.51.100.38",
        "user_agent": "curl/8.7.1",
    }
    # A request that was refused before a model was chosen is an exchange all the same.
    assert filled(refused) == {
        "time": datetime(2025, 8, 30, 16, 51, 38, 0, UTC),
        "request_id": "r-2",
        "account_id": "acct-2",
        "status": 429,
        "latency_ms": 0,
        "client_ip": "10.0.0.5",
    }
    assert (broken["status"], broken["client_ip"]) == (None, "192.0.2.3")
    assert notes(batches) == {
        "passed over: MCP call": 1,
        "passed over: names no model": 1,
        "passed over: path asks no model for an answer": 1,
    }


def test_kong() -> None:
    batches = read("kong_json")
    first, older, refused = rows(batches)
    assert filled(first) == {
        "time": datetime(2025, 10, 9, 8, 53, 20, 250_000, UTC),
        "request_id": "6f9a",
        "account_id": "acct-1",
        "org_id": "gold",
        "api_key_id": "eaa330c0-4cff-47f5-c79e-b2e4f355207e",
        "model": "m-1",
        "input_tokens": 14,
        "output_tokens": 21,
        "cached_input_tokens": 3,
        "max_tokens": 100,
        "temperature": 0.5,
        "stream": True,
        "tools": 2,
        "status": 200,
        "finish_reason": "stop",
        "latency_ms": 1921,
        "client_ip": "198.51.100.7",
        "user_agent": "OpenAI/Python 2.1",
        **TEXT,
    }
    assert (older["account_id"], older["model"], older["input_tokens"], older["output_tokens"]) == (
        "80f74eef",
        "command",
        28,
        20,
    )
    assert (refused["account_id"], refused["status"], refused["model"]) == ("foo", 429, None)
    assert notes(batches) == {"passed over: no AI plugin had part in it": 1}


def test_langfuse() -> None:
    batches = read("langfuse_export")
    first, failed = rows(batches)
    assert filled(first) == {
        "time": datetime(2026, 5, 29, 13, 46, 19, 963_000, UTC),
        "request_id": "obs-1",
        "account_id": "acct-1",
        "session_id": "s-1",
        "model": "m-1",
        "input_tokens": 12,
        "output_tokens": 34,
        "cached_input_tokens": 2,
        "max_tokens": 300,
        "temperature": 0.5,
        "reasoning": False,
        "tools": 1,
        "status": 200,
        "latency_ms": 1500,
        **TEXT,
    }
    assert (failed["account_id"], failed["status"], failed["prompt"]) == ("acct-2", 429, "the question")
    assert notes(batches) == {"passed over: observation that is no generation": 1}
    (rejected,) = batches[0].rejected
    assert (rejected.row, rejected.reason) == (
        4,
        "account_id: expected a value in user_id or userId, got none",
    )


def test_helicone() -> None:
    batches = read("helicone_export")
    first, cancelled = rows(batches)
    assert filled(first) == {
        "time": datetime(2025, 10, 9, 8, 53, 20, 250_000, UTC),
        "request_id": "rq-1",
        "account_id": "acct-1",
        "session_id": "s-1",
        "model": "m-1",
        "input_tokens": 12,
        "output_tokens": 34,
        "cached_input_tokens": 5,
        "max_tokens": 64,
        "temperature": 0.5,
        "stream": True,
        "status": 200,
        "finish_reason": "length",
        "latency_ms": 1250,
        "country": "NO",
        **TEXT,
    }
    assert (cancelled["account_id"], cancelled["status"], cancelled["country"]) == ("acct-2", None, None)
    assert notes(batches) == {
        "passed over: path asks no model for an answer": 1,
        "passed over: event of a tool, not of a model": 1,
    }
    assert [each.row for each in batches[0].rejected] == [5]


@pytest.mark.parametrize("kind", ["langfuse_export", "helicone_export"])
def test_exports_read_the_same_from_csv_parquet_and_a_json_list(kind: str, tmp_path: Path) -> None:
    whole = records(kind)
    expected = rows(read(kind))

    listed = tmp_path / "export.json"
    listed.write_text(json.dumps(whole, indent=1))
    assert rows(read(kind, listed)) == expected

    names = sorted({name for record in whole for name in record})
    flat = [
        {
            name: json.dumps(value) if isinstance(value := record.get(name), dict | list) else value
            for name in names
        }
        for record in whole
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(flat)
    table = tmp_path / "export.csv"
    table.write_text(text.getvalue())
    assert rows(read(kind, table)) == expected

    columns = {
        name: [None if record[name] is None else str(record[name]) for record in flat] for name in names
    }
    parquet = tmp_path / "export.parquet"
    pq.write_table(pa.table(columns), parquet)
    assert rows(read(kind, parquet)) == expected


@pytest.mark.parametrize("kind", FILES)
def test_each_log_is_known_by_its_first_records_and_for_no_other(kind: str) -> None:
    for name, mapping in BASES.items():
        assert mapping.looks_like(records(kind)) == (name == kind)
    assert not BASES[kind].looks_like([])
    assert not BASES[kind].looks_like([{"time": "2026-01-01", "account_id": "a", "model": "m"}])


@pytest.mark.parametrize("kind", BASES)
def test_every_mapping_fills_the_schema_and_each_path_is_alive(kind: str) -> None:
    mapping = BASES[kind]
    assert {field.column for field in mapping.fields} >= {"time", "account_id"}
    assert all(field.paths for field in mapping.fields)
    log = RecordLog(mapping, (), "nowhere")
    assert (log.kind, list(log.batches(Silent()))) == (kind, [])


def test_a_batch_says_where_its_rows_stand() -> None:
    (batch,) = read("kong_json")
    assert batch.file.endswith("kong.jsonl")
    assert batch.rows is not None
    assert batch.rows.to_pylist() == [1, 2, 3]
    assert batch.requests.schema == REQUESTS
