"""``stillhunt trace`` from logs to result."""

from __future__ import annotations

import json
import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from receipts.receipt_scene import NAME, Scene, request_bytes, response_bytes
from stillhunt.cli.main import app, run
from stillhunt.receipts.document import read_document
from stillhunt.receipts.keys import read_keys
from stillhunt.receipts.verify import verify
from stillhunt.sketch.keys import create_keys, rotate


def text(seed: int, words: int = 70) -> str:
    chosen = random.Random(seed)
    return " ".join("".join(chosen.choices("etaoinshrdlu", k=chosen.randint(2, 9))) for _ in range(words))


def log(path: Path, first: int, count: int) -> None:
    begun = datetime(2026, 4, 22, tzinfo=UTC)
    rows = [
        {
            "time": (begun + timedelta(hours=i)).isoformat(),
            "account_id": f"acct-{i % 5}",
            "request_id": f"req-{i}",
            "prompt": f"question {i}",
            "completion": text(i),
        }
        for i in range(first, first + count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 40 answers, its lake, its registry and its key."""
    folder = tmp_path_factory.mktemp("trace")
    log(folder / "log.jsonl", 0, 40)
    paths = [str(folder / name) for name in ("log.jsonl", "lake", "sketch.key", "reg")]
    assert run(["ingest", paths[0], "--out", paths[1], "--key-file", paths[2]]) == 0
    assert run(["trace", "registry", "build", paths[1], "--out", paths[3]]) == 0
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and receipts of 30 of the answers."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STILLHUNT_SKETCH_KEY_FILE", str(tmp_path / "sketch.key"))
    lines = "".join(f"req-{i},{i + 1:032x}\n" for i in range(30))
    (tmp_path / "receipts.csv").write_text(f"request_id,receipt_id\n{lines}")
    return tmp_path


REBUILD = ["trace", "registry", "build", "lake", "--receipts", "receipts.csv", "--out", "reg", "--overwrite"]


def write(path: Path, texts: list[str]) -> None:
    path.write_text("".join(json.dumps({"output": one}) + "\n" for one in texts))


def traced(*more: str) -> tuple[int, dict[str, Any]]:
    options = ["--registry", "reg", "--out", "traced", "--overwrite", "--json"]
    got = CliRunner().invoke(app, ["trace", "dataset", "suspect.jsonl", *options, *more])
    assert got.exit_code in (0, 3), (got.output, got.exception)
    summary: dict[str, Any] = json.loads(got.stdout)
    return got.exit_code, summary


def test_from_a_log_to_the_accounts_and_receipts_of_a_data_set(folder: Path) -> None:
    assert run(REBUILD) == 0
    write(folder / "suspect.jsonl", [text(3), text(33), text(1_000), text(7)])
    status, summary = traced()
    assert status == 0
    assert (summary["matching"], summary["verbatim"], summary["counted"]) == (3, 3, 4)
    assert summary["registry"]["entries"] == 40
    origins = pq.read_table("traced/origins.parquet").to_pylist()
    assert [(one["row"], one["account_id"], one["receipt_id"]) for one in origins] == [
        (1, "acct-3", f"{4:032x}"),
        (2, "acct-3", None),
        (4, "acct-2", f"{8:032x}"),
    ]
    assert origins[0]["time"] == datetime(2026, 4, 22, 3, tzinfo=UTC)
    assert json.loads(Path("traced/findings.jsonl").read_text().splitlines()[0])["value"] == 3.0


def test_receipts_of_matching_answers_are_written_and_verify(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The registry says which receipts; the store gives them; the bytes that were kept prove them."""
    assert run(["receipts", "keygen", "--keys", "issuer.json", "--name", NAME]) == 0
    scene = Scene(folder / "store", read_keys(folder / "issuer.json"))
    scene.clock.ms = 4_000_000_000_000
    made = scene.logged(range(4))
    lines = "".join(f"req-{i},{one.receipt.id}\n" for i, one in enumerate(made))
    Path("receipts.csv").write_text(f"request_id,receipt_id\n{lines}req-9,{'ab' * 16}\n")
    assert run(REBUILD) == 0
    write(folder / "suspect.jsonl", [text(2), text(9), text(1_000), text(3)])
    status, summary = traced("--store", "store", "--keys", "issuer.json")
    assert (status, summary["receipts"]) == (0, {"written": 2, "not_in_store": 1})
    documents = Path("traced/receipts.jsonl").read_text().splitlines()
    assert {read_document(one).receipt.id for one in documents} == {made[i].receipt.id for i in (2, 3)}
    numbers = {made[i].receipt.id: i for i in (2, 3)}
    for one in documents:
        number = numbers[read_document(one).receipt.id]
        verify(one, scene.trust, request=request_bytes(number), response=response_bytes(number))
    capsys.readouterr()


def test_a_registry_without_accounts_says_that_and_when(folder: Path) -> None:
    assert (
        run(["trace", "registry", "build", "lake", "--without-accounts", "--out", "reg", "--overwrite"]) == 0
    )
    held = b"".join(path.read_bytes() for path in Path("reg").rglob("*") if path.is_file())
    assert b"acct-" not in held
    write(folder / "suspect.jsonl", [text(3)])
    assert traced()[1]["verbatim"] == 1
    (origin,) = pq.read_table("traced/origins.parquet").to_pylist()
    assert (origin["account_id"], origin["time"]) == ("", datetime(2026, 4, 22, 3, tzinfo=UTC))


def test_only_new_parts_of_a_lake_are_entered_again(folder: Path) -> None:
    build = ["trace", "registry", "build", "lake", "--out", "reg", "--append", "--json"]
    assert json.loads(CliRunner().invoke(app, build).stdout)["entered"] == 0
    log(folder / "more.jsonl", 38, 10)  # two requests are in the lake already
    assert run(["ingest", "more.jsonl", "--out", "lake", "--append"]) in (0, 3)
    again = json.loads(CliRunner().invoke(app, build).stdout)
    assert again["entries"] == 40 + again["entered"]
    assert 8 <= again["entered"] <= 10
    write(folder / "suspect.jsonl", [text(45), text(2)])
    assert traced()[1]["verbatim"] == 2


def test_answers_under_retired_keys_are_found_and_missing_keys_named(folder: Path) -> None:
    """Two rotations on, the first key is sealed; the registry is still searched."""
    old = Path("sketch.key").read_bytes()
    for at in (datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 3, 1, tzinfo=UTC)):
        rotate(folder / "sketch.key", now=at)
    log(folder / "later.jsonl", 100, 10)
    assert run(["ingest", "later.jsonl", "--out", "later"]) == 0
    assert run(["trace", "registry", "build", "later", "--out", "reg", "--append"]) == 0
    write(folder / "suspect.jsonl", [text(3), text(105)])
    status, summary = traced()
    assert (status, summary["verbatim"], summary["missing_keys"]) == (0, 2, {})
    Path("old.key").write_bytes(old)
    Path("old.key").chmod(0o600)
    status, summary = traced("--key-file", "old.key")
    assert (status, summary["verbatim"]) == (3, 1)
    assert list(summary["missing_keys"].values()) == [10]


def test_rows_that_cannot_be_read_are_named_and_the_status_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder / "suspect.jsonl", [text(3)])
    with Path("suspect.jsonl").open("a") as file:
        file.write('{"foo": 1}\nno json\n')
    status, summary = traced()
    assert (status, summary["matching"]) == (3, 1)
    assert [one["row"] for one in summary["left_out"]] == [2, 3]
    capsys.readouterr()
    assert run(["trace", "dataset", "suspect.jsonl", "--registry", "reg", "--out", "shown"]) == 3
    shown = capsys.readouterr()
    assert "1 of 1 rows are copies" in shown.out
    assert "left out: suspect.jsonl, row 2" in shown.err


def test_every_format_gives_the_same(folder: Path) -> None:
    rows = [{"output": text(3), "src": "a"}, {"output": text(1_000), "src": "b"}]
    pq.write_table(pa.Table.from_pylist(rows), "s.parquet")
    Path("s.json").write_text(json.dumps(rows, indent=1))
    Path("s.csv").write_text("output,src\n" + "".join(f'"{one["output"]}",{one["src"]}\n' for one in rows))
    for name in ("s.parquet", "s.json", "s.csv"):
        assert run(["trace", "dataset", name, "--registry", "reg", "--out", f"of-{name}", "--by", "src"]) == 0
        assert pq.read_table(f"of-{name}/sources.parquet")["matching"].to_pylist() == [1, 0], name


def test_a_control_is_shown_beside_the_data_set(folder: Path) -> None:
    write(folder / "suspect.jsonl", [text(i) for i in range(10)])
    write(folder / "control.jsonl", [text(i) for i in range(2_000, 2_010)])
    _, summary = traced("--control", "control.jsonl")
    assert summary["control"]["matching"] == 0
    assert summary["control"]["log10_p"] < -4


def test_a_changed_file_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trace", "registry", "check", "reg"]) == 0
    assert "hold" in capsys.readouterr().out
    codes = Path("reg/segment-000000/codes.bin")
    harmed = bytearray(codes.read_bytes())
    harmed[5] ^= 1
    codes.write_bytes(harmed)
    assert run(["trace", "registry", "check", "reg"]) == 1
    assert "codes.bin: expected SHA-256" in capsys.readouterr().err.replace("\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dataset", "suspect.jsonl", "--registry", "nowhere", "--out", "t"], "expected a registry"),
        (["dataset", "missing.jsonl", "--registry", "reg", "--out", "t"], "missing.jsonl"),
        (["dataset", "suspect.jsonl", "--registry", "reg", "--out", "t", "--key-file", "no.key"], "no.key"),
        (
            ["dataset", "suspect.jsonl", "--registry", "reg", "--out", "t", "--key-file", "other.key"],
            "sketch key of",
        ),
        (
            ["dataset", "suspect.jsonl", "--registry", "reg", "--out", "t", "--column", "no"],
            "no record could be used",
        ),
        (
            ["dataset", "suspect.jsonl", "--registry", "reg", "--out", "t", "--scan", "lake"],
            "result of a scan",
        ),
        (
            ["dataset", "suspect.jsonl", "--registry", "reg", "--out", "t", "--false-match-rate", "2"],
            "probability",
        ),
        (
            ["dataset", "suspect.jsonl", "--registry", "reg", "--out", "t", "--store", "s"],
            "--store and --keys",
        ),
        (["dataset", "suspect.jsonl", "--registry", "reg", "--out", "."], "would replace"),
        (["registry", "build", "nowhere", "--out", "t"], "expected a lake"),
        (["registry", "build", "lake", "--out", "reg"], "not empty"),
        (["registry", "build", "lake", "--out", "t", "--receipts", "log.jsonl"], "request_id and receipt_id"),
        (["registry", "build", "lake", "--out", "t", "--receipts", "bad.csv"], "32 hexadecimal"),
        (["registry", "check", "lake"], "expected a registry"),
    ],
)
def test_what_cannot_be_used_is_named(
    folder: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder / "suspect.jsonl", [text(3)])
    (folder / "bad.csv").write_text("request_id,receipt_id\nreq-1,xyz\n")
    create_keys(folder / "other.key")
    capsys.readouterr()
    assert run(["trace", *arguments]) == 2
    assert said in capsys.readouterr().err.replace("\n", " ")
    assert not Path("t").exists()


@pytest.mark.parametrize("name", [["dataset"], ["registry", "build"], ["registry", "check"]])
def test_help_has_examples_and_statuses(name: list[str]) -> None:
    got = CliRunner().invoke(app, ["trace", *name, "--help"], env={"COLUMNS": "110"})
    assert got.exit_code == 0
    assert f"stillhunt trace {' '.join(name)}" in got.output.split("Examples")[1]
    assert "Exit status" in got.output
