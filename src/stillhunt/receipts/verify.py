"""Verification of one receipt, offline: the numbered steps of spec/receipt.md, in order.

Imports nothing but the standard library and ``cryptography``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest

from stillhunt.receipts.canonical import from_base64
from stillhunt.receipts.commitments import (
    Commitment,
    commit,
    opening_value,
    request_commitment,
    response_commitment,
)
from stillhunt.receipts.document import Document, Receipt, Void, read_document, read_void
from stillhunt.receipts.failure import VerificationError, at_step
from stillhunt.receipts.merkle import verify_inclusion
from stillhunt.receipts.proofs import read_proof
from stillhunt.receipts.trust import Trust

SKEW = timedelta(seconds=300)
EVENT = b"event: receipt\n"


@dataclass(frozen=True)
class Verified:
    """A receipt that holds, and how far that was checked.

    ``index`` is its place in the log, None for a promise. ``logged_by`` is the earliest time at which a witness
    that counts had seen it, None without witnesses. ``request`` and ``response`` say whether those bytes were
    compared.
    """

    receipt: Receipt
    request: bool
    response: bool
    index: int | None
    logged_by: datetime | None


def verify(
    document: str | bytes | Document,
    trust: Trust,
    *,
    request: bytes | None = None,
    response: bytes | None = None,
    promise: bool = False,
) -> Verified:
    """Verifies one receipt. ``request`` and ``response`` are the raw bytes it should commit to, where they are at
    hand (of a stream: all of it, with or without its receipt event). ``promise`` accepts one without a proof.

    Raises VerificationError, whose ``step`` says which check failed.
    """
    # Step 1: read.
    with _step(1):
        found = document if isinstance(document, Document) else read_document(document)
    verify_promise(found, trust)
    receipt = found.receipt
    # Steps 4 and 5: the content.
    if request is not None:
        with _step(4):
            _check_content(found, "request", request_commitment, request)
    if response is not None:
        with _step(5):
            content = split_stream(response)[0] if receipt.stream else response
            _check_content(found, "response", response_commitment, content)
    if found.proof is None and promise:
        return Verified(receipt, request is not None, response is not None, None, None)
    index, times = _verify_inclusion(found, trust)
    return Verified(receipt, request is not None, response is not None, index, min(times, default=None))


def verify_promise(found: Document, trust: Trust) -> None:
    """Steps 2 and 3: a trusted key of the issuer signed this receipt. Raises VerificationError."""
    receipt = found.receipt
    with _step(2):
        key = trust.receipt_key(receipt.issuer, receipt.key, receipt.when)
    with _step(3):
        if not key.verify(receipt.signed_bytes(), found.signature):
            raise VerificationError("the signature is not valid for this receipt: one of the two was altered")


def verify_void(text: str | bytes, trust: Trust) -> Void:
    """Verifies the issuer's word that an id is void: steps 1 to 3, for a void. Raises VerificationError."""
    with _step(1):
        void, signature = read_void(text)
    with _step(2):
        key = trust.receipt_key(void.issuer, void.key, datetime.fromisoformat(void.time))
    with _step(3):
        if not key.verify(void.signed_bytes(), signature):
            raise VerificationError("the signature is not valid for this void: one of the two was altered")
    return void


def _verify_inclusion(found: Document, trust: Trust) -> tuple[int, list[datetime]]:
    receipt = found.receipt
    with _step(6):
        if found.proof is None:
            raise VerificationError(
                "the receipt has no proof: it is a promise",
                remedy=f"Ask for it again; it should be logged within {receipt.logged_within_s} s of {receipt.time}.",
            )
        proof = read_proof(found.proof)
        entry = found.entry()
    with _step(7):
        checkpoint, times = trust.check_checkpoint(proof.checkpoint, receipt.issuer)
    with _step(8):
        verify_inclusion(entry, proof.index, checkpoint.size, proof.path, checkpoint.root)
    with _step(9):
        early = [time for time in times if time < receipt.when - SKEW]
        if early:
            raise VerificationError(
                f"a witness saw it in the log at {min(early).isoformat()}, before its own time {receipt.time}"
            )
    return proof.index, times


def split_stream(stream: bytes) -> tuple[bytes, str | None]:
    """The answer's bytes of a raw event stream, and the document of the receipt event that ends it, None where it does
    not end in one. What follows a receipt event makes that event part of the answer's bytes."""
    at = (b"\n" + stream).rfind(b"\n" + EVENT)
    line, _, rest = stream[at + len(EVENT) :].partition(b"\n")
    if at < 0 or not line.startswith(b"data: ") or rest.strip(b"\n"):
        return stream, None
    return stream[:at], line.removeprefix(b"data: ").decode("utf-8", "replace")


def _check_content(found: Document, name: str, make: Callable[[bytes], Commitment], content: bytes) -> None:
    nonce = opening_value(found.opening, "nonce")
    expected = from_base64(getattr(found.receipt, name), 32, name)
    if not compare_digest(commit(make(nonce), content), expected):
        raise VerificationError(
            f"the receipt does not commit to these {len(content)} bytes as its {name}: they, or the nonce, "
            "are not those of this exchange"
        )


@contextmanager
def _step(number: int) -> Iterator[None]:
    try:
        yield
    except VerificationError as error:
        raise at_step(error, number) from error
