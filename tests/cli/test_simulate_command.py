"""``stillhunt simulate`` as people call it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from stillhunt.simulate.scenarios import PROFILES


def _simulate(*arguments: str | float | Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from stillhunt.cli.main import main; main()", "simulate"]
    return subprocess.run(
        [*program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120
    )


def test_a_log_is_written_and_told(tmp_path: Path) -> None:
    done = _simulate("--out", tmp_path / "log", "--profile", "honest", "--scale", 0.02, "--seed", 4, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["profile"] == "honest"
    assert result["seed"] == 4
    assert result["requests"] > 0
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == [
        "accounts.parquet",
        "requests",
        "truth.parquet",
    ]


def test_an_existing_output_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    refused = _simulate("--out", tmp_path, "--scale", "0.02")
    assert refused.returncode == 2
    assert "--overwrite" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_profiles_are_listed() -> None:
    listed = _simulate("--list-profiles", "--json")
    assert listed.returncode == 0
    assert [row["profile"] for row in json.loads(listed.stdout)] == list(PROFILES)
    shown = _simulate("--list-profiles")
    assert all(name in shown.stdout for name in PROFILES)


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    for arguments, named in (
        (["--out", tmp_path / "log", "--profile", "nobody"], "nobody"),
        (["--out", tmp_path / "log", "--scale", "0"], "scale"),
        (["--out", tmp_path / "log", "--seed", "-1"], "seed"),
        ([], "--out"),
    ):
        refused = _simulate(*arguments)
        assert refused.returncode == 2, refused.stderr
        assert named in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_largest_report_is_a_lake_that_can_be_scanned(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    done = _simulate("--out", lake, "--profile", "letter-full", "--scale", 0.0001, "--json")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in lake.iterdir()) == [
        "accounts.parquet",
        "lake.json",
        "requests",
        "truth.parquet",
    ]
    manifest = json.loads((lake / "lake.json").read_text())
    assert manifest["text"] == "sketches"
    assert manifest["rows"]["written"] == json.loads(done.stdout)["requests"]
    program = [sys.executable, "-c", "from stillhunt.cli.main import main; main()", "scan"]
    scanned = subprocess.run(
        [*program, str(lake), "--out", str(tmp_path / "result"), "--null-runs", "5"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert scanned.returncode in (0, 1), scanned.stderr
    stages = {
        stage["name"]: stage for stage in json.loads((tmp_path / "result" / "run.json").read_text())["stages"]
    }
    assert {"open", "summarise", "candidates", "weigh", "cluster", "judge", "explain"} <= set(stages)
    assert all(stage["seconds"] >= 0 and stage["peak_memory_mb"] > 0 for stage in stages.values())
