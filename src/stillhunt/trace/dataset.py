"""Was this data set made from our answers? Near copies of issued answers, row by row (spec/registry.md)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.campaigns import FLAG_MEMBERSHIP
from stillhunt.sketch.keys import SketchKey
from stillhunt.trace.registry.files import Registry
from stillhunt.trace.registry.lookup import FALSE_MATCH_RATE, LookedUp, look_up

CLOSE = 0.8
"""From this similarity on a text is a close copy, below an edited one."""
AS_LIKELY = 0.06
"""Standard error of a similarity: texts that lie so close to the best one cannot be told from it."""


@dataclass(frozen=True)
class Counts:
    """How many records there are; how many ``count`` (hold a text that is long enough); how many of these hold a copy:
    ``verbatim``, a ``close`` or an ``edited`` one at best. ``short_matches``: short texts that are like an issued one;
    ``cut``: texts of which not every posting was read."""

    records: int
    counted: int
    verbatim: int
    close: int
    edited: int
    short_matches: int
    cut: int

    @property
    def matching(self) -> int:
        """Records with a copy."""
        return self.verbatim + self.close + self.edited


@dataclass(frozen=True)
class Screened:
    """``rows``: a line for each text that is like an issued one. ``origins``: what a text that counts may have come
    from, one line for each issuing of the most similar texts. ``accounts``, ``campaigns``, ``sources``: sums of these.
    ``missing_keys``: texts that could not be compared, by key id."""

    counts: Counts
    rows: pa.Table
    origins: pa.Table
    accounts: pa.Table
    campaigns: pa.Table
    sources: pa.Table
    threshold: float
    false_match_rate: float
    missing_keys: dict[str, int]

    @property
    def expected_false(self) -> float:
        """How many unrelated records are expected to match, at most: section 4.1 of the specification."""
        return self.counts.counted * self.false_match_rate


def screen(
    registry: Registry,
    suspect: Iterable[pa.Table],
    keys: Sequence[SketchKey],
    engine: DuckDB,
    *,
    members: pa.Table | None = None,
    false_match_rate: float = FALSE_MATCH_RATE,
    threads: int = 0,
) -> Screened:
    """Looks up every answer of ``suspect``: tables of schema suspect.SUSPECT, none of which is held any longer.

    members: schema MEMBERS of a scan, for campaigns. Raises InputError where no segment of the registry is under one
    of ``keys``, or one is damaged.
    """
    found: list[LookedUp] = []
    asked: list[pa.Table] = []
    for chunk in suspect:
        texts = chunk["text"].combine_chunks()
        one = look_up(registry, texts, keys, false_match_rate=false_match_rate, threads=threads)
        first = sum(len(each.short) for each in found)
        places = {"asked": pa.array(first + np.arange(len(texts))), "short": pa.array(one.short)}
        asked.append(_with(chunk.drop_columns(["text"]), places))
        found.append(replace(one, matches=_moved(one.matches, first), issuings=_moved(one.issuings, first)))
    engine.register("matches", pa.concat_tables([one.matches for one in found]))
    engine.register("issuings", pa.concat_tables([one.issuings for one in found]))
    engine.register("asked", pa.concat_tables(asked))
    engine.register("members", _campaigns(members))
    engine.execute(_TABLES)
    made = {
        name: engine.table(f"SELECT * FROM {name}") for name in ("rows_", "origins", "accounts", "campaigns")
    }
    (sums,) = engine.table(_COUNTS).to_pylist()
    cut = sum(int(one.cut.sum()) for one in found)
    return Screened(
        Counts(**sums, cut=cut),
        made["rows_"],
        made["origins"],
        made["accounts"],
        made["campaigns"],
        engine.table(_SOURCES),
        found[0].threshold,
        false_match_rate,
        dict(found[0].missing_keys),
    )


def _moved(table: pa.Table, first: int) -> pa.Table:
    """The table of a chunk with ``asked``, which counts over all chunks, in place of ``row``."""
    return _with(table.drop_columns(["row"]), {"asked": pa.array(table["row"].to_numpy() + first)})


def _with(table: pa.Table, columns: dict[str, pa.Array]) -> pa.Table:
    for name, column in columns.items():
        table = table.append_column(name, column)
    return table


def _campaigns(members: pa.Table | None) -> pa.Table:
    if members is None:
        return pa.table({"account_id": pa.array([], pa.string()), "campaign_id": pa.array([], pa.string())})
    sure = members.filter(pa.compute.greater_equal(members["membership"], FLAG_MEMBERSHIP))
    return sure.select(["account_id", "campaign_id"])


_TABLES = f"""
CREATE OR REPLACE TEMP TABLE best AS
SELECT asked, max(similarity) AS similarity, bool_or(verbatim) AS verbatim, count(*) AS texts
FROM matches GROUP BY asked;

CREATE OR REPLACE TEMP TABLE likely AS
SELECT m.* FROM matches AS m JOIN best AS b USING (asked)
WHERE m.verbatim OR (NOT b.verbatim AND m.similarity >= b.similarity - {AS_LIKELY});

CREATE OR REPLACE TEMP TABLE origins AS
SELECT a.number, a.file, a.row, a.part, a.source, m.similarity, m.verbatim, i.account_id, c.campaign_id,
       i.time, lower(hex(i.receipt_id)) AS receipt_id
FROM likely AS m JOIN issuings AS i USING (asked, segment, text) JOIN asked AS a USING (asked)
LEFT JOIN members AS c USING (account_id)
ORDER BY a.number, a.part, m.similarity DESC, i.time, i.account_id, receipt_id, c.campaign_id;

CREATE OR REPLACE TEMP TABLE rows_ AS
SELECT a.number, a.file, a.row, a.part, a.source, b.similarity,
       CASE WHEN b.verbatim THEN 'verbatim' WHEN b.similarity >= {CLOSE} THEN 'close' ELSE 'edited' END AS copy,
       a.short, b.texts, l.issued, l.first, l.last
FROM best AS b JOIN asked AS a USING (asked)
JOIN (
  SELECT asked, sum(issued)::BIGINT AS issued, min(first) AS first, max(last) AS last FROM likely GROUP BY asked
) AS l USING (asked)
ORDER BY a.number, a.part;

CREATE OR REPLACE TEMP TABLE alone AS
SELECT number FROM origins GROUP BY number HAVING count(DISTINCT account_id) = 1;

CREATE OR REPLACE TEMP TABLE accounts AS
SELECT account_id, any_value(campaign_id) AS campaign_id, count(DISTINCT number) AS rows,
       count(DISTINCT number) FILTER (number IN (SELECT number FROM alone)) AS rows_alone,
       min(time) AS first, max(time) AS last
FROM origins GROUP BY account_id ORDER BY rows DESC, account_id;

CREATE OR REPLACE TEMP TABLE campaigns AS
SELECT campaign_id, count(DISTINCT account_id) AS accounts, count(DISTINCT number) AS rows,
       min(time) AS first, max(time) AS last
FROM origins WHERE campaign_id IS NOT NULL GROUP BY campaign_id ORDER BY rows DESC, campaign_id;

CREATE OR REPLACE TEMP TABLE records AS
SELECT a.number, any_value(a.source) AS source, bool_or(NOT a.short) AS counted,
       max(CASE WHEN a.short OR b.asked IS NULL THEN 0 WHEN b.verbatim THEN 3
                WHEN b.similarity >= {CLOSE} THEN 2 ELSE 1 END) AS copy
FROM asked AS a LEFT JOIN best AS b USING (asked) GROUP BY a.number;
"""

_COUNTS = """
SELECT count(*)::BIGINT AS records, count(*) FILTER (counted)::BIGINT AS counted,
       count(*) FILTER (copy = 3)::BIGINT AS verbatim, count(*) FILTER (copy = 2)::BIGINT AS close,
       count(*) FILTER (copy = 1)::BIGINT AS edited,
       (SELECT count(*) FROM rows_ WHERE short)::BIGINT AS short_matches
FROM records
"""

_SOURCES = """
SELECT source, count(*) AS rows, count(*) FILTER (counted) AS counted, count(*) FILTER (copy > 0) AS matching,
       count(*) FILTER (copy = 3) AS verbatim
FROM records WHERE source IS NOT NULL GROUP BY source ORDER BY matching DESC, source
"""
