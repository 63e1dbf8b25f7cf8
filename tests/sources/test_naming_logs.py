"""From names on the command line to files, and the accounts beside them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_log import ingested, rows, write_csv, write_jsonl, write_parquet

from stillhunt.errors import InputError, SettingError
from stillhunt.schema.accounts import ACCOUNTS
from stillhunt.sources.accounts import read_accounts
from stillhunt.sources.lake import open_lake
from stillhunt.sources.logs import open_logs

ACCOUNT_ROWS = [
    {"account_id": "a-0", "created_at": datetime(2026, 3, 1, tzinfo=UTC), "email_domain": "example.org"},
    {"account_id": "a-1", "created_at": datetime(2026, 3, 2, tzinfo=UTC), "email_domain": None},
]


def write_accounts(path: Path, *more: dict[str, object]) -> Path:
    records = [*ACCOUNT_ROWS, *more]
    if path.suffix == ".parquet":
        columns = {name: [record.get(name) for record in records] for name in ACCOUNTS.names}
        pq.write_table(pa.table(columns, schema=ACCOUNTS), path)
        return path
    return write_csv(path, records) if path.suffix == ".csv" else write_jsonl(path, records)


def names(log: object) -> list[str]:
    return [Path(source.location).name for source in log.sources]


# --- names ----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three logs, one of them deeper, and what is none."""
    logs = tmp_path / "logs"
    (logs / "deep").mkdir(parents=True)
    (logs / "_old").mkdir()
    write_jsonl(logs / "b.jsonl.gz", rows(5, first=0))
    write_csv(logs / "deep" / "a.csv", rows(5, first=5))
    write_parquet(logs / "c.parquet", rows(5, first=10))
    write_jsonl(logs / "_old" / "d.jsonl", rows(5, first=15))
    write_jsonl(logs / ".hidden.jsonl", rows(5, first=15))
    (logs / "README.md").write_text("about")
    return logs


def test_a_folder_stands_for_its_logs_in_order(folder: Path) -> None:
    log = open_logs([str(folder)])
    assert names(log) == ["b.jsonl.gz", "c.parquet", "a.csv"]
    assert log.bytes == sum(Path(source.location).stat().st_size for source in log.sources)
    (note,) = log.notes
    assert note.endswith("were not read: README.md")


def test_a_glob_is_resolved_here_and_a_file_named_twice_is_read_once(folder: Path) -> None:
    log = open_logs([str(folder / "*.parquet"), str(folder / "c.parquet"), str(folder / "**" / "*.csv")])
    assert names(log) == ["c.parquet", "a.csv"]


def test_names_that_stand_for_nothing(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, match in (
        (folder / "*.orc", "no file matches"),
        (tmp_path / "missing", "nothing is there"),
        (tmp_path / "empty", "expected log files in the folder"),
    ):
        with pytest.raises(InputError, match=match) as caught:
            open_logs([str(name)])
        assert caught.value.where == str(name)
        assert caught.value.remedy


def test_a_lake_is_no_log(folder: Path, tmp_path: Path) -> None:
    ingested(folder, tmp_path / "lake")
    with pytest.raises(InputError, match="this folder is a lake already"):
        open_logs([str(tmp_path / "lake")])


def test_one_bad_file_among_several_is_skipped_and_alone_is_an_error(folder: Path) -> None:
    (folder / "c.parquet").write_bytes(b"PAR1 cut off")
    log = open_logs([str(folder)])
    assert names(log) == ["b.jsonl.gz", "a.csv"]
    assert [(Path(skip.file).name, "Parquet" in skip.reason) for skip in log.skipped] == [("c.parquet", True)]
    with pytest.raises(InputError, match="expected a whole Parquet file"):
        open_logs([str(folder / "c.parquet")])
    (folder / "d.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(InputError, match="none of the 2 files can be read; the first: "):
        open_logs([str(folder / "*.parquet")])


def test_a_simulated_folder_gives_its_log_and_accounts_and_hides_the_truth(tmp_path: Path) -> None:
    (tmp_path / "requests").mkdir()
    write_parquet(tmp_path / "requests" / "part.parquet", rows(5))
    write_accounts(tmp_path / "accounts.parquet")
    write_parquet(tmp_path / "truth.parquet", rows(5))
    log = open_logs([str(tmp_path)])
    assert names(log) == ["part.parquet"]
    assert log.accounts is not None
    assert log.accounts.num_rows == 2
    assert any("truth.parquet holds labels and was not read" in note for note in log.notes)
    other = tmp_path / "other"
    (other / "requests").mkdir(parents=True)
    write_parquet(other / "requests" / "part.parquet", rows(5))
    write_accounts(other / "accounts.parquet")
    with pytest.raises(SettingError, match="2 of the folders hold an accounts"):
        open_logs([str(tmp_path), str(other)])


# --- accounts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_accounts_of_every_format(tmp_path: Path, suffix: str) -> None:
    found = read_accounts(write_accounts(tmp_path / f"accounts{suffix}"))
    assert found.schema.equals(ACCOUNTS)
    assert found.select(list(ACCOUNT_ROWS[0])).to_pylist() == ACCOUNT_ROWS


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ({"account_id": None}, "account_id: expected a value, found none"),
        ({"account_id": "  "}, "account_id: expected a value, found none"),
        ({"account_id": "a-2", "created_at": "once"}, "created_at: expected a time .*; got 'once'"),
    ],
)
def test_an_account_at_fault_is_an_error_that_names_its_row(
    tmp_path: Path, row: dict[str, object], match: str
) -> None:
    path = write_accounts(tmp_path / "accounts.jsonl", row)
    with pytest.raises(InputError, match=match) as caught:
        read_accounts(path)
    assert caught.value.where == f"{path}, row 3"


def test_an_account_that_stands_there_twice_is_an_error(tmp_path: Path) -> None:
    path = write_accounts(tmp_path / "accounts.csv", ACCOUNT_ROWS[1])
    with pytest.raises(InputError, match=r"expected each account once; 'a-1' stands in rows 2, 3"):
        read_accounts(path)


def test_accounts_in_other_shapes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "accounts.json"
    path.write_text(json.dumps(ACCOUNT_ROWS, default=str, indent=1))
    with pytest.raises(InputError, match="found JSON over several lines"):
        read_accounts(path)
    path.write_text('{"who": "a"}\n')
    with pytest.raises(InputError, match="expected a column `account_id`"):
        read_accounts(path)


def test_a_lake_takes_accounts_in_and_newer_rows_replace_older(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    log = write_jsonl(tmp_path / "log.jsonl", rows(5))
    ingested(open_logs([str(log)], accounts=write_accounts(tmp_path / "first.csv")), lake)
    assert open_lake(lake).coverage.missing.get("signs_up_together") is None
    more = write_jsonl(tmp_path / "more.jsonl", rows(5, first=5))
    newer = write_jsonl(
        tmp_path / "newer.jsonl", [{"account_id": "a-1", "plan": "team"}, {"account_id": "a-9"}]
    )
    ingested(open_logs([str(more)], accounts=newer), lake, mode="append")
    found = pq.read_table(open_lake(lake).accounts_file).sort_by("account_id")
    assert found.select(["account_id", "plan", "email_domain"]).to_pylist() == [
        {"account_id": "a-0", "plan": None, "email_domain": "example.org"},
        {"account_id": "a-1", "plan": "team", "email_domain": None},
        {"account_id": "a-9", "plan": None, "email_domain": None},
    ]
