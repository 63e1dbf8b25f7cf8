"""Options that several commands take, and files that several of them read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stillhunt.errors import InputError
from stillhunt.receipts.trust import Trust, read_trust

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what --out holds.")]
LogKind = Annotated[
    str | None, typer.Option(help="Kind of the logs, where it is not recognised; see ingest.")
]
LogMapping = Annotated[
    Path | None, typer.Option("--map", help="Mapping file (TOML) for a log of your own kind.")
]


def file_bytes(path: Path) -> bytes:
    """A file's content. Raises InputError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read this file ({error.strerror})", str(path)) from error


def file_text(path: Path) -> str:
    """A file's text, with a mark for every byte that is none. Raises as file_bytes."""
    return file_bytes(path).decode("utf-8", "replace")


def trust_file(path: Path) -> Trust:
    """A trust file. Raises InputError."""
    return read_trust(file_text(path), str(path))
