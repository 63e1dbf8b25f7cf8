"""Which receipt belongs to which exchange: by id, else by commitment, else by time, model and tokens."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hmac import compare_digest
from typing import Literal

from stillhunt.audit.exchanges import Exchange
from stillhunt.audit.holdings import Holdings
from stillhunt.audit.terms import Terms
from stillhunt.receipts.canonical import from_base64
from stillhunt.receipts.commitments import commit, opening_value, request_commitment
from stillhunt.receipts.document import Document

How = Literal["id", "commitment", "time", "void", "none"]
NEAR_S = 600.0
"""How long an exchange may last where the log does not say."""


@dataclass(frozen=True, slots=True)
class Match:
    """An exchange and its receipt, None where there is none; ``how`` it was found."""

    exchange: Exchange
    document: Document | None
    how: How


def match(
    exchanges: Sequence[Exchange], holdings: Holdings, terms: Terms
) -> tuple[list[Match], list[Document]]:
    """One match per exchange, in their order, and the receipts that no exchange of the log belongs to.

    A named receipt that was not handed over is missing: nothing else is taken for it.
    """
    left = dict(holdings.documents)
    found: dict[int, Match] = {}
    for at, one in enumerate(exchanges):
        if one.receipt_id in left:
            found[at] = Match(one, left.pop(one.receipt_id), "id")
        elif one.receipt_id:
            found[at] = Match(one, None, "void" if one.receipt_id in holdings.void else "none")
    unnamed = [at for at in range(len(exchanges)) if at not in found]
    if unnamed:
        _match_unnamed(exchanges, unnamed, left, found, terms)
    matches = [found.get(at) or Match(one, None, "none") for at, one in enumerate(exchanges)]
    return matches, list(left.values())


def _match_unnamed(
    exchanges: Sequence[Exchange],
    unnamed: Sequence[int],
    left: dict[str, Document],
    found: dict[int, Match],
    terms: Terms,
) -> None:
    ordered = sorted(left.values(), key=lambda one: one.receipt.time)
    for at in unnamed:
        one = exchanges[at]
        if one.request is not None:
            for document in _near(one, ordered, terms):
                if document.receipt.id in left and commits_to(document, one.request):
                    found[at] = Match(one, left.pop(document.receipt.id), "commitment")
                    break
    for at in unnamed:
        one = exchanges[at]
        if at in found or not one.answered:
            continue
        alike = [
            document
            for document in _near(one, ordered, terms)
            if document.receipt.id in left and (one.request is None or "nonce" not in document.opening)
        ]
        alike = [document for document in alike if _says_the_same(one, document)]
        if alike:
            found[at] = Match(one, left.pop(alike[0].receipt.id), "time")


def commits_to(document: Document, request: bytes) -> bool:
    """Whether the receipt commits to this request."""
    if "nonce" not in document.opening:
        return False
    made = commit(request_commitment(opening_value(document.opening, "nonce")), request)
    return compare_digest(made, from_base64(document.receipt.request, 32, "request"))


def _near(one: Exchange, ordered: Sequence[Document], terms: Terms) -> Iterator[Document]:
    """Receipts whose time lies where the exchange may have ended."""
    lasted = NEAR_S if one.latency_ms is None else one.latency_ms / 1000
    first = one.time + timedelta(seconds=(0 if one.latency_ms is None else lasted) - terms.clock_s)
    last = one.time + timedelta(seconds=lasted + terms.clock_s)
    at = bisect_left(ordered, first, key=lambda document: document.receipt.when)
    while at < len(ordered) and ordered[at].receipt.when <= last:
        yield ordered[at]
        at += 1


def _says_the_same(one: Exchange, document: Document) -> bool:
    receipt = document.receipt
    pairs = ((one.input_tokens, receipt.input_tokens), (one.output_tokens, receipt.output_tokens))
    return all(ours is None or theirs is None or ours == theirs for ours, theirs in pairs)


def by_receipt(matches: Sequence[Match]) -> Mapping[str, Exchange]:
    """The exchange of each matched receipt, by receipt id."""
    return {one.document.receipt.id: one.exchange for one in matches if one.document is not None}
