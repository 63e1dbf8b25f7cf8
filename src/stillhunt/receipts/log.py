"""The writer of a log: appends entries, writes tiles, signs checkpoints (spec/receipt.md, sections 13 to 17).

The tiles follow from the entries, and those from the journal, so they need not be durable before a checkpoint is
signed; the journal must. ``durable`` says how many entries' tiles are, so that after a crash only the rest is
written anew.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from stillhunt.errors import InputError
from stillhunt.receipts.checkpoints import Checkpoint, read_checkpoint
from stillhunt.receipts.disk import Disk
from stillhunt.receipts.merkle import EMPTY_ROOT, HASH_BYTES, leaf_hash, node_hash, perfect_root
from stillhunt.receipts.notes import Note, SigningKey, check_signature, sign_note
from stillhunt.receipts.tiles import (
    CHECKPOINT,
    COSIGNED,
    HEIGHT,
    WIDTH,
    TileReader,
    pack_entries,
    read_latest,
    read_tile_path,
    tile_path,
)

_DURABLE = ".durable"


@dataclass(frozen=True)
class Unsettled:
    """Files of a log of ``size`` entries that a loss of power could take, and folders of partial tiles to remove once
    they are durable."""

    size: int
    written: set[Path]
    outgrown: list[Path]


class LogWriter:
    """One log in ``folder``, signed by ``key``. Only one writer may have it open; the caller sees to that."""

    def __init__(self, folder: Path, key: SigningKey, disk: Disk) -> None:
        self.folder = folder
        self.size = 0
        self._key = key
        self._disk = disk
        self._entries: list[bytes] = []
        self._edge: list[list[bytes]] = []
        self._written: set[Path] = set()
        self._outgrown: list[Path] = []

    def signed(self) -> list[Checkpoint]:
        """The newest checkpoint of this log and the newest cosigned one, by size; none for a new log. After a loss of
        power either may be the larger.

        Raises VerificationError where one cannot be read or its signature is wrong, InputError where it is another
        log's. After a change of the log's key the old key's signature is left to the comparison of roots.
        """
        found = []
        for name in (CHECKPOINT, COSIGNED):
            if (self.folder / name).exists():
                note = read_latest(self.folder, name)
                checkpoint = read_checkpoint(note.text)
                check_signature(note, self._key.public)
                if checkpoint.origin != self._key.public.name:
                    raise InputError(
                        f"the log is of {checkpoint.origin!r}, the key of {self._key.public.name!r}",
                        str(self.folder),
                        "Give the keys of this log, or a new store.",
                    )
                found.append(checkpoint)
        return sorted(found, key=lambda one: one.size)

    def durable(self) -> int:
        """How many entries have tiles that no loss of power can take."""
        try:
            return int((self.folder / _DURABLE).read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def resume(self, size: int) -> None:
        """Takes up a log of ``size`` entries from its tiles. Raises VerificationError where they are not there."""
        reader = TileReader(self.folder, size)
        self.size, self._edge, level = size, [], 0
        while size >> (HEIGHT * level):
            count = size >> (HEIGHT * level)
            data = reader.tile(level, count // WIDTH) if count % WIDTH else b""
            self._edge.append([data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)])
            level += 1
        self._entries = reader.entries(size // WIDTH) if size % WIDTH else []

    def forget_after(self, size: int) -> None:
        """Removes tiles of entries from ``size`` on, which a loss of power may have left half written."""
        for path in sorted((self.folder / "tile").rglob("*")):
            if path.is_file():
                level, number, width = read_tile_path(path.relative_to(self.folder).as_posix())
                height = 0 if level == "entries" else int(level)
                edge = size >> (HEIGHT * height)
                if number * WIDTH + width > edge:
                    path.unlink()

    def append(self, entries: list[bytes]) -> None:
        """Adds entries and writes the tiles that they fill; ``publish`` writes the rest."""
        for entry in entries:
            self._entries.append(entry)
            if len(self._entries) == WIDTH:
                self._write(tile_path("entries", self.size // WIDTH), pack_entries(self._entries))
                self._entries = []
            self._push(0, leaf_hash(entry))
            self.size += 1

    def write_partials(self) -> None:
        """Writes the tiles that are not full, as wide as they are now."""
        for level, hashes in enumerate(self._edge):
            if hashes:
                number = self.size >> (HEIGHT * (level + 1))
                self._write(tile_path(level, number, len(hashes)), b"".join(hashes))
        if self._entries:
            self._write(
                tile_path("entries", self.size // WIDTH, len(self._entries)), pack_entries(self._entries)
            )

    def publish(self) -> Note:
        """Writes the partial tiles, then signs and publishes the checkpoint of all entries so far."""
        self.write_partials()
        text = Checkpoint(self._key.public.name, self.size, self.root()).text()
        note = Note(text, (sign_note(text, self._key),))
        self._disk.write_whole(self.folder / CHECKPOINT, note.encode().encode(), whole=True)
        return note

    def root(self) -> bytes:
        """The root of all entries so far."""
        got: bytes | None = None
        for hashes in self._edge:
            rest = list(hashes)
            while rest:
                size = len(rest) & -len(rest)
                left = perfect_root(rest[-size:])
                rest = rest[:-size]
                got = left if got is None else node_hash(left, got)
        return EMPTY_ROOT if got is None else got

    def make_durable(self) -> None:
        """Makes every tile and the checkpoint durable, and notes how far."""
        self.settle(self.unsettled())

    def unsettled(self) -> Unsettled:
        """What has been written since this was asked last; it must be settled, before anything that is asked later."""
        taken = Unsettled(self.size, self._written, self._outgrown)
        self._written, self._outgrown = set(), []
        return taken

    def settle(self, taken: Unsettled) -> None:
        """Makes that and the checkpoint durable, and notes how far. The log may grow meanwhile, in another thread."""
        files = {path for path in taken.written if path.exists()}
        if (self.folder / CHECKPOINT).exists():
            files.add(self.folder / CHECKPOINT)
        folders = {parent for path in files for parent in path.parents if parent.is_relative_to(self.folder)}
        self._disk.sync_files(sorted(files) + sorted(folders))
        self._disk.write_whole(self.folder / _DURABLE, str(taken.size).encode(), whole=True)
        self._disk.sync_files([self.folder / _DURABLE, self.folder])
        for partials in taken.outgrown:
            shutil.rmtree(partials, ignore_errors=True)

    def _push(self, level: int, one: bytes) -> None:
        if level == len(self._edge):
            self._edge.append([])
        self._edge[level].append(one)
        if len(self._edge[level]) == WIDTH:
            number = self.size >> (HEIGHT * (level + 1))
            self._write(tile_path(level, number), b"".join(self._edge[level]))
            full, self._edge[level] = perfect_root(self._edge[level]), []
            self._push(level + 1, full)

    def _write(self, path: str, data: bytes) -> None:
        target = self.folder / path
        if (
            target.exists()
        ):  # the same bytes, and durable ones must not be replaced by others that are not yet
            return
        self._disk.write_whole(target, data)
        self._written.add(target)
        if not target.parent.name.endswith(".p"):  # its partial tiles go once it is durable
            self._outgrown.append(target.with_name(target.name + ".p"))
