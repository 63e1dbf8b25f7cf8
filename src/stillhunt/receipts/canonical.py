"""The canonical form (spec/receipt.md): RFC 8785 for objects of strings, integers, booleans and null."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from stillhunt.receipts.failure import VerificationError

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
LARGEST = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly."""


def canonical(fields: Mapping[str, Any]) -> bytes:
    """The bytes that a flat object is signed as: keys sorted, no white space, UTF-8. Keys must be ASCII."""
    return _ENCODER.encode(fields).encode("utf-8")


def read_object(text: str | bytes, what: str) -> dict[str, Any]:
    """Parses one JSON object and refuses repeated names, fractions and unpaired surrogates.

    Raises VerificationError, which names ``what``.
    """
    try:
        parsed = json.loads(
            text, object_pairs_hook=_once, parse_float=_no_fraction, parse_constant=_no_fraction
        )
        json.dumps(parsed, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:  # JSON and Unicode errors are ValueErrors
        raise VerificationError(f"{what}: expected one JSON object, got something else ({error})") from error
    if not isinstance(parsed, dict):
        raise VerificationError(f"{what}: expected a JSON object, got {type(parsed).__name__}")
    return parsed


def from_base64(text: Any, size: int, what: str) -> bytes:
    """The bytes of strict, padded base64. Raises VerificationError unless there are exactly ``size``."""
    try:
        if not isinstance(text, str):
            raise ValueError("no string")
        data = base64.b64decode(text, validate=True)
        if base64.b64encode(data).decode() != text:
            raise ValueError("not the one way to write it")
    except (ValueError, binascii.Error) as error:
        raise VerificationError(f"{what}: expected base64, got {str(text)[:60]!r} ({error})") from error
    if len(data) != size:
        raise VerificationError(f"{what}: expected {size} bytes, got {len(data)}")
    return data


def to_base64(data: bytes) -> str:
    """Padded base64, the standard alphabet."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("a name comes twice")
    return names


def _no_fraction(text: str) -> Any:
    raise ValueError(f"{text} is no integer")
