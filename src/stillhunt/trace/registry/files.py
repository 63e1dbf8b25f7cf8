"""``Registry``: a folder of segments and the ``registry.json`` that says which of them count (spec/registry.md)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stillhunt import __version__
from stillhunt.errors import InputError
from stillhunt.schema.requests import SKETCH_SLOTS
from stillhunt.trace.registry.index import CODE_BYTES, CODES, I64, U8, U32

FORMAT = "stillhunt-registry/1"
MANIFEST = "registry.json"
RECEIPT_BYTES = 16
NAMES = "names.parquet"
NAMES_SCHEMA = pa.schema([("account_id", pa.string())])
ARRAYS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "codes": ("|u1", (CODE_BYTES,)),
    "chars": ("<u2", ()),
    "starts": ("<u4", ()),
    "accounts": ("<u4", ()),
    "times": ("<u4", ()),
    "receipts": ("|u1", (RECEIPT_BYTES,)),
    "cells": ("<u4", ()),
    "postings": ("<u4", ()),
    "counts": ("<i8", (CODES,)),
}
"""Type and inner shape of each array of a segment; ``receipts`` may be absent."""

_AGAIN = "Build the registry again with `stillhunt trace registry build`."


@dataclass(frozen=True)
class FileFacts:
    """Size and SHA-256 (hexadecimal) of one file of a segment."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Segment:
    """What ``registry.json`` says of one segment. ``first`` and ``last`` are the times of its entries."""

    path: str
    key_id: str
    texts: int
    entries: int
    receipts: bool
    first: datetime
    last: datetime
    files: Mapping[str, FileFacts]


@dataclass(frozen=True)
class Registry:
    """What ``registry.json`` says. ``inputs``: SHA-256 (hexadecimal) of each log part that was entered."""

    root: Path
    segments: tuple[Segment, ...]
    inputs: tuple[str, ...]

    @property
    def texts(self) -> int:
        """Texts in all segments; one that is in several counts in each."""
        return sum(segment.texts for segment in self.segments)

    @property
    def entries(self) -> int:
        """Entries in all segments."""
        return sum(segment.entries for segment in self.segments)

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The sketch keys that its segments are under, in the order of the segments."""
        return tuple(dict.fromkeys(segment.key_id for segment in self.segments))

    @property
    def bytes_on_disk(self) -> int:
        """Bytes of every file of every segment."""
        return sum(facts.bytes for segment in self.segments for facts in segment.files.values())

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` over the files' SHA-256 digests (hexadecimal, a newline after each), in order."""
        lines = [f"{one.sha256}\n" for segment in self.segments for _, one in sorted(segment.files.items())]
        return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Arrays:
    """The arrays of a segment, mapped into memory; spec/registry.md types them."""

    codes: U8
    chars: NDArray[np.uint16]
    starts: U32
    accounts: U32
    times: U32
    receipts: U8 | None
    cells: U32
    postings: U32
    counts: I64


def open_registry(path: Path) -> Registry:
    """Reads ``registry.json`` and checks that each file that it names is there and has its size. Raises InputError."""
    registry = read_manifest(path)
    for segment in registry.segments:
        for name, facts in segment.files.items():
            file = path / segment.path / name
            found = file.stat().st_size if file.is_file() else None
            if found != facts.bytes:
                got = "found none" if found is None else f"found one of {found}"
                raise InputError(f"expected a file of {facts.bytes} bytes, {got}", str(file), _AGAIN)
    return registry


def read_manifest(path: Path) -> Registry:
    """Parses ``registry.json`` without looking at the segments. Raises InputError."""
    manifest = path / MANIFEST
    try:
        fields = json.loads(manifest.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"expected a registry, found no {MANIFEST}",
            str(path),
            "Make one with `stillhunt trace registry build LAKE --out DIR`.",
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"expected a JSON object, could not read it ({error})", str(manifest), _AGAIN
        ) from error
    found = fields.get("format") if isinstance(fields, dict) else None
    if found != FORMAT:
        raise InputError(f"expected the registry format {FORMAT!r}, found {found!r}", str(manifest), _AGAIN)
    try:
        segments = tuple(_segment(each) for each in fields["segments"])
        return Registry(path, segments, tuple(str(each) for each in fields["inputs"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"a field is missing or has another type than spec/registry.md says ({error!r})",
            str(manifest),
            _AGAIN,
        ) from error


def manifest_json(registry: Registry) -> str:
    """The text of ``registry.json``."""
    segments = [
        {
            "path": one.path,
            "key_id": one.key_id,
            "texts": one.texts,
            "entries": one.entries,
            "receipts": one.receipts,
            "first": time_text(one.first),
            "last": time_text(one.last),
            "files": {name: {"bytes": f.bytes, "sha256": f.sha256} for name, f in sorted(one.files.items())},
        }
        for one in registry.segments
    ]
    fields = {
        "format": FORMAT,
        "stillhunt": __version__,
        "inputs": list(registry.inputs),
        "segments": segments,
    }
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def check_digests(registry: Registry) -> list[str]:
    """Every file whose SHA-256 is another than ``registry.json`` says, in words; empty where all hold."""
    wrong = []
    for segment in registry.segments:
        for name, facts in segment.files.items():
            file = registry.root / segment.path / name
            found = file_facts(file).sha256
            if found != facts.sha256:
                wrong.append(f"{file}: expected SHA-256 {facts.sha256}, found {found}")
    return wrong


def file_facts(path: Path) -> FileFacts:
    """Size and digest of a file."""
    with path.open("rb") as stream:
        return FileFacts(path.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest())


def load_arrays(registry: Registry, segment: Segment) -> Arrays:
    """Maps the arrays of a segment into memory. Raises InputError where one is damaged."""
    n, m = segment.texts, segment.entries
    lengths = {
        "codes": n,
        "chars": n,
        "starts": n + 1,
        "accounts": m,
        "times": m,
        "receipts": m,
        "counts": SKETCH_SLOTS,
    }
    loaded: dict[str, Any] = {"receipts": None}
    for name, (kind, inner) in ARRAYS.items():
        file = registry.root / segment.path / f"{name}.bin"
        if name == "receipts" and not segment.receipts:
            continue
        try:
            size = file.stat().st_size
            flat = np.memmap(file, mode="r", dtype=kind) if size else np.zeros(0, dtype=kind)
            loaded[name] = np.asarray(flat).reshape(lengths.get(name, -1), *inner)
        except (OSError, ValueError) as error:
            raise InputError(
                f"expected an array of {kind} as spec/registry.md says ({error})", str(file), _AGAIN
            ) from error
    counts = loaded["counts"]
    if (counts < 0).any() or (counts.sum(axis=1) != segment.texts).any():
        raise damaged(registry, segment)
    return Arrays(**loaded)


def load_names(registry: Registry, segment: Segment) -> pa.Array:
    """The account ids of a segment, by number. Raises InputError."""
    file = registry.root / segment.path / NAMES
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"expected a Parquet file, could not read it ({error})", str(file), _AGAIN
        ) from error
    if not table.schema.equals(NAMES_SCHEMA):
        raise InputError("expected one column, account_id", str(file), _AGAIN)
    return table["account_id"].combine_chunks()


def damaged(registry: Registry, segment: Segment) -> InputError:
    """The error of a segment whose arrays contradict each other."""
    return InputError(
        "the arrays of this segment contradict each other: it was damaged after it was written",
        str(registry.root / segment.path),
        _AGAIN,
    )


def time_text(time: datetime) -> str:
    """A time as ``registry.json`` writes it."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _segment(fields: Mapping[str, Any]) -> Segment:
    inside = PurePosixPath(fields["path"])
    files = {str(n): FileFacts(int(f["bytes"]), str(f["sha256"])) for n, f in fields["files"].items()}
    for each in (inside, *map(PurePosixPath, files)):
        if each.is_absolute() or ".." in each.parts:
            raise ValueError(f"{each} lies outside the registry")
    return Segment(
        str(inside),
        str(fields["key_id"]),
        int(fields["texts"]),
        int(fields["entries"]),
        bool(fields["receipts"]),
        datetime.fromisoformat(fields["first"]),
        datetime.fromisoformat(fields["last"]),
        files,
    )
