"""A log file's bytes, decompressed as they come, and cut into blocks of whole lines."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import zstandard

from stillhunt.errors import InputError

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

BLOCK_BYTES = 16 << 20
"""Size of a block of lines, but for lines that are longer."""

LONGEST_LINE = 1 << 30
"""A line of more bytes is no record of a log."""

_PLAIN_CHUNK = 1 << 20
_PACKED_CHUNK = 16 << 10  # small, so that what one chunk unpacks to stays small


class ByteStream:
    """The bytes of a file, unpacked if it is gzip or zstd (by its first bytes, not its name). Iterate it once.

    A damaged or cut-off file gives every byte that could be unpacked; the stream then ends and :attr:`fault` says
    what is wrong. ``advance`` is told how many bytes of the file were taken. Raises InputError when the file
    cannot be opened.
    """

    def __init__(self, path: Path, advance: Callable[[int], None] = lambda _: None) -> None:
        self.path = path
        self._advance = advance
        self.fault: InputError | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            file = self.path.open("rb", buffering=0)
        except OSError as error:
            raise unreadable(self.path, error) from error
        with file:
            try:
                magic = file.read(4)  # and no way back: a pipe is a file too
                new = _unpacker(magic)
                yield from self._plain(file, magic) if new is None else self._unpacked(file, magic, new)
            except OSError as error:
                self.fault = unreadable(self.path, error)

    def _plain(self, file: io.FileIO, chunk: bytes) -> Iterator[bytes]:
        while chunk:
            self._advance(len(chunk))
            yield chunk
            chunk = file.read(_PLAIN_CHUNK)

    def _unpacked(self, file: io.FileIO, packed: bytes, new: Callable[[], _Unpacker]) -> Iterator[bytes]:
        unpacker = new()
        begun = False
        while packed:
            self._advance(len(packed))
            chunk, packed = packed, file.read(_PACKED_CHUNK)
            while chunk:
                try:
                    unpacked = unpacker.decompress(chunk)
                except (zlib.error, zstandard.ZstdError) as error:
                    self.fault = self._damaged(f"is damaged ({error})")
                    return
                begun = True
                if unpacked:
                    yield unpacked
                chunk = b""
                if unpacker.eof:  # another member may follow
                    chunk, unpacker, begun = unpacker.unused_data.lstrip(b"\0"), new(), False
        if begun:
            self.fault = self._damaged("ends before its end mark: it was cut off")

    def _damaged(self, how: str) -> InputError:
        return InputError(
            f"the compressed file {how}",
            str(self.path),
            "Copy it again from its source; what stands before the damage was read.",
        )


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def _unpacker(magic: bytes) -> Callable[[], Any] | None:
    if magic[:2] == GZIP_MAGIC:
        return lambda: zlib.decompressobj(wbits=31)
    if magic == ZSTD_MAGIC:
        return lambda: zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()
    return None


class ReadableStream(io.RawIOBase):
    """A ByteStream as a file object to read from."""

    def __init__(self, stream: ByteStream) -> None:
        self._chunks = iter(stream)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def line_blocks(stream: ByteStream, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Blocks of whole lines, of about ``block_bytes``; the last may lack its newline. Raises InputError for a line
    longer than LONGEST_LINE."""
    pieces: list[bytes] = []
    size = 0
    for chunk in stream:
        cut = chunk.rfind(b"\n") + 1
        if cut and size + cut >= block_bytes:
            pieces.append(chunk[:cut])
            yield b"".join(pieces)
            pieces, size = [], 0
            chunk = chunk[cut:]
        elif size > LONGEST_LINE:
            raise InputError(
                f"a line is longer than {LONGEST_LINE >> 30} GiB",
                str(stream.path),
                "Check that the file has one record on each line.",
            )
        pieces.append(chunk)
        size += len(chunk)
    if size:
        yield b"".join(pieces)


def unreadable(path: Path, error: OSError) -> InputError:
    """The error for a file that the system does not let us read."""
    return InputError(
        f"cannot be read ({error.strerror or error})", str(path), "Check the path and its permissions."
    )
