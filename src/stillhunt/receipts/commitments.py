"""Commitments and the values that open them (spec/receipt.md, sections 6, 8 and 12). HMAC is HMAC-SHA256."""

from __future__ import annotations

import hmac
import os
from hashlib import sha256

from stillhunt.receipts.canonical import from_base64

NONCE_BYTES = 32
_REQUEST = b"stillhunt-receipt/1 request"
_RESPONSE = b"stillhunt-receipt/1 response"


def new_nonce() -> bytes:
    """32 random bytes, for one receipt alone."""
    return os.urandom(NONCE_BYTES)


class Commitment:
    """A commitment in the making, to bytes that come in pieces."""

    def __init__(self, nonce: bytes, label: bytes) -> None:
        self._mac = hmac.new(hmac.digest(nonce, label, sha256), digestmod=sha256)

    def update(self, piece: bytes) -> None:
        """Takes the next bytes."""
        self._mac.update(piece)

    def digest(self) -> bytes:
        """The commitment to the bytes so far, 32 bytes."""
        return self._mac.digest()


def request_commitment(nonce: bytes) -> Commitment:
    """A commitment to the bytes of a request."""
    return Commitment(nonce, _REQUEST)


def response_commitment(nonce: bytes) -> Commitment:
    """A commitment to the bytes of an answer."""
    return Commitment(nonce, _RESPONSE)


def commit(commitment: Commitment, content: bytes) -> bytes:
    """The commitment to bytes that are all there."""
    commitment.update(content)
    return commitment.digest()


def entry_of(salt: bytes, signed: bytes, signature: bytes) -> bytes:
    """The entry of a receipt in the log, 32 bytes."""
    return hmac.digest(salt, signed + signature, sha256)


def previous_of(link: bytes, entry: bytes) -> bytes:
    """What a receipt says of the receipt before, whose log entry is given; 32 bytes."""
    return hmac.digest(link, entry, sha256)


def opening_value(opening: dict[str, str], name: str) -> bytes:
    """One value of an opening, 32 bytes. Raises VerificationError when it is missing or malformed."""
    return from_base64(opening.get(name), NONCE_BYTES, f"opening, {name}")
