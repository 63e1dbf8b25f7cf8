"""Refuses an output that would replace what is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stillhunt.errors import SettingError


def apart(inputs: Sequence[str | Path | None], out: Path) -> None:
    """Raises SettingError where ``out`` is one of ``inputs`` (paths; globs and URLs pass) or a folder around one."""
    target = out.resolve()
    for each in inputs:
        path = None if each is None else Path(each)
        if path is not None and path.exists() and path.resolve().is_relative_to(target):
            raise SettingError(
                f"the output would replace an input: {path}", f"--out {out}", "Name another folder for --out."
            )
