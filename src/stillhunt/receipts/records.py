"""A receipt as the journal stores it: 183 bytes from which the receipt follows, given the tables and the secret."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

NO_RECORD = 2**48 - 1
UNKNOWN = 2**32 - 1
MOST_VOID = 2**24 - 1
_LAYOUT = struct.Struct(">32s32s64s16s6sI3s6sIIIHBB")
RECORD_BYTES = _LAYOUT.size + 4
TAG_AT = 128
"""Where in a record the account's tag lies."""
_STREAM, _COMPLETE = 1, 2


@dataclass(frozen=True)
class Record:
    """One journal record.

    ``tag`` stands for the account; ``previous`` is the place of the account's record before, NO_RECORD for none;
    ``time_ms`` counts from 1970; ``model`` and ``policy`` are rows of the store's tables; tokens are UNKNOWN
    where the answer did not say.
    """

    request: bytes
    response: bytes
    signature: bytes
    tag: bytes
    previous: int
    sequence: int
    void: int
    time_ms: int
    input_tokens: int
    output_tokens: int
    model: int
    status: int
    policy: int
    stream: bool
    complete: bool


def pack(record: Record, signature: bytes | None = None) -> bytes:
    """The record's bytes, with a checksum. signature: in place of the record's own."""
    data = _LAYOUT.pack(
        record.request,
        record.response,
        record.signature if signature is None else signature,
        record.tag,
        record.previous.to_bytes(6, "big"),
        record.sequence,
        record.void.to_bytes(3, "big"),
        record.time_ms.to_bytes(6, "big"),
        record.input_tokens,
        record.output_tokens,
        record.model,
        record.status,
        record.policy,
        record.stream * _STREAM | record.complete * _COMPLETE,
    )
    return data + zlib.crc32(data).to_bytes(4, "big")


def unpack(data: bytes) -> Record | None:
    """The record of 183 bytes, None where the checksum does not fit."""
    if len(data) != RECORD_BYTES or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "big"):
        return None
    (
        request,
        response,
        signature,
        tag,
        previous,
        sequence,
        void,
        time,
        taken,
        given,
        model,
        status,
        policy,
        flags,
    ) = _LAYOUT.unpack(data[:-4])
    return Record(
        request,
        response,
        signature,
        tag,
        int.from_bytes(previous, "big"),
        sequence,
        int.from_bytes(void, "big"),
        int.from_bytes(time, "big"),
        taken,
        given,
        model,
        status,
        policy,
        bool(flags & _STREAM),
        bool(flags & _COMPLETE),
    )
