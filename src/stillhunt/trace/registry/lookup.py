"""Which texts of a registry a text is like. Numbers in comments are steps of spec/registry.md."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillhunt.errors import InputError
from stillhunt.schema.requests import SKETCH_SLOTS, TIMESTAMP
from stillhunt.sketch.keys import SketchKey, key_words
from stillhunt.sketch.minhash import sketch_rows
from stillhunt.sketch.texts import fixed_binary, texts_of
from stillhunt.trace.registry.build import LONGEST
from stillhunt.trace.registry.files import (
    RECEIPT_BYTES,
    Arrays,
    Registry,
    Segment,
    damaged,
    load_arrays,
    load_names,
)
from stillhunt.trace.registry.index import CODES, I64, U8, U32, codes_of, pack
from stillhunt.trace.registry.search import (
    MOST_READ,
    Found,
    Weights,
    reach,
    search,
    similarity,
    weights_of,
)

FALSE_MATCH_RATE = 1e-6
"""Probability that a row matches anything, under the null of section 4: the bound that the threshold keeps."""
SHORT_CHARS = 200
"""Texts of fewer characters are looked up and never counted (step 3.6)."""

MATCHES = pa.schema(
    [
        ("row", pa.int64()),
        ("segment", pa.string()),
        ("text", pa.int64()),
        ("similarity", pa.float64()),
        ("verbatim", pa.bool_()),
        ("score", pa.float64()),
        ("short", pa.bool_()),
        ("chars", pa.int32()),
        ("issued", pa.int64()),
        ("first", TIMESTAMP),
        ("last", TIMESTAMP),
    ]
)
"""One row for each text of the registry that a row is like. ``row``: position among the texts asked for. ``score``:
step 3.3, in nats. ``chars``: length of the registered text. ``issued``: its entries, from ``first`` to ``last``."""

ISSUINGS = pa.schema(
    [
        ("row", pa.int64()),
        ("segment", pa.string()),
        ("text", pa.int64()),
        ("account_id", pa.string()),
        ("time", TIMESTAMP),
        ("receipt_id", pa.binary(RECEIPT_BYTES)),
    ]
)
"""One row for each entry of each match of a text that is not short, at most ``most_issued`` a match."""


@dataclass(frozen=True)
class LookedUp:
    """``matches``: schema MATCHES. ``issuings``: schema ISSUINGS. ``short``: (n,), which texts count for nothing;
    ``cut``: (n,), of which not every posting was read or not every match kept. ``threshold``: nats.
    ``missing_keys``: keys of segments that could not be searched, with their texts."""

    matches: pa.Table
    issuings: pa.Table
    short: NDArray[np.bool_]
    cut: NDArray[np.bool_]
    threshold: float
    missing_keys: Mapping[str, int]


class _Asked(NamedTuple):
    """Texts under one key: their sketches and codes, (n, 64) each, and the weights of that key's segments."""

    sketches: U32
    codes: U8
    chars: NDArray[np.int32]
    weights: Weights


def look_up(
    registry: Registry,
    texts: pa.Array,
    keys: Sequence[SketchKey],
    *,
    false_match_rate: float = FALSE_MATCH_RATE,
    most_issued: int = 1000,
    threads: int = 0,
    most_read: int = MOST_READ,
) -> LookedUp:
    """Looks up ``texts`` (string or large_string) in every segment whose key is among ``keys``.

    threads: 0 for every core. Raises InputError where no segment's key is given, or a segment is damaged.
    """
    ring = {key.key_id: key for key in keys}
    missing = _missing(registry, ring)
    threshold = float(np.log(max(registry.texts, 1) / false_match_rate))
    arrays = {one.path: load_arrays(registry, one) for one in registry.segments if one.key_id in ring}
    asked = {each: _ask(registry, texts, ring[each], arrays) for each in registry.key_ids if each in ring}
    short = np.ones(len(texts), dtype=np.bool_)
    for one in asked.values():
        short &= (one.chars < SHORT_CHARS) | (reach(one.codes, one.weights) < threshold)
    cut = np.zeros(len(texts), dtype=np.bool_)
    matches, issuings = [MATCHES.empty_table()], [ISSUINGS.empty_table()]
    for segment in registry.segments:
        if segment.key_id not in ring:
            continue
        these, mapped = asked[segment.key_id], arrays[segment.path]
        try:
            found = search(
                these.sketches,
                these.codes,
                these.weights,
                threshold,
                (mapped.codes, mapped.cells, mapped.postings),
                threads=threads or os.cpu_count() or 1,
                most_read=most_read,
            )
            cut |= found.cut
            matches.append(_matches(found, segment, mapped, these, short))
            issuings.append(_issuings(found, short, registry, segment, mapped, most_issued))
        except (ValueError, IndexError) as error:
            raise damaged(registry, segment) from error
    return LookedUp(
        pa.concat_tables(matches).combine_chunks(),
        pa.concat_tables(issuings).combine_chunks(),
        short,
        cut,
        threshold,
        missing,
    )


def _missing(registry: Registry, ring: Mapping[str, SketchKey]) -> dict[str, int]:
    missing: dict[str, int] = {}
    for segment in registry.segments:
        if segment.key_id not in ring:
            missing[segment.key_id] = missing.get(segment.key_id, 0) + segment.texts
    if registry.segments and len(missing) == len(registry.key_ids):
        raise InputError(
            f"expected a sketch key of this registry ({', '.join(registry.key_ids)}), got {', '.join(ring) or 'none'}",
            str(registry.root),
            "Give the key file that the lake was ingested with.",
        )
    return missing


def _ask(registry: Registry, texts: pa.Array, key: SketchKey, arrays: Mapping[str, Arrays]) -> _Asked:
    flat = texts_of(texts)
    sketches, chars = sketch_rows(flat, np.arange(len(texts)), key_words(key).shingle)
    counts = np.zeros((SKETCH_SLOTS, CODES), dtype=np.int64)
    held = 0
    for segment in registry.segments:
        if segment.key_id == key.key_id:
            counts += arrays[segment.path].counts
            held += segment.texts
    return _Asked(sketches, codes_of(sketches), chars, weights_of(counts, held))


def _matches(
    found: Found, segment: Segment, arrays: Arrays, asked: _Asked, short: NDArray[np.bool_]
) -> pa.Table:
    chars = arrays.chars[found.text]
    same = np.minimum(asked.chars[found.row], LONGEST) == chars
    same &= (arrays.codes[found.text] == pack(asked.codes[found.row])).all(axis=1)
    begins, ends = _bounds(found.text, arrays)
    first, last = _spans(begins, ends, arrays.times)
    return pa.table(
        [
            pa.array(found.row),
            pa.repeat(pa.scalar(segment.path, pa.string()), len(found.row)),
            pa.array(found.text),
            pa.array(similarity(found.equal, found.filled)),
            pa.array(same),
            pa.array(found.score),
            pa.array(short[found.row]),
            pa.array(chars.astype(np.int32)),
            pa.array(ends - begins),
            _times(first),
            _times(last),
        ],
        schema=MATCHES,
    )


def _issuings(
    found: Found,
    short: NDArray[np.bool_],
    registry: Registry,
    segment: Segment,
    arrays: Arrays,
    most: int,
) -> pa.Table:
    row, text = found.row[~short[found.row]], found.text[~short[found.row]]
    if not len(text):
        return ISSUINGS.empty_table()
    begins, ends = _bounds(text, arrays)
    sizes = np.minimum(ends - begins, most)
    pair = np.repeat(np.arange(len(sizes)), sizes)
    entry = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes) + begins[pair]
    names = load_names(registry, segment)
    numbers = arrays.accounts[entry].astype(np.int64)
    if len(numbers) and numbers.max() >= len(names):
        raise IndexError("an account without a name")
    raw = np.zeros((len(entry), RECEIPT_BYTES), dtype=np.uint8)
    if arrays.receipts is not None:
        raw[:] = arrays.receipts[entry]
    return pa.table(
        [
            pa.array(row[pair]),
            pa.repeat(pa.scalar(segment.path, pa.string()), len(pair)),
            pa.array(text[pair]),
            names.take(pa.array(numbers)),
            _times(arrays.times[entry]),
            fixed_binary(raw, (raw != 0).max(axis=1, initial=False)),
        ],
        schema=ISSUINGS,
    )


def _bounds(text: I64, arrays: Arrays) -> tuple[I64, I64]:
    begins, ends = arrays.starts[text].astype(np.int64), arrays.starts[text + 1].astype(np.int64)
    if (begins >= ends).any() or (ends > len(arrays.times)).any():
        raise IndexError("a text without entries")
    return begins, ends


def _spans(begins: I64, ends: I64, times: U32) -> tuple[U32, U32]:
    """The first and the last time of each text; entries lie by account, not by time."""
    spans = [times[a:b] for a, b in zip(begins.tolist(), ends.tolist(), strict=True)]
    first = np.array([span.min() for span in spans], dtype=np.uint32)
    return first, np.array([span.max() for span in spans], dtype=np.uint32)


def _times(seconds: U32) -> pa.Array:
    return pa.array(seconds.astype(np.int64) * 1_000_000).cast(TIMESTAMP)
