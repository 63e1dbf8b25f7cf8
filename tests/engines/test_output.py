"""Results appear whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stillhunt.engines.output import directory_aside, whole_directory, whole_file
from stillhunt.errors import OutputError

_HOLD = """
import sys, time
from pathlib import Path
from stillhunt.engines.output import whole_directory
with whole_directory(Path(sys.argv[1])) as aside:
    (aside / "half").write_text("half")
    print(aside, flush=True)
    time.sleep(600)
"""


def fail_with(path: Path) -> None:
    """Writes a file and fails."""
    path.write_text("half")
    raise RuntimeError("midway")


def holder(target: Path) -> tuple[subprocess.Popen[str], Path]:
    """Another process that is writing ``target``, and where it writes."""
    process = subprocess.Popen([sys.executable, "-c", _HOLD, str(target)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_directory_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "result"
    with whole_directory(target) as aside:
        (aside / "a").write_text("a")
        assert not target.exists()
        assert aside.parent == target.parent
    assert (target / "a").read_text() == "a"
    assert [path.name for path in target.parent.iterdir()] == ["result"]
    assert target.stat().st_mode & 0o777 == 0o755


def test_directory_vanishes_when_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="midway"), whole_directory(tmp_path / "result") as aside:
        fail_with(aside / "a")
    assert list(tmp_path.iterdir()) == []


def test_overwriting_replaces_everything_and_a_failure_nothing(tmp_path: Path) -> None:
    target = tmp_path / "result"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(RuntimeError, match="midway"), whole_directory(target, overwrite=True) as aside:
        fail_with(aside / "new")
    assert [path.name for path in target.iterdir()] == ["old"]
    with whole_directory(target, overwrite=True) as aside:
        (aside / "new").write_text("new")
        assert [path.name for path in target.iterdir()] == ["old"]
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_an_empty_directory_is_no_output(tmp_path: Path) -> None:
    target = tmp_path / "result"
    target.mkdir()
    with whole_directory(target) as aside:
        (aside / "new").write_text("new")
    assert [path.name for path in target.iterdir()] == ["new"]


def test_what_is_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "old").write_text("old")
    for name, problem in (
        ("file", "found a file"),
        ("full", "is not empty"),
        ("file/below", "cannot write here"),
    ):
        with pytest.raises(OutputError) as caught, whole_directory(tmp_path / name):
            pytest.fail("the block must not run")
        assert problem in caught.value.problem
        assert caught.value.where == str(tmp_path / name)
        assert caught.value.remedy


def test_a_second_writer_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    target = tmp_path / "result"
    process, _ = holder(target)
    try:
        for entering in (whole_directory(target), directory_aside(target)):
            with pytest.raises(OutputError, match="another run is writing this output"), entering:
                pytest.fail("the block must not run")
    finally:
        process.kill()
        process.wait()


def test_a_killed_writer_leaves_nothing_in_sight_and_the_next_clears_up(tmp_path: Path) -> None:
    target = tmp_path / "result"
    process, aside = holder(target)
    assert (aside / "half").exists()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not target.exists()
    assert all(path.name.startswith(".") for path in tmp_path.iterdir())
    with whole_directory(target) as next_aside:
        (next_aside / "whole").write_text("whole")
        assert not aside.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["result"]
    assert [path.name for path in target.iterdir()] == ["whole"]


def test_directory_aside_never_becomes_the_target(tmp_path: Path) -> None:
    with directory_aside(tmp_path / "lake") as aside:
        (aside / "part").write_text("part")
    assert list(tmp_path.iterdir()) == []


def test_file_is_replaced_whole_or_stays(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "lake.json"
    with whole_file(target) as aside:
        aside.write_text("one")
        assert not target.exists()
    assert target.read_text() == "one"
    assert target.stat().st_mode & 0o777 == 0o644
    with pytest.raises(RuntimeError, match="midway"), whole_file(target) as aside:
        fail_with(aside)
    assert target.read_text() == "one"
    assert [path.name for path in target.parent.iterdir()] == ["lake.json"]
    with pytest.raises(OutputError, match="cannot write here"), whole_file(target / "below"):
        pytest.fail("the block must not run")
