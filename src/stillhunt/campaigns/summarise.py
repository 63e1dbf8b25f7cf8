"""One row per account: how busy it is, what it asks for, and how it goes about it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillhunt.campaigns.log import Log, commonest, sql_list
from stillhunt.schema.requests import HARVESTED_CAPABILITIES


def summarise(log: Log) -> pa.Table:
    """A row per account, in the order of account numbers.

    Columns: ``account``, ``requests``, ``first_seen``, ``last_seen``, ``active_days``, ``hours`` (distinct hours of
    the day), ``sessions``, ``answered`` (status 200 and no refusal, or unknown), ``refused``, ``failed`` (403, 429,
    5xx), ``input_tokens``, ``output_tokens``, ``cached_input_tokens``, ``reasoning`` (exchanges), ``reasoning_tokens``
    (output tokens of those), ``capped`` (finished by length), ``tooled``, ``harvested``, ``elicited`` and ``labelled``
    (exchanges with a capability that distillation is after; that ask for reasoning or for grades; with any), ``texts``
    (distinct prompts), ``systems`` (distinct system prompts), ``models``, ``addresses``. Counts are 0 where the log
    lacks the column.
    """
    has = log.filled.__contains__

    def count_if(column: str, condition: str) -> str:
        return f"count(*) FILTER ({condition})" if has(column) else "0"

    def total(column: str, condition: str = "TRUE") -> str:
        return f"coalesce(sum({column}) FILTER ({condition}), 0)::BIGINT" if has(column) else "0"

    refused = "finish_reason = 'refusal'"
    distinct = {"active_days": "epoch_us(time) // 86400000000"} | {
        name: column
        for name, column in {
            "sessions": "session_id",
            "texts": "prompt_sketch",
            "systems": "system_sketch",
            "models": "model",
            "addresses": "client_ip",
        }.items()
        if has(column)
    }

    def count_of(name: str) -> str:
        return f"coalesce({name}.n, 0)" if name in distinct else "0"

    # Distinct values are counted in two stages, pairs first: many accounts' sets at once would not fit in memory.
    counts = "".join(
        f"""
        LEFT JOIN (
            SELECT account, count(*) AS n
            FROM (SELECT DISTINCT account, {value} AS value FROM exchanges WHERE {value} IS NOT NULL) GROUP BY account
        ) AS {name} USING (account)"""
        for name, value in distinct.items()
    )
    return log.engine.table(
        f"""
        WITH busy AS (
            SELECT account, count(*) AS requests, min(time) AS first_seen, max(time) AS last_seen,
                bit_count(bit_or(1::BIGINT << hour(time)))::BIGINT AS hours,
                {count_if("finish_reason", refused)} AS refused,
                {count_if("status", "status IN (403, 429) OR status >= 500")} AS failed,
                {total("input_tokens")} AS input_tokens,
                {total("output_tokens")} AS output_tokens,
                {total("cached_input_tokens")} AS cached_input_tokens,
                {count_if("reasoning", "reasoning")} AS reasoning,
                {total("output_tokens", "reasoning") if has("reasoning") else "0"} AS reasoning_tokens,
                {count_if("finish_reason", "finish_reason = 'length'")} AS capped,
                {count_if("tools", "tools > 0")} AS tooled,
                {count_if("capability", f"capability IN {sql_list(HARVESTED_CAPABILITIES)}")} AS harvested,
                {count_if("capability", "capability IN ('reasoning_traces', 'grading')")} AS elicited,
                {"count(capability)" if has("capability") else "0"} AS labelled
            FROM exchanges GROUP BY account
        )
        SELECT account, requests, first_seen, last_seen, {count_of("active_days")} AS active_days, hours,
            {count_of("sessions")} AS sessions, refused, failed, input_tokens, output_tokens, cached_input_tokens,
            reasoning, reasoning_tokens, capped, tooled, harvested, elicited, labelled,
            {count_of("texts")} AS texts, {count_of("systems")} AS systems, {count_of("models")} AS models,
            {count_of("addresses")} AS addresses
        FROM busy {counts} ORDER BY account
        """
    )


def strata(log: Log, summary: pa.Table) -> NDArray[np.int64]:
    """A number per account; null logs trade only within one.

    Accounts of a stratum are alike in what honestly ties families together: whether they were registered within the
    window, and how busy they are (the country is part of the weights). A level that would leave a stratum with fewer
    than a twentieth of the log (at least 100 accounts) is not told apart, because a group that fills its stratum would
    be traded with itself.
    """
    young = log.engine.table(
        """
        SELECT account, coalesce(created_at >= (SELECT min(time) FROM exchanges), FALSE)::INTEGER AS young
        FROM accounts ORDER BY account
        """
    )["young"].to_numpy()
    least = max(100, log.accounts // 20)
    numbers = _merged(np.asarray(young, dtype=np.int64), least)
    requests = summary["requests"].to_numpy()
    busy = np.searchsorted(np.quantile(requests, [1 / 3, 2 / 3]), requests, side="left")
    return _split(numbers, np.asarray(busy, dtype=np.int64), least)


def _split(numbers: NDArray[np.int64], level: NDArray[np.int64], least: int) -> NDArray[np.int64]:
    """Strata split by a level; within each, the parts below ``least`` accounts stay together."""
    result = np.zeros_like(numbers)
    for number in np.unique(numbers):
        mine = numbers == number
        result[mine] = _merged(level[mine], least) + result.max() + 1
    return result


def _merged(level: NDArray[np.int64], least: int) -> NDArray[np.int64]:
    """Levels as numbers from 0; those of fewer than ``least`` accounts share one, which takes in the next smallest
    until it is large enough too."""
    values, part, count = np.unique(level, return_inverse=True, return_counts=True)
    order = np.argsort(count, kind="stable")
    together = int(np.searchsorted(np.cumsum(count[order]), least)) + 1
    together = max(together, int((count < least).sum()))
    number = np.empty(len(values), dtype=np.int64)
    number[order[:together]] = 0
    number[order[together:]] = np.arange(1, len(values) - together + 1)
    return number[part]


def countries(log: Log) -> NDArray[np.int64]:
    """Per account a number for its country: as declared, else the commonest of its exchanges; 0 where unknown."""
    declared = "country" if "country" in log.account_columns else "NULL::VARCHAR"
    seen = (
        commonest("country")
        if "country" in log.filled
        else "SELECT account, NULL::VARCHAR AS country FROM accounts"
    )
    values = log.engine.table(
        f"""
        SELECT coalesce(a.country, e.country) AS country
        FROM (SELECT account, {declared} AS country FROM accounts) AS a
        LEFT JOIN ({seen}) AS e USING (account)
        ORDER BY account
        """
    )["country"]
    codes = values.combine_chunks().dictionary_encode().indices
    return np.asarray(codes.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int64) + 1
