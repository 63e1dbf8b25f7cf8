"""Bad input through the real command line: the exit status, and a message that says what was expected, what came,
where, and what to do. A row that cannot be used is named in rejected.jsonl, never dropped in silence."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from small_log import rejections, rows, stillhunt, table, write_jsonl, write_parquet

from stillhunt.sources.lake import open_lake

DONE, UNUSABLE, PARTIAL = 0, 2, 3


def reasons(folder: Path) -> list[tuple[int, str, str]]:
    """(row, column or reason, value), by row."""
    return sorted((each["row"], each["reason"].split(":")[0], each["value"]) for each in rejections(folder))


def lake_rows(lake: Path) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in open_lake(lake).request_files)


def nothing_is_left(folder: Path, *but: str) -> bool:
    """Whether the folder holds no output, whole or in part, hidden or not."""
    return {path.name for path in folder.iterdir()} <= {*but, "sketch.key"}


def test_empty_file(tmp_path: Path) -> None:
    log = tmp_path / "empty.parquet"
    log.touch()
    ran = stillhunt("ingest", log, "--out", tmp_path / "lake", home=tmp_path)
    assert ran.status == UNUSABLE
    assert "error: the file is empty; expected Parquet, JSON lines or CSV" in ran.err
    assert f"where: {log}" in ran.err
    assert "to do: Leave it out, or check that the export ran to its end." in ran.err
    assert nothing_is_left(tmp_path, "empty.parquet")


def test_empty_file_among_others_is_skipped_and_named(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "empty.jsonl").touch()
    write_jsonl(logs / "sound.jsonl", rows())
    ran = stillhunt("ingest", logs, "--out", tmp_path / "lake", home=tmp_path)
    assert ran.status == PARTIAL
    assert f"skipped: {logs / 'empty.jsonl'}: the file is empty" in ran.err
    assert "40 of 40 rows written" in ran.out
    assert [skip.file for skip in open_lake(tmp_path / "lake").skipped] == [str(logs / "empty.jsonl")]


def test_truncated_parquet(tmp_path: Path) -> None:
    log = write_parquet(tmp_path / "cut.parquet", rows())
    log.write_bytes(log.read_bytes()[:-200])
    for command in ("ingest", "scan"):
        ran = stillhunt(command, log, "--out", tmp_path / "out", home=tmp_path)
        assert ran.status == UNUSABLE
        assert "error: expected a whole Parquet file; it is damaged or was cut off" in ran.err
        assert f"where: {log}" in ran.err
        assert "to do: Copy it again from its source, or leave it out." in ran.err
        assert nothing_is_left(tmp_path, "cut.parquet")


def test_parquet_that_breaks_in_the_middle_keeps_what_came_before(tmp_path: Path) -> None:
    log = tmp_path / "broken.parquet"
    write_parquet(log, rows(4_000), row_group_size=1_000, compression="snappy")
    second = pq.read_metadata(log).row_group(2).column(0)
    data = bytearray(log.read_bytes())
    start = second.dictionary_page_offset or second.data_page_offset
    data[start : start + second.total_compressed_size] = bytes(second.total_compressed_size)
    log.write_bytes(data)
    ran = stillhunt("ingest", log, "--out", tmp_path / "lake", home=tmp_path)
    assert ran.status == PARTIAL
    assert "it is damaged or was cut off" in ran.err
    assert "2,000 rows before that were taken" in ran.err
    assert lake_rows(tmp_path / "lake").num_rows == 2_000


def test_wrong_types_of_values_reject_their_rows(tmp_path: Path) -> None:
    records = rows()
    records[3]["input_tokens"] = "many"
    records[4]["time"] = "yesterday"
    records[5]["status"] = 99_999_999
    records[6]["prompt"] = {"role": "user"}
    log = write_jsonl(tmp_path / "log.jsonl", records)
    expected = [
        (4, "input_tokens", "many"),
        (5, "time", "yesterday"),
        (6, "status", "99999999"),
        (7, "prompt", ""),
    ]
    ran = stillhunt("ingest", log, "--out", tmp_path / "lake", home=tmp_path)
    assert ran.status == PARTIAL
    assert reasons(tmp_path / "lake") == expected
    assert {each["file"] for each in rejections(tmp_path / "lake")} == {str(log)}
    assert "36 of 40 rows written" in ran.out
    assert f"4 rejected, see {tmp_path / 'lake'}/rejected*.jsonl" in ran.out
    assert "rejected: 1 rows: input_tokens: expected a whole number" in ran.err
    ran = stillhunt("scan", log, "--out", tmp_path / "result", home=tmp_path)
    assert ran.status == PARTIAL
    assert reasons(tmp_path / "result") == expected
    assert f"partial: 4 rows were left out; they are named in {tmp_path / 'result'}/rejected.jsonl" in ran.err
    assert "rejected: 1 rows: time: expected a time (ISO 8601" in ran.err


def test_wrong_type_of_a_column(tmp_path: Path) -> None:
    wrong = table(rows())
    place = wrong.schema.get_field_index("input_tokens")
    wrong = wrong.set_column(place, "input_tokens", pa.array([["x"]] * wrong.num_rows))
    log = tmp_path / "log.parquet"
    pq.write_table(wrong, log)
    ran = stillhunt("ingest", log, "--out", tmp_path / "lake", home=tmp_path)
    assert ran.status == UNUSABLE
    assert "expected column `input_tokens` to be int32 or what converts to it, found list<" in ran.err
    assert f"where: {log}" in ran.err
    assert "to do: Write the column in that type, or name another one with --map FILE." in ran.err


def test_required_column_is_missing(tmp_path: Path) -> None:
    log = tmp_path / "log.parquet"
    pq.write_table(table(rows()).drop_columns(["account_id"]), log)
    ran = stillhunt("ingest", log, "--out", tmp_path / "lake", home=tmp_path)
    assert ran.status == UNUSABLE
    assert "expected a column `account_id` (or enduser.id); the columns found are: client_ip" in ran.err
    assert "to do: Rename the columns, or say which is which in a mapping file" in ran.err


def test_duplicate_ids_keep_the_first(tmp_path: Path) -> None:
    records = rows()
    records[7] = {**records[7], "request_id": "r-1", "model": "second"}
    records[30] = {**records[30], "request_id": "r-1", "model": "third"}
    log = write_jsonl(tmp_path / "log.jsonl", records)
    ran = stillhunt("ingest", log, "--out", tmp_path / "lake", home=tmp_path)
    assert ran.status == PARTIAL
    assert reasons(tmp_path / "lake") == [(8, "request_id", "r-1"), (31, "request_id", "r-1")]
    assert "rejected: 2 rows: request_id: stands in an earlier row of the log or of the lake" in ran.err
    kept = lake_rows(tmp_path / "lake")
    assert kept.num_rows == 38
    assert kept.filter(pa.compute.equal(kept["request_id"], "r-1"))["model"].to_pylist() == ["large"]


def test_clock_skew_and_unordered_rows(tmp_path: Path) -> None:
    records = rows(200)
    random.Random(3).shuffle(records)
    records[10]["time"] = datetime(2071, 1, 1, tzinfo=UTC)
    records[20]["time"] = datetime(1999, 1, 1, tzinfo=UTC)
    log = write_jsonl(tmp_path / "log.jsonl", records)
    ran = stillhunt("ingest", log, "--out", tmp_path / "lake", home=tmp_path)
    assert ran.status == PARTIAL
    found = {each["row"]: (each["reason"], each["value"][:4]) for each in rejections(tmp_path / "lake")}
    assert found == {
        11: ("time: lies in the future, far from every other row", "2071"),
        21: ("time: expected 2015 or later; the clock or the unit is wrong", "1999"),
    }
    lake = open_lake(tmp_path / "lake")
    sound = [record["time"] for number, record in enumerate(records) if number not in (10, 20)]
    assert (lake.requests[0].first, lake.requests[0].last) == (min(sound), max(sound))
    assert lake_rows(tmp_path / "lake")["time"].to_pylist() == sound
    ran = stillhunt("scan", log, "--out", tmp_path / "result", home=tmp_path)
    assert ran.status == PARTIAL
    assert json.loads((tmp_path / "result" / "run.json").read_text())["window"] == {
        "first": min(sound).isoformat(),
        "last": max(sound).isoformat(),
    }


def test_one_account_only(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", rows(60, accounts=1))
    ran = stillhunt("scan", log, "--out", tmp_path / "result", home=tmp_path)
    assert ran.status == DONE
    assert "0 campaigns, 0 accounts flagged, of 1 accounts and 60 requests" in ran.out
    assert (tmp_path / "result" / "report.html").stat().st_size > 0


def test_prompt_of_ten_megabytes(tmp_path: Path) -> None:
    records = rows()
    records[9]["prompt"] = "héllo wörld, " * 750_000
    assert len(records[9]["prompt"].encode()) > 10 << 20
    log = write_jsonl(tmp_path / "log.jsonl", records)
    ran = stillhunt("ingest", log, "--out", tmp_path / "lake", home=tmp_path)
    assert ran.status == DONE
    assert "40 of 40 rows written" in ran.out
    assert lake_rows(tmp_path / "lake")["prompt_chars"][9].as_py() == len(records[9]["prompt"])


def test_invalid_utf8(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", rows())
    lines = log.read_bytes().split(b"\n")
    lines[11] = lines[11].replace(b"shelf", b"sh\xff\xfef")
    log.write_bytes(b"\n".join(lines))
    ran = stillhunt("ingest", log, "--out", tmp_path / "lake", home=tmp_path)
    assert ran.status == PARTIAL
    assert reasons(tmp_path / "lake") == [(12, "expected valid UTF-8", "")]
    assert "rejected: 1 rows: expected valid UTF-8" in ran.err


def test_invalid_utf8_in_parquet(tmp_path: Path) -> None:
    sound = table(rows())
    prompts = [text.encode() for text in sound["prompt"].to_pylist()]
    prompts[11] = b"\xff\xfe"
    broken = pa.array(prompts, pa.binary()).view(pa.string())
    log = tmp_path / "log.parquet"
    pq.write_table(sound.set_column(sound.schema.get_field_index("prompt"), "prompt", broken), log)
    ran = stillhunt("ingest", log, "--out", tmp_path / "lake", home=tmp_path)
    assert ran.status == PARTIAL
    assert rejections(tmp_path / "lake") == [
        {"file": str(log), "row": 12, "reason": "prompt: expected valid UTF-8", "value": ""}
    ]


def test_column_that_is_all_null_switches_its_signals_off(tmp_path: Path) -> None:
    records = [{**record, "client_ip": None} for record in rows()]
    log = write_jsonl(tmp_path / "log.jsonl", records)
    ran = stillhunt("ingest", log, "--out", tmp_path / "lake", home=tmp_path)
    assert ran.status == DONE
    assert "shares_address off: needs client_ip" in ran.err
    assert open_lake(tmp_path / "lake").coverage.missing["shares_address"] == ("client_ip",)
    log = write_parquet(tmp_path / "log.parquet", records)
    ran = stillhunt("scan", log, "--out", tmp_path / "result", home=tmp_path)
    assert ran.status == DONE
    assert "could not see: " in ran.err
    assert "shares_address" in ran.err


def test_account_id_null(tmp_path: Path) -> None:
    records = rows()
    records[2]["account_id"] = None
    records[3]["account_id"] = "  "
    del records[4]["account_id"]
    log = write_jsonl(tmp_path / "log.jsonl", records)
    ran = stillhunt("ingest", log, "--out", tmp_path / "lake", home=tmp_path)
    assert ran.status == PARTIAL
    assert [row for row, _, _ in reasons(tmp_path / "lake")] == [3, 4, 5]
    assert "rejected: 3 rows: account_id: expected a value, found none" in ran.err


def test_account_id_null_in_every_row(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", [{**record, "account_id": None} for record in rows()])
    ran = stillhunt("ingest", log, "--out", tmp_path / "lake", home=tmp_path)
    assert ran.status == UNUSABLE
    assert (
        "none of the 40 rows can be used; for 40 of them the reason is: account_id: expected a value"
        in ran.err
    )
    assert f"where: {log}" in ran.err
    assert "to do: Check that the columns hold what the contract says" in ran.err
    assert nothing_is_left(tmp_path, "log.jsonl")


def test_unwritable_output(tmp_path: Path) -> None:
    """A place where even root cannot make a folder: below a file, and in /proc."""
    log = write_jsonl(tmp_path / "log.jsonl", rows())
    file = tmp_path / "file"
    file.write_text("mine")
    for command, out in (("ingest", file / "deep" / "out"), ("scan", Path("/proc/nowhere/out"))):
        ran = stillhunt(command, log, "--out", out, home=tmp_path)
        assert ran.status == UNUSABLE
        assert "error: cannot " in ran.err
        assert f"where: {out.parent}" in ran.err
        assert "to do: Name an --out" in ran.err
    ran = stillhunt("ingest", log, "--out", file, home=tmp_path)
    assert ran.status == UNUSABLE
    assert "error: expected a directory to write to, found a file" in ran.err
    assert file.read_text() == "mine"
    assert nothing_is_left(tmp_path, "log.jsonl", "file")


def test_existing_output(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", rows())
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    for command in ("ingest", "scan"):
        ran = stillhunt(command, log, "--out", out, home=tmp_path)
        assert ran.status == UNUSABLE
        assert "error: the output exists and is not empty" in ran.err
        assert f"where: {out}" in ran.err
        assert "to do: Name another --out, or add --overwrite to replace it." in ran.err
        assert [path.name for path in out.iterdir()] == ["notes.txt"]
    ran = stillhunt("ingest", log, "--out", out, "--overwrite", home=tmp_path)
    assert ran.status == DONE
    assert not (out / "notes.txt").exists()


def test_settings_out_of_range(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", rows())
    out = tmp_path / "out"
    for arguments, setting, expected in (
        (("ingest",), {"STILLHUNT_THREADS": "lots"}, ("valid integer", "'lots'", "where: STILLHUNT_THREADS")),
        (("scan", "--fdr", "0"), {}, ("greater than 0", "got 0.0", "where: --fdr")),
    ):
        ran = stillhunt(arguments[0], log, "--out", out, *arguments[1:], home=tmp_path, **setting)
        assert ran.status == UNUSABLE, ran.err
        assert all(each in ran.err for each in expected), ran.err
    assert nothing_is_left(tmp_path, "log.jsonl")
