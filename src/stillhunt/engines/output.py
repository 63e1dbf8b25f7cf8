"""Results appear whole or not at all: they are written aside and renamed into place."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stillhunt.errors import OutputError


@contextmanager
def whole_directory(target: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A directory to fill, which becomes ``target`` when the block ends and vanishes when it fails.

    Raises OutputError when ``target`` exists and ``overwrite`` is false, when it cannot be written, or when
    another run is writing it.
    """
    target = target.absolute()
    if target.exists() and not target.is_dir():
        raise OutputError(
            "expected a directory to write to, found a file", str(target), "Name another --out."
        )
    occupied = target.is_dir() and any(target.iterdir())
    if occupied and not overwrite:
        raise OutputError(
            "the output exists and is not empty",
            str(target),
            "Name another --out, or add --overwrite to replace it.",
        )
    with directory_aside(target) as aside:
        yield aside
        _swap(aside, target)


@contextmanager
def directory_aside(target: Path) -> Iterator[Path]:
    """A directory beside ``target``, on the same file system, which vanishes when the block ends; until then no
    other run can write ``target``.

    Raises OutputError when the place cannot be written, or when another run is writing ``target``.
    """
    target = target.absolute()
    lock_path = target.parent / f".{target.name}.lock"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(lock_path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_linked(lock, lock_path):  # the run that held it has just removed it
                raise BlockingIOError
        except BlockingIOError as error:
            raise OutputError(
                "another run is writing this output", str(target), "Wait for it, or name another --out."
            ) from error
        for leftover in target.parent.glob(f".{target.name}.partial-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        try:
            aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
            aside.chmod(0o755)
        except OSError as error:
            raise _unwritable(target, error) from error
        try:
            yield aside
        finally:
            shutil.rmtree(aside, ignore_errors=True)
            lock_path.unlink(missing_ok=True)
    finally:
        os.close(lock)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A path to write, which replaces ``target`` when the block ends and vanishes when it fails."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.partial-", dir=target.parent)
    except OSError as error:
        raise _unwritable(target, error) from error
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        aside.chmod(0o644)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def _is_linked(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _swap(aside: Path, target: Path) -> None:
    if not target.exists():
        aside.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
    target.rename(old / "old")
    aside.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _unwritable(target: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(f"cannot write here ({reason})", str(target), "Name an --out that you may write to.")
