"""What a group does, beside what the rest of the log does: the observed facts that kinds and findings rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillhunt.campaigns.log import Log


@dataclass(frozen=True)
class Profile:
    """Counts and shares of one group. Shares lie in [0, 1]; None where the log cannot tell."""

    accounts: int
    requests: int
    first_seen: datetime
    last_seen: datetime
    output_tokens: int
    reasoning_tokens: int
    per_account_day: float
    """Exchanges per account and day on which it was active."""
    lifetime_days: float
    """Median days from the first to the last exchange of an account."""
    harvested: float | None
    """Share of labelled exchanges that ask for a capability which distillation is after."""
    turns: float | None
    """Exchanges per session."""
    cached: float | None
    """Share of input tokens served from a cache."""
    output_mean: float | None
    """Output tokens per exchange."""
    reasoning: float | None
    """Share of exchanges that ask for extended reasoning."""
    failed: float | None
    """Share of exchanges that failed with 403, 429, 5xx or a refusal."""
    repeats: float | None
    """Share of the distinct prompts of an account that another account of the group sent too."""
    template: float | None
    """Share of exchanges that carry the group's commonest prompt template or system prompt."""
    systems: float | None
    """Distinct system prompts per account."""
    same_org: float | None
    """Share of accounts in the group's commonest declared organisation."""
    contract: float | None
    """Share of accounts verified by contract or identity."""
    unverified: float | None
    """Share of accounts without any verification, of those where it is known."""
    free: float | None
    """Share of accounts on a free or trial plan, of those where it is known."""
    hours: float
    """Share of the 24 hours of the day in which the group is active."""


def profiles(
    log: Log, summary: pa.Table, groups: Sequence[NDArray[np.int32]]
) -> tuple[list[Profile], Profile]:
    """A profile per group, and one of all accounts in no group."""
    inside = np.zeros(log.accounts, dtype=bool)
    for group in groups:
        inside[group] = True
    rest = np.flatnonzero(~inside).astype(np.int32)
    all_groups = [*groups, rest if len(rest) else np.arange(log.accounts, dtype=np.int32)]
    log.engine.register(
        "grouped",
        pa.table(
            {
                "grp": np.repeat(np.arange(len(all_groups), dtype=np.int32), [len(g) for g in all_groups]),
                "account": np.concatenate(all_groups),
            }
        ),
    )
    texts = _text_facts(log)
    people = _account_facts(log)
    log.engine.unregister("grouped")
    made = [
        _profile(log, summary.take(pa.array(group)), texts.get(g, {}), people.get(g, {}))
        for g, group in enumerate(all_groups)
    ]
    return made[:-1], made[-1]


def _profile(log: Log, rows: pa.Table, texts: dict[str, float], people: dict[str, float]) -> Profile:
    def column(name: str) -> NDArray[np.float64]:
        return np.asarray(rows[name].to_numpy(), dtype=np.float64)

    def ratio(column_there: str, above: float, below: float) -> float | None:
        return above / below if column_there in log.filled and below > 0 else None

    requests = float(column("requests").sum())
    first, last = rows["first_seen"].to_pylist(), rows["last_seen"].to_pylist()
    lifetimes = [(end - begin).total_seconds() / 86_400 for begin, end in zip(first, last, strict=True)]
    failures = "status" in log.filled or "finish_reason" in log.filled
    return Profile(
        accounts=len(rows),
        requests=int(requests),
        first_seen=min(first),
        last_seen=max(last),
        output_tokens=int(column("output_tokens").sum()),
        reasoning_tokens=int(column("reasoning_tokens").sum()),
        per_account_day=requests / max(float(column("active_days").sum()), 1.0),
        lifetime_days=float(np.median(lifetimes)),
        harvested=ratio("capability", column("harvested").sum(), column("labelled").sum()),
        turns=ratio("session_id", requests, column("sessions").sum()),
        cached=ratio(
            "cached_input_tokens", column("cached_input_tokens").sum(), column("input_tokens").sum()
        ),
        output_mean=ratio("output_tokens", column("output_tokens").sum(), requests),
        reasoning=ratio("reasoning", column("reasoning").sum(), requests),
        failed=float((column("failed") + column("refused")).sum() / requests) if failures else None,
        repeats=texts.get("repeats"),
        template=texts.get("template"),
        systems=ratio("system_sketch", column("systems").sum(), len(rows)),
        same_org=people.get("same_org"),
        contract=people.get("contract"),
        unverified=people.get("unverified"),
        free=people.get("free"),
        hours=float(texts.get("hours", 0.0)),
    )


def _text_facts(log: Log) -> dict[int, dict[str, float]]:
    facts: dict[int, dict[str, float]] = {}

    def add(sql: str) -> None:
        for row in log.engine.table(sql).to_pylist():
            group = facts.setdefault(row.pop("grp"), {})
            for name, value in row.items():
                if value is not None:
                    group[name] = max(float(value), group.get(name, 0.0))

    add(
        """
        SELECT grp, count(DISTINCT hour(time)) / 24.0 AS hours
        FROM exchanges JOIN grouped USING (account) GROUP BY grp
        """
    )
    if "prompt_sketch" in log.filled:
        add(
            """
            WITH senders AS (
                SELECT grp, prompt_sketch, count(DISTINCT account) AS senders
                FROM exchanges JOIN grouped USING (account) WHERE prompt_sketch IS NOT NULL GROUP BY grp, prompt_sketch
            )
            SELECT grp, sum(senders) FILTER (senders > 1) / sum(senders) AS repeats FROM senders GROUP BY grp
            """
        )
        for facts_of_group in facts.values():
            facts_of_group.setdefault("repeats", 0.0)
    for column, band in (("prompt_sketch", "prompt_sketch[1:4]"), ("system_sketch", "system_sketch")):
        if column in log.filled:
            add(
                f"""
                WITH bands AS (
                    SELECT grp, {band} AS band, count(*) AS n FROM exchanges JOIN grouped USING (account) GROUP BY ALL
                )
                SELECT grp, max(n) FILTER (band IS NOT NULL) / sum(n) AS template FROM bands GROUP BY grp
                """
            )
    return facts


def _account_facts(log: Log) -> dict[int, dict[str, float]]:
    rows = log.engine.table(
        """
        WITH orgs AS (
            SELECT grp, org_id, count(*) AS n FROM accounts JOIN grouped USING (account) GROUP BY ALL
        ), largest AS (
            SELECT grp, max(n) FILTER (org_id IS NOT NULL) / sum(n) AS same_org FROM orgs GROUP BY grp
        )
        SELECT grp, any_value(same_org) AS same_org,
            avg((verification IN ('contract', 'identity'))::INTEGER) AS contract,
            avg((verification = 'none')::INTEGER) AS unverified,
            avg((plan IN ('free', 'trial'))::INTEGER) AS free
        FROM accounts JOIN grouped USING (account) JOIN largest USING (grp) GROUP BY grp
        """
    ).to_pylist()
    known = bool(log.account_columns & {"org_id"})
    return {
        row["grp"]: {
            name: float(value)
            for name, value in row.items()
            if name != "grp" and value is not None and (name != "same_org" or known)
        }
        for row in rows
    }
