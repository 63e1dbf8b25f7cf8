"""``Lake``: a folder of Parquet parts and the ``lake.json`` that says which of them count. spec/lake.md is the page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from stillhunt import __version__
from stillhunt.errors import InputError
from stillhunt.schema.accounts import ACCOUNTS
from stillhunt.schema.coverage import Coverage
from stillhunt.schema.requests import LAKE_REQUESTS, LAKE_REQUESTS_WITH_TEXT, SKETCHES
from stillhunt.sources.source import Skipped

FORMAT = "stillhunt-lake/1"
MANIFEST = "lake.json"

Text = Literal["sketches", "kept"]

_AGAIN = "Make the lake again with `stillhunt ingest ... --overwrite`."


@dataclass(frozen=True)
class Part:
    """One file of a lake. ``path`` is relative to the lake; ``first`` and ``last`` are the times of its earliest
    and latest exchange, for parts of ``requests`` only."""

    path: str
    rows: int
    sha256: str
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True)
class TakenFrom:
    """One source that was ingested. ``cursor`` is where an incremental source goes on."""

    kind: str
    location: str
    rows: int
    cursor: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Lake:
    """What ``lake.json`` says, with every file that it names found in place."""

    root: Path
    text: Text
    requests: tuple[Part, ...] = ()
    sketches: tuple[Part, ...] = ()
    accounts: Part | None = None
    rejections: tuple[Part, ...] = ()
    read: int = 0
    written: int = 0
    rejected: int = 0
    sketch_keys: tuple[str, ...] = ()
    sources: tuple[TakenFrom, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    coverage: Coverage = field(default_factory=lambda: Coverage((), {}, {}))
    notes: Mapping[str, int] = field(default_factory=dict)

    @property
    def request_files(self) -> tuple[Path, ...]:
        """The Parquet files of ``requests``, schema :attr:`schema`; give them to ``engines.duckdb.parquet``."""
        return tuple(self.root / part.path for part in self.requests)

    @property
    def sketch_files(self) -> tuple[Path, ...]:
        """The Parquet files of ``sketches``, schema SKETCHES; none when no row carried text."""
        return tuple(self.root / part.path for part in self.sketches)

    @property
    def accounts_file(self) -> Path | None:
        """The Parquet file of ``accounts``, schema ACCOUNTS, where one was given."""
        return None if self.accounts is None else self.root / self.accounts.path

    @property
    def schema(self) -> pa.Schema:
        """Schema of the files of ``requests``."""
        return LAKE_REQUESTS_WITH_TEXT if self.text == "kept" else LAKE_REQUESTS

    @property
    def parts(self) -> tuple[Part, ...]:
        """Every part that a scan reads, in the order of ``lake.json``."""
        return self.requests + self.sketches + (() if self.accounts is None else (self.accounts,))

    @property
    def inputs_digest(self) -> str:
        """``sha256:<hex>`` over the parts' SHA-256 digests (hexadecimal, a newline after each), in order."""
        lines = "".join(f"{part.sha256}\n" for part in self.parts)
        return "sha256:" + hashlib.sha256(lines.encode()).hexdigest()

    def cursor(self, kind: str, location: str) -> Mapping[str, Any] | None:
        """Where the source of this kind and place was left the last time, if it was ingested before."""
        found = [taken.cursor for taken in self.sources if (taken.kind, taken.location) == (kind, location)]
        return found[-1] if found else None


def is_lake(path: Path) -> bool:
    """Whether ``path`` is a folder with a ``lake.json``."""
    return (path / MANIFEST).is_file()


def open_lake(path: Path) -> Lake:
    """Reads ``lake.json`` and checks that each file that it names is there, is whole, and has its rows and schema.

    The files' contents are not digested; :func:`check_digests` does that. Raises InputError.
    """
    lake = read_manifest(path)
    for part in lake.requests:
        _check_part(lake.root, part, lake.schema)
    for part in lake.sketches:
        _check_part(lake.root, part, SKETCHES)
    if lake.accounts is not None:
        _check_part(lake.root, lake.accounts, ACCOUNTS)
    return lake


def check_digests(lake: Lake) -> None:
    """Compares each file with the SHA-256 that ``lake.json`` gives. Raises InputError for the first that differs."""
    for part in lake.parts + lake.rejections:
        found = file_sha256(lake.root / part.path)
        if found != part.sha256:
            raise InputError(
                f"expected SHA-256 {part.sha256}, found {found}: the file was changed after ingest",
                str(lake.root / part.path),
                _AGAIN,
            )


def read_manifest(path: Path) -> Lake:
    """Parses ``lake.json`` without looking at the files that it names. Raises InputError."""
    manifest = path / MANIFEST
    try:
        fields = json.loads(manifest.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"expected a lake, found no {MANIFEST}",
            str(path),
            "Make one with `stillhunt ingest LOGS --out LAKE`.",
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"expected a JSON object, could not read it ({error})", str(manifest), _AGAIN
        ) from error
    found = fields.get("format") if isinstance(fields, dict) else None
    if found != FORMAT:
        raise InputError(
            f"expected the lake format {FORMAT!r}, found {found!r}",
            str(manifest),
            "Read it with the version of Stillhunt that made it, or ingest the log again.",
        )
    try:
        return _lake_from(path, fields)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"a field is missing or has another type than spec/lake.md says ({error!r})",
            str(manifest),
            _AGAIN,
        ) from error


def manifest_json(lake: Lake) -> str:
    """The text of ``lake.json``."""
    fields = {
        "format": FORMAT,
        "stillhunt": __version__,
        "requests": [_part_fields(part, times=True) for part in lake.requests],
        "sketches": [_part_fields(part) for part in lake.sketches],
        "accounts": None if lake.accounts is None else _part_fields(lake.accounts),
        "rejections": [_part_fields(part) for part in lake.rejections],
        "rows": {"read": lake.read, "written": lake.written, "rejected": lake.rejected},
        "text": lake.text,
        "sketch_keys": list(lake.sketch_keys),
        "sources": [
            {"kind": taken.kind, "location": taken.location, "rows": taken.rows, "cursor": taken.cursor}
            for taken in lake.sources
        ],
        "skipped": [{"file": skip.file, "reason": skip.reason, "rows": skip.rows} for skip in lake.skipped],
        "coverage": {
            "active": list(lake.coverage.active),
            "missing": {signal: list(columns) for signal, columns in lake.coverage.missing.items()},
            "filled": {column: round(share, 6) for column, share in lake.coverage.filled.items()},
        },
        "notes": dict(lake.notes),
    }
    return json.dumps(fields, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _lake_from(root: Path, fields: Mapping[str, Any]) -> Lake:
    if fields["text"] not in ("sketches", "kept"):
        raise ValueError(f"text is {fields['text']!r}")
    coverage = fields["coverage"]
    accounts = fields.get("accounts")
    rows = fields["rows"]
    return Lake(
        root=root,
        text=fields["text"],
        requests=tuple(_part_from(part) for part in fields["requests"]),
        sketches=tuple(_part_from(part) for part in fields["sketches"]),
        accounts=None if accounts is None else _part_from(accounts),
        rejections=tuple(_part_from(part) for part in fields.get("rejections", ())),
        read=int(rows["read"]),
        written=int(rows["written"]),
        rejected=int(rows["rejected"]),
        sketch_keys=tuple(fields["sketch_keys"]),
        sources=tuple(
            TakenFrom(taken["kind"], taken["location"], taken["rows"], taken.get("cursor"))
            for taken in fields["sources"]
        ),
        skipped=tuple(
            Skipped(skip["file"], skip["reason"], skip.get("rows", 0)) for skip in fields.get("skipped", ())
        ),
        coverage=Coverage(
            tuple(coverage["active"]),
            {signal: tuple(columns) for signal, columns in coverage["missing"].items()},
            dict(coverage["filled"]),
        ),
        notes=dict(fields.get("notes", {})),
    )


def _part_from(fields: Mapping[str, Any]) -> Part:
    inside = PurePosixPath(fields["path"])
    if inside.is_absolute() or ".." in inside.parts:
        raise ValueError(f"{inside} lies outside the lake")
    return Part(
        fields["path"],
        int(fields["rows"]),
        fields["sha256"],
        _time_from(fields.get("first")),
        _time_from(fields.get("last")),
    )


def _part_fields(part: Part, *, times: bool = False) -> dict[str, Any]:
    fields: dict[str, Any] = {"path": part.path, "rows": part.rows, "sha256": part.sha256}
    if times:
        fields |= {"first": _time_text(part.first), "last": _time_text(part.last)}
    return fields


def _time_from(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _time_text(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _check_part(root: Path, part: Part, schema: pa.Schema) -> None:
    path = root / part.path
    try:
        metadata = pq.read_metadata(path)
    except FileNotFoundError as error:
        raise InputError(f"{MANIFEST} names this file and it is not there", str(path), _AGAIN) from error
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"expected a Parquet file, could not read it ({error})", str(path), _AGAIN
        ) from error
    if metadata.num_rows != part.rows:
        raise InputError(
            f"expected {part.rows} rows, as {MANIFEST} says, found {metadata.num_rows}", str(path), _AGAIN
        )
    found = metadata.schema.to_arrow_schema()
    if not found.equals(schema):
        lacking = sorted(set(schema.names) - set(found.names))
        detail = f"column(s) {', '.join(lacking)} are missing" if lacking else "the column types differ"
        raise InputError(f"expected the schema of spec/lake.md: {detail}", str(path), _AGAIN)
