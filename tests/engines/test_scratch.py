"""Folders for what passes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from stillhunt.engines.scratch import PREFIX, scratch_folder
from stillhunt.errors import OutputError

_HOLD = """
import sys, time
from pathlib import Path
from stillhunt.engines.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    print(folder, flush=True)
    time.sleep(600)
"""


def test_goes_with_its_block_and_is_hidden(tmp_path: Path) -> None:
    with scratch_folder(tmp_path / "made") as folder:
        (folder / "spilled").write_text("spilled")
        assert folder.parent == tmp_path / "made"
        assert folder.name.startswith(".")
    assert list((tmp_path / "made").iterdir()) == []


def test_two_live_side_by_side_and_a_killed_one_is_cleared(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    theirs = Path(process.stdout.readline().strip())
    try:
        with scratch_folder(tmp_path) as ours:
            assert theirs.is_dir()
            assert ours != theirs
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert theirs.is_dir()
    with scratch_folder(tmp_path) as ours:
        assert {path.name for path in tmp_path.iterdir()} == {ours.name}


def test_only_its_own_leftovers_go(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / f"{PREFIX}file").write_text("no folder")
    with scratch_folder(tmp_path):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"notes", f"{PREFIX}file"}


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="cannot put scratch files here") as caught:
        scratch_folder(tmp_path / "file").__enter__()
    assert "STILLHUNT_TEMP_DIR" in caught.value.remedy


def test_a_folder_that_another_run_clears_at_once_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that starts at the same moment may take the new folder for a leftover before it is locked."""
    make, cleared = tempfile.mkdtemp, []

    def made_and_cleared(**where: str) -> str:
        folder = make(**where)
        if not cleared:
            cleared.append(folder)
            Path(folder).rmdir()
        return folder

    monkeypatch.setattr(tempfile, "mkdtemp", made_and_cleared)
    with scratch_folder(tmp_path) as ours:
        assert ours.is_dir()
        assert str(ours) != cleared[0]
