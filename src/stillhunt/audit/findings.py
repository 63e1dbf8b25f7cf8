"""What the checks saw, as tables and as findings (spec/finding.md), one per kind of thing that does not hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from stillhunt.audit.checks import Given, Seen
from stillhunt.audit.holdings import Fault
from stillhunt.audit.matching import Match
from stillhunt.audit.reconcile import ALL, Difference
from stillhunt.schema.digests import table_digest
from stillhunt.schema.findings import Finding, Role
from stillhunt.schema.requests import TIMESTAMP

VERSION = "1"
WEAK_LEVEL = 0.01
"""Level of the substitution test."""
LISTED = 20
"""Ids that a finding lists inline; the table holds all."""

_TEXT, _COUNT, _REAL = pa.string(), pa.int64(), pa.float64()
SCHEMAS: Mapping[str, pa.Schema] = {
    "exchanges": pa.schema(
        [
            ("time", TIMESTAMP),
            *[
                (name, _TEXT)
                for name in ("request_id", "application", "key", "model", "receipt", "how", "answered_by")
            ],
            *[(name, _COUNT) for name in ("input_tokens", "output_tokens", "receipt_input_tokens")],
            ("receipt_output_tokens", _COUNT),
            ("status", _COUNT),
            ("answered", pa.bool_()),
            ("model_differs", pa.bool_()),
            ("tokens_differ", pa.bool_()),
        ]
    ),
    "faults": pa.schema([("step", _COUNT), ("receipt", _TEXT), ("problem", _TEXT), ("missing", _COUNT)]),
    "stray": pa.schema(
        [("time", TIMESTAMP), ("receipt", _TEXT), ("account", _TEXT), ("sequence", _COUNT), ("model", _TEXT)]
    ),
    "reconciliation": pa.schema(
        [
            ("level", _TEXT),
            ("start", TIMESTAMP),
            ("end", TIMESTAMP),
            ("model", _TEXT),
            ("key", _TEXT),
            ("measure", _TEXT),
            *[(name, _REAL) for name in ("billed", "low", "high", "slack", "excess")],
            ("lines", _COUNT),
        ]
    ),
    "departures": pa.schema(
        [
            *[(name, _TEXT) for name in ("application", "key", "measure")],
            ("hour", TIMESTAMP),
            *[(name, _REAL) for name in ("value", "usual", "p_value")],
        ]
    ),
    "exposure": pa.schema(
        [
            *[
                (name, _TEXT)
                for name in ("vendor", "model", "application", "key", "data_class", "capability")
            ],
            *[(name, _COUNT) for name in ("exchanges", "input_tokens", "output_tokens")],
            ("first", TIMESTAMP),
            ("last", TIMESTAMP),
        ]
    ),
}
"""The tables of an audit, as spec/audit.md lists them."""


def tables(seen: Seen) -> dict[str, pa.Table]:
    """Every table, by name; those of checks that did not run are empty."""
    differing = {id(one) for one in seen.models}, {id(one) for one in seen.tokens}
    rows: dict[str, list[dict[str, Any]]] = {
        "exchanges": [_exchange(one, differing) for one in seen.matches],
        "faults": [asdict(one) for one in (seen.verdicts.faults if seen.verdicts else ())],
        "stray": [
            {
                "time": one.receipt.when,
                "receipt": one.receipt.id,
                "account": one.receipt.account,
                "sequence": one.receipt.sequence,
                "model": one.receipt.model,
            }
            for one in seen.stray
        ],
        "reconciliation": [
            {**asdict(one), "excess": one.excess}
            for one in (seen.reconciliation.differences if seen.reconciliation else ())
        ],
        "departures": [asdict(one) for one in seen.baselines.departures],
        "exposure": [asdict(one) for one in seen.exposure],
    }
    return {name: pa.Table.from_pylist(held, SCHEMAS[name]) for name, held in rows.items()}


def _exchange(one: Match, differing: tuple[set[int], set[int]]) -> dict[str, Any]:
    exchange = one.exchange
    receipt = None if one.document is None else one.document.receipt
    return {
        **{
            name: getattr(exchange, name)
            for name in ("time", "request_id", "application", "key", "model", "status")
        },
        "receipt": receipt.id if receipt else exchange.receipt_id or None,
        "how": one.how,
        "answered_by": receipt.model if receipt else None,
        "input_tokens": exchange.input_tokens,
        "output_tokens": exchange.output_tokens,
        "receipt_input_tokens": receipt.input_tokens if receipt else None,
        "receipt_output_tokens": receipt.output_tokens if receipt else None,
        "answered": exchange.answered,
        "model_differs": id(one) in differing[0],
        "tokens_differ": id(one) in differing[1],
    }


@dataclass(frozen=True)
class _Writer:
    seen: Seen
    tables: Mapping[str, pa.Table]
    inputs_digest: str

    def finding(
        self,
        method: str,
        claim: str,
        statistic: str,
        value: float,
        n: int,
        table: str,
        evidence: Mapping[str, Any],
        *,
        null: str = "",
        role: Role = "observed",
        channel: str,
    ) -> Finding:
        cited = (
            {"table": f"tables/{table}.parquet", "digest": table_digest(self.tables[table])} if table else {}
        )
        vendor = next((one.vendor for one in self.seen.exposure), "unknown")
        return Finding(
            {"vendor": vendor},
            claim,
            statistic,
            null,
            float(value),
            n,
            method,
            VERSION,
            self.inputs_digest,
            {**evidence, **cited},
            role,
            channel,
        )


def findings(given: Given, seen: Seen, made: Mapping[str, pa.Table], inputs_digest: str) -> list[Finding]:
    """One per kind of thing that does not hold; none where everything does."""
    write = _Writer(seen, made, inputs_digest)
    return [*_of_receipts(write), *_of_exchanges(write), *_of_bill(write), *_of_usage(write, given)]


def _of_receipts(write: _Writer) -> Iterator[Finding]:
    seen = write.seen
    if seen.verdicts is None:
        return
    answered = sum(one.exchange.answered for one in seen.matches)
    gaps = [one for one in seen.verdicts.faults if one.step == 12]
    numbers = sum(one.missing for one in gaps)
    if seen.missing or numbers:
        yield write.finding(
            "receipts_missing",
            f"{len(seen.missing):,} of {answered:,} answered exchanges have no receipt, and {numbers:,} numbers are "
            "missing in the chains of those that were handed over.",
            "exchanges_without_receipt",
            len(seen.missing),
            answered,
            "exchanges",
            {
                "share": len(seen.missing) / max(answered, 1),
                "numbers_missing": numbers,
                "request_ids": [one.exchange.request_id for one in seen.missing[:LISTED]],
            },
            channel="receipts",
        )
    for method, step, what in (("answers_altered", 5, "answer"), ("requests_altered", 4, "request")):
        faults = [one for one in seen.verdicts.faults if one.step == step]
        if faults:
            yield write.finding(
                method,
                f"{_many(len(faults), what)} that the gateway kept {'is' if len(faults) == 1 else 'are'} not what the "
                "receipt commits to.",
                f"{what}s_not_committed_to",
                len(faults),
                seen.verdicts.contents["response" if step == 5 else "request"],
                "faults",
                {"receipts": [one.receipt for one in faults[:LISTED]]},
                channel="receipts",
            )
    yield from _unverified(write, [one for one in seen.verdicts.faults if one.step not in (4, 5, 12)])
    if seen.stray:
        yield write.finding(
            "receipts_without_exchange",
            f"{_many(len(seen.stray), 'receipt')} of the period belong to no exchange that the gateway logged.",
            "receipts_without_exchange",
            len(seen.stray),
            len(seen.matches),
            "stray",
            {"receipts": [one.receipt.id for one in seen.stray[:LISTED]]},
            channel="receipts",
        )


def _unverified(write: _Writer, faults: Sequence[Fault]) -> Iterator[Finding]:
    unlogged = [one for one in faults if one.step == 6]
    others = [one for one in faults if one.step != 6]
    for method, held, claim in (
        ("receipts_not_logged", unlogged, "receipts come without a proof that the log holds them"),
        ("receipts_do_not_verify", others, "checks of the receipts, their chains or the log failed"),
    ):
        if held:
            steps = Counter(f"step {one.step}" for one in held)
            yield write.finding(
                method,
                f"{len(held):,} {claim}: {held[0].problem}.",
                "failed_checks",
                len(held),
                len(write.seen.matches),
                "faults",
                {"steps": dict(sorted(steps.items())), "receipts": [one.receipt for one in held[:LISTED]]},
                channel="receipts",
            )


def _of_exchanges(write: _Writer) -> Iterator[Finding]:
    seen = write.seen
    matched = sum(one.document is not None for one in seen.matches)
    if seen.models:
        swaps = Counter(
            f"{one.exchange.model} → {one.document.receipt.model}"
            for one in seen.models
            if one.document is not None
        )
        yield write.finding(
            "model_differs",
            f"{len(seen.models):,} of {matched:,} receipts name another model than the one that was asked for.",
            "exchanges_with_other_model",
            len(seen.models),
            matched,
            "exchanges",
            {"swaps": dict(swaps.most_common(LISTED))},
            channel="model",
        )
    if seen.tokens:
        yield write.finding(
            "tokens_differ",
            f"{len(seen.tokens):,} of {matched:,} receipts state other token counts than the gateway's log.",
            "exchanges_with_other_counts",
            len(seen.tokens),
            matched,
            "exchanges",
            {"request_ids": [one.exchange.request_id for one in seen.tokens[:LISTED]]},
            channel="usage",
        )


def _of_bill(write: _Writer) -> Iterator[Finding]:
    held = write.seen.reconciliation
    for measure in sorted({one.measure for one in held.found} if held else ()):
        of_measure = [one for one in held.found if one.measure == measure] if held else []
        for sign in (1, -1):
            told = [one for one in of_measure if one.excess * sign > 0]
            if told:
                yield _bill_finding(write, measure, told)


def _bill_finding(write: _Writer, measure: str, found: Sequence[Difference]) -> Finding:
    """Of differences in one direction; over the whole invoice where they show there, else by period."""
    told = [one for one in found if one.level == "total"] or found
    excess, billed = sum(one.excess for one in told), sum(one.billed for one in told)
    allowed = billed - excess
    share = excess / allowed if allowed else 1.0
    return write.finding(
        "bill_differs",
        f"The invoice bills {_amount(billed)} of {measure.replace('_', ' ')} where the gateway's log allows "
        f"{_amount(allowed)}: {abs(share):.2%} too {'much' if excess > 0 else 'little'}.",
        f"excess_{measure.replace(' ', '_')}",
        excess,
        sum(one.lines for one in told),
        "reconciliation",
        {
            "measure": measure,
            "share": share,
            "billed": billed,
            "allowed": allowed,
            "groups": sorted({_named(one) for one in told})[:LISTED],
            "periods": sum(one.level == "period" for one in found),
        },
        channel="bill",
    )


def _of_usage(write: _Writer, given: Given) -> Iterator[Finding]:
    usual = write.seen.baselines
    if usual.departures:
        most = min(usual.departures, key=lambda one: one.p_value)
        yield write.finding(
            "usage_departs",
            f"{_many(len(usual.departures), 'hour')} of {usual.series:,} series of usage depart from their hour of "
            f"the week; most of all {most.measure} of {most.application}: {most.value:,.0f} where {most.usual:,.0f} "
            "are usual.",
            "hours_that_depart",
            len(usual.departures),
            usual.tests,
            "departures",
            {"false_alarms": given.terms.false_alarms, "smallest_p": most.p_value, "weeks": usual.weeks},
            null="In each hour of the week, the weeks of a series are draws of one negative binomial law.",
            role="inferred",
            channel="usage",
        )
    test = write.seen.substitution
    if test is not None and test.p_value <= WEAK_LEVEL:
        yield write.finding(
            "answers_unlike_named_model",
            f"Over {test.pairs:,} prompts the service's answers are unlike those of the named model. Weak evidence: "
            "other settings or a later snapshot do the same.",
            "distance_over_its_null_mean",
            test.statistic,
            test.pairs,
            "",
            {"p_value": test.p_value, "flips": test.flips, "strength": "weak"},
            null="For each prompt, which answer came from which side is a coin's fall.",
            role="inferred",
            channel="model",
        )


def _named(one: Difference) -> str:
    return one.model if one.key == ALL else f"{one.model}, key {one.key}"


def _amount(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")
