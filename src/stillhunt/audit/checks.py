"""The audit on one screen: what was given in, every check, what each found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stillhunt.audit.baselines import Baselines, baselines
from stillhunt.audit.exchanges import Gateway
from stillhunt.audit.exposure import Exposure, exposure
from stillhunt.audit.holdings import Holdings, Verdicts, verify_holdings
from stillhunt.audit.invoice import Invoice
from stillhunt.audit.matching import Match, by_receipt, match
from stillhunt.audit.reconcile import Reconciliation, reconcile
from stillhunt.audit.substitution import Substitution, substitution_test
from stillhunt.audit.terms import Terms
from stillhunt.receipts.document import Document
from stillhunt.receipts.notes import Note
from stillhunt.receipts.trust import Trust
from stillhunt.receipts.usage import StreamUsage, Usage, plain_usage
from stillhunt.schema.progress import Progress


@dataclass(frozen=True)
class Given:
    """What an audit is made of; parts that are None switch their checks off."""

    gateway: Gateway
    terms: Terms = field(default_factory=Terms)
    holdings: Holdings | None = None
    trust: Trust | None = None
    log: Path | None = None
    older: Sequence[Note] = ()
    promises: bool = False
    invoice: Invoice | None = None
    pairs: Sequence[tuple[str, str]] | None = None


@dataclass(frozen=True)
class Seen:
    """What every check saw. ``stray``: receipts that belong to no exchange of the log. ``models``, ``tokens``: matches
    whose receipt names another model, or other counts, than the log."""

    window: tuple[datetime, datetime]
    matches: tuple[Match, ...]
    stray: tuple[Document, ...]
    verdicts: Verdicts | None
    models: tuple[Match, ...]
    tokens: tuple[Match, ...]
    reconciliation: Reconciliation | None
    baselines: Baselines
    exposure: tuple[Exposure, ...]
    substitution: Substitution | None

    @property
    def missing(self) -> tuple[Match, ...]:
        """Answered exchanges without a receipt."""
        return tuple(one for one in self.matches if one.how == "none" and one.exchange.answered)


def check(given: Given, progress: Progress) -> Seen:
    """Runs every check that the input allows."""
    exchanges = given.gateway.exchanges
    verdicts: Verdicts | None = None
    stray: list[Document] = []
    matches = [Match(one, None, "none") for one in exchanges]
    if given.holdings is not None and given.trust is not None:
        progress.stage("matching", None)
        matches, stray = match(exchanges, given.holdings, given.terms)
        progress.stage("verifying", len(given.holdings.documents), "receipts")
        verdicts = verify_holdings(
            given.holdings,
            given.trust,
            by_receipt(matches),
            log=given.log,
            older=given.older,
            promises=given.promises,
            advance=progress.advance,
        )
    booked = max(one.time + timedelta(milliseconds=one.latency_ms or 0) for one in exchanges)
    last = booked + timedelta(seconds=given.terms.day_edge_s)
    window = (_day(exchanges[0].time), _day(last) + timedelta(days=1))
    stray = [one for one in stray if window[0] <= one.receipt.when < window[1]]
    matches = [_counted(one) for one in matches]
    reconciliation = None
    if given.invoice is not None:
        progress.stage("reconciling", None)
        counted = [one.exchange for one in matches]
        reconciliation = reconcile(counted, given.invoice.lines, given.terms, window)
    progress.stage("baselines", None)
    usual = baselines(exchanges, given.terms.false_alarms)
    return Seen(
        window,
        tuple(matches),
        tuple(stray),
        verdicts,
        tuple(one for one in matches if _other_model(one, given.terms)),
        tuple(one for one in matches if _other_tokens(one)),
        reconciliation,
        usual,
        tuple(exposure(matches, given.terms)),
        None if given.pairs is None else substitution_test(given.pairs),
    )


def _counted(one: Match) -> Match:
    """The exchange with the counts of its kept answer, else of its receipt, where the log states none."""
    exchange = one.exchange
    if not exchange.answered or (exchange.input_tokens is not None and exchange.output_tokens is not None):
        return one
    said = body_usage(exchange.response)
    theirs = (None, None) if one.document is None else _receipt_counts(one.document)
    return replace(
        one,
        exchange=replace(
            exchange,
            input_tokens=_stated(exchange.input_tokens, said.input_tokens, theirs[0]),
            output_tokens=_stated(exchange.output_tokens, said.output_tokens, theirs[1]),
        ),
    )


def _receipt_counts(document: Document) -> tuple[int | None, int | None]:
    return document.receipt.input_tokens, document.receipt.output_tokens


def _stated(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)


def body_usage(body: bytes | None) -> Usage:
    """What a kept answer says of itself, plain or streamed."""
    if body is None:
        return Usage()
    if body.lstrip()[:1] == b"{":
        return plain_usage(body)
    stream = StreamUsage()
    stream.update(body + b"\n")
    return stream.usage


def _other_model(one: Match, terms: Terms) -> bool:
    if one.document is None or not one.exchange.model or not one.document.receipt.model:
        return False
    return not terms.may_answer(one.exchange.model, one.document.receipt.model)


def _other_tokens(one: Match) -> bool:
    if one.document is None:
        return False
    receipt, exchange = one.document.receipt, one.exchange
    pairs = ((exchange.input_tokens, receipt.input_tokens), (exchange.output_tokens, receipt.output_tokens))
    return any(ours is not None and theirs is not None and ours != theirs for ours, theirs in pairs)


def _day(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def counts(seen: Seen) -> Mapping[str, int]:
    """The numbers that open the report."""
    return {
        "exchanges": len(seen.matches),
        "answered": sum(one.exchange.answered for one in seen.matches),
        "matched_by_id": sum(one.how == "id" for one in seen.matches),
        "matched_by_commitment": sum(one.how == "commitment" for one in seen.matches),
        "matched_by_time": sum(one.how == "time" for one in seen.matches),
        "void": sum(one.how == "void" for one in seen.matches),
        "requests_compared": seen.verdicts.contents["request"] if seen.verdicts else 0,
        "answers_compared": seen.verdicts.contents["response"] if seen.verdicts else 0,
        "proofs": seen.verdicts.proofs if seen.verdicts else 0,
        "chains": seen.verdicts.chains if seen.verdicts else 0,
    }
