"""Reading what a scan wrote: whole, or with an error that says what is wrong and where."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillhunt.errors import InputError
from stillhunt.report.result import load_result


def _drop_column(directory: Path) -> None:
    path = directory / "campaigns.parquet"
    pq.write_table(pq.read_table(path).drop(["q_value"]), path)


def _change_type(directory: Path) -> None:
    path = directory / "members.parquet"
    table = pq.read_table(path)
    words = pa.array(["high"] * table.num_rows)
    pq.write_table(table.set_column(table.column_names.index("membership"), "membership", words), path)


def _truncate(directory: Path) -> None:
    path = directory / "evidence" / "timeline.parquet"
    path.write_bytes(path.read_bytes()[:-200])


def _spoil_finding(directory: Path) -> None:
    path = directory / "findings.jsonl"
    path.write_text(path.read_text() + '{"claim": 1', encoding="utf-8")


def _spoil_run(directory: Path) -> None:
    (directory / "run.json").write_text('{"versions": {}}', encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda directory: (directory / "members.parquet").unlink(), "members.parquet"),
        (lambda directory: (directory / "run.json").unlink(), "run.json"),
        (_drop_column, "lacks the column(s) q_value"),
        (_change_type, "has another schema"),
        (_truncate, "cannot be read as Parquet"),
        (_spoil_finding, "is not a finding"),
        (_spoil_run, "'accounts'"),
    ],
)
def test_a_spoilt_result_is_named(own_result: Path, spoil: Callable[[Path], None], said: str) -> None:
    spoil(own_result)
    with pytest.raises(InputError) as caught:
        load_result(own_result)
    assert said in str(caught.value)
    assert str(own_result) in caught.value.where
    assert caught.value.remedy


def test_the_line_of_a_bad_finding_is_named(own_result: Path) -> None:
    rows = len((own_result / "findings.jsonl").read_text(encoding="utf-8").splitlines())
    _spoil_finding(own_result)
    with pytest.raises(InputError, match=f"line {rows + 1}"):
        load_result(own_result)


def test_a_place_without_a_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a directory"):
        load_result(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"campaigns\.parquet"):
        load_result(tmp_path)


def test_columns_of_a_later_version_are_left_aside(own_result: Path) -> None:
    path = own_result / "campaigns.parquet"
    table = pq.read_table(path)
    pq.write_table(table.append_column("operator", pa.array(["o"] * table.num_rows)), path)
    assert "operator" not in load_result(own_result).campaigns.column_names


def test_a_missing_evidence_table_is_empty_and_named(own_result: Path) -> None:
    (own_result / "evidence" / "edges.parquet").unlink()
    loaded = load_result(own_result)
    assert loaded.absent == ("evidence/edges.parquet",)
    assert loaded.evidence["edges"].num_rows == 0


def test_a_run_that_says_little_is_enough(own_result: Path) -> None:
    (own_result / "run.json").write_text(json.dumps({"accounts": 3, "requests": 9}), encoding="utf-8")
    run = load_result(own_result).run
    assert (run.accounts, run.requests, run.candidates_tested, run.first) == (3, 9, None, None)
    assert run.coverage.active == ()


def test_times_of_the_run_are_in_utc(own_result: Path) -> None:
    path = own_result / "run.json"
    run = json.loads(path.read_text(encoding="utf-8"))
    run["window"] = {"first": "2026-04-22T02:00:00+02:00", "last": "2026-04-23T00:00:00"}
    path.write_text(json.dumps(run), encoding="utf-8")
    loaded = load_result(own_result).run
    assert loaded.first is not None
    assert loaded.last is not None
    assert loaded.first.isoformat() == "2026-04-22T00:00:00+00:00"
    assert loaded.last.isoformat() == "2026-04-23T00:00:00+00:00"
