"""Clauses and controls to have in a contract for bought AI, each with what this audit saw of it.

The wording is our own. ``domain`` names the domain of the CSA AI Controls Matrix under which a buyer will find controls
of this kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from stillhunt.audit.checks import Given, Seen
from stillhunt.audit.exposure import NOT_LABELLED
from stillhunt.schema.findings import Finding

Standing = Literal["holds", "fails", "not seen"]


@dataclass(frozen=True)
class Clause:
    """A clause, its domain, whether what was seen agrees with it, and what was seen."""

    name: str
    clause: str
    domain: str
    standing: Standing
    seen: str


_Saw = Callable[[Given, Seen, frozenset[str]], tuple[Standing, str]]


def checklist(given: Given, seen: Seen, found: Sequence[Finding]) -> list[Clause]:
    """Every clause, in a fixed order."""
    methods = frozenset(one.method for one in found)
    return [
        Clause(name, clause, domain, *saw(given, seen, methods)) for name, clause, domain, saw in _CLAUSES
    ]


def _receipts(given: Given, seen: Seen, methods: frozenset[str]) -> tuple[Standing, str]:
    if seen.verdicts is None:
        return "not seen", "No receipts were given in."
    answered = sum(one.exchange.answered for one in seen.matches)
    text = f"{answered - len(seen.missing):,} of {answered:,} answered exchanges have one."
    return ("fails" if methods & {"receipts_missing", "receipts_do_not_verify"} else "holds"), text


def _integrity(given: Given, seen: Seen, methods: frozenset[str]) -> tuple[Standing, str]:
    if seen.verdicts is None or not seen.verdicts.contents["response"]:
        return "not seen", "No answer was kept beside its receipt."
    altered = methods & {"answers_altered", "requests_altered"}
    compared = seen.verdicts.contents["response"]
    return ("fails" if altered else "holds"), f"{compared:,} kept answers were compared with their receipts."


def _log(given: Given, seen: Seen, methods: frozenset[str]) -> tuple[Standing, str]:
    if seen.verdicts is None or seen.verdicts.log is None:
        broken = seen.verdicts is not None and given.log is not None
        return (
            ("fails", "The log does not verify.")
            if broken
            else ("not seen", "No copy of the log was given in.")
        )
    log = seen.verdicts.log
    text = f"{log.size:,} entries hold; {log.older:,} older checkpoints are beginnings of it."
    if methods & {"receipts_not_logged", "receipts_do_not_verify"}:
        return "fails", text
    if given.trust is None or given.trust.quorum == "none":
        return "not seen", text + " The trust asks for no witness, so nobody outside vouches for it."
    return "holds", text


def _model(given: Given, seen: Seen, methods: frozenset[str]) -> tuple[Standing, str]:
    matched = sum(one.document is not None for one in seen.matches)
    if not matched:
        return "not seen", "No receipt belongs to an exchange of the log."
    text = f"{len(seen.models):,} of {matched:,} receipts name another model. "
    text += "What a vendor misstates shows only in paired answers."
    if "answers_unlike_named_model" in methods:
        return "fails", text + " The paired answers differ: weak evidence."
    return ("fails" if seen.models else "holds"), text


def _meter(given: Given, seen: Seen, methods: frozenset[str]) -> tuple[Standing, str]:
    if seen.reconciliation is None:
        return "not seen", "No invoice was given in."
    held = seen.reconciliation
    text = f"{len(held.differences):,} amounts were compared, {len(held.found):,} differ."
    if held.unpriced:
        text += f" Money of {', '.join(held.unpriced)} could not be checked: no price, or uncounted answers."
    return ("fails" if methods & {"bill_differs", "tokens_differ"} else "holds"), text


def _prices(given: Given, seen: Seen, methods: frozenset[str]) -> tuple[Standing, str]:
    if not given.terms.prices:
        return (
            "not seen",
            "No prices stand in the terms: money was held to the invoice's own prices, if to any.",
        )
    return "holds", f"Prices of {len(given.terms.prices):,} models were given in and used."


def _erasure(given: Given, seen: Seen, methods: frozenset[str]) -> tuple[Standing, str]:
    erased = sum(one.document is not None and "nonce" not in one.document.opening for one in seen.matches)
    if seen.verdicts is None:
        return "not seen", "No receipts were given in."
    return (
        "not seen",
        f"{erased:,} receipts come without their nonce. Whether anything was erased cannot be seen from outside.",
    )


def _exposure(given: Given, seen: Seen, methods: frozenset[str]) -> tuple[Standing, str]:
    classes = {one.data_class for one in seen.exposure} - {NOT_LABELLED}
    bare = {one.application for one in seen.exposure if one.data_class == NOT_LABELLED}
    if not classes:
        return "not seen", "No data classes stand in the terms."
    text = f"{len(classes):,} data classes went out; {len(bare):,} applications carry none."
    return ("fails" if bare else "holds"), text


def _keys(given: Given, seen: Seen, methods: frozenset[str]) -> tuple[Standing, str]:
    text = f"{len(seen.stray):,} receipts of the period belong to no exchange of the gateway."
    if seen.verdicts is None:
        return "not seen", "No receipts were given in."
    return ("fails" if seen.stray else "holds"), text


def _watch(given: Given, seen: Seen, methods: frozenset[str]) -> tuple[Standing, str]:
    usual = seen.baselines
    if not usual.weeks:
        return "not seen", "The log is shorter than the four weeks that a baseline takes."
    text = f"{usual.series:,} series over {usual.weeks:,} weeks; {len(usual.departures):,} hours depart."
    return ("fails" if usual.departures else "holds"), text


def _outside(given: Given, seen: Seen, methods: frozenset[str]) -> tuple[Standing, str]:
    return "not seen", "A matter of the contract's text; no data shows it."


_CLAUSES: tuple[tuple[str, str, str, _Saw], ...] = (
    (
        "receipt for every answer",
        "The vendor signs a receipt for every answer and hands all of them over on request.",
        "LOG, Logging and Monitoring",
        _receipts,
    ),
    (
        "answers arrive unaltered",
        "What reaches us is what was signed, also through resellers and gateways.",
        "CEK, Cryptography, Encryption & Key Management",
        _integrity,
    ),
    (
        "public log",
        "Receipts are in an append-only log within a stated time, and witnesses outside the vendor cosign it.",
        "LOG, Logging and Monitoring",
        _log,
    ),
    (
        "the model asked for",
        "The model that is named answers. A change of model or snapshot is announced before it happens.",
        "CCC, Change Control and Configuration Management",
        _model,
    ),
    (
        "usage that adds up",
        "Invoices give quantities by day, model and key, in a form that our own log can be held against.",
        "STA, Supply Chain Management, Transparency, and Accountability",
        _meter,
    ),
    (
        "prices in writing",
        "Unit prices stand in the contract, and what is not billed (failures, retries) is named.",
        "STA, Supply Chain Management, Transparency, and Accountability",
        _prices,
    ),
    (
        "data classes and where they may go",
        "Each application has a data class, and each class a list of vendors and models that may receive it.",
        "DSP, Data Security and Privacy Lifecycle Management",
        _exposure,
    ),
    (
        "erasure without loss of proof",
        "Content can be erased while its receipt stays valid; training on our content is ruled out or agreed.",
        "DSP, Data Security and Privacy Lifecycle Management",
        _erasure,
    ),
    (
        "keys used by us alone",
        "Every use of our keys passes our gateway; the vendor lists uses that we do not know.",
        "IAM, Identity & Access Management",
        _keys,
    ),
    (
        "usage is watched",
        "Somebody looks at hours of unusual usage, per application and key, within a stated time.",
        "LOG, Logging and Monitoring",
        _watch,
    ),
    (
        "incidents are told",
        "The vendor tells us of lost keys, voided receipts and altered logs within a stated time.",
        "SEF, Security Incident Management, E-Discovery, & Cloud Forensics",
        _outside,
    ),
    (
        "a right to audit",
        "We may run this audit at any time, and dispute an invoice on its result.",
        "A&A, Audit & Assurance",
        _outside,
    ),
)
