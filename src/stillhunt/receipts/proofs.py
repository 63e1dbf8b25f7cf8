"""Proof files: an entry's index, its audit path, and the checkpoint that they lead to (c2sp.org/tlog-proof)."""

from __future__ import annotations

from dataclasses import dataclass

from stillhunt.receipts.canonical import from_base64, to_base64
from stillhunt.receipts.checkpoints import read_count
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.merkle import HASH_BYTES
from stillhunt.receipts.notes import Note, read_note

_FIRST = "c2sp.org/tlog-proof@v1"
_LONGEST = 63


@dataclass(frozen=True)
class Proof:
    """``index`` of the entry, its ``path`` from the leaf's sibling upwards, and the signed ``checkpoint``."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: Note

    def encode(self) -> str:
        """The file's text."""
        lines = [_FIRST, f"index {self.index}", *(to_base64(one) for one in self.path)]
        return "\n".join(lines) + "\n\n" + self.checkpoint.encode()


def read_proof(text: str) -> Proof:
    """Parses a proof file; extra data is not accepted, since it would not be authenticated. Raises
    VerificationError."""
    head, blank, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines[0] != _FIRST or len(lines) < 2:
        raise VerificationError(f"expected a proof that begins with {_FIRST!r}, got {text[:40]!r}")
    if not lines[1].startswith("index "):
        raise VerificationError(
            f"expected 'index' and a number on line 2 of the proof, got {lines[1][:40]!r}"
        )
    index = read_count(lines[1].removeprefix("index "), "index")
    hashes = lines[2:]
    if len(hashes) > _LONGEST:
        raise VerificationError(f"the proof has {len(hashes)} hashes, more than {_LONGEST}")
    path = tuple(from_base64(one, HASH_BYTES, f"hash {number}") for number, one in enumerate(hashes, 1))
    return Proof(index, path, read_note(checkpoint))
