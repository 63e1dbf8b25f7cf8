"""Requests with text → requests with keyed sketches: RecordBatch → RecordBatch, with no state between batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stillhunt.errors import InputError
from stillhunt.schema.requests import (
    LAKE_REQUESTS,
    LAKE_REQUESTS_WITH_TEXT,
    MODEL_CAPABILITIES,
    SKETCH_COLUMNS,
    SKETCHES,
    TIMESTAMP,
)
from stillhunt.sketch.capability import label_rows
from stillhunt.sketch.codes import bands, digests, prompt_codes
from stillhunt.sketch.digest import distinct, text_ids
from stillhunt.sketch.keys import KeyRing, KeyWords, SketchKey, key_words
from stillhunt.sketch.minhash import sketch_rows
from stillhunt.sketch.texts import Texts, fixed_binary, is_valid, texts_of

ROLES = {"prompt": "prompt", "system": "system_prompt", "completion": "completion"}
"""Role of a text in a row, and the column it stands in."""

_LABELS = pa.array(MODEL_CAPABILITIES)


@dataclass(frozen=True)
class Sketched:
    """``requests``: schema LAKE_REQUESTS or LAKE_REQUESTS_WITH_TEXT, the rows of the input in their order.
    ``texts``: schema SKETCHES, each distinct text of this batch once per role and key."""

    requests: pa.RecordBatch
    texts: pa.RecordBatch


@dataclass(frozen=True)
class _Role:
    """The texts of one role. ``rows`` are the rows with a text that is not empty, ``group`` the distinct text of
    each of these, ``first`` the place in ``texts`` where each distinct text is first met."""

    name: str
    texts: Texts
    present: NDArray[np.bool_]
    rows: NDArray[np.int64]
    group: NDArray[np.int64]
    first: NDArray[np.int64]
    ids: NDArray[np.uint64]


@dataclass(frozen=True)
class _Codes:
    """Of some distinct texts, under one key: what the rows carry and what ``sketches`` keeps."""

    codes: NDArray[np.uint8]
    chars: NDArray[np.int32]
    table: pa.RecordBatch


def sketch_requests(batch: pa.RecordBatch, keys: KeyRing, *, keep_text: bool) -> Sketched:
    """Adds codes, lengths and capability to rows with text, and drops the text unless ``keep_text``.

    ``batch`` has the schema REQUESTS; columns may be missing, and text columns may be dictionaries. A row that already
    carries any sketch column passes through untouched. An empty text has no code and the length 0. Raises InputError
    for a column of a wrong type.
    """
    given = _given(batch)
    words = key_words(keys.current)
    roles = [_role(name, batch, given, words) for name in ROLES]
    current = [_codes(role, keys.current, words, role.first, role.ids) for role in roles]
    columns = _current(roles, current, keys.current)
    tables = [codes.table for codes in current]
    if keys.previous is not None:
        tables += _add_previous(columns, roles, keys, _rows_before(batch, keys))
    schema = LAKE_REQUESTS_WITH_TEXT if keep_text else LAKE_REQUESTS
    arrays = [_column(field, batch, columns, bool(given.any())) for field in schema]
    return Sketched(pa.RecordBatch.from_arrays(arrays, schema=schema), pa.concat_batches(tables))


def _given(batch: pa.RecordBatch) -> NDArray[np.bool_]:
    given = np.zeros(batch.num_rows, dtype=np.bool_)
    for name in SKETCH_COLUMNS:
        if name in batch.schema.names:
            given |= is_valid(batch.column(name))
    return given


def _role(name: str, batch: pa.RecordBatch, given: NDArray[np.bool_], words: KeyWords) -> _Role:
    column = ROLES[name]
    if column in batch.schema.names:
        values = batch.column(column)
        try:
            if pa.types.is_dictionary(values.type):
                return _role_of_dictionary(name, values, given, words)
            texts = texts_of(values)
        except InputError as error:
            raise InputError(error.problem, f"column {column}", error.remedy) from error
    else:
        bounds = np.zeros(batch.num_rows + 1, dtype=np.int64)
        texts = Texts(np.zeros(0, dtype=np.uint8), bounds, np.zeros(batch.num_rows, dtype=np.bool_))
    present = texts.valid & ~given
    rows = np.flatnonzero(present & (texts.offsets[1:] > texts.offsets[:-1]))
    ids = text_ids(texts, rows, words.text)
    first, group = distinct(ids)
    return _Role(name, texts, present, rows, group, rows[first], ids[first])


def _role_of_dictionary(
    name: str, column: pa.DictionaryArray, given: NDArray[np.bool_], words: KeyWords
) -> _Role:
    """As for a plain column, with each text that any row refers to read once."""
    texts = texts_of(column.dictionary)
    present = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_) & ~given
    values = column.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    rows = np.flatnonzero(present)
    present[rows] = texts.valid[values[rows]]
    rows = np.flatnonzero(present)
    rows = rows[texts.offsets[values[rows] + 1] > texts.offsets[values[rows]]]
    used, place = np.unique(values[rows], return_inverse=True)
    ids = text_ids(texts, used, words.text)
    first, group = distinct(ids)
    return _Role(name, texts, present, rows, group[place], used[first], ids[first])


def _codes(
    role: _Role, key: SketchKey, words: KeyWords, rows: NDArray[np.int64], ids: NDArray[np.uint64]
) -> _Codes:
    sketches, chars = sketch_rows(role.texts, rows, words.shingle)
    if role.name == "completion":
        codes = digests(ids)
    else:
        band = bands(sketches, words.band)
        codes = prompt_codes(band, ids) if role.name == "prompt" else band
    columns = {
        "text_id": fixed_binary(ids.astype("<u8").view(np.uint8).reshape(-1, 8)),
        "role": pa.repeat(pa.scalar(role.name, pa.string()), len(rows)),
        "code": fixed_binary(codes).cast(pa.binary()),
        "sketch": fixed_binary(sketches.astype("<u4", copy=False).view(np.uint8)),
        "chars": pa.array(chars),
        "sketch_key_id": pa.repeat(pa.scalar(key.key_id, pa.string()), len(rows)),
    }
    arrays = [columns[field.name] for field in SKETCHES]
    return _Codes(codes, chars, pa.RecordBatch.from_arrays(arrays, schema=SKETCHES))


def _current(roles: Sequence[_Role], coded: Sequence[_Codes], key: SketchKey) -> dict[str, pa.Array]:
    columns = {}
    any_text = np.zeros(len(roles[0].present), dtype=np.bool_)
    for role, codes in zip(roles, coded, strict=True):
        columns[f"{role.name}_sketch"] = _spread(role, codes.codes, role.group)
        chars = np.zeros(len(role.present), dtype=np.int32)
        chars[role.rows] = codes.chars[role.group]
        columns[f"{role.name}_chars"] = pa.array(chars, mask=~role.present)
        any_text |= role.present
        if role.name == "prompt":
            labels = np.zeros(len(role.present), dtype=np.int8)
            labels[role.rows] = label_rows(role.texts, role.first)[role.group]
            none = ~_mask(role, role.rows)
            columns["capability"] = pa.DictionaryArray.from_arrays(pa.array(labels, mask=none), _LABELS).cast(
                pa.string()
            )
    columns["sketch_key_id"] = _where(key.key_id, any_text)
    return columns


def _rows_before(batch: pa.RecordBatch, keys: KeyRing) -> NDArray[np.bool_]:
    if keys.previous_until is None or "time" not in batch.schema.names:
        return np.ones(batch.num_rows, dtype=np.bool_)
    before = pc.less(batch.column("time"), pa.scalar(keys.previous_until, type=TIMESTAMP))
    return np.asarray(before.fill_null(False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _add_previous(
    columns: dict[str, pa.Array], roles: Sequence[_Role], keys: KeyRing, both: NDArray[np.bool_]
) -> list[pa.RecordBatch]:
    """Fills the old_* columns of the rows in ``both``; returns the sketches of their texts under the older key."""
    assert keys.previous is not None
    words = key_words(keys.previous)
    tables = []
    covered = np.zeros(len(both), dtype=np.bool_)
    for role in roles:
        covered |= role.present & both
        needed = np.unique(role.group[both[role.rows]])
        place = np.full(len(role.first), -1, dtype=np.int64)
        place[needed] = np.arange(len(needed))
        rows = role.first[needed]
        old = _codes(role, keys.previous, words, rows, text_ids(role.texts, rows, words.text))
        group = np.where(both[role.rows], place[role.group], -1)
        columns[f"old_{role.name}_sketch"] = _spread(role, old.codes, group)
        tables.append(old.table)
    columns["old_sketch_key_id"] = _where(keys.previous.key_id, covered)
    return tables


def _spread(role: _Role, codes: NDArray[np.uint8], group: NDArray[np.int64]) -> pa.Array:
    """The code of each row from that of its distinct text; null where ``group`` is negative or there is no text."""
    rows, group = role.rows[group >= 0], group[group >= 0]
    values = np.zeros((len(role.present), codes.shape[1]), dtype=np.uint8)
    values[rows] = codes[group]
    return fixed_binary(values, _mask(role, rows))


def _mask(role: _Role, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    mask = np.zeros(len(role.present), dtype=np.bool_)
    mask[rows] = True
    return mask


def _where(value: str, rows: NDArray[np.bool_]) -> pa.Array:
    return pc.if_else(pa.array(rows), pa.scalar(value, pa.string()), pa.scalar(None, pa.string()))


def _column(
    field: pa.Field, batch: pa.RecordBatch, computed: Mapping[str, pa.Array], given: bool
) -> pa.Array:
    there = batch.column(field.name) if field.name in batch.schema.names else None
    if there is not None and there.type != field.type:
        try:
            there = there.cast(field.type)
        except pa.ArrowException as error:
            raise InputError(
                f"expected {field.type}, got {there.type} ({error})", f"column {field.name}"
            ) from error
    made = computed.get(field.name)
    if made is None:
        return there if there is not None else pa.nulls(batch.num_rows, field.type)
    return made if there is None or not given else pc.coalesce(made, there)
