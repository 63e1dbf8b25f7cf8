"""``stillhunt simulate`` as people call it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from stillhunt.simulate.scenarios import SCENARIOS


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
    assert [row["profile"] for row in json.loads(listed.stdout)] == list(SCENARIOS)
    shown = _simulate("--list-profiles")
    assert all(name in shown.stdout for name in SCENARIOS)


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
