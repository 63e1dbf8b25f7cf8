"""What holds for every vendor's log alike: packed contents, forwarded headers, and rows that cannot be used.

The fixtures carry the documented fields; test_vendor_logs.py names the documentation and its version.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stillhunt.cli.main import app
from stillhunt.schema.progress import Silent
from stillhunt.sources.lake import open_lake
from stillhunt.sources.mapped import BASES, mapped_source
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


def records(kind: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FIXTURES / FILES[kind]).read_text().splitlines()]


def read(kind: str, path: Path, trusted: tuple[str, ...] = TRUSTED) -> list[Parsed]:
    return list(mapped_source(BASES[kind], (path,), path.name, trusted).batches(Silent()))


def rows(kind: str, changed: list[dict[str, Any]], folder: Path, **options: Any) -> list[dict[str, Any]]:
    path = folder / f"{kind}.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in changed))
    return [row for batch in read(kind, path, **options) for row in batch.requests.to_pylist()]


# --- content as lists and as JSON strings -----------------------------------------------------------------------

CONTENT: dict[str, tuple[tuple[str, ...], ...]] = {
    "litellm_jsonl": (("messages",), ("response",)),  # str | list | dict, by the documentation
    "langfuse_export": (("input",), ("output",), ("model_parameters",), ("modelParameters",), ("metadata",)),
    "helicone_export": (("request_body",), ("response_body",), ("request_properties",)),
}
"""Where a vendor writes a structure, or the same as a JSON string."""


def packed(value: Any, path: tuple[str, ...], turn: Callable[[Any], Any]) -> Any:
    """The record with the value at a path turned over, where there is one."""
    if not isinstance(value, dict) or path[0] not in value:
        return value
    inner = value[path[0]]
    changed = packed(inner, path[1:], turn) if path[1:] else turn(inner)
    return {**value, path[0]: changed}


def as_string(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def as_structure(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.loads(value)
    return value


@pytest.mark.parametrize("kind", CONTENT)
def test_contents_read_the_same_as_structures_and_as_json_strings(kind: str, tmp_path: Path) -> None:
    strings, structures = records(kind), records(kind)
    for path in CONTENT[kind]:
        strings = [packed(record, path, as_string) for record in strings]
        structures = [packed(record, path, as_structure) for record in structures]
    assert strings != structures
    found = rows(kind, strings, tmp_path)
    assert found == rows(kind, structures, tmp_path)
    assert any(row["prompt"] and row["completion"] for row in found)


# --- forwarded headers ----------------------------------------------------------------------------------------

HEADERS: dict[str, tuple[str, ...]] = {
    "litellm_jsonl": ("metadata", "requester_custom_headers", "x-forwarded-for"),
    "envoy_json": ("x-forwarded-for",),
    "kong_json": ("request", "headers", "x-forwarded-for"),
}
PEERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "litellm_jsonl": (("metadata", "requester_ip_address"), ("requester_ip_address",)),
    "envoy_json": (("downstream_remote_address",), ("client.address",), ("source.address",)),
    "kong_json": (("client_ip",),),
}


def put(record: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        record = record.setdefault(name, {})
    record[path[-1]] = value


@pytest.mark.parametrize("kind", HEADERS)
@pytest.mark.parametrize(
    ("peer", "trusted", "expected"),
    [
        ("203.0.113.7", (), "203.0.113.7"),  # nobody is trusted: the header is the client's own claim
        ("203.0.113.7", TRUSTED, "203.0.113.7"),  # the peer is none of ours
        ("10.0.0.9", TRUSTED, "198.51.100.4"),  # ours, and the header says whom it saw
        ("10.0.0.9", ("10.0.0.9/32",), "10.0.0.1"),  # the next one is not ours: it is the client
        ("10.0.0.9", (), "10.0.0.9"),
    ],
)
def test_a_forwarded_header_counts_only_behind_declared_proxies(
    kind: str, peer: str, trusted: tuple[str, ...], expected: str, tmp_path: Path
) -> None:
    record = records(kind)[0]
    put(record, HEADERS[kind], "192.0.2.66, 198.51.100.4, 10.0.0.1")
    for path in PEERS[kind]:
        put(record, path, peer)
    (row,) = rows(kind, [record], tmp_path, trusted=trusted)
    assert row["client_ip"] == expected


# --- rows that cannot be used -----------------------------------------------------------------------------------

TIMES = {
    "litellm_jsonl": "startTime",
    "envoy_json": "start_time",
    "kong_json": "started_at",
    "langfuse_export": "start_time",
    "helicone_export": "request_created_at",
}


@pytest.mark.parametrize("kind", FILES)
def test_rows_that_cannot_be_used_are_named_with_file_row_and_reason(kind: str, tmp_path: Path) -> None:
    """Through the command: the rest is in the lake, the run is partial, and nothing is dropped in silence."""
    good = records(kind)[0]
    assert TIMES[kind] in good
    bad = {**good, TIMES[kind]: "the other day"}
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join([json.dumps(good), json.dumps(bad), "{broken", "7"]) + "\n")
    out = tmp_path / "lake"
    command = ["ingest", str(log), "--out", str(out), "--key-file", str(tmp_path / "sketch.key"), "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 3, result.output
    lake = open_lake(out)
    assert [taken.kind for taken in lake.sources] == [kind]
    assert (lake.read, lake.written, lake.rejected) == (4, 1, 3)
    lines = [json.loads(line) for line in (out / "rejected.jsonl").read_text().splitlines()]
    assert [(line["file"], line["row"]) for line in lines] == [(str(log), 2), (str(log), 3), (str(log), 4)]
    assert lines[0]["reason"].startswith("time: expected a time")
    assert lines[0]["value"] == "the other day"
    assert (lines[1]["reason"], lines[2]["reason"]) == (
        "expected JSON",
        "expected a JSON object, got a number",
    )


# --- what LiteLLM 1.106's proxy was seen to write ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"session_id": "s-1"}, "s-1"),
        ({"session_id": "", "requester_metadata": {"session_id": "s-2"}}, "s-2"),  # x-litellm-session-id
        ({"session_id": "", "trace_id": "s-3"}, "s-3"),  # litellm_session_id in the request's body
        (
            {"session_id": "", "trace_id": "c1d5a7de-4f0b-4f55-8a0e-3f1c7b9a2e22"},
            None,
        ),  # LiteLLM's own, one a request
    ],
)
def test_sessions_that_a_client_of_litellm_named(
    changes: dict[str, Any], expected: str | None, tmp_path: Path
) -> None:
    record = records("litellm_jsonl")[0]
    if "requester_metadata" in changes:
        changes = {**changes, "metadata": {**record["metadata"], **changes}}
    (row,) = rows("litellm_jsonl", [{**record, **changes}], tmp_path)
    assert row["session_id"] == expected


def test_fixtures_are_read_as_what_they_are_called(tmp_path: Path) -> None:
    """All of them in one folder, as one log."""
    for name in FILES.values():
        shutil.copy(FIXTURES / name, tmp_path)
    out = tmp_path / "out"
    command = [
        "ingest",
        str(tmp_path),
        "--out",
        str(out / "lake"),
        "--key-file",
        str(out / "sketch.key"),
        "--json",
    ]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 3, result.output  # the fixtures hold rows without an account
    assert {taken.kind for taken in open_lake(out / "lake").sources} == set(FILES)


def test_what_litellm_keeps_of_the_messages_and_responses_apis(tmp_path: Path) -> None:
    """There the instructions and the cap stand among the parameters, and not in the messages."""
    record = records("litellm_jsonl")[0]
    asked = {"messages": [{"role": "user", "content": "the question"}]}
    for parameters in (
        {"instructions": "Be brief.", "max_output_tokens": 77},
        {"system": [{"type": "text", "text": "Be brief."}], "max_tokens": 77},
    ):
        (row,) = rows("litellm_jsonl", [{**record, **asked, "model_parameters": parameters}], tmp_path)
        assert (row["system_prompt"], row["max_tokens"], row["prompt"]) == ("Be brief.", 77, "the question")
