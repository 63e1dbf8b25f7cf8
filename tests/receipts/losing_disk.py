"""A disk that loses what was not synced, as a loss of power does: pages drop out singly, renames and lengths too."""

from __future__ import annotations

import random
import threading
from pathlib import Path

from stillhunt.receipts.disk import Disk

PAGE = 512


class LosingDisk(Disk):
    """Remembers, for everything not yet durable, what the durable state was."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # tiles are made durable beside the batches
        self._open_files: dict[Path, bytes] = {}
        self._placed: dict[Path, tuple[bytes | None, bool]] = {}

    def write_at(self, handle: int, data: bytes, offset: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if path not in self._open_files:
            self._open_files[path] = path.read_bytes()
        super().write_at(handle, data, offset)

    def sync(self, handle: int) -> None:
        super().sync(handle)
        self._open_files.pop(Path(f"/proc/self/fd/{handle}").readlink(), None)

    def write_whole(self, path: Path, data: bytes, *, whole: bool = False) -> None:
        with self._lock:
            if path not in self._placed:
                self._placed[path] = (path.read_bytes() if path.exists() else None, whole)
            super().write_whole(path, data, whole=whole)

    def sync_files(self, paths: list[Path]) -> None:
        with self._lock:
            super().sync_files(paths)
            for path in [path for path in self._placed if path in paths and path.parent in paths]:
                del self._placed[path]

    def lose(self, rng: random.Random) -> None:
        """Cuts the power."""
        for path, durable in self._open_files.items():
            now = path.read_bytes()
            length = rng.randint(len(durable), len(now))
            pages = [now[at : at + PAGE] for at in range(0, length, PAGE)]
            for number, page in enumerate(pages):
                if rng.random() < 0.2:
                    old = durable[number * PAGE : number * PAGE + len(page)]
                    pages[number] = old + bytes(len(page) - len(old))
            path.write_bytes(b"".join(pages)[:length])
        for path, (durable_or_none, whole) in self._placed.items():
            if not path.exists() or rng.random() < 0.4:
                continue
            part = path.read_bytes()[: rng.randint(0, path.stat().st_size)]
            if rng.random() < 0.5 and not whole:
                path.write_bytes(part)
            elif durable_or_none is None:
                path.unlink()
            else:
                path.write_bytes(durable_or_none)
        self._open_files.clear()
        self._placed.clear()
