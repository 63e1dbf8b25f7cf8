"""The invoice against the buyer's own log, by period, model and key (spec/audit.md, "Reconciliation").

Nothing here is a statistical test. For each measure the log gives a lowest and a highest amount that an honest
invoice could bill for a period; what lies outside, beyond rounding and the agreed tolerance, differs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf

from stillhunt.audit.exchanges import Exchange
from stillhunt.audit.invoice import Line
from stillhunt.audit.terms import Terms

ALL = "*"
_TOTALLED = {"cached_input_tokens": "input_tokens"}
"""Meters that count parts of one measure of the log."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One comparison: ``billed`` against what the log allows, ``low`` to ``high``, give or take ``slack``. ``excess``
    is how far beyond it lies, negative where too little was billed. ``level`` is ``period`` or ``total``."""

    level: str
    start: datetime
    end: datetime
    model: str
    key: str
    measure: str
    billed: float
    low: float
    high: float
    slack: float
    lines: int

    @property
    def excess(self) -> float:
        if self.billed > self.high + self.slack:
            return self.billed - self.high
        if self.billed < self.low - self.slack:
            return self.billed - self.low
        return 0.0


@dataclass(frozen=True)
class Reconciliation:
    """All comparisons; ``outside``: lines of periods that the log does not touch; ``unpriced``: models whose money
    could not be checked; ``uncounted``: exchanges whose tokens nobody stated."""

    differences: tuple[Difference, ...] = ()
    outside: tuple[Line, ...] = ()
    unpriced: tuple[str, ...] = ()
    uncounted: int = 0

    @property
    def found(self) -> tuple[Difference, ...]:
        """What differs."""
        return tuple(one for one in self.differences if one.excess)


@dataclass(slots=True)
class _Own:
    """What the log holds of one model and key, in order of time."""

    starts: list[datetime] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    longest_ms: int = 0


def reconcile(
    exchanges: Sequence[Exchange], lines: Sequence[Line], terms: Terms, window: tuple[datetime, datetime]
) -> Reconciliation:
    """Compares what was billed with the log. ``window``: what the log covers, [start, end)."""
    inside = [one for one in lines if one.start < window[1] and one.end > window[0]]
    outside = tuple(one for one in lines if one.start >= window[1] or one.end <= window[0])
    keys = {one.key for one in exchanges if one.key}
    names = _Names(terms, {one.model for one in exchanges}, all(one.key in keys for one in inside))
    own: dict[tuple[str, str], _Own] = defaultdict(_Own)
    for one in exchanges:
        held = own[names.of_log(one)]
        held.starts.append(one.time)
        held.exchanges.append(one)
        held.longest_ms = max(held.longest_ms, one.latency_ms or 0)
    billed: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in inside:
        billed[names.of_line(line)].append(line)
    differences: list[Difference] = []
    unpriced: set[str] = set()
    span = (
        min((one.start for one in inside), default=window[0]),
        max((one.end for one in inside), default=window[1]),
    )
    measures = {
        _TOTALLED.get(line.measure, line.measure)
        for line in inside
        if line.measure and line.quantity is not None
    }
    for group in sorted({*own, *billed}):
        lines_of_group = billed.get(group, [])
        differences += _group(
            group, own.get(group, _Own()), lines_of_group, sorted(measures), terms, span, unpriced
        )
    uncounted = sum(
        one.answered and (one.input_tokens is None or one.output_tokens is None) for one in exchanges
    )
    return Reconciliation(tuple(differences), outside, tuple(sorted(unpriced)), uncounted)


@dataclass(frozen=True)
class _Names:
    """One name for each model, whichever side spells it."""

    terms: Terms
    models: set[str]
    by_key: bool

    def of_log(self, one: Exchange) -> tuple[str, str]:
        return one.model, one.key if self.by_key else ALL

    def of_line(self, line: Line) -> tuple[str, str]:
        model = line.model
        if model not in self.models:
            same = self.terms.may_answer
            asked = [name for name in self.models if same(name, model) or same(model, name)]
            model = asked[0] if len(asked) == 1 else model
        return model, line.key if self.by_key else ALL


def _group(
    group: tuple[str, str],
    own: _Own,
    lines: Sequence[Line],
    measures: Sequence[str],
    terms: Terms,
    span: tuple[datetime, datetime],
    unpriced: set[str],
) -> Iterator[Difference]:
    """``measures``: those that the invoice states for anybody; what it leaves out here counts as nothing billed."""
    model, key = group
    periods: dict[tuple[datetime, datetime], list[Line]] = defaultdict(list)
    for line in lines:
        periods[line.start, line.end].append(line)
    compared: list[tuple[str, tuple[datetime, datetime], Sequence[Line]]] = [
        ("period", period, held) for period, held in sorted(periods.items())
    ]
    compared.append(("total", span, lines))
    prices = _prices(terms, model, lines)
    for level, (start, end), held in compared:
        if level == "total" and not held and not own.exchanges:
            continue
        for measure in measures:
            amounts = [
                one
                for one in held
                if _TOTALLED.get(one.measure, one.measure) == measure and one.quantity is not None
            ]
            low, high = _bounds(own, start, end, measure, terms)
            if high == inf:
                continue
            slack = sum(one.quantity_step for one in amounts) + terms.tolerance * high
            total = sum(one.quantity or 0.0 for one in amounts)
            yield Difference(level, start, end, model, key, measure, total, low, high, slack, len(amounts))
        yield from _money(level, (start, end), group, own, held, prices, terms, unpriced)


def _money(
    level: str,
    period: tuple[datetime, datetime],
    group: tuple[str, str],
    own: _Own,
    lines: Sequence[Line],
    prices: Mapping[str, float],
    terms: Terms,
    unpriced: set[str],
) -> Iterator[Difference]:
    """Money against the log's quantities at the agreed prices, else at the prices that the invoice states."""
    costs = [one for one in lines if one.cost is not None]
    if not costs:
        return
    needed = {one.measure for one in costs if one.measure} or {"input_tokens", "output_tokens"}
    if not needed <= set(prices):
        unpriced.add(group[0])
        return
    low = high = 0.0
    cached = sum(one.quantity or 0.0 for one in lines if one.measure == "cached_input_tokens")
    for measure in needed - {"cached_input_tokens"}:
        least, most = _bounds(own, *period, measure, terms)
        if (
            measure == "input_tokens" and cached
        ):  # the log's input holds both; the invoice says how it was split
            least, most = max(0.0, least - cached), max(0.0, most - cached)
        low, high = low + least * prices[measure], high + most * prices[measure]
    if high == inf:
        unpriced.add(group[0])
        return
    extra = cached * prices.get("cached_input_tokens", 0.0)
    slack = sum(one.cost_step + one.quantity_step * prices.get(one.measure, 0.0) for one in costs)
    currency = next((one.currency for one in costs if one.currency), terms.currency) or "money"
    yield Difference(
        level,
        *period,
        *group,
        f"cost {currency}",
        sum(one.cost or 0.0 for one in costs),
        low + extra,
        high + extra,
        slack + terms.tolerance * (high + extra),
        len(costs),
    )


def _prices(terms: Terms, model: str, lines: Sequence[Line]) -> dict[str, float]:
    """Price per token or request, by measure."""
    for name, prices in terms.prices.items():
        if name == model or terms.may_answer(name, model):
            return {what: price / (1 if what == "requests" else 1e6) for what, price in prices.items()}
    return {one.measure: one.unit_price for one in lines if one.unit_price is not None and one.measure}


def _bounds(own: _Own, start: datetime, end: datetime, measure: str, terms: Terms) -> tuple[float, float]:
    """The least and the most that may be billed for [start, end). What failed, what nobody counted, and what began so
    near an end of the period that it may be booked on the other side, may be billed or not; the most is infinite where
    an answer's count is unknown."""
    edge = timedelta(seconds=terms.day_edge_s)
    low = high = 0.0
    at = bisect_left(own.starts, start - timedelta(milliseconds=own.longest_ms) - edge)
    for one in own.exchanges[at:]:
        if one.time >= end + timedelta(seconds=terms.clock_s):
            break
        done = one.time + timedelta(milliseconds=one.latency_ms or 0) + edge
        if done < start:
            continue
        amount = 1 if measure == "requests" else getattr(one, measure)
        high += (inf if one.answered else 0) if amount is None else amount
        certain = one.answered and one.time >= start + timedelta(seconds=terms.clock_s) and done < end
        low += (amount or 0) if certain else 0
    return low, high
