"""The 32-bit word of a (key, context, token), from three functions (spec/marks.md, section 4, steps 1 to 3).

Every function comes in two shapes: *paired* takes contexts (n, width) and tokens (n,) to words (n,), which detection
needs; *table* takes contexts (b, width) to words (b, vocabulary), which marking needs.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stillhunt.marks.murmur3 import murmur3_contexts, murmur3_paired, murmur3_table
from stillhunt.marks.philox import philox_paired, philox_table

U32 = NDArray[np.uint32]
PAD = np.uint32(0xFFFFFFFF)
"""Stands in a context where the answer had no token yet."""


class WordFunction(Protocol):
    """A keyed function of a context and a token."""

    @property
    def name(self) -> str: ...

    def paired(self, contexts: U32, tokens: U32) -> U32: ...

    def table(self, contexts: U32, vocabulary: int) -> U32: ...


@dataclass(frozen=True, repr=False)
class PhiloxWords:
    """Philox 4×32-10 under a 64-bit key, as vLLM lays out its counters. Fast; not a cryptographic function."""

    key: int
    name: str = "philox"

    def paired(self, contexts: U32, tokens: U32) -> U32:
        return philox_paired(*_halves(self.key), contexts, tokens)

    def table(self, contexts: U32, vocabulary: int) -> U32:
        return philox_table(*_halves(self.key), contexts, vocabulary)


@dataclass(frozen=True, repr=False)
class Murmur3Words:
    """MurmurHash3 under a 64-bit key, as SGLang uses it. Fast; not a cryptographic function."""

    key: int
    name: str = "murmur3"

    def paired(self, contexts: U32, tokens: U32) -> U32:
        return murmur3_paired(*_halves(self.key), murmur3_contexts(contexts), tokens)

    def table(self, contexts: U32, vocabulary: int) -> U32:
        return murmur3_table(*_halves(self.key), murmur3_contexts(contexts), vocabulary)


@dataclass(frozen=True, repr=False)
class HmacWords:
    """HMAC-SHA256 under the 32-byte subkey: the reference function, far slower than the others."""

    secret: bytes
    name: str = "hmac-sha256"

    def paired(self, contexts: U32, tokens: U32) -> U32:
        words = np.empty(len(tokens), dtype=np.uint32)
        for i, (context, token) in enumerate(zip(contexts, tokens.tolist(), strict=True)):
            digest = hmac.digest(self.secret, _message(context, token >> 3), "sha256")
            at = 4 * (token & 7)
            words[i] = int.from_bytes(digest[at : at + 4], "little")
        return words

    def table(self, contexts: U32, vocabulary: int) -> U32:
        blocks = (vocabulary + 7) // 8
        rows = [
            b"".join(hmac.digest(self.secret, _message(context, block), "sha256") for block in range(blocks))
            for context in contexts
        ]
        words = np.frombuffer(b"".join(rows), dtype="<u4").reshape(len(contexts), 8 * blocks)
        return words[:, :vocabulary].astype(np.uint32)


def _halves(key: int) -> tuple[np.uint64, np.uint64]:
    if not 0 <= key < 2**64:
        raise ValueError("expected a key of 64 bits")
    return np.uint64(key & 0xFFFFFFFF), np.uint64(key >> 32)


def _message(context: U32, block: int) -> bytes:
    head = b"stillhunt-mark-word/1\0" + len(context).to_bytes(4, "little")
    return head + context.astype("<u4").tobytes() + int(block).to_bytes(4, "little")
