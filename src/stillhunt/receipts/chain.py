"""Verification of one account's chain, offline: steps 10 to 14 of spec/receipt.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hmac import compare_digest
from itertools import pairwise

from stillhunt.receipts.canonical import from_base64
from stillhunt.receipts.commitments import opening_value, previous_of
from stillhunt.receipts.document import Document
from stillhunt.receipts.failure import VerificationError, at_step
from stillhunt.receipts.proofs import read_proof
from stillhunt.receipts.trust import Trust
from stillhunt.receipts.verify import verify_promise


@dataclass(frozen=True)
class Chain:
    """A chain that holds: ``receipts`` of ``issuer``, from number ``first`` to ``last``; ``void`` were given up."""

    issuer: str
    receipts: int
    first: int
    last: int
    void: int


def verify_chain(documents: Iterable[Document], trust: Trust, *, ordered: bool = False) -> Chain:
    """Verifies receipts of one account, in any order unless ``ordered``.

    Raises VerificationError: a receipt that does not verify, a gap, a number given twice, a broken link, times or
    places in the log that go back.
    """
    chain = list(documents) if ordered else sorted(documents, key=lambda one: one.receipt.sequence)
    if not chain:
        raise VerificationError("expected at least one receipt, got none", step=10)
    issuer = chain[0].receipt.issuer
    for document in chain:
        try:
            verify_promise(document, trust)
        except VerificationError as error:
            raise at_step(error, error.step, _name(document)) from error
        if document.receipt.issuer != issuer:
            raise VerificationError(
                f"the chain mixes issuers {issuer!r} and {document.receipt.issuer!r}",
                _name(document),
                step=10,
            )
    for before, after in pairwise(chain):
        check_pair(before, after)
    _check_start(chain[0])
    _check_places(chain)
    void = sum(one.receipt.void for one in chain[1:])
    return Chain(issuer, len(chain), chain[0].receipt.sequence, chain[-1].receipt.sequence, void)


def check_pair(before: Document, after: Document) -> None:
    """Steps 11 to 13, and the times of step 14: ``after`` is the receipt that follows ``before``. Raises
    VerificationError."""
    _check_number(before, after)
    _check_link(before, after)
    if after.receipt.time < before.receipt.time:
        raise VerificationError(
            f"its time {after.receipt.time} lies before {before.receipt.time}, that of the one before",
            _name(after),
            step=14,
        )


def _check_number(before: Document, after: Document) -> None:
    last, number = before.receipt.sequence, after.receipt.sequence
    if before.receipt == after.receipt:
        raise VerificationError("the same receipt is given twice", _name(after), step=11)
    if number == last or before.receipt.id == after.receipt.id:
        raise VerificationError(
            f"two receipts, ids {before.receipt.id} and {after.receipt.id}, bear numbers {last} and {number}",
            _name(after),
            step=11,
        )
    expected = last + 1 + after.receipt.void
    if number > expected:
        raise VerificationError(
            f"{number - expected} receipts are missing between number {last} and number {number}",
            _name(after),
            step=12,
        )
    if number < expected:
        raise VerificationError(
            f"expected number {expected} after {last}, got {number}", _name(after), step=12
        )


def _check_link(before: Document, after: Document) -> None:
    if not after.receipt.previous:
        raise VerificationError("it names no receipt before it, but there is one", _name(after), step=13)
    try:
        link = opening_value(after.opening, "link")
        expected = previous_of(link, before.entry())
    except VerificationError as error:
        raise at_step(error, 13, _name(after)) from error
    if not compare_digest(expected, from_base64(after.receipt.previous, 32, "previous")):
        raise VerificationError(
            f"it does not follow number {before.receipt.sequence}, {before.receipt.id}", _name(after), step=13
        )


def _check_start(first: Document) -> None:
    receipt = first.receipt
    if not receipt.previous and receipt.sequence != 1 + receipt.void:
        raise VerificationError(
            f"it names no receipt before it, so expected number {1 + receipt.void}, got {receipt.sequence}",
            _name(first),
            step=13,
        )


def _check_places(chain: Sequence[Document]) -> None:
    place = -1
    for document in chain:
        if document.proof is None:
            continue
        try:
            index = read_proof(document.proof).index
        except VerificationError as error:
            raise at_step(error, 14, _name(document)) from error
        if index <= place:
            raise VerificationError(
                f"it stands at place {index} of the log, not after place {place} of the receipt before",
                _name(document),
                step=14,
            )
        place = index


def _name(document: Document) -> str:
    return f"receipt {document.receipt.sequence}, id {document.receipt.id}"
