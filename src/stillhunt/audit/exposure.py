"""Which of the buyer's workloads and data went to which vendor and model, and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from stillhunt.audit.matching import Match
from stillhunt.audit.terms import Terms

NOT_LABELLED = "not labelled"


@dataclass(slots=True)
class Exposure:
    """Volumes of one application, key, data class and capability at one vendor and model. ``vendor`` is the issuer of
    the receipts, else the name in the terms; ``model`` the one that answered, as far as a receipt says."""

    vendor: str
    model: str
    application: str
    key: str
    data_class: str
    capability: str
    exchanges: int
    input_tokens: int
    output_tokens: int
    first: datetime
    last: datetime


def exposure(matches: Sequence[Match], terms: Terms) -> list[Exposure]:
    """The inventory, the largest first. Unanswered exchanges count: the request left all the same."""
    held: dict[tuple[str, ...], Exposure] = {}
    issuers = {one.document.receipt.issuer for one in matches if one.document is not None}
    only = issuers.pop() if len(issuers) == 1 else ""
    for match in matches:
        one, document = match.exchange, match.document
        vendor = (document.receipt.issuer if document else "") or only or terms.vendor or "unknown"
        model = (document.receipt.model if document else "") or one.model or "unknown"
        group = (
            *(vendor, model, one.application, one.key),
            terms.data_classes.get(one.application, NOT_LABELLED),
            one.capability or NOT_LABELLED,
        )
        found = held.setdefault(group, Exposure(*group, 0, 0, 0, one.time, one.time))
        found.exchanges += 1
        found.input_tokens += one.input_tokens or 0
        found.output_tokens += one.output_tokens or 0
        found.first, found.last = min(found.first, one.time), max(found.last, one.time)
    return sorted(
        held.values(), key=lambda one: (-one.input_tokens - one.output_tokens, one.application, one.model)
    )
