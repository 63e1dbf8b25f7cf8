"""What a group does, beside what the rest of the log does: the observed facts that kinds and findings rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillhunt.campaigns.log import Log, by_group
from stillhunt.campaigns.tenants import Tenant, tenants

_FEW_BLOCKS = 10.0
"""Signed reasoning blocks of a group that are taken to have stayed on one account each, beside those it carried."""


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
    parallel: float
    """Share of pairs of accounts whose times in use overlap: near 0 where one account follows another."""
    one_card: float | None
    """Share of accounts on the group's commonest payment instrument."""
    one_domain: float | None
    """Share of accounts on the group's commonest mail domain, where that domain is rare outside the group."""
    elicits: float | None
    """Share of labelled exchanges that ask for reasoning to be shown or for answers to be graded."""
    tenants: tuple[Tenant, ...] | None
    """Parts of the group's traffic that one text runs through which hardly anybody else sends."""
    refused: float | None
    """Share of exchanges that were refused."""
    one_place: float | None
    """Share of accounts seen at the group's commonest address or on its commonest device."""
    replayed: float | None
    """Accounts beyond the first that carried a signed reasoning block, per block; of few blocks, drawn towards none."""


def profiles(
    log: Log, summary: pa.Table, groups: Sequence[NDArray[np.int32]]
) -> tuple[list[Profile], Profile]:
    """A profile per group, and one of all accounts in no group."""
    inside = np.zeros(log.accounts, dtype=bool)
    for group in groups:
        inside[group] = True
    rest = np.flatnonzero(~inside).astype(np.int32)
    all_groups = [*groups, rest if len(rest) else np.arange(log.accounts, dtype=np.int32)]
    log.engine.register("grouped", by_group(all_groups))
    texts = _text_facts(log)
    people = _account_facts(log)
    log.engine.unregister("grouped")
    shared = tenants(log, groups)
    of_group = [None] * len(all_groups) if shared is None else [*shared, ()]
    made = [
        _profile(log, summary.take(pa.array(group)), texts.get(g, {}), people.get(g, {}), of_group[g])
        for g, group in enumerate(all_groups)
    ]
    return made[:-1], made[-1]


def _profile(
    log: Log,
    rows: pa.Table,
    texts: dict[str, float],
    people: dict[str, float],
    shared: tuple[Tenant, ...] | None,
) -> Profile:
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
        parallel=_overlap(rows),
        one_card=people.get("one_card"),
        one_domain=people.get("one_domain"),
        elicits=ratio("capability", column("elicited").sum(), column("labelled").sum()),
        tenants=shared,
        refused=ratio("finish_reason", column("refused").sum(), requests),
        one_place=texts.get("one_place"),
        replayed=texts.get("replayed"),
    )


def _overlap(rows: pa.Table) -> float:
    """Share of pairs whose spans from first to last exchange overlap; 1 for a single account."""
    first = np.sort(rows["first_seen"].cast(pa.int64()).to_numpy())
    last = np.sort(rows["last_seen"].cast(pa.int64()).to_numpy())
    pairs = len(first) * (len(first) - 1) / 2
    apart = np.searchsorted(last, first, side="left").sum()
    return float(1.0 - apart / pairs) if pairs else 1.0


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
    if "reasoning_signature" in log.filled:
        add(
            f"""
            WITH blocks AS (
                SELECT grp, count(DISTINCT account) AS n FROM exchanges JOIN grouped USING (account)
                WHERE reasoning_signature IS NOT NULL GROUP BY grp, reasoning_signature
            )
            SELECT grp, sum(n - 1) / (count(*) + {_FEW_BLOCKS}) AS replayed FROM blocks GROUP BY grp
            """
        )
    for place in ("client_ip", "device_id"):
        if place in log.filled:
            add(
                f"""
                WITH seen AS (
                    SELECT grp, {place} AS place, count(DISTINCT account) AS n
                    FROM exchanges JOIN grouped USING (account) WHERE {place} IS NOT NULL GROUP BY ALL
                ), sizes AS (SELECT grp, count(*) AS size FROM grouped GROUP BY grp)
                SELECT grp, max(n) / any_value(size) AS one_place FROM seen JOIN sizes USING (grp) GROUP BY grp
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
        ), cards AS (
            SELECT grp, payment_fingerprint AS card, count(*) AS n
            FROM accounts JOIN grouped USING (account) GROUP BY ALL
        ), largest_card AS (
            SELECT grp, max(n) FILTER (card IS NOT NULL) / sum(n) AS one_card FROM cards GROUP BY grp
        ), mail AS (
            SELECT grp, email_domain AS domain, count(*) AS n FROM accounts JOIN grouped USING (account) GROUP BY ALL
        ), known AS (
            SELECT email_domain AS domain, count(*) AS everywhere FROM accounts GROUP BY ALL
        ), largest_domain AS (
            SELECT grp, max(n) FILTER (domain IS NOT NULL AND n > everywhere / 2) / sum(n) AS one_domain
            FROM mail LEFT JOIN known USING (domain) GROUP BY grp
        )
        SELECT grp, any_value(same_org) AS same_org, any_value(one_card) AS one_card,
            any_value(one_domain) AS one_domain, avg((verification IN ('contract', 'identity'))::INTEGER) AS contract,
            avg((verification = 'none')::INTEGER) AS unverified,
            avg((plan IN ('free', 'trial'))::INTEGER) AS free
        FROM accounts JOIN grouped USING (account) JOIN largest USING (grp) JOIN largest_card USING (grp)
            JOIN largest_domain USING (grp) GROUP BY grp
        """
    ).to_pylist()
    unknown = {
        name
        for name, column in (
            ("same_org", "org_id"),
            ("one_card", "payment_fingerprint"),
            ("one_domain", "email_domain"),
        )
        if column not in log.account_columns
    }
    return {
        row["grp"]: {
            name: float(value)
            for name, value in row.items()
            if name != "grp" and value is not None and name not in unknown
        }
        for row in rows
    }
