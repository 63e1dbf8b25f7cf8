"""What a log signs: its name, its size and its root (c2sp.org/tlog-checkpoint)."""

from __future__ import annotations

from dataclasses import dataclass

from stillhunt.receipts.canonical import from_base64, to_base64
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.merkle import HASH_BYTES


@dataclass(frozen=True)
class Checkpoint:
    """A log's state. ``origin`` names the log, ``size`` counts its entries, ``root`` is 32 bytes."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text of the note that the log signs."""
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n"


def read_checkpoint(text: str) -> Checkpoint:
    """Parses the text of a checkpoint's note; extension lines are allowed and ignored. Raises VerificationError."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise VerificationError("expected a checkpoint of three lines or more: origin, size, root hash")
    return Checkpoint(lines[0], read_count(lines[1], "size"), from_base64(lines[2], HASH_BYTES, "root hash"))


def read_count(text: str, what: str) -> int:
    """A decimal without sign or leading zeroes, below 2**63. Raises VerificationError."""
    if not text.isascii() or not text.isdigit() or (text[0] == "0" and text != "0") or len(text) > 19:
        raise VerificationError(f"{what}: expected a decimal number, got {text[:40]!r}")
    if int(text) >= 2**63:
        raise VerificationError(f"{what}: expected a number below 2^63, got {text}")
    return int(text)
