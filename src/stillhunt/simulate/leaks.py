"""How well any one column tells hostile accounts from honest ones.

A simulated log is only fit to measure a detector if its labels cannot be read off a single column. Each column of
``requests`` and ``accounts`` becomes a few numbers per account: means, extremes, counts, distinct counts and the share
that is missing; columns with few values also become the rate at which other accounts with that value are hostile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.stats import rankdata

from stillhunt.simulate.clock import DAY, F64, HOUR, I64
from stillhunt.simulate.simulation import Simulation

HOSTILE = "distillation"
ABUSE = ("reseller", "trial_farm")
"""Abuse that is not distillation: counted neither as hostile nor as honest."""
_COMMON = 0.02
"""Values that fewer accounts than this share have count as one: who shares a rare value is a matter of links."""
_FEW = 64
"""Numbers with at most so many values are names of settings rather than measurements."""
_IDENTIFIER = 64
"""Characters of the longest identifier; longer strings are texts, whose order says nothing about their format."""
_FOLDS = 5
_PRIOR = 5.0


@dataclass(frozen=True)
class Leak:
    """One number per account and how well it separates: ``auc`` in [0.5, 1], whichever direction is better."""

    column: str
    feature: str
    auc: float

    @property
    def name(self) -> str:
        """Column and feature."""
        return f"{self.column} {self.feature}"


def leaks(log: Simulation) -> list[Leak]:
    """Every number that a column gives, the most telling first.

    Raises ValueError when hostile or honest accounts are missing.
    """
    kind = np.array(log.truth["kind"].to_pylist(), dtype=object)
    hostile = kind == HOSTILE
    counted = hostile | ~np.isin(kind, ABUSE)
    if not hostile.any() or hostile.all():
        raise ValueError("expected hostile and honest accounts, got only one of the two")
    ids = log.truth["account_id"].combine_chunks()
    owner = pc.index_in(log.requests["account_id"].combine_chunks(), ids).to_numpy(zero_copy_only=False)
    seen = np.bincount(owner, minlength=len(ids)) > 0
    found = [
        Leak(column, feature, _auc(values[counted & seen], hostile[counted & seen]))
        for column, feature, values in _numbers(log, owner.astype(np.int64), hostile)
    ]
    return sorted(found, key=lambda leak: -leak.auc)


def is_fixed(name: str, fixed: tuple[str, ...]) -> bool:
    """Whether a column is one of those that a shape fixes by its definition (``Scenario.fixed``)."""
    return name.startswith(fixed) if fixed else False


def _auc(values: F64, hostile: NDArray[np.bool_]) -> float:
    """Area under the ROC curve of ``values``, folded to at least 0.5; absent values rank below all others."""
    ranks = rankdata(np.where(np.isnan(values), -np.inf, values))
    positive = int(hostile.sum())
    area = (ranks[hostile].sum() - positive * (positive + 1) / 2) / (positive * (len(values) - positive))
    return float(max(area, 1 - area))


def _numbers(log: Simulation, owner: I64, hostile: NDArray[np.bool_]) -> Iterator[tuple[str, str, F64]]:
    n = len(hostile)
    yield "requests", "count", np.bincount(owner, minlength=n).astype(np.float64)
    for name in log.requests.column_names:
        column = log.requests[name].combine_chunks()
        for feature, values in _of_requests(column, owner, hostile):
            yield f"requests.{name}", feature, values
    every = np.arange(n)
    for name in log.accounts.column_names:
        column = log.accounts[name].combine_chunks()
        for feature, values in _of_requests(column, every, hostile):
            yield f"accounts.{name}", feature, values


def _of_requests(column: pa.Array, owner: I64, hostile: NDArray[np.bool_]) -> Iterator[tuple[str, F64]]:
    n = len(hostile)
    missing = column.is_null().to_numpy(zero_copy_only=False).astype(np.float64)
    yield "missing", _mean(missing, owner, n)
    present = np.flatnonzero(missing == 0)
    if len(present) == 0:
        return
    values, owner = column.take(pa.array(present)), owner[present]
    if pa.types.is_timestamp(column.type):
        yield from _of_times(values.cast(pa.int64()).to_numpy(), owner, n)
        return
    order = values.dictionary_encode()
    codes = order.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    yield "distinct", _distinct(codes, owner, n)
    text = pa.types.is_string(column.type)
    if len(order.dictionary) <= _FEW or (text and not _long(order.dictionary)):
        yield "commonest value", _hostile_rate(codes, owner, hostile)
    if text:
        yield "length", _mean(pc.utf8_length(values).to_numpy().astype(np.float64), owner, n)
        if len(order.dictionary) <= _FEW or _long(order.dictionary):
            return
        rank = np.empty(len(order.dictionary), dtype=np.float64)
        rank[pc.array_sort_indices(order.dictionary).to_numpy()] = np.arange(len(rank))
        yield "alphabetical", _mean(rank[codes], owner, n)
        return
    number = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    yield "mean", _mean(number, owner, n)
    yield "largest", _largest(number, owner, n)
    yield "spread", np.sqrt(np.maximum(_mean(number**2, owner, n) - _mean(number, owner, n) ** 2, 0))


def _long(names: pa.Array) -> bool:
    return bool(pc.max(pc.utf8_length(names)).as_py() > _IDENTIFIER)


def _of_times(time: I64, owner: I64, n: int) -> Iterator[tuple[str, F64]]:
    number = time.astype(np.float64)
    yield "mean", _mean(number, owner, n)
    yield "first", -_largest(-number, owner, n)
    yield "last", _largest(number, owner, n)
    yield "hour", _mean((time % DAY / HOUR), owner, n)
    yield "second", _mean((time // 1_000_000 % 60).astype(np.float64), owner, n)
    yield "microsecond", _mean((time % 1_000_000).astype(np.float64), owner, n)
    yield "weekend", _mean(((time // DAY + 3) % 7 >= 5).astype(np.float64), owner, n)
    yield "distinct days", _distinct(time // DAY, owner, n)
    yield "distinct hours of the day", _distinct(time % DAY // HOUR, owner, n)
    order = np.lexsort((time, owner))
    same = owner[order][1:] == owner[order][:-1]
    gaps, of = np.diff(time[order])[same].astype(np.float64), owner[order][1:][same]
    yield "mean gap", _mean(gaps, of, n)
    yield "mean log gap", _mean(np.log(gaps + 1), of, n)


def _mean(values: F64, owner: I64, n: int) -> F64:
    count = np.bincount(owner, minlength=n)
    total = np.bincount(owner, weights=values, minlength=n)
    mean: F64 = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def _largest(values: F64, owner: I64, n: int) -> F64:
    largest = np.full(n, -np.inf)
    np.maximum.at(largest, owner, values)
    return np.where(np.isinf(largest), np.nan, largest)


def _distinct(codes: I64, owner: I64, n: int) -> F64:
    low = int(codes.min())
    pairs = np.unique(owner * (int(codes.max()) - low + 1) + codes - low)
    return np.bincount(pairs // (int(codes.max()) - low + 1), minlength=n).astype(np.float64)


def _hostile_rate(codes: I64, owner: I64, hostile: NDArray[np.bool_]) -> F64:
    """Share of hostile accounts among other accounts whose commonest value is the same, in folds of accounts."""
    n = len(hostile)
    width = int(codes.max()) + 1
    pairs, times = np.unique(owner * width + codes, return_counts=True)
    account, code = pairs // width, pairs % width
    order = np.lexsort((code, -times, account))
    first = order[np.r_[True, np.diff(account[order]) > 0]]
    value = np.zeros(n, dtype=np.int64)
    value[account[first]] = code[first] + 1
    bearers = np.bincount(value)
    value = np.where(bearers[value] < max(2, _COMMON * n), len(bearers), value)
    fold = np.random.default_rng(0).permutation(n) % _FOLDS
    rate = np.full(n, np.nan)
    for one in range(_FOLDS):
        learn = fold != one
        total = np.bincount(value[learn], minlength=len(bearers) + 1)
        bad = np.bincount(value[learn], weights=hostile[learn], minlength=len(bearers) + 1)
        share = (bad + _PRIOR * hostile.mean()) / (total + _PRIOR)
        rate[~learn] = share[value[~learn]]
    return rate
