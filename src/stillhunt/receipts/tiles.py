"""A log on disk as C2SP tlog-tiles: where things lie, and what can be read from them (c2sp.org/tlog-tiles)."""

from __future__ import annotations

from pathlib import Path

from stillhunt.receipts.checkpoints import read_checkpoint
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.merkle import HASH_BYTES, consistency_proof, inclusion_proof, perfect_root
from stillhunt.receipts.notes import Note, read_note
from stillhunt.receipts.proofs import Proof

HEIGHT = 8
WIDTH = 1 << HEIGHT
CHECKPOINT = "checkpoint"
COSIGNED = "checkpoint.cosigned"
_MOST_BUNDLES = 256


def tile_path(level: int | str, number: int, width: int = WIDTH) -> str:
    """The path of a tile, or of an entry bundle where ``level`` is ``entries``; partial below a ``width`` of 256."""
    digits = f"{number:d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    path = "/".join(["tile", str(level), *("x" + part for part in parts[:-1]), parts[-1]])
    return path if width == WIDTH else f"{path}.p/{width}"


def read_tile_path(path: str) -> tuple[str, int, int]:
    """The level, number and width that ``tile_path`` made a path of. A file written aside counts as the widest."""
    _, level, *parts = path.split("/")
    width = WIDTH
    if len(parts) > 1 and parts[-2].endswith(".p"):
        width = int(parts[-1]) if parts[-1].isdigit() else WIDTH
        parts = [*parts[:-2], parts[-2].removesuffix(".p")]
    digits = "".join(c for part in parts for c in part if c.isdigit())
    return level, int(digits), width


def pack_entries(entries: list[bytes]) -> bytes:
    """An entry bundle: each entry behind its length in two bytes."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def unpack_entries(bundle: bytes) -> list[bytes]:
    """The entries of a bundle. Raises VerificationError when a length does not fit."""
    entries, at = [], 0
    while at < len(bundle):
        size = int.from_bytes(bundle[at : at + 2], "big")
        entries.append(bundle[at + 2 : at + 2 + size])
        at += 2 + size
    if at != len(bundle) or (entries and len(bundle) < 2):
        raise VerificationError("an entry bundle ends inside an entry")
    return entries


class TileReader:
    """Reads the first ``size`` entries of the log in ``folder``. Tiles that were read stay in memory, and
    some bundles."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.size = size
        self._tiles: dict[tuple[int, int], bytes] = {}
        self._bundles: dict[int, list[bytes]] = {}

    def tile(self, level: int, number: int) -> bytes:
        """The hashes of a tile, as many as the size asks for. Raises VerificationError when they are not there."""
        key = (level, number)
        if key not in self._tiles:
            width = min(WIDTH, (self.size >> (HEIGHT * level)) - number * WIDTH)
            data = self._read(level, number, width)
            if len(data) < width * HASH_BYTES:
                raise VerificationError(
                    f"expected {width} hashes, got {len(data)} bytes",
                    str(self.folder / tile_path(level, number, width)),
                )
            self._tiles[key] = data[: width * HASH_BYTES]
        return self._tiles[key]

    def subtree(self, height: int, index: int) -> bytes:
        """The root over entries ``[index * 2**height, (index + 1) * 2**height)``."""
        level, inner = divmod(height, HEIGHT)
        count = 1 << inner
        number, offset = divmod(index * count, WIDTH)
        data = self.tile(level, number)[offset * HASH_BYTES : (offset + count) * HASH_BYTES]
        return perfect_root([data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)])

    def entries(self, number: int) -> list[bytes]:
        """The entries of bundle ``number``, as many as the size asks for. Raises VerificationError."""
        width = min(WIDTH, self.size - number * WIDTH)
        entries = unpack_entries(self._read("entries", number, width))
        if len(entries) < width:
            raise VerificationError(
                f"expected {width} entries, got {len(entries)}",
                str(self.folder / tile_path("entries", number, width)),
            )
        return entries[:width]

    def entry(self, index: int) -> bytes:
        """Entry ``index``. Raises VerificationError."""
        number = index // WIDTH
        if number not in self._bundles:
            if len(self._bundles) >= _MOST_BUNDLES:
                del self._bundles[next(iter(self._bundles))]
            self._bundles[number] = self.entries(number)
        return self._bundles[number][index % WIDTH]

    def _read(self, level: int | str, number: int, width: int) -> bytes:
        for one in (width, WIDTH):  # a partial tile may be gone once the full one is there
            try:
                return (self.folder / tile_path(level, number, one)).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                continue
        raise VerificationError(
            "the log has no such file", str(self.folder / tile_path(level, number, width))
        )


def read_latest(folder: Path, name: str = CHECKPOINT) -> Note:
    """The signed checkpoint of a log, unchecked. Raises VerificationError."""
    path = folder / name
    try:
        return read_note(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise VerificationError(f"cannot read the log's checkpoint ({error})", str(path)) from error


def prove_inclusion(folder: Path, index: int) -> Proof | None:
    """A proof for entry ``index``, under the newest checkpoint that witnesses cosigned where that holds it, else
    under the newest one; None where no checkpoint holds it yet."""
    for name in (COSIGNED, CHECKPOINT):
        if not (folder / name).exists():
            continue
        note = read_latest(folder, name)
        size = read_checkpoint(note.text).size
        if index < size:
            return Proof(index, tuple(inclusion_proof(index, size, TileReader(folder, size).subtree)), note)
    return None


def prove_consistency(folder: Path, old: int, new: int) -> list[bytes]:
    """The hashes that show that the first ``new`` entries begin with the first ``old``."""
    return consistency_proof(old, new, TileReader(folder, new).subtree)
