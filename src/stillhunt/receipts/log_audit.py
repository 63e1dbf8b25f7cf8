"""Verification of a whole log, offline: steps 15 to 19 of spec/receipt.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stillhunt.receipts.checkpoints import Checkpoint, read_checkpoint
from stillhunt.receipts.document import Document
from stillhunt.receipts.failure import VerificationError, at_step
from stillhunt.receipts.merkle import HASH_BYTES, leaf_hash, perfect_root, root
from stillhunt.receipts.notes import Note, check_signature
from stillhunt.receipts.proofs import read_proof
from stillhunt.receipts.tiles import HEIGHT, WIDTH, TileReader, read_latest, tile_path
from stillhunt.receipts.trust import Trust


@dataclass(frozen=True)
class LogAudit:
    """A log that holds: its ``size``, and how many ``older`` checkpoints and ``receipts`` were held against it."""

    origin: str
    size: int
    older: int
    receipts: int


def verify_log(
    folder: Path, trust: Trust, *, older: Sequence[Note] = (), receipts: Iterable[Document] = ()
) -> LogAudit:
    """Verifies every entry and tile of the log in ``folder`` and what is given. Raises VerificationError."""
    # Step 15: the checkpoint.
    note = read_latest(folder)
    try:
        checkpoint, _ = trust.check_checkpoint(note)
    except VerificationError as error:
        raise at_step(error, 15, str(folder)) from error
    reader = TileReader(folder, checkpoint.size)
    # Steps 16 and 18: entries, tiles, root.
    _check_entries(reader)
    _check_tiles(reader)
    if root(checkpoint.size, reader.subtree) != checkpoint.root:
        raise VerificationError("the tiles do not lead to the root of the checkpoint", str(folder), step=16)
    # Step 17: nothing that was signed before is gone.
    for old in older:
        _check_older(old, checkpoint, reader, trust)
    # Step 19: receipts stand where they say.
    count = 0
    for document in receipts:
        check_place(document, reader)
        count += 1
    return LogAudit(checkpoint.origin, checkpoint.size, len(older), count)


def _check_entries(reader: TileReader) -> None:
    seen: dict[bytes, int] = {}
    for number in range(-(-reader.size // WIDTH)):
        try:
            entries = reader.entries(number)
            hashes = reader.tile(0, number)
        except VerificationError as error:
            raise at_step(error, 16) from error
        for inner, entry in enumerate(entries):
            index = number * WIDTH + inner
            if leaf_hash(entry) != hashes[inner * HASH_BYTES : (inner + 1) * HASH_BYTES]:
                raise VerificationError(
                    f"entry {index} does not lead to the hash in its tile",
                    str(reader.folder / tile_path(0, number)),
                    step=16,
                )
            if seen.setdefault(entry, index) != index:
                raise VerificationError(
                    f"entries {seen[entry]} and {index} are the same", str(reader.folder), step=18
                )


def _check_tiles(reader: TileReader) -> None:
    level = 1
    while reader.size >> (HEIGHT * level):
        for index in range(reader.size >> (HEIGHT * level)):
            below = reader.tile(level - 1, index)
            hashes = [below[i : i + HASH_BYTES] for i in range(0, len(below), HASH_BYTES)]
            number, inner = divmod(index, WIDTH)
            try:
                above = reader.tile(level, number)[inner * HASH_BYTES : (inner + 1) * HASH_BYTES]
            except VerificationError as error:
                raise at_step(error, 16) from error
            if perfect_root(hashes) != above:
                raise VerificationError(
                    f"tile {index} of level {level - 1} does not lead to the hash above it",
                    str(reader.folder / tile_path(level, number)),
                    step=16,
                )
        level += 1


def _check_older(old: Note, now: Checkpoint, reader: TileReader, trust: Trust) -> None:
    try:
        before = read_checkpoint(old.text)
        if before.origin != now.origin:
            raise VerificationError(
                f"the older checkpoint is of {before.origin!r}, the log of {now.origin!r}"
            )
        keys = [key for key in trust.logs if key.name == before.origin]
        if True not in [check_signature(old, key) for key in keys]:
            raise VerificationError(f"no trusted key of {before.origin!r} signed the older checkpoint")
        if before.size > now.size:
            raise VerificationError(f"it had {before.size} entries once and has {now.size} now")
        if root(before.size, reader.subtree) != before.root:
            raise VerificationError(f"its first {before.size} entries are not those that it signed once")
    except VerificationError as error:
        raise at_step(error, 17, str(reader.folder)) from error


def check_place(document: Document, reader: TileReader) -> None:
    """Step 19, of one receipt. Raises VerificationError."""
    where = f"receipt {document.receipt.sequence}, id {document.receipt.id}"
    try:
        if document.proof is None:
            raise VerificationError("it has no proof, so no place in the log")
        index = read_proof(document.proof).index
        if index >= reader.size:
            raise VerificationError(f"its place {index} lies beyond the log of {reader.size} entries")
        if reader.entry(index) != document.entry():
            raise VerificationError(f"another entry stands at its place {index}")
    except VerificationError as error:
        raise at_step(error, 19, where) from error
