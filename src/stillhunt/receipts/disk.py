"""What touches the disk, and when it is durable. A seam: tests put a disk here that loses what was not synced."""

from __future__ import annotations

import os
from pathlib import Path


class Disk:
    """The file system."""

    def write_at(self, handle: int, data: bytes, offset: int) -> None:
        """Writes all of ``data`` at ``offset``; in the page cache when it returns, so it outlives the process."""
        while data:
            written = os.pwrite(handle, data, offset)
            data, offset = data[written:], offset + written

    def sync(self, handle: int) -> None:
        """Makes what was written to an open file durable."""
        os.fdatasync(handle)

    def write_whole(self, path: Path, data: bytes, *, whole: bool = False) -> None:
        """Puts a file in place in one step; durable only after ``sync_files``. With ``whole``, a loss of power before
        that leaves the old file or the new one, never a part."""
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.next")
        with aside.open("wb") as file:
            file.write(data)
            if whole:
                file.flush()
                os.fsync(file.fileno())
        aside.replace(path)

    def append_durably(self, path: Path, data: bytes) -> None:
        """Appends to a file, durable when it returns."""
        new = not path.exists()
        with path.open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if new:
            self.sync_files([path.parent])

    def sync_files(self, paths: list[Path]) -> None:
        """Makes files and folders durable."""
        for path in paths:
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
