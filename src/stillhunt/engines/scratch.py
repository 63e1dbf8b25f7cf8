"""Folders for what passes: spilled queries, a lake that is thrown away."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stillhunt.errors import OutputError

PREFIX = ".stillhunt-scratch-"


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A hidden folder under ``parent`` (made if it is missing; default: the system's temporary folder), which goes
    when the block ends. What killed runs left under ``parent`` goes first. Raises OutputError when nothing can be
    written there."""
    parent = Path(tempfile.gettempdir()) if parent is None else parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for leftover in parent.glob(f"{PREFIX}*"):
            _remove_if_left(leftover)
        folder, held = _claimed(parent)
    except OSError as error:
        raise OutputError(
            f"cannot put scratch files here ({error.strerror or error})",
            str(parent),
            "Name an --out, or a STILLHUNT_TEMP_DIR, that you may write to.",
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def _claimed(parent: Path) -> tuple[Path, int]:
    """A new folder and the lock that says that its run is alive; the system drops the lock with the process."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        try:
            held = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue  # another run took it for a leftover, and removed it
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)  # another run has just taken it for a leftover
            continue
        if folder.exists():
            return folder, held
        os.close(held)


def _remove_if_left(folder: Path) -> None:
    try:
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return  # gone, or somebody else's
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass  # its run is alive
    finally:
        os.close(held)
