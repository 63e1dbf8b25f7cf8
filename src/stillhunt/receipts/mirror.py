"""A copy of a log where everybody can read it: any place that ``fsspec`` writes to (spec/receipt.md, section 14).

Tiles never change, so only new ones are sent, and the checkpoint comes last: a reader always finds all that a
checkpoint promises. What lies there already must be a beginning of this log.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs

from stillhunt.errors import InputError, MissingExtraError, OutputError
from stillhunt.receipts.checkpoints import Checkpoint, read_checkpoint
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.merkle import root
from stillhunt.receipts.notes import read_note
from stillhunt.receipts.tiles import (
    CHECKPOINT,
    COSIGNED,
    HEIGHT,
    WIDTH,
    TileReader,
    pack_entries,
    read_latest,
    tile_path,
)
from stillhunt.receipts.timestamps import FOLDER as TIMESTAMPS

AT_ONCE = 256
"""Files that are sent at a time."""


@dataclass(frozen=True)
class Mirrored:
    """A copy now: its size in entries, that before, and the files and bytes that were sent."""

    size: int
    before: int
    files: int
    bytes: int


def mirror(log: Path, to: str) -> Mirrored:
    """Brings the copy of the log in the folder ``log`` that lies at the URL ``to`` up to its newest checkpoint.

    Raises VerificationError where the log cannot be read or the copy is no beginning of it, OutputError where the place
    cannot be written to, MissingExtraError where its kind needs a package. Only one may run for a copy at a time.
    """
    store = _Store(to)
    notes = {name: read_latest(log, name) for name in (CHECKPOINT, COSIGNED) if (log / name).exists()}
    if CHECKPOINT not in notes:
        raise InputError("expected a log with a checkpoint, found none", str(log), "Name the store's log/.")
    newest = read_checkpoint(notes[CHECKPOINT].text)
    reader = TileReader(log, newest.size)
    before = _beginning(store, newest, reader)
    sizes = {min(read_checkpoint(note.text).size, newest.size) for note in notes.values()}
    files = bytes_ = 0
    tiles = _new_tiles(log, before, sizes)
    while some := list(islice(tiles, AT_ONCE)):
        store.write(dict(some))
        files, bytes_ = files + len(some), bytes_ + sum(len(data) for _, data in some)
    last = [(f"{TIMESTAMPS}/{path.name}", path.read_bytes()) for path in sorted((log / TIMESTAMPS).glob("*"))]
    last += [(name, note.encode().encode()) for name, note in notes.items()]
    for path, data in last:
        if store.read(path) != data:
            store.write({path: data})
            files, bytes_ = files + 1, bytes_ + len(data)
    return Mirrored(newest.size, before, files, bytes_)


def _beginning(store: _Store, newest: Checkpoint, reader: TileReader) -> int:
    """How many entries the copy holds. Raises VerificationError where they are not this log's first."""
    content = store.read(CHECKPOINT)
    if content is None:
        return 0
    there = read_checkpoint(read_note(content.decode("utf-8", "replace")).text)
    where = f"{store.url}/{CHECKPOINT}"
    if there.origin != newest.origin:
        raise VerificationError(
            f"the copy is of {there.origin!r}, the log of {newest.origin!r}",
            where,
            remedy="Name another place.",
        )
    if there.size > newest.size:
        raise VerificationError(
            f"the copy has {there.size} entries, the log only {newest.size}",
            where,
            remedy="The log was set back, or its copy is another's. Find out which before anything is signed.",
        )
    if root(there.size, reader.subtree) != there.root:
        raise VerificationError(
            f"the first {there.size} entries of the log are not those of the copy",
            where,
            remedy="Two histories were signed under one key: stop signing, and find out how.",
        )
    return there.size


def _new_tiles(log: Path, before: int, sizes: set[int]) -> Iterator[tuple[str, bytes]]:
    """Path and content of the full tiles that the copy lacks, and of the partial ones at each of ``sizes``."""
    newest = max(sizes)
    for size in sorted(sizes - {before}):
        reader = TileReader(log, size)
        level, count = 0, size
        while count:
            first = before >> (HEIGHT * (level + 1)) if size == newest else count // WIDTH
            for number in range(first, -(-count // WIDTH)):
                width = min(WIDTH, count - number * WIDTH)
                yield tile_path(level, number, width), reader.tile(level, number)
                if level == 0:
                    yield tile_path("entries", number, width), pack_entries(reader.entries(number))
            level, count = level + 1, count >> HEIGHT


class _Store:
    """A place behind a URL."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._files: AbstractFileSystem
        try:
            self._files, path = url_to_fs(self.url)
        except ImportError as error:
            raise MissingExtraError(str(error), url, "Install what it names beside stillhunt.") from error
        except ValueError as error:
            raise OutputError(f"expected a URL that fsspec knows ({error})", url) from error
        self._root = PurePosixPath(path)

    def read(self, path: str) -> bytes | None:
        """A file's content, None where there is none."""
        try:
            return bytes(self._files.cat_file(str(self._root / path)))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutputError(f"cannot read what lies there ({error})", f"{self.url}/{path}") from error

    def write(self, files: dict[str, bytes]) -> None:
        """Writes files, several at once where the place can."""
        named = {str(self._root / path): data for path, data in files.items()}
        try:
            try:
                self._files.pipe(named)
            except FileNotFoundError:  # a place with folders
                for folder in {str(PurePosixPath(path).parent) for path in named}:
                    self._files.makedirs(folder, exist_ok=True)
                self._files.pipe(named)
        except (OSError, NotImplementedError) as error:
            raise OutputError(f"cannot write there ({error})", self.url) from error
