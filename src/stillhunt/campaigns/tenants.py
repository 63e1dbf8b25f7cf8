"""Who uses a group's accounts? Parts of its traffic that one text runs through, which hardly anybody else sends.

A pool may serve several operators: a laboratory behind an injected instruction, a service with its own template, and
strangers. Whole prompts of one tenant need not be alike, since the instruction is a small part of each; but the full
sketches of its prompts share some slots' values, those of the shingles of its instruction. A value is the group's own
when at least OWN of the log's texts that have it are sent by the group, from LEAST accounts of it; own values that
LEAST texts have together are of one tenant.

A slot's value is that of the least shingle of its part, so two unrelated texts agree in one by chance as often as any
two shingles of them are equal.

Where the log has no full sketches, the two parts of the template bands, which every row carries, stand for the slots.
Each is the least of half the slots in 16 bits, so of a tenant's texts only those are seen in which a shingle of its
instruction is the least of a half; and a small group's tenants drown in a large log's chance agreements, one text in
65,536. Both err towards seeing none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from stillhunt.campaigns.log import Log, by_group, sql_list
from stillhunt.schema.requests import HARVESTED_CAPABILITIES, SKETCH_SLOTS

OWN = 0.8
"""Least share of the log's texts with a value that a group must send for the value to be its own."""
LEAST = 3
"""Least accounts, and least texts, that a value or a pair of values must have in the group."""
LEAST_SHARE = 0.03
"""Least share of a group's sketched exchanges that a tenant must send to be told."""
GROUP_TEXTS = 20_000
"""Most distinct prompts of a group that are looked at; of more, those with the lowest hashes."""
LOG_TEXTS = 200_000
"""About how many of the log's distinct prompts a group's values are looked for in; of more, a share by hash."""

_COUNT_OF = 32
"""One distinct text of so many is counted where only rows tell them."""
_EMPTY = 0xFFFFFFFF
_FILTER = 1 << 20


@dataclass(frozen=True)
class _Texts:
    """How a log's prompts can be compared: by full sketches, or by template bands. numbers: of a text; dtype: of each.
    sketch: SQL for a text's numbers as bytes, of ``source``, whose texts are told apart by ``text``."""

    numbers: int
    dtype: str
    source: str
    text: str
    sketch: str


_FULL = _Texts(SKETCH_SLOTS, "<u4", "sketches WHERE role = 'prompt'", "text_id", "sketch")
_BANDS = _Texts(2, "<u2", "exchanges WHERE prompt_sketch IS NOT NULL", "prompt_sketch", "prompt_sketch[1:4]")
_FIRST, _FEW, _PLAINLY = 16, 8, 2.0
"""Values are first looked for in one of _FIRST texts. Those that _FEW of these have, and at that rate _PLAINLY times as
many of the log as a group can own, are nobody's own and looked for no longer."""


@dataclass(frozen=True)
class Tenant:
    """One tenant of a group.

    requests: exchanges, scaled up where only a part of the group's texts was looked at; share: of the group's exchanges
    with a sketched prompt. accounts: of the group, that carry it; cover: their share of the group. harvested: share of
    its labelled exchanges that ask for what distillation is after; None without labels. capability: its commonest.
    """

    requests: int
    share: float
    accounts: int
    cover: float
    output_tokens: int
    harvested: float | None
    capability: str | None


def tenants(log: Log, groups: Sequence[NDArray[np.int32]]) -> list[tuple[Tenant, ...]] | None:
    """Tenants of every group, the largest first; None where the log has no prompts."""
    if "prompt_sketch" not in log.filled:
        return None
    texts = _FULL if log.sketched else _BANDS
    parts = _traffic(log, texts, groups)
    counts = _Everywhere(log, texts, parts)
    return [part.tenants(counts, len(group)) for part, group in zip(parts, groups, strict=True)]


class _Part:
    """The sketched traffic of one group. rows: account, exchanges, tokens and labels per text; ``text`` is the place of
    each row's text in ``keys``, shape (texts, numbers of each), which holds slot and value as one number, and in
    ``at``, which holds the place of each among the ``distinct`` ones. values: those that LEAST texts and LEAST accounts
    have, ascending, which stand at the places ``common``; number: the texts that have each; every: the inverse of the
    share of the group's texts that was looked at."""

    def __init__(self, texts: _Texts, rows: pa.Table) -> None:
        self.rows = rows
        codes = rows["code"].combine_chunks().dictionary_encode()
        self.text = codes.indices.to_numpy().astype(np.int64)
        first = np.unique(self.text, return_index=True)[1]
        self.keys = _keys(texts, rows["sketch"].combine_chunks().take(pa.array(first)))
        known, self.at, count = np.unique(self.keys, return_inverse=True, return_counts=True)
        self.at = self.at.reshape(self.keys.shape)
        common = (count >= LEAST) & (known & np.uint64(_EMPTY) != _EMPTY)
        account = rows["account"].to_numpy().astype(np.int64)
        row, slot = np.nonzero(common[self.at[self.text]]) if len(first) else (np.zeros(0, np.int64),) * 2
        people = int(account.max(initial=0)) + 1
        pairs = np.unique(self.at[self.text[row], slot] * people + account[row])
        senders = np.bincount(pairs // people, minlength=len(known))
        common &= senders >= LEAST
        self.distinct, self.common = len(known), np.flatnonzero(common)
        self.values, self.number = known[common], count[common]
        self.every = max(1.0, float(rows["texts"][0].as_py()) / len(first)) if len(first) else 1.0

    def tenants(self, everywhere: _Everywhere, accounts: int) -> tuple[Tenant, ...]:
        own = self.number * self.every >= OWN * everywhere.texts_with(self.values)
        if not own.any():
            return ()
        owned = self.common[own]
        place = np.full(self.distinct, -1)
        place[owned] = np.arange(len(owned))
        number = place[self.at]
        text, slot = np.nonzero(number >= 0)
        shape = (len(self.keys), len(owned))
        carried = coo_matrix((np.ones(len(text)), (text, number[text, slot])), shape=shape).tocsr()
        together = (carried.T @ carried).tocoo()
        tied = together.data >= LEAST
        edges = (together.data[tied], (together.row[tied], together.col[tied]))
        count, label = connected_components(coo_matrix(edges, shape=together.shape), directed=False)
        of_label = coo_matrix(
            (np.ones(len(label)), (np.arange(len(label)), label)), shape=(len(label), count)
        ).tocsr()
        weight = (carried @ of_label).toarray()
        tenant = np.where(weight.max(axis=1) > 0, weight.argmax(axis=1), -1)[self.text]
        return self._told(tenant, accounts)

    def _told(self, tenant: NDArray[np.int64], accounts: int) -> tuple[Tenant, ...]:
        n = self.rows["n"].to_numpy()
        total = n.sum()
        found = []
        for number in np.unique(tenant[tenant >= 0]):
            mine = tenant == number
            rows = self.rows.filter(pa.array(mine))
            share = float(n[mine].sum() / total)
            senders = len(pc.unique(rows["account"]))
            if share < LEAST_SHARE or senders < LEAST:
                continue
            labelled = pc.sum(rows["labelled"]).as_py()
            named = (
                rows.filter(pc.is_valid(rows["capability"])).group_by("capability").aggregate([("n", "sum")])
            )
            best = named.sort_by([("n_sum", "descending"), ("capability", "ascending")])
            found.append(
                Tenant(
                    round(float(n[mine].sum()) * self.every),
                    share,
                    senders,
                    senders / accounts,
                    round(float(pc.sum(rows["output_tokens"]).as_py() or 0) * self.every),
                    pc.sum(rows["harvested"]).as_py() / labelled if labelled else None,
                    best["capability"][0].as_py() if len(best) else None,
                )
            )
        return tuple(sorted(found, key=lambda t: (-t.requests, t.capability or "")))


class _Everywhere:
    """How many of the log's distinct prompts have each of some values; infinite for values that are plainly nobody's
    own, which the first texts show."""

    def __init__(self, log: Log, texts: _Texts, parts: Sequence[_Part]) -> None:
        asked = np.concatenate([part.values for part in parts]) if parts else np.zeros(0, dtype=np.uint64)
        self.known, place = np.unique(asked, return_inverse=True)
        most = np.zeros(len(self.known))
        if len(asked):
            np.maximum.at(most, place, np.concatenate([part.number * part.every for part in parts]))
        (size,) = log.engine.table(_size(texts)).to_pylist()
        every = max(1, size["n"] // LOG_TEXTS)
        self.count = np.zeros(len(self.known))
        first = f"identity_of({texts.text}) % {_FIRST * every} = 0"
        self.count += every * _counted(log, texts, self.known, first)
        plainly = (self.count >= _FEW * every) & (_FIRST * self.count > most / OWN * _PLAINLY)
        looked_for = np.flatnonzero(~plainly)
        rest = f"identity_of({texts.text}) % {every} = 0 AND NOT {first}"
        self.count[looked_for] += every * _counted(log, texts, self.known[looked_for], rest)
        self.count[plainly] = np.inf

    def texts_with(self, values: NDArray[np.uint64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = self.count[np.searchsorted(self.known, values)]
        return found


def _size(texts: _Texts) -> str:
    """SQL for about how many texts there are; of rows, the distinct ones of a share by hash are counted."""
    if texts is _FULL:
        return f"SELECT count(*) AS n FROM {texts.source}"
    return f"""
        SELECT {_COUNT_OF} * count(*) AS n FROM (
            SELECT DISTINCT {texts.text} AS text FROM {texts.source} AND identity_of({texts.text}) % {_COUNT_OF} = 0
        )
    """


def _counted(log: Log, texts: _Texts, known: NDArray[np.uint64], which: str) -> NDArray[np.int64]:
    """How many of the log's prompts for which an SQL condition holds have each of ``known``, ascending."""
    once = "" if texts is _FULL else f"DISTINCT {texts.text} AS text, "
    found = log.engine.mapped(
        f"SELECT {once}{texts.sketch} AS sketch FROM {texts.source} AND {which}",
        _Counting(texts, known),
        _COUNTED,
    )
    count = np.zeros(len(known), dtype=np.int64)
    np.add.at(count, found["place"].to_numpy(), found["n"].to_numpy())
    return count


_COUNTED = pa.schema([("place", pa.int64()), ("n", pa.int64())])


class _Counting:
    """A kernel from sketches, in the last column, to how many of them have which of ``known``, ascending, by place."""

    def __init__(self, texts: _Texts, known: NDArray[np.uint64]) -> None:
        self.texts = texts
        self.known = known
        self.low = np.uint64(_FILTER - 1)
        self.may_be = np.zeros(_FILTER, dtype=np.bool_)
        self.may_be[known & self.low] = True

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        keys = _keys(self.texts, batch.column(batch.num_columns - 1)).ravel()
        keys = keys[self.may_be[keys & self.low]]
        place = np.searchsorted(self.known, keys)
        place[place == len(self.known)] = 0
        found, n = np.unique(place[self.known[place] == keys], return_counts=True)
        return pa.record_batch([pa.array(found, pa.int64()), pa.array(n, pa.int64())], schema=_COUNTED)


def _keys(texts: _Texts, sketches: pa.Array) -> NDArray[np.uint64]:
    """Slot and value as one number, shape (texts, numbers of each)."""
    size = np.dtype(texts.dtype).itemsize * texts.numbers
    flat = np.frombuffer(sketches.cast(pa.binary(size)).buffers()[1], dtype=texts.dtype)
    start = sketches.offset * texts.numbers
    value = flat[start : start + len(sketches) * texts.numbers].astype(np.uint64).reshape(-1, texts.numbers)
    keys: NDArray[np.uint64] = np.arange(texts.numbers, dtype=np.uint64) << np.uint64(32) | value
    return keys


def _traffic(log: Log, texts: _Texts, groups: Sequence[NDArray[np.int32]]) -> list[_Part]:
    """Each group's exchanges with a sketched prompt, by account, text and capability."""
    log.engine.register("tenanted", by_group(groups))
    labelled = "capability" in log.filled
    tokens = "sum(output_tokens)" if "output_tokens" in log.filled else "0"
    known = "SELECT code, code[1:4] AS sketch FROM numbered GROUP BY code"
    if texts is _FULL:
        known = """
            SELECT code, min(sketch) AS sketch FROM sketches
            WHERE role = 'prompt' AND code IN (SELECT code FROM numbered) GROUP BY code"""
    rows = log.engine.table(
        f"""
        WITH sent AS (
            SELECT grp, account, prompt_sketch AS code, {"capability" if labelled else "NULL"} AS capability,
                count(*) AS n, {tokens} AS output_tokens
            FROM exchanges JOIN tenanted USING (account) WHERE prompt_sketch IS NOT NULL GROUP BY ALL
        ), numbered AS (
            SELECT grp, code, row_number() OVER (PARTITION BY grp ORDER BY identity_of(code), code) AS number,
                count(*) OVER (PARTITION BY grp) AS texts
            FROM (SELECT DISTINCT grp, code FROM sent)
        ), known AS ({known})
        SELECT grp, account, code, sketch, capability::VARCHAR AS capability, n::BIGINT AS n, texts,
            coalesce(output_tokens, 0)::BIGINT AS output_tokens,
            CASE WHEN capability IS NULL THEN 0 ELSE n END::BIGINT AS labelled,
            CASE WHEN capability IN {sql_list(HARVESTED_CAPABILITIES)} THEN n ELSE 0 END::BIGINT AS harvested
        FROM sent JOIN numbered USING (grp, code) JOIN known USING (code) WHERE number <= {GROUP_TEXTS}
        ORDER BY grp, code, account, capability
        """
    )
    log.engine.unregister("tenanted")
    bounds = np.searchsorted(rows["grp"].to_numpy(), np.arange(len(groups) + 1))
    return [_Part(texts, rows.slice(start, end - start)) for start, end in pairwise(bounds)]
