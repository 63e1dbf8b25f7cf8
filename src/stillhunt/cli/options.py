"""Options that several commands take, and files that several of them read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer
from fsspec.core import url_to_fs
from upath import UPath

from stillhunt.errors import InputError, MissingExtraError
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


def place(name: str) -> Path:
    """A folder by its path or, with ``://``, by a URL that ``fsspec`` reads. Raises MissingExtraError where the kind of
    URL needs a package, InputError where there is no such kind."""
    if "://" not in name:
        return Path(name)
    try:
        url_to_fs(name)
        found = UPath(name)
    except ImportError as error:
        raise MissingExtraError(str(error), name, "Install what it names beside stillhunt.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"expected a URL that can be read ({error})", name) from error
    return cast(Path, found)


def file_text(path: Path) -> str:
    """A file's text, with a mark for every byte that is none. Raises as file_bytes."""
    return file_bytes(path).decode("utf-8", "replace")


def trust_file(path: Path) -> Trust:
    """A trust file. Raises InputError."""
    return read_trust(file_text(path), str(path))
