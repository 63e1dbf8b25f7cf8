"""Writes registries: batches of issued answers → segments, whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numba import njit
from numpy.typing import NDArray

from stillhunt.engines.output import directory_aside, whole_directory, whole_file
from stillhunt.errors import InputError, OutputError, SettingError
from stillhunt.schema.progress import Progress, Silent
from stillhunt.schema.requests import SKETCH_SLOTS, TIMESTAMP
from stillhunt.sketch.digest import distinct
from stillhunt.sketch.texts import is_valid
from stillhunt.trace.registry.files import (
    ARRAYS,
    MANIFEST,
    NAMES,
    NAMES_SCHEMA,
    RECEIPT_BYTES,
    Registry,
    Segment,
    file_facts,
    manifest_json,
    open_registry,
)
from stillhunt.trace.registry.index import CODE_BYTES, CODES, U8, codes_of, count_codes, pack, post

ISSUED = pa.schema(
    [
        ("sketch", pa.binary(4 * SKETCH_SLOTS)),
        ("chars", pa.int32()),
        ("account_id", pa.string()),
        ("time", TIMESTAMP),
        ("receipt_id", pa.binary(RECEIPT_BYTES)),
    ]
)
"""Issued answers: one row for each issuing. ``receipt_id`` may be null."""

SEGMENT_ENTRIES = 1 << 22
"""Entries of a segment at most. Building one takes about 400 bytes of memory for each."""
LONGEST = 65_535
"""Characters; a longer text is entered with this length."""
_CHUNK = 65_536

Under = Iterable[tuple[str, Iterable[pa.RecordBatch]]]
"""Issued answers (schema ISSUED) by the id of the key that they were sketched under."""


def write_registry(
    path: Path,
    issued: Under,
    inputs: Sequence[str],
    *,
    append: bool = False,
    overwrite: bool = False,
    segment_entries: int = SEGMENT_ENTRIES,
    progress: Progress | None = None,
) -> Registry:
    """Makes the registry ``path`` of issued answers, or adds them to one that is there.

    issued: read once, as it is needed. inputs: SHA-256 digests of the log parts that they come from; a registry that
    holds one of them already is not added to. Raises OutputError, InputError, SettingError.
    """
    if not 0 < segment_entries <= SEGMENT_ENTRIES:
        raise SettingError(f"expected 1 to {SEGMENT_ENTRIES} entries in a segment, got {segment_entries}")
    listener = progress or Silent()
    if append and (path / MANIFEST).exists():
        return _append(path, issued, inputs, segment_entries, listener)
    with whole_directory(path, overwrite=overwrite) as aside:
        made = _write_segments(aside, issued, segment_entries, 0, listener)
        if not made:
            raise InputError("expected issued answers, found none", str(path), "Ingest a log with answers.")
        registry = Registry(path, made, tuple(inputs))
        (aside / MANIFEST).write_text(manifest_json(registry), encoding="utf-8")
    return registry


def _append(path: Path, issued: Under, inputs: Sequence[str], limit: int, progress: Progress) -> Registry:
    with directory_aside(path) as aside:
        before = open_registry(path)
        if set(inputs) & set(before.inputs):
            raise OutputError(
                "this registry holds a part of this input already", str(path), "Append what is new."
            )
        named = {segment.path for segment in before.segments}
        for folder in path.glob("segment-*"):  # of a run that was killed
            if folder.name not in named:
                shutil.rmtree(folder, ignore_errors=True)
        first = max((int(name.removeprefix("segment-")) + 1 for name in named), default=0)
        made = _write_segments(aside, issued, limit, first, progress)
        for segment in made:
            (aside / segment.path).rename(path / segment.path)
        registry = Registry(path, before.segments + made, before.inputs + tuple(inputs))
        with whole_file(path / MANIFEST) as new:
            new.write_text(manifest_json(registry), encoding="utf-8")
    return registry


def _write_segments(
    folder: Path, issued: Under, limit: int, first: int, progress: Progress
) -> tuple[Segment, ...]:
    made: list[Segment] = []
    progress.stage("entering issued answers", unit="answers")
    for key_id, batches in issued:
        waiting = _Waiting(limit)
        for batch in batches:
            _check(batch)
            while batch.num_rows:
                taken = min(batch.num_rows, limit - waiting.count)
                waiting.add(batch.slice(0, taken))
                batch = batch.slice(taken)
                progress.advance(taken)
                if waiting.count == limit:
                    made.append(_write_segment(folder, first + len(made), key_id, waiting))
                    waiting.empty()
        if waiting.count:
            made.append(_write_segment(folder, first + len(made), key_id, waiting))
    return tuple(made)


class _Waiting:
    """Entries that wait to become a segment."""

    def __init__(self, limit: int) -> None:
        # Pages that are never written to take no memory.
        self.sketches = np.empty((limit, SKETCH_SLOTS), dtype=np.uint32)
        self.chars = np.empty(limit, dtype=np.uint16)
        self.accounts = np.empty(limit, dtype=np.uint32)
        self.times = np.empty(limit, dtype=np.uint32)
        self.receipts = np.empty((limit, RECEIPT_BYTES), dtype=np.uint8)
        self.empty()

    def empty(self) -> None:
        self.count = 0
        self.has_receipts = False
        self.names: dict[str, int] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        at = slice(self.count, self.count + batch.num_rows)
        sketches, _ = _fixed(batch["sketch"])
        self.sketches[at] = sketches.view("<u4")
        self.chars[at] = np.clip(batch["chars"].to_numpy(zero_copy_only=False), 0, LONGEST)
        seconds = pc.divide(batch["time"].cast(pa.int64()), 1_000_000).to_numpy(zero_copy_only=False)
        self.times[at] = np.clip(seconds, 0, 2**32 - 1)
        account = batch["account_id"].dictionary_encode()
        numbers = [self.names.setdefault(name, len(self.names)) for name in account.dictionary.to_pylist()]
        self.accounts[at] = np.array(numbers, dtype=np.uint32)[account.indices.to_numpy(zero_copy_only=False)]
        receipts, there = _fixed(batch["receipt_id"])
        self.receipts[at] = np.where(there[:, None], receipts, 0)
        self.has_receipts |= bool(there.any())
        self.count += batch.num_rows


def _write_segment(folder: Path, number: int, key_id: str, waiting: _Waiting) -> Segment:
    n = waiting.count
    target = folder / f"segment-{number:06}"
    target.mkdir()
    sketches, chars = waiting.sketches[:n], waiting.chars[:n]
    same = np.empty(n, dtype=np.uint64)
    _identify(sketches, chars, same)
    first, text = distinct(same)
    _compact(sketches, first)
    texts = sketches[: len(first)]
    order = np.lexsort((waiting.times[:n], waiting.accounts[:n], text))
    order = order[_new(order, text, waiting)]
    starts = np.searchsorted(text[order], np.arange(len(first) + 1)).astype(np.uint32)
    codes = np.empty((len(first), CODE_BYTES), dtype=np.uint8)
    counts = np.zeros((SKETCH_SLOTS, CODES), dtype=np.int64)
    for at in range(0, len(first), _CHUNK):
        some = codes_of(texts[at : at + _CHUNK])
        codes[at : at + _CHUNK] = pack(some)
        counts += count_codes(some)
    posted = post(texts)
    arrays: dict[str, NDArray[Any]] = {
        "codes": codes,
        "chars": chars[first],
        "starts": starts,
        "accounts": waiting.accounts[order],
        "times": waiting.times[order],
        "cells": posted.cells,
        "postings": posted.postings,
        "counts": counts,
    }
    if waiting.has_receipts:
        arrays["receipts"] = waiting.receipts[order]
    for name, array in arrays.items():
        np.ascontiguousarray(array, dtype=ARRAYS[name][0]).tofile(target / f"{name}.bin")
    pq.write_table(
        pa.table([pa.array(list(waiting.names), pa.string())], schema=NAMES_SCHEMA), target / NAMES
    )
    times = waiting.times[order]
    return Segment(
        target.name,
        key_id,
        len(first),
        len(order),
        waiting.has_receipts,
        datetime.fromtimestamp(int(times.min()), UTC),
        datetime.fromtimestamp(int(times.max()), UTC),
        {file.name: file_facts(file) for file in sorted(target.iterdir())},
    )


def _new(order: NDArray[np.int64], text: NDArray[np.int64], waiting: _Waiting) -> NDArray[np.bool_]:
    """Which entries, in their order, differ from the one before: a text may stand in a lake more than once."""
    new = np.ones(len(order), dtype=np.bool_)
    same = np.ones(max(len(order) - 1, 0), dtype=np.bool_)
    for values in (text, waiting.accounts, waiting.times):
        same &= values[order[1:]] == values[order[:-1]]
    at = np.flatnonzero(same) + 1
    new[at] = (waiting.receipts[order[at]] != waiting.receipts[order[at - 1]]).any(axis=1)
    return new


def _check(batch: pa.RecordBatch) -> None:
    if not batch.schema.equals(ISSUED):
        raise InputError(
            f"expected the columns {', '.join(ISSUED.names)} as build.ISSUED types them", "issued answers"
        )
    for name in ISSUED.names[:-1]:
        if batch[name].null_count:
            raise InputError(
                f"expected a value in every row, found {batch[name].null_count} null", f"column {name}"
            )


def _fixed(column: pa.Array) -> tuple[U8, NDArray[np.bool_]]:
    """Fixed-size binary as bytes (n, width), and which are not null. Bytes of a null are arbitrary."""
    width = column.type.byte_width
    data = column.buffers()[1]
    there = is_valid(column)
    if data is None:
        return np.zeros((len(column), width), dtype=np.uint8), there
    flat = np.frombuffer(data, dtype=np.uint8)
    return flat[column.offset * width : (column.offset + len(column)) * width].reshape(-1, width), there


@njit(nogil=True, cache=True, boundscheck=False)
def _identify(sketches, chars, out):  # type: ignore[no-untyped-def]
    for i in range(len(sketches)):
        h = np.uint64(chars[i])
        for slot in range(SKETCH_SLOTS):
            h = (h ^ np.uint64(sketches[i, slot])) * np.uint64(0x9E3779B97F4A7C15)
            h ^= h >> np.uint64(32)
        out[i] = h


@njit(nogil=True, cache=True, boundscheck=False)
def _compact(sketches, first):  # type: ignore[no-untyped-def]
    # ``first`` ascends, so that no row is overwritten before it was moved.
    for i in range(len(first)):
        if first[i] != i:
            sketches[i] = sketches[first[i]]
