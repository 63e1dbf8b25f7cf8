"""Vendor logs are recognised among each other and beside canonical ones, and mappings take their place."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillhunt.errors import SettingError
from stillhunt.schema.progress import Silent
from stillhunt.sources.detect import KINDS, SourceSettings, open_source
from stillhunt.sources.logs import open_logs

FIXTURES = Path(__file__).parent / "fixtures"
EXPECTED = {
    "litellm.jsonl": "litellm_jsonl",
    "envoy.jsonl": "envoy_json",
    "kong.jsonl": "kong_json",
    "langfuse.jsonl": "langfuse_export",
    "helicone.jsonl": "helicone_export",
}
CANONICAL = {"time": "2026-01-01T00:00:00Z", "account_id": "a", "model": "m", "status": 200}
SPAN = {
    "traceId": "0a",
    "spanId": "0b",
    "startTimeUnixNano": "1760000000000000000",
    "attributes": [
        {"key": "gen_ai.request.model", "value": {"stringValue": "m"}},
        {"key": "enduser.id", "value": {"stringValue": "a"}},
    ],
}
TRACES = {"resourceSpans": [{"scopeSpans": [{"spans": [SPAN]}]}]}
MESSAGE = {"traceId": "0a", "spanId": "0b", "eventName": "gen_ai.user.message", "body": {"stringValue": "q"}}
LOGS = {"resourceLogs": [{"scopeLogs": [{"logRecords": [MESSAGE]}]}]}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_vendors_log_is_recognised(name: str, tmp_path: Path) -> None:
    assert open_source(str(FIXTURES / name)).kind == EXPECTED[name]
    listed = tmp_path / "pretty.json"
    records = [json.loads(line) for line in (FIXTURES / name).read_text().splitlines()]
    listed.write_text(json.dumps(records, indent=2))
    assert open_source(str(listed)).kind == EXPECTED[name]


@pytest.mark.parametrize(("name", "kind"), [("langfuse", "langfuse_export"), ("helicone", "helicone_export")])
def test_an_export_as_a_table_is_recognised_by_its_columns(name: str, kind: str, tmp_path: Path) -> None:
    first = json.loads((FIXTURES / f"{name}.jsonl").read_text().splitlines()[0])
    (tmp_path / "export.csv").write_text(",".join(first) + "\n" + ",".join("x" for _ in first) + "\n")
    pq.write_table(pa.table({column: ["x"] for column in first}), tmp_path / "export.parquet")
    assert open_source(str(tmp_path / "export.csv")).kind == kind
    assert open_source(str(tmp_path / "export.parquet")).kind == kind


def test_a_canonical_log_stays_canonical(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(json.dumps(CANONICAL) + "\n")
    assert open_source(str(tmp_path / "x.jsonl")).kind == "canonical_jsonl"
    pq.write_table(pa.table({name: [value] for name, value in CANONICAL.items()}), tmp_path / "x.parquet")
    assert open_source(str(tmp_path / "x.parquet")).kind == "canonical_parquet"


def test_a_kind_can_be_named(tmp_path: Path) -> None:
    plain = tmp_path / "x.jsonl"
    plain.write_text('{"started_at": 1760000000000}\n')
    assert open_source(str(plain), "kong_json").kind == "kong_json"
    with pytest.raises(
        SettingError, match="--kind: expected one of litellm_jsonl, litellm_postgres, otel_json"
    ):
        open_source(str(plain), "kong")
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def test_a_mapping_takes_the_place_of_recognition(tmp_path: Path) -> None:
    rules = tmp_path / "mapping.toml"
    rules.write_text('[columns]\naccount_id = "who"\ntime = "when"\n')
    (tmp_path / "x.jsonl").write_text('{"who": "a", "when": "2026-01-01"}\n')
    settings = SourceSettings(mapping=rules)
    (batch,) = open_source(str(tmp_path / "x.jsonl"), None, settings).batches(Silent())
    assert batch.requests["account_id"].to_pylist() == ["a"]
    with pytest.raises(SettingError, match="--map and --kind exclude each other"):
        open_source(str(tmp_path / "x.jsonl"), "kong_json", settings)


def test_traces_and_logs_in_files_of_their_own_are_one_source(tmp_path: Path) -> None:
    (tmp_path / "logs.jsonl").write_text(json.dumps(LOGS) + "\n")
    (tmp_path / "other.jsonl").write_text(json.dumps(CANONICAL) + "\n")
    (tmp_path / "traces.jsonl").write_text(json.dumps(TRACES) + "\n")
    log = open_logs([str(tmp_path)])
    assert [source.kind for source in log.sources] == ["otel_json", "canonical_jsonl"]
    (batch,) = log.sources[0].batches(Silent())
    assert [(row["account_id"], row["prompt"]) for row in batch.requests.to_pylist()] == [("a", "q")]
