"""The receipt as a value, and the document that carries it (spec/receipt.md, "The receipt")."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from stillhunt.receipts.canonical import LARGEST, canonical, from_base64, read_object, to_base64
from stillhunt.receipts.commitments import entry_of, opening_value
from stillhunt.receipts.failure import VerificationError

FORMAT = "stillhunt-receipt/1"
VOID_FORMAT = "stillhunt-void/1"
OPENING_NAMES = ("link", "nonce", "salt")
SIGNATURE_BYTES = 64
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass(frozen=True)
class Receipt:
    """One receipt; spec/receipt.md says what each field means. Commitments and ``previous`` are base64."""

    account: str
    complete: bool
    durable_within_ms: int
    id: str
    input_tokens: int | None
    issuer: str
    key: str
    logged_within_s: int
    model: str
    output_tokens: int | None
    previous: str
    request: str
    response: str
    sequence: int
    status: int
    stream: bool
    time: str
    void: int
    format: str = FORMAT

    def signed_bytes(self) -> bytes:
        """What the signature is over."""
        return FORMAT.encode() + b"\n" + canonical(self.__dict__)

    @property
    def when(self) -> datetime:
        """``time`` as a datetime, UTC."""
        return datetime.fromisoformat(self.time)


@dataclass(frozen=True)
class Document:
    """A receipt with its signature, what opens it, and its proof; the last two may be absent."""

    receipt: Receipt
    signature: bytes
    opening: dict[str, str] = field(default_factory=dict)
    proof: str | None = None

    def entry(self) -> bytes:
        """The receipt's entry in the log. Raises VerificationError without a salt."""
        return entry_of(opening_value(self.opening, "salt"), self.receipt.signed_bytes(), self.signature)

    def encode(self) -> str:
        """One line of JSON."""
        parts: dict[str, Any] = {"receipt": asdict(self.receipt), "signature": to_base64(self.signature)}
        if self.opening:
            parts["opening"] = self.opening
        if self.proof is not None:
            parts["proof"] = self.proof
        return json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Void:
    """The issuer's word that no receipt with this id will ever be valid."""

    id: str
    issuer: str
    key: str
    time: str
    format: str = VOID_FORMAT

    def signed_bytes(self) -> bytes:
        """What the signature is over."""
        return VOID_FORMAT.encode() + b"\n" + canonical(self.__dict__)

    def encode(self, signature: bytes) -> str:
        """One line of JSON."""
        return canonical({"receipt": asdict(self), "signature": to_base64(signature)}).decode()


def time_text(ms: int) -> str:
    """Milliseconds since 1970 as a receipt writes them."""
    return f"{_second_text(ms // 1000)}.{ms % 1000:03d}Z"


@lru_cache(maxsize=16)
def _second_text(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"


def read_document(text: str | bytes) -> Document:
    """Step 1: parses a document and checks every name and value. Raises VerificationError."""
    parts = read_object(text, "document")
    unknown = set(parts) - {"receipt", "signature", "opening", "proof"}
    if unknown or not isinstance(parts.get("receipt"), dict):
        raise VerificationError(
            "expected an object with 'receipt' and 'signature', and perhaps 'opening' and 'proof'; "
            f"got {', '.join(sorted(parts)) or 'nothing'}"
        )
    opening = parts.get("opening", {})
    if not isinstance(opening, dict) or set(opening) - set(OPENING_NAMES):
        raise VerificationError(f"opening: expected some of {', '.join(OPENING_NAMES)}")
    for name in opening:
        opening_value(opening, name)
    proof = parts.get("proof")
    if proof is not None and not isinstance(proof, str):
        raise VerificationError("proof: expected the text of a proof file")
    signature = from_base64(parts.get("signature"), SIGNATURE_BYTES, "signature")
    return Document(read_receipt(parts["receipt"]), signature, opening, proof)


def read_void(text: str | bytes) -> tuple[Void, bytes]:
    """Parses a void and its signature. Raises VerificationError."""
    parts = read_object(text, "void")
    values = parts.get("receipt")
    if set(parts) != {"receipt", "signature"} or not isinstance(values, dict):
        raise VerificationError(
            f"expected 'receipt' and 'signature', got {', '.join(sorted(parts)) or 'nothing'}"
        )
    if values.get("format") != VOID_FORMAT or set(values) != {one.name for one in fields(Void)}:
        raise VerificationError(
            f"expected a void of format {VOID_FORMAT!r}, got format {values.get('format')!r}"
        )
    _check(values)
    return Void(**values), from_base64(parts["signature"], SIGNATURE_BYTES, "signature")


def read_receipt(values: Mapping[str, Any]) -> Receipt:
    """The receipt of parsed JSON; every name must be there and none besides. Raises VerificationError."""
    if values.get("format") != FORMAT:
        raise VerificationError(f"format: expected {FORMAT!r}, got {values.get('format')!r}")
    names = {one.name for one in fields(Receipt)}
    if set(values) != names:
        missing, unknown = sorted(names - set(values)), sorted(set(values) - names)
        raise VerificationError(f"receipt: missing {missing or 'nothing'}, unknown {unknown or 'nothing'}")
    _check(values)
    return Receipt(**values)


def _check(values: Mapping[str, Any]) -> None:
    for name in values.keys() & _CHECKS.keys():
        problem = _CHECKS[name](values[name])
        if problem:
            raise VerificationError(f"{name}: expected {problem}, got {str(values[name])[:60]!r}")


def _number(low: int, high: int, or_null: bool = False) -> Any:
    def check(value: Any) -> str:
        if value is None and or_null:
            return ""
        whole = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return "" if whole else f"a whole number from {low} to {high}"

    return check


def _hex(size: int) -> Any:
    pattern = re.compile(f"[0-9a-f]{{{size * 2}}}")
    return lambda value: (
        "" if isinstance(value, str) and pattern.fullmatch(value) else f"{size} bytes in lower-case hex"
    )


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "true or false"


def _text(value: Any) -> str:
    return "" if isinstance(value, str) else "a text"


def _bytes(empty: bool) -> Any:
    def check(value: Any) -> str:
        if empty and value == "":
            return ""
        from_base64(value, 32, "commitment")
        return ""

    return check


def _time(value: Any) -> str:
    if isinstance(value, str) and value.isascii() and _TIME.fullmatch(value):
        try:
            datetime.fromisoformat(value)
            return ""
        except ValueError:
            pass
    return "a time such as 2026-11-24T23:30:10.123Z"


_CHECKS = {
    "account": _hex(16),
    "complete": _flag,
    "durable_within_ms": _number(0, LARGEST),
    "id": _hex(16),
    "input_tokens": _number(0, LARGEST, or_null=True),
    "issuer": _text,
    "key": _hex(4),
    "logged_within_s": _number(0, LARGEST),
    "model": _text,
    "output_tokens": _number(0, LARGEST, or_null=True),
    "previous": _bytes(empty=True),
    "request": _bytes(empty=False),
    "response": _bytes(empty=False),
    "sequence": _number(1, LARGEST),
    "status": _number(100, 999),
    "stream": _flag,
    "time": _time,
    "void": _number(0, LARGEST),
}
