"""The lake: what lake.json says, who may write it, and what readers see."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_log import (
    KEYS,
    NOW,
    command,
    environment,
    ingested,
    rejections,
    rows,
    stillhunt,
    write_jsonl,
    write_parquet,
)

from stillhunt.errors import InputError, OutputError, SettingError
from stillhunt.schema.progress import Progress
from stillhunt.schema.requests import LAKE_REQUESTS, LAKE_REQUESTS_WITH_TEXT, SKETCHES, TEXT_COLUMNS
from stillhunt.sources.ingest import Log
from stillhunt.sources.lake import (
    MANIFEST,
    Lake,
    Part,
    TakenFrom,
    check_digests,
    file_sha256,
    is_lake,
    manifest_json,
    open_lake,
    read_manifest,
)
from stillhunt.sources.logs import open_logs
from stillhunt.sources.source import Parsed, Skipped

SPEC = Path(__file__).parents[2] / "spec" / "lake.md"


def requests(lake: Path) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in open_lake(lake).request_files)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    made = tmp_path / "lake"
    ingested(write_jsonl(tmp_path / "first.jsonl", rows(40)), made)
    return made


# --- what is written ------------------------------------------------------------------------------------------


def test_every_row_comes_back_without_its_text(lake: Path) -> None:
    opened = open_lake(lake)
    found = requests(lake)
    assert found.schema.equals(LAKE_REQUESTS)
    assert found["request_id"].to_pylist() == [row["request_id"] for row in rows(40)]
    assert found["time"].to_pylist() == [row["time"] for row in rows(40)]
    assert found["prompt_chars"].to_pylist() == [len(row["prompt"]) for row in rows(40)]
    assert found["sketch_key_id"].unique().to_pylist() == [KEYS.current.key_id]
    assert (opened.read, opened.written, opened.rejected) == (40, 40, 0)
    assert (opened.requests[0].first, opened.requests[0].last) == (rows(40)[0]["time"], rows(40)[-1]["time"])
    texts = pa.concat_tables(pq.read_table(path) for path in opened.sketch_files)
    assert texts.schema.equals(SKETCHES)
    assert pc.value_counts(texts["role"]).to_pylist() == [
        {"values": "prompt", "counts": 40},
        {"values": "system", "counts": 3},
        {"values": "completion", "counts": 40},
    ]


def test_no_text_stays_anywhere_unless_it_is_kept(tmp_path: Path) -> None:
    records = rows()
    records[3]["status"] = "broken"
    log = write_jsonl(tmp_path / "log.jsonl", records)
    for keep in (False, True):
        made = tmp_path / f"lake-{keep}"
        ingested(log, made, keep_text=keep)
        found = {
            value
            for part in open_lake(made).request_files
            for column in pq.read_table(part).columns
            if pa.types.is_string(column.type)
            for value in column.to_pylist()
        }
        assert (rows()[5]["prompt"] in found) == keep
        raw = b"".join(
            path.read_bytes() for path in made.rglob("*") if path.is_file() and path.suffix != ".parquet"
        )
        assert not any(row[name].encode() in raw for row in rows() for name in TEXT_COLUMNS)
    assert requests(tmp_path / "lake-True").schema.equals(LAKE_REQUESTS_WITH_TEXT)
    assert requests(tmp_path / "lake-True")["prompt"][5].as_py() == rows()[6]["prompt"]  # row 4 is rejected


def test_ingesting_a_lakes_own_rows_changes_nothing_in_them(lake: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    ingested(open_lake(lake).request_files[0], again)
    assert requests(again).equals(requests(lake))


def test_the_page_names_what_lake_json_holds(lake: Path) -> None:
    """spec/lake.md shows an example; its fields are those that are written, and it can be read."""
    example = json.loads(re.search(r"```json\n(.*?)```", SPEC.read_text(encoding="utf-8"), re.S).group(1))
    written = json.loads((lake / MANIFEST).read_text(encoding="utf-8"))
    assert list(example) == list(written)
    for name in ("requests", "sketches", "sources"):
        assert list(example[name][0]) == list(written[name][0]), name
    for name in ("rows", "coverage"):
        assert list(example[name]) == list(written[name]), name
    assert example["format"] == written["format"]
    (lake / MANIFEST).write_text(json.dumps(example), encoding="utf-8")
    assert read_manifest(lake).read == example["rows"]["read"]


# --- who may write it, and what is seen -----------------------------------------------------------------------


def test_readers_see_only_what_lake_json_names(lake: Path) -> None:
    write_parquet(lake / "requests" / "part-000007.parquet", rows(5, first=900))
    assert requests(lake).num_rows == 40


def test_append_adds_parts_and_changes_none(lake: Path, tmp_path: Path) -> None:
    before = {path: file_sha256(path) for path in lake.rglob("*.parquet")}
    report = ingested(write_jsonl(tmp_path / "more.jsonl", rows(30, first=30)), lake, mode="append")
    assert (report.read, report.written, report.rejected) == (30, 20, 10)
    assert set(report.reasons) == {"request_id: stands in an earlier row of the log or of the lake"}
    assert all(file_sha256(path) == digest for path, digest in before.items())
    opened = open_lake(lake)
    check_digests(opened)
    assert [part.path for part in opened.requests] == [
        "requests/part-000000.parquet",
        "requests/part-000001.parquet",
    ]
    assert (opened.read, opened.written, opened.rejected) == (70, 60, 10)
    assert requests(lake)["request_id"].to_pylist() == [row["request_id"] for row in rows(60)]
    assert [each["row"] for each in rejections(lake)] == list(range(1, 11))
    texts = pa.concat_tables(pq.read_table(path) for path in opened.sketch_files)
    ids = list(zip(texts["role"].to_pylist(), texts["text_id"].to_pylist(), strict=True))
    assert len(ids) == len(set(ids)) == 60 + 3 + 60


def test_append_counts_parts_on_past_files_that_nothing_names(lake: Path, tmp_path: Path) -> None:
    stray = write_parquet(lake / "requests" / "part-000003.parquet", rows(5, first=900))
    digest = file_sha256(stray)
    ingested(write_jsonl(tmp_path / "more.jsonl", rows(5, first=50)), lake, mode="append")
    assert open_lake(lake).requests[-1].path == "requests/part-000004.parquet"
    assert file_sha256(stray) == digest


def test_append_keeps_what_the_lake_is(lake: Path, tmp_path: Path) -> None:
    more = write_jsonl(tmp_path / "more.jsonl", rows(5, first=50))
    before = (lake / MANIFEST).read_bytes()
    with pytest.raises(SettingError, match="made without --keep-text"):
        ingested(more, lake, mode="append", keep_text=True)
    assert (lake / MANIFEST).read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


def test_append_to_nothing_makes_a_lake(tmp_path: Path) -> None:
    ingested(write_jsonl(tmp_path / "log.jsonl", rows()), tmp_path / "lake", mode="append")
    assert requests(tmp_path / "lake").num_rows == 40


def test_overwrite_replaces_the_lake(lake: Path, tmp_path: Path) -> None:
    other = write_jsonl(tmp_path / "other.jsonl", rows(5, first=100))
    with pytest.raises(OutputError, match="exists and is not empty"):
        ingested(other, lake)
    assert requests(lake).num_rows == 40
    ingested(other, lake, mode="overwrite")
    assert requests(lake)["request_id"].to_pylist() == [f"r-{number}" for number in range(100, 105)]


@dataclass(frozen=True)
class Watching:
    """A source that looks at the lake while it is being written."""

    lake: Path
    seen: list[int]
    kind: str = "watching"
    location: str = "watching"

    def batches(self, progress: Progress) -> Iterator[Parsed]:
        (source,) = open_logs([str(self.lake.parent / "more.jsonl")]).sources
        yield from source.batches(progress)
        self.seen.append(requests(self.lake).num_rows)


def test_while_a_writer_writes_the_lake_is_as_before_and_closed_to_others(lake: Path, tmp_path: Path) -> None:
    more = write_jsonl(tmp_path / "more.jsonl", rows(5, first=50))
    watching = Watching(lake, [])

    @dataclass(frozen=True)
    class Second:
        kind: str = "second"
        location: str = "second"

        def batches(self, progress: Progress) -> Iterator[Parsed]:
            with pytest.raises(OutputError, match="another run is writing this output"):
                ingested(more, lake, mode="append")
            with pytest.raises(OutputError, match="another run is writing this output"):
                ingested(more, lake, mode="overwrite")
            yield from ()

    ingested(Log((watching, Second())), lake, mode="append")
    assert watching.seen == [40]
    assert requests(lake).num_rows == 45


def test_a_failure_midway_leaves_the_lake_as_it_was(lake: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "more.jsonl", rows(5, first=50))
    before = {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()}

    @dataclass(frozen=True)
    class Failing(Watching):
        def batches(self, progress: Progress) -> Iterator[Parsed]:
            yield from super().batches(progress)
            raise RuntimeError("midway")

    for mode in ("append", "overwrite"):
        with pytest.raises(RuntimeError, match="midway"):
            ingested(Log((Failing(lake, []),)), lake, mode=mode)
        assert {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()} == before
        assert {path.name for path in tmp_path.iterdir()} == {"lake", "first.jsonl", "more.jsonl"}


_SLOWLY = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import small_log
import stillhunt.sources.publish as publish
import stillhunt.sources.ingest as ingest
point, lake = sys.argv[1], Path(sys.argv[2])
def stop(*_):
    print("here", flush=True)
    time.sleep(600)
if point == "before the manifest":
    publish.manifest_json = stop
elif point == "before anything is moved":
    ingest.publish = stop
small_log.ingested(lake.parent / "more.jsonl", lake, mode=sys.argv[4])
"""


@pytest.mark.parametrize("point", ["before anything is moved", "before the manifest"])
@pytest.mark.parametrize("mode", ["new", "append"])
def test_killed_midway_nothing_is_visible_and_a_rerun_works(tmp_path: Path, point: str, mode: Any) -> None:
    """SIGKILL at two points: with all parts written aside, and with the parts in place but lake.json not yet."""
    lake = tmp_path / "lake"
    had = 0
    if mode == "append":
        ingested(write_jsonl(tmp_path / "first.jsonl", rows(40)), lake)
        had = 40
    more = write_jsonl(tmp_path / "more.jsonl", rows(10, first=100))
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOWLY, point, str(lake), str(Path(__file__).parent), mode],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    if mode == "append":
        assert requests(lake).num_rows == had
    else:
        assert not is_lake(lake)
        assert not lake.exists()
    visible = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    assert visible <= {"lake", "first.jsonl", "more.jsonl"}
    ingested(more, lake, mode=mode)
    assert requests(lake)["request_id"].to_pylist()[had:] == [f"r-{number}" for number in range(100, 110)]
    check_digests(open_lake(lake))
    assert {path.name for path in tmp_path.iterdir()} == visible | {"lake"}


def test_killed_command_leaves_nothing_and_a_rerun_works(tmp_path: Path) -> None:
    """The real command, killed while it reads: the log is a pipe that never ends."""
    logs = tmp_path / "logs"
    logs.mkdir()
    log = write_jsonl(logs / "a.jsonl", rows(2_000))
    pipe = logs / "b.jsonl"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [
            command("stillhunt"),
            "ingest",
            str(log),
            str(pipe),
            "--kind",
            "canonical_jsonl",
            "--out",
            str(tmp_path / "lake"),
        ],
        env=environment(tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with pipe.open("wb") as writing:  # opens when the command reads it, behind the first log
        writing.write(log.read_bytes())
        writing.flush()
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".lake.partial-*/requests")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert list(tmp_path.glob(".lake.partial-*/requests"))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")} == {
        "logs",
        "sketch.key",
    }
    pipe.unlink()
    ran = stillhunt("ingest", logs, "--out", tmp_path / "lake", home=tmp_path)
    assert ran.status == 0
    assert requests(tmp_path / "lake").num_rows == 2_000
    assert {path.name for path in tmp_path.iterdir()} == {"logs", "sketch.key", "lake"}


# --- what a reader refuses ------------------------------------------------------------------------------------


def test_damage_is_named(lake: Path) -> None:
    manifest, part = lake / MANIFEST, lake / "requests" / "part-000000.parquet"
    whole, sound = manifest.read_text(encoding="utf-8"), part.read_bytes()
    fields = json.loads(whole)

    def refused(match: str, reading: Any = open_lake) -> None:
        with pytest.raises(InputError, match=match) as caught:
            reading(lake)
        assert caught.value.where
        assert caught.value.remedy

    part.write_bytes(sound[:-9])
    refused("expected a Parquet file")
    pq.write_table(pq.read_table(pa.BufferReader(sound)).slice(1), part)
    refused("expected 40 rows, as lake.json says, found 39")
    pq.write_table(pq.read_table(pa.BufferReader(sound)).drop_columns(["asn"]), part)
    refused(r"column\(s\) asn are missing")
    pq.write_table(pq.read_table(pa.BufferReader(sound)), part, compression="none")
    refused("the file was changed after ingest", lambda path: check_digests(open_lake(path)))
    part.unlink()
    refused("names this file and it is not there")
    part.write_bytes(sound)
    check_digests(open_lake(lake))
    for text, match in (
        ("", "could not read it"),
        ("[]", "expected the lake format"),
        (whole.replace("stillhunt-lake/1", "stillhunt-lake/9"), "stillhunt-lake/9"),
        (json.dumps({**fields, "text": "other"}), "text is 'other'"),
        (json.dumps({name: value for name, value in fields.items() if name != "rows"}), "rows"),
        (whole.replace("requests/part", "../part"), "outside the lake"),
        (whole.replace("requests/part", "/requests/part"), "outside the lake"),
    ):
        manifest.write_text(text, encoding="utf-8")
        refused(match)
    manifest.unlink()
    refused("found no lake.json")


TIMES = st.datetimes(min_value=NOW.replace(tzinfo=None, year=2015)).map(
    lambda time: time.replace(tzinfo=NOW.tzinfo)
)
PARTS = st.builds(
    Part,
    path=st.from_regex(r"[a-z]{1,8}/part-[0-9]{6}\.parquet", fullmatch=True),
    rows=st.integers(0, 1 << 40),
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
)
CURSORS = st.none() | st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.integers(), max_size=2)
LAKES = st.builds(
    Lake,
    root=st.just(Path()),
    text=st.sampled_from(("sketches", "kept")),
    requests=st.lists(
        st.builds(lambda part, time: replace(part, first=time, last=time), PARTS, TIMES), max_size=3
    ).map(tuple),
    sketches=st.lists(PARTS, max_size=2).map(tuple),
    accounts=st.none() | PARTS,
    rejections=st.lists(PARTS, max_size=2).map(tuple),
    read=st.integers(0, 1 << 40),
    written=st.integers(0, 1 << 40),
    rejected=st.integers(0, 1 << 40),
    sketch_keys=st.lists(st.text(max_size=9), max_size=2).map(tuple),
    sources=st.lists(st.builds(TakenFrom, st.text(), st.text(), st.integers(0, 99), CURSORS), max_size=3).map(
        tuple
    ),
    skipped=st.lists(st.builds(Skipped, st.text(), st.text(), st.integers(0, 99)), max_size=2).map(tuple),
    notes=st.dictionaries(st.text(), st.integers(0, 99), max_size=3),
)


@given(LAKES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_manifest_round_trip(tmp_path_factory: pytest.TempPathFactory, lake: Lake) -> None:
    folder = tmp_path_factory.mktemp("lake", numbered=True)
    (folder / MANIFEST).write_text(manifest_json(lake), encoding="utf-8")
    assert read_manifest(folder) == replace(lake, root=folder)


def test_cursor_is_the_last_of_its_source() -> None:
    taken = (
        TakenFrom("k", "a", 1, {"at": 1}),
        TakenFrom("k", "a", 1, {"at": 2}),
        TakenFrom("k", "b", 1, None),
    )
    lake = Lake(Path(), "kept", sources=taken)
    assert lake.cursor("k", "a") == {"at": 2}
    assert lake.cursor("k", "b") is None
    assert lake.cursor("other", "a") is None


def test_inputs_digest_is_that_of_the_parts(lake: Path) -> None:
    opened = open_lake(lake)
    lines = "".join(f"{file_sha256(lake / part.path)}\n" for part in (*opened.requests, *opened.sketches))
    assert opened.inputs_digest == "sha256:" + hashlib.sha256(lines.encode()).hexdigest()
