"""Identifiers. All of one type look alike, whoever they belong to: 64 random bits in hexadecimal after a prefix."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

U64 = NDArray[np.uint64]

_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


def mint(rng: np.random.Generator, n: int) -> U64:
    """``n`` identifiers; 0 is never minted, because it stands for none."""
    return rng.integers(1, 2**63, n, dtype=np.uint64)


def mix(values: U64, salt: int) -> U64:
    """A bijective scramble of 64-bit values (splitmix64's finaliser), different for each ``salt``."""
    z = values + np.uint64((salt * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def hex_strings(prefix: str, values: U64, width: int = 16) -> pa.Array:
    """``prefix`` and ``width`` hexadecimal digits per value; null where the value is 0."""
    n = len(values)
    head = np.frombuffer(prefix.encode(), dtype=np.uint8)
    digits = np.empty((n, 16), dtype=np.uint8)
    raw = values.astype(">u8").view(np.uint8).reshape(n, 8)
    digits[:, 0::2] = _HEX[raw >> 4]
    digits[:, 1::2] = _HEX[raw & 15]
    text = np.empty((n, len(head) + width), dtype=np.uint8)
    text[:, : len(head)] = head
    text[:, len(head) :] = digits[:, 16 - width :]
    offsets = np.arange(n + 1, dtype=np.int64) * text.shape[1]
    strings = pa.LargeStringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(text))
    present = values != 0
    if not present.all():
        strings = pa.compute.if_else(pa.array(present), strings, pa.scalar(None, pa.large_string()))
    return strings.cast(pa.string())
