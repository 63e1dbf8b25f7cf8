"""Arrow strings as flat buffers: bytes, 64-bit offsets, validity. No copy of any text is made."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillhunt.errors import InputError


class Texts(NamedTuple):
    """``n`` texts: text ``i`` is ``data[offsets[i]:offsets[i + 1]]`` (UTF-8), and null where ``valid[i]`` is false."""

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    valid: NDArray[np.bool_]


def texts_of(array: pa.Array) -> Texts:
    """The buffers of a ``string`` or ``large_string`` array (binary kinds too), sliced or not.

    Raises InputError for another type.
    """
    kind = array.type
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        width: type[np.int32 | np.int64] = np.int64
    elif pa.types.is_string(kind) or pa.types.is_binary(kind):
        width = np.int32
    else:
        raise InputError(f"expected texts as string or large_string, got {kind}")
    _, offsets, data = array.buffers()
    n = len(array)
    if offsets is None or n == 0:
        bounds = np.zeros(n + 1, dtype=np.int64)
    else:
        raw = np.frombuffer(offsets, dtype=width)
        bounds = raw[array.offset : array.offset + n + 1].astype(np.int64)
    flat = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, dtype=np.uint8)
    return Texts(flat, bounds, is_valid(array))


def is_valid(array: pa.Array) -> NDArray[np.bool_]:
    """Which of the ``n`` values are not null, as booleans of shape (n,)."""
    if array.null_count == 0:
        return np.ones(len(array), dtype=np.bool_)
    bits = np.frombuffer(array.buffers()[0], dtype=np.uint8)
    first = array.offset // 8
    last = (array.offset + len(array) + 7) // 8
    unpacked = np.unpackbits(bits[first:last], bitorder="little")
    start = array.offset - 8 * first
    return unpacked[start : start + len(array)].astype(np.bool_)


def fixed_binary(values: NDArray[np.uint8], valid: NDArray[np.bool_] | None = None) -> pa.Array:
    """``values`` of shape (n, width) as fixed-size binary of that width, null where ``valid`` is false."""
    n, width = values.shape
    mask, nulls = None, 0
    if valid is not None and not valid.all():
        mask = pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())
        nulls = n - int(valid.sum())
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.binary(width), n, [mask, data], null_count=nulls)
