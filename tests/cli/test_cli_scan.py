"""``stillhunt scan`` as people and programs use it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cli_command import COMMAND, Stillhunt, environment

from stillhunt.cli.main import run
from stillhunt.cli.queue import named, queue
from stillhunt.cli.show import out

pytestmark = pytest.mark.xdist_group("cli-scan")

RESULT = {
    "campaigns.parquet",
    "members.parquet",
    "findings.jsonl",
    "run.json",
    "report.html",
    "evidence",
}


@pytest.fixture(scope="module")
def scanned(
    log: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """One scan of the tiny log, as a process, with ``--json``."""
    home = tmp_path_factory.mktemp("scan")
    arguments = [
        "scan",
        str(log / "requests"),
        "--accounts",
        str(log / "accounts.parquet"),
        "--out",
        "r",
        "--json",
    ]
    done = subprocess.run(
        [*COMMAND, *arguments, "--null-runs", "5"],
        cwd=home,
        env=environment(HOME=str(home)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return home, done


def test_a_scan_writes_the_whole_result_and_nothing_else(
    scanned: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    home, done = scanned
    found = pq.read_table(home / "r" / "campaigns.parquet").num_rows
    assert done.returncode == (1 if found else 0)
    assert {path.name for path in (home / "r").iterdir()} == RESULT
    assert [path.name for path in home.iterdir()] == ["r"], "no lake, lock or key is left behind"


def test_json_is_all_of_standard_output_and_agrees_with_the_files(
    scanned: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    home, done = scanned
    told = json.loads(done.stdout)
    campaigns = pq.read_table(home / "r" / "campaigns.parquet").to_pylist()
    members = pq.read_table(home / "r" / "members.parquet").to_pylist()
    assert {row["campaign_id"] for row in told["campaigns"]} == {row["campaign_id"] for row in campaigns}
    hostile = {row["campaign_id"] for row in campaigns if row["kind"] == "distillation"}
    flags = {m["account_id"] for m in members if m["campaign_id"] in hostile and m["membership"] >= 0.5}
    assert told["flagged"] == len(flags)
    kinds = [row["kind"] != "distillation" for row in told["campaigns"]]
    assert kinds == sorted(kinds), "distillation comes first"
    run_json = json.loads((home / "r" / "run.json").read_text())
    assert run_json["requests"] == told["requests"]
    assert told["report"] == "r/report.html"
    assert done.stderr == "", "nothing is drawn without a terminal"


@pytest.mark.parametrize(
    ("arguments", "said", "to_do"),
    [
        (["nowhere", "--out", "r"], "nothing is there", "Check the path"),
        (["empty", "--out", "r"], "", ""),
        (["LOG/requests", "--out", "taken"], "not empty", "--overwrite"),
        (["LOG/requests", "--out", "file"], "found a file", "Name another --out"),
        (["LOG/requests", "--out", "file/r"], "cannot write here", "Name an --out"),
        (["LOG/requests", "--out", "r", "--engine", "flink"], "flink", "--help"),
        (["LOG/requests", "--out", "r", "--fdr", "0"], "greater than 0", "False discovery rate"),
        (["LOG/requests", "--out", "r", "--null-runs", "1"], "greater than or equal to 5", "Null logs"),
        (["LOG/requests", "--out", "r", "--memory", "4XB"], "a size with its unit", "Memory"),
        (["LOG/requests", "--out", "r", "--accounts", "nowhere"], "", ""),
        (["LOG/requests", "--out", "r", "--kind", "nosuch"], "nosuch", ""),
        (["LOG/requests", "--out", "r", "--map", "nowhere.toml"], "", ""),
    ],
    ids=lambda value: "-".join(value[-2:]).replace("/", "_") if isinstance(value, list) else "",
)
def test_what_cannot_be_used_is_said_and_leaves_nothing(
    arguments: list[str],
    said: str,
    to_do: str,
    log: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "old").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    assert run(["scan", *(word.replace("LOG", str(log)) for word in arguments)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert "\n  where: " in shown.err
    assert "\n  to do: " in shown.err
    assert said in shown.err
    assert to_do in shown.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_lake_beside_logs_is_refused(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STILLHUNT_SKETCH_KEY_FILE", str(tmp_path / "key"))
    first = next((log / "requests").iterdir())
    assert run(["ingest", str(first), "--out", "lake"]) == 0
    assert run(["scan", "lake", str(first), "--out", "r"]) == 2
    assert "expected one lake, one table or any number of logs" in capsys.readouterr().err
    assert run(["ingest", str(first), "--out", "lake"]) == 2
    assert "--append" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["scan", "ingest"])
@pytest.mark.parametrize("target", ["logs", "logs/day.jsonl", ".", "elsewhere/../logs"])
def test_an_output_never_replaces_what_is_read(
    command: str,
    target: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STILLHUNT_SKETCH_KEY_FILE", str(tmp_path / "key"))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "logs").mkdir()
    day = tmp_path / "logs" / "day.jsonl"
    day.write_text('{"time": "2026-04-20T00:00:00Z", "account_id": "a"}\n')
    assert run([command, "logs/day.jsonl", "--out", target, "--overwrite"]) == 2
    assert "the output would replace an input: logs/day.jsonl" in capsys.readouterr().err
    assert day.exists()


def test_rows_that_are_left_out_give_status_3_and_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"time": f"2026-04-20T{n % 24:02}:00:00Z", "account_id": f"a{n % 9}"} for n in range(90)]
    rows[7]["account_id"] = ""
    rows.append({"time": "yesterday", "account_id": "a1"})
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(["scan", "log.jsonl", "--out", "r", "--null-runs", "5"]) == 3
    shown = capsys.readouterr()
    assert "rejected: 1 rows" in shown.err
    assert "could not see: prompts_share_template (the log lacks " in shown.err
    assert "0 distillation campaigns; 0 accounts flagged, of 9 with" in shown.out
    assert "report: r/report.html" in shown.out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_an_interrupted_scan_leaves_nothing(log: Path, tmp_path: Path, number: int) -> None:
    process = subprocess.Popen(
        [*COMMAND, "scan", str(log / "requests"), "--out", "r"],
        cwd=tmp_path,
        env=environment(HOME=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # a shell that starts tests in the background has them ignore SIGINT
    end = time.monotonic() + 120
    while not any(tmp_path.iterdir()):  # it is at work once it has made its folder aside
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(0.5)
    process.send_signal(number)
    shown, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert shown == ""
    assert said == "interrupted; nothing was written\n"
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_leaves_is_no_defect(stillhunt: Stillhunt, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "simulate", "--list-profiles", "--json"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=60) in (0, 141)
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()


def test_the_queue_lists_distillation_and_counts_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    def row(number: int, kind: str) -> dict[str, object]:
        return {
            "campaign_id": f"c-{number}",
            "kind": kind,
            "kind_confidence": 0.9,
            "accounts": 1000,
            "requests": 5,
            "q_value": 1e-9,
        }

    rows = [row(n, "distillation") for n in range(23)] + [row(50 + n, "reseller") for n in range(4)]
    with out.capture() as capture:
        out.print(queue(rows, "harvested", {"c-0": "grading"}))
    lines = [line.rstrip() for line in capture.get().splitlines()]
    assert sum(line.startswith("c-") for line in lines) == 20
    assert "and 3 more; the report lists all" in lines
    assert "reseller              4      4,000         20" in lines
    assert next(line for line in lines if line.startswith("c-0 ")).endswith("grading")


def test_counts_are_named_the_commonest_first() -> None:
    assert named(Counter({"b": 2, "a": 1200})) == "1,200 a, 2 b"
    assert named(Counter({"a": 5, "b": 4, "c": 3, "d": 2, "e": 1})) == "5 a, 4 b, 3 c, 3 more"
    assert named(Counter()) == ""
