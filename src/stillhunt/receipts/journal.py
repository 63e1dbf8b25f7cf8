"""The journal: every promise in order, written before it is sent, and apart from it the nonces, which can be erased.

Record *i* of the journal becomes entry *i* of the log. Each opening of the journal is a *run*. After a run that did
not end cleanly, promises may have been sent whose records are gone, so what they may bear is never used again: ids
name their run, and sequence numbers skip as many as could have been lost.
"""

from __future__ import annotations

import fcntl
import json
import os
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stillhunt.errors import InputError, OutputError
from stillhunt.receipts.commitments import NONCE_BYTES
from stillhunt.receipts.disk import Disk
from stillhunt.receipts.records import RECORD_BYTES, TAG_AT, Record, unpack

_CHUNK = 8192


@dataclass(frozen=True)
class Run:
    """One opening of the journal: its ``number``, the record it ``start``ed at, and how many sequence numbers all
    unclean stops before it cost an account (``skip``)."""

    number: int
    start: int
    skip: int


@dataclass(frozen=True)
class Recovery:
    """What opening the journal found: whether the last run ended ``clean``, and how many whole ``records`` and
    ``torn`` bytes at its end were dropped because the disk had not kept them."""

    clean: bool
    records: int
    torn: int


class JournalReader:
    """A journal as it stands, without the right to write: the first ``size`` records, and the ``runs`` so far."""

    def __init__(self, folder: Path, records: int, nonces: int, size: int, runs: list[Run]) -> None:
        self.folder = folder
        self.size = size
        self.runs = runs
        self._records = records
        self._nonces = nonces
        self._starts = [run.start for run in runs]

    def record(self, index: int) -> Record:
        """Record ``index``. Raises InputError where it is damaged."""
        found = unpack(os.pread(self._records, RECORD_BYTES, index * RECORD_BYTES))
        if found is None:
            raise InputError(
                f"record {index} is damaged", str(self.folder / "journal"), "Restore it from a copy."
            )
        return found

    def nonce(self, index: int) -> bytes | None:
        """The nonce of record ``index``, None once it is erased."""
        nonce = os.pread(self._nonces, NONCE_BYTES, index * NONCE_BYTES)
        return None if len(nonce) < NONCE_BYTES or nonce == bytes(NONCE_BYTES) else nonce

    def tags(self) -> Iterator[list[bytes]]:
        """The account tags of all records, in order, in lists."""
        for at in range(0, self.size, _CHUNK):
            count = min(_CHUNK, self.size - at)
            data = os.pread(self._records, count * RECORD_BYTES, at * RECORD_BYTES)
            yield [data[i + TAG_AT : i + TAG_AT + 16] for i in range(0, count * RECORD_BYTES, RECORD_BYTES)]

    def run_of(self, index: int) -> Run:
        """The run that wrote record ``index``."""
        return self.runs[bisect_right(self._starts, index) - 1]

    def abandon(self) -> None:
        """Lets go of the files."""
        os.close(self._records)
        os.close(self._nonces)


def read_journal(folder: Path, size: int) -> JournalReader:
    """The first ``size`` records of a journal that another process may be writing. Raises InputError."""
    try:
        records = os.open(folder / "journal", os.O_RDONLY)
        nonces = os.open(folder / "nonces", os.O_RDONLY)
    except OSError as error:
        raise InputError(f"expected a receipt store, found none ({error.strerror})", str(folder)) from error
    return JournalReader(folder, records, nonces, size, _runs(read_lines(folder / "runs.jsonl")))


class Journal(JournalReader):
    """The journal of a store, open for one writer.

    ``kept`` is the number of records that a published checkpoint vouches for: recovery never drops one of those.
    Raises OutputError when another process has the store open, InputError when a vouched record is gone.
    """

    def __init__(self, folder: Path, disk: Disk, *, kept: int, most_unsynced: int) -> None:
        self.folder = folder
        self._disk = disk
        self._lock = _lock(folder)
        handles = [self._lock]
        try:
            self._records = os.open(folder / "journal", os.O_RDWR | os.O_CREAT, 0o600)
            handles.append(self._records)
            self._nonces = os.open(folder / "nonces", os.O_RDWR | os.O_CREAT, 0o600)
            handles.append(self._nonces)
            size, records, torn = self._recover(kept)
            self.size = size
            runs, clean = self._open_run(most_unsynced)
            super().__init__(folder, self._records, self._nonces, size, runs)
            self.recovery = Recovery(clean, records, torn)
            self.sync()
            disk.sync_files([folder])
        except BaseException:
            for handle in handles:
                os.close(handle)
            raise

    def append(self, record: bytes, nonce: bytes) -> None:
        """Writes a record and its nonce; they outlive the process when this returns, and a loss of power after
        ``sync``."""
        self._disk.write_at(self._nonces, nonce, self.size * NONCE_BYTES)
        self._disk.write_at(self._records, record, self.size * RECORD_BYTES)
        self.size += 1

    def sync(self) -> None:
        """Makes all records so far durable."""
        self._disk.sync(self._nonces)
        self._disk.sync(self._records)

    @property
    def run(self) -> Run:
        """The present run."""
        return self.runs[-1]

    def close(self) -> None:
        """Ends the run cleanly."""
        self.sync()
        self._write_runs({"closed": self.run.number, "size": self.size})
        self.abandon()

    def abandon(self) -> None:
        """Lets go of the files without ending the run."""
        super().abandon()
        os.close(self._lock)

    def _recover(self, kept: int) -> tuple[int, int, int]:
        length = os.fstat(self._records).st_size
        whole, torn = divmod(length, RECORD_BYTES)
        if whole < kept:
            raise InputError(
                f"the log vouches for {kept} records, the journal holds {whole}",
                str(self.folder / "journal"),
                "Restore the journal from a copy; going on would contradict the published log.",
            )
        size = kept
        while size < whole and unpack(os.pread(self._records, RECORD_BYTES, size * RECORD_BYTES)) is not None:
            size += 1
        os.ftruncate(self._records, size * RECORD_BYTES)
        os.ftruncate(self._nonces, size * NONCE_BYTES)
        return size, whole - size, torn

    def _open_run(self, most_unsynced: int) -> tuple[list[Run], bool]:
        path = self.folder / "runs.jsonl"
        lines = read_lines(path, self._disk)
        runs = _runs(lines)
        clean = not lines or "closed" in lines[-1]
        if runs and clean and lines[-1]["size"] != self.size:
            raise InputError(
                f"expected {lines[-1]['size']} records, as when it was closed, found {self.size}",
                str(self.folder / "journal"),
                "Restore the journal from a copy.",
            )
        opened = [one for one in lines if "run" in one]
        skip = runs[-1].skip + (0 if clean else opened[-1]["most_unsynced"]) if runs else 0
        run = Run(len(runs) + 1, self.size, skip)
        self._write_runs(
            {"run": run.number, "start": run.start, "skip": skip, "most_unsynced": most_unsynced}
        )
        return [*runs, run], clean

    def _write_runs(self, line: dict[str, Any]) -> None:
        self._disk.append_durably(self.folder / "runs.jsonl", json.dumps(line).encode() + b"\n")


def erase(folder: Path, index: int) -> None:
    """Erases the nonce of record ``index``; works beside a writer. Raises InputError where there is no such record."""
    path = folder / "nonces"
    try:
        with path.open("r+b") as file:
            if index < 0 or os.fstat(file.fileno()).st_size < (index + 1) * NONCE_BYTES:
                raise InputError(f"there is no record {index}", str(path))
            os.pwrite(file.fileno(), bytes(NONCE_BYTES), index * NONCE_BYTES)
            os.fsync(file.fileno())
    except OSError as error:
        raise InputError(f"cannot erase ({error.strerror})", str(path)) from error


def read_lines(path: Path, disk: Disk | None = None) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines, without a torn last line, which is cut off where ``disk`` is given."""
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if whole != data and disk is not None:
        disk.write_whole(path, whole, whole=True)
        disk.sync_files([path, path.parent])
    try:
        return [json.loads(line) for line in whole.splitlines()]
    except ValueError as error:
        raise InputError(f"expected JSON lines ({error})", str(path), "Restore it from a copy.") from error


def _runs(lines: list[dict[str, Any]]) -> list[Run]:
    return [Run(one["run"], one["start"], one["skip"]) for one in lines if "run" in one]


def _lock(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise OutputError(f"cannot open the store ({error.strerror})", str(folder)) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise OutputError(
            "another process has this store open",
            str(folder),
            "Each store has one writer; give each its own.",
        ) from error
    return handle
