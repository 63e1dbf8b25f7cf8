"""One row per account: how busy it is, what it asks for, and how it goes about it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillhunt.campaigns.log import Log, sql_list
from stillhunt.schema.requests import HARVESTED_CAPABILITIES


def summarise(log: Log) -> pa.Table:
    """A row per account, in the order of account numbers.

    Columns: ``account``, ``requests``, ``first_seen``, ``last_seen``, ``active_days``, ``hours`` (distinct hours of
    the day), ``sessions``, ``answered`` (status 200 and no refusal, or unknown), ``refused``, ``failed`` (403, 429,
    5xx), ``input_tokens``, ``output_tokens``, ``cached_input_tokens``, ``reasoning`` (exchanges), ``reasoning_tokens``
    (output tokens of those), ``capped`` (finished by length), ``tooled``, ``harvested`` and ``labelled`` (exchanges
    with a capability that distillation is after; with any), ``texts`` (distinct prompts), ``systems`` (distinct system
    prompts), ``models``, ``addresses``. Counts are 0 where the log lacks the column.
    """
    has = log.filled.__contains__

    def count_if(column: str, condition: str) -> str:
        return f"count(*) FILTER ({condition})" if has(column) else "0"

    def distinct(column: str, expression: str) -> str:
        return f"count(DISTINCT {expression})" if has(column) else "0"

    def total(column: str, condition: str = "TRUE") -> str:
        return f"coalesce(sum({column}) FILTER ({condition}), 0)::BIGINT" if has(column) else "0"

    refused = "finish_reason = 'refusal'"
    return log.engine.table(
        f"""
        SELECT account, count(*) AS requests, min(time) AS first_seen, max(time) AS last_seen,
            count(DISTINCT time_bucket(INTERVAL 1 DAY, time)) AS active_days,
            count(DISTINCT hour(time)) AS hours,
            {distinct("session_id", "session_id")} AS sessions,
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
            {"count(capability)" if has("capability") else "0"} AS labelled,
            {distinct("prompt_sketch", "prompt_sketch")} AS texts,
            {distinct("system_sketch", "system_sketch")} AS systems,
            {distinct("model", "model")} AS models,
            {distinct("client_ip", "client_ip")} AS addresses
        FROM exchanges GROUP BY account ORDER BY account
        """
    )


def strata(log: Log, summary: pa.Table) -> NDArray[np.int64]:
    """A number per account; null logs trade only within one. Accounts of a stratum are alike in what honestly ties
    families together: how busy they are, the country, and whether they were registered within the window."""
    country = (
        _codes(log, "country") if "country" in log.account_columns else np.zeros(log.accounts, dtype=np.int64)
    )
    busy = np.floor(np.log2(summary["requests"].to_numpy())).astype(np.int64) // 2
    young = log.engine.table(
        """
        SELECT account, coalesce(created_at >= (SELECT min(time) FROM exchanges), FALSE)::INTEGER AS young
        FROM accounts ORDER BY account
        """
    )["young"].to_numpy()
    return (country * 64 + busy) * 2 + young.astype(np.int64)


def _codes(log: Log, column: str) -> NDArray[np.int64]:
    values = log.engine.table(f"SELECT {column} AS value FROM accounts ORDER BY account")["value"]
    encoded = values.combine_chunks().dictionary_encode()
    return encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(zero_copy_only=False).astype(np.int64)
