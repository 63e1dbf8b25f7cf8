"""From what a person names on the command line to sources: files, folders, globs, databases."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from stillhunt.errors import InputError, SettingError
from stillhunt.sources.accounts import read_accounts
from stillhunt.sources.detect import SourceSettings, open_source, url_scheme
from stillhunt.sources.ingest import Log
from stillhunt.sources.lake import is_lake
from stillhunt.sources.otel import together
from stillhunt.sources.source import Skipped, Source

LOG_SUFFIXES = frozenset((".parquet", ".pq", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".log"))
"""What a file in a folder must be called to be taken as a log; ``.gz`` and ``.zst`` may follow."""

SIMULATED = ("requests", "accounts.parquet", "truth.parquet")
"""A folder that `stillhunt simulate` filled: the log, its accounts, and the truth, which no scan may see."""


@dataclass
class _Named:
    locations: list[str] = field(default_factory=list)
    accounts: list[Path] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)


def open_logs(
    names: Sequence[str],
    kind: str | None = None,
    settings: SourceSettings | None = None,
    accounts: Path | None = None,
) -> Log:
    """Opens every file that the names stand for. A file among several that is of no known kind is skipped, and the
    log says so. Raises InputError when nothing can be opened, or the accounts cannot."""
    named = _Named()
    for name in names:
        _find(name, named)
    named.locations = list(dict.fromkeys(named.locations))
    sources: list[Source] = []
    skipped: list[Skipped] = []
    for location in named.locations:
        try:
            sources.append(open_source(location, kind, settings))
        except InputError as error:
            if len(named.locations) == 1:
                raise
            skipped.append(Skipped(error.where or location, error.problem))
    if not sources:
        raise InputError(
            f"none of the {len(skipped)} files can be read; the first: {skipped[0].reason}",
            skipped[0].file,
            "Mend the files, or give others.",
        )
    sizes = [_size(location) for location in named.locations]
    return Log(
        together(sources),
        _accounts(accounts, named),
        None if None in sizes else sum(size for size in sizes if size is not None),
        tuple(skipped),
        named.notes,
    )


def _find(name: str, named: _Named) -> None:
    """Adds the files that a name stands for."""
    if url_scheme(name) is not None:
        named.locations.append(name)
        return
    path = Path(name)
    if path.is_dir():
        _find_in_folder(path, named)
    elif path.exists():
        named.locations.append(name)
    elif glob.has_magic(name):
        found = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - patterns may be absolute
        if not found:
            raise InputError("no file matches", name, "Check the pattern; quote it if the shell expands it.")
        for each in found:
            if Path(each).is_dir():
                _find_in_folder(Path(each), named)
            else:
                named.locations.append(each)
    else:
        raise InputError(
            "expected a file, a folder, a glob or a URL; nothing is there", name, "Check the path."
        )


def _find_in_folder(folder: Path, named: _Named) -> None:
    if is_lake(folder):
        raise InputError(
            "this folder is a lake already",
            str(folder),
            "Scan it as it is: `stillhunt scan LAKE`. To add to it, ingest other logs with --append.",
        )
    requests, accounts, truth = (folder / name for name in SIMULATED)
    if requests.is_dir() and (accounts.is_file() or truth.is_file()):
        if accounts.is_file():
            named.accounts.append(accounts)
        if truth.is_file():
            named.notes[f"{truth} holds labels and was not read"] = 0
        folder = requests
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and not _hidden(path, folder)]
    logs = [path for path in found if _log_suffix(path) in LOG_SUFFIXES]
    if not logs:
        raise InputError(
            f"expected log files in the folder ({', '.join(sorted(LOG_SUFFIXES))}), found none",
            str(folder),
            "Name the files themselves if they are called otherwise.",
        )
    others = [path.name for path in found if _log_suffix(path) not in LOG_SUFFIXES]
    if others:
        shown = ", ".join(others[:5]) + (" ..." if len(others) > 5 else "")
        named.notes[f"files in {folder} that are not called like a log were not read: {shown}"] = 0
    named.locations += [str(path) for path in logs]


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)


def _log_suffix(path: Path) -> str:
    name = path.name.lower()
    for packed in (".gz", ".zst"):
        name = name.removesuffix(packed)
    return Path(name).suffix


def _accounts(given: Path | None, named: _Named) -> pa.Table | None:
    if given is not None:
        return read_accounts(given)
    if len(named.accounts) > 1:
        raise SettingError(
            f"{len(named.accounts)} of the folders hold an accounts.parquet",
            "--accounts",
            "Name one with --accounts.",
        )
    if not named.accounts:
        return None
    named.notes[f"accounts were taken from {named.accounts[0]}"] = 0
    return read_accounts(named.accounts[0])


def _size(location: str) -> int | None:
    try:
        return Path(location).stat().st_size
    except OSError:
        return None
