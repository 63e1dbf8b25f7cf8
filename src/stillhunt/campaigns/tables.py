"""The evidence tables that findings cite, made from judged groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.log import Log
from stillhunt.campaigns.neighbours import Graph
from stillhunt.campaigns.tenants import Tenant
from stillhunt.schema.campaigns import ARTEFACTS, EDGES, HARM_BY_MODEL, HARVEST, TENANTS, TIMELINE
from stillhunt.stats.bounds import chernoff_upper

BINS = 400
"""Most bins of a timeline."""
DRAWN_EDGES = 600
"""Strongest pairs of a campaign that are written for its picture."""
ARTEFACTS_PER_SIGNAL = 5
_STEPS_S = (600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 7 * 86_400)


@dataclass(frozen=True)
class Named:
    """A group under its campaign's name. members: account numbers with membership of at least one half."""

    campaign_id: str
    members: NDArray[np.int32]


def register_members(log: Log, named: Sequence[Named]) -> None:
    """Makes the table ``campaign_members`` (``campaign_id``, ``account``) visible to SQL."""
    log.engine.register(
        "campaign_members",
        pa.table(
            {
                "campaign_id": pa.array(
                    [group.campaign_id for group in named for _ in group.members], type=pa.string()
                ),
                "account": np.concatenate(
                    [group.members for group in named] or [np.zeros(0, dtype=np.int32)]
                ),
            }
        ),
    )


def timeline(log: Log, named: Sequence[Named]) -> pa.Table:
    """Schema TIMELINE: complete, equal bins, as short as BINS of them allow. Needs ``campaign_members``."""
    (span,) = log.engine.table(
        "SELECT (epoch_us(max(time)) - epoch_us(min(time))) / 1e6 AS seconds FROM exchanges"
    ).to_pylist()
    step = next((s for s in _STEPS_S if span["seconds"] / s < BINS), _STEPS_S[-1])
    return log.engine.table(
        f"""
        WITH binned AS (
            SELECT time_bucket(INTERVAL {step} SECOND, time) AS bin, account, count(*) AS n FROM exchanges GROUP BY ALL
        ), bins AS (
            SELECT unnest(generate_series(
                (SELECT min(bin) FROM binned), (SELECT max(bin) FROM binned), INTERVAL {step} SECOND)) AS bin
        ), background AS (
            SELECT bin, sum(n) AS n, count(*) AS accounts FROM binned
            WHERE account NOT IN (SELECT account FROM campaign_members) GROUP BY bin
        ), own AS (
            SELECT campaign_id, bin, sum(n) AS n, count(*) AS accounts
            FROM binned JOIN campaign_members USING (account) GROUP BY ALL
        )
        SELECT c.campaign_id, bins.bin AS time, coalesce(own.n, 0)::BIGINT AS requests,
            coalesce(own.accounts, 0) AS active_accounts, coalesce(background.n, 0)::BIGINT AS background_requests,
            coalesce(background.accounts, 0) AS background_accounts
        FROM (SELECT DISTINCT campaign_id FROM campaign_members) AS c CROSS JOIN bins
        LEFT JOIN own ON own.bin = bins.bin AND own.campaign_id = c.campaign_id
        LEFT JOIN background ON background.bin = bins.bin ORDER BY c.campaign_id, time
        """
    ).cast(TIMELINE)


def harvest(log: Log) -> pa.Table:
    """Schema HARVEST. Needs ``campaign_members``."""
    if "capability" not in log.filled:
        return HARVEST.empty_table()
    tokens = "coalesce(sum(output_tokens), 0)::BIGINT" if "output_tokens" in log.filled else "0::BIGINT"
    return log.engine.table(
        f"""
        WITH background AS (
            SELECT capability, count(*) / sum(count(*)) OVER () AS share FROM exchanges
            WHERE capability IS NOT NULL AND account NOT IN (SELECT account FROM campaign_members) GROUP BY capability
        ), own AS (
            SELECT campaign_id, capability, count(*) AS requests, {tokens} AS output_tokens
            FROM exchanges JOIN campaign_members USING (account) WHERE capability IS NOT NULL GROUP BY ALL
        )
        SELECT campaign_id, capability, requests, output_tokens,
            requests / sum(requests) OVER (PARTITION BY campaign_id) AS share,
            coalesce(background.share, 0) AS background_share
        FROM own LEFT JOIN background USING (capability) ORDER BY campaign_id, share DESC, capability
        """
    ).cast(HARVEST)


def harm(log: Log, price_usd_per_mtok: float) -> pa.Table:
    """Schema HARM_BY_MODEL, the dearest first. Needs ``campaign_members``.

    price_usd_per_mtok: list price, US dollars per million output tokens.
    """
    has = log.filled.__contains__
    capability, model = ((name if has(name) else "NULL::VARCHAR") for name in ("capability", "model"))
    tokens = "coalesce(output_tokens, 0)::BIGINT" if has("output_tokens") else "0::BIGINT"
    reasoned = "coalesce(reasoning, FALSE)" if has("reasoning") else "FALSE"
    return log.engine.table(
        f"""
        WITH own AS (
            SELECT campaign_id, {capability} AS capability, {model} AS model, {tokens} AS tokens, {reasoned} AS reasoned
            FROM exchanges JOIN campaign_members USING (account)
        )
        SELECT campaign_id, capability, model, count(*) AS requests, sum(tokens)::BIGINT AS output_tokens,
            coalesce(sum(tokens) FILTER (reasoned), 0)::BIGINT AS reasoning_tokens,
            sum(tokens) / 1e6 * {price_usd_per_mtok!r} AS list_price_usd
        FROM own GROUP BY campaign_id, capability, model
        ORDER BY campaign_id, output_tokens DESC, requests DESC, capability, model
        """
    ).cast(HARM_BY_MODEL)


def artefacts(log: Log, evidence: Evidence, names: Mapping[int, str], named: Sequence[Named]) -> pa.Table:
    """Schema ARTEFACTS: per campaign and signal, the artefacts most concentrated among its members, strongest first.

    names: per signal, the SQL that gives artefacts their names.
    """
    rows: dict[str, list[object]] = {name: [] for name in ARTEFACTS.names}
    for group in named:
        for a, inside, expected, nats in _concentrated(evidence, group.members):
            signal = evidence.signals[evidence.signal[a]]
            where = (group.campaign_id, signal.channel, signal.name)
            values = (*where, str(a), inside, int(evidence.popularity[a]), expected, -nats / np.log(10))
            for name, value in zip(ARTEFACTS.names, values, strict=True):
                rows[name].append(value)
    words = artefact_names(log, evidence, names, [int(str(a)) for a in rows["artefact"]])
    rows["artefact"] = [words[int(str(a))] for a in rows["artefact"]]
    return pa.table(rows, schema=ARTEFACTS).sort_by([("campaign_id", "ascending"), ("log10_p", "ascending")])


def _concentrated(evidence: Evidence, members: NDArray[np.int32]) -> list[tuple[int, int, float, float]]:
    """Artefact, members with it, expected members and nats of evidence."""
    links = np.concatenate([np.arange(evidence.indptr[i], evidence.indptr[i + 1]) for i in members])
    carried, part, inside = np.unique(evidence.artefact[links], return_inverse=True, return_counts=True)
    rate = np.bincount(part, weights=evidence.rate[links]) / inside
    signal = evidence.signal[carried]
    activity = evidence.activity[members]
    busy, active = activity.sum(axis=0)[signal], (activity > 0).sum(axis=0)[signal]
    expected = np.minimum(active, rate * busy)
    nats = chernoff_upper(inside, expected)
    chosen = []
    for s in range(len(evidence.signals)):
        mine = np.flatnonzero((signal == s) & (nats > np.log(20.0)) & (inside > 1))
        strongest = mine[np.argsort(-nats[mine], kind="stable")][:ARTEFACTS_PER_SIGNAL]
        chosen += [(int(carried[k]), int(inside[k]), float(expected[k]), float(nats[k])) for k in strongest]
    return chosen


def artefact_names(
    log: Log, evidence: Evidence, names: Mapping[int, str], wanted: Sequence[int]
) -> dict[int, str]:
    """Words for artefacts. names: per signal, the SQL that gives them; of a signal without, artefacts have none."""
    words: dict[int, str] = {}
    distinct = np.unique(np.array(wanted, dtype=np.int64))
    for s, sql in names.items():
        mine = distinct[evidence.signal[distinct] == s] if len(distinct) else distinct
        if not len(mine):
            continue
        identity = {int(evidence.artefact_id[a]): int(a) for a in mine}
        log.engine.register("wanted", pa.table({"artefact": pa.array(list(identity), type=pa.int64())}))
        for row in log.engine.table(sql).to_pylist():
            words[identity[row["artefact"]]] = row["name"]
        log.engine.unregister("wanted")
    return words


def edges(log: Log, evidence: Evidence, graph: Graph, named: Sequence[Named]) -> pa.Table:
    """Schema EDGES: the strongest ties between members of a campaign."""
    channel_of_family = [
        sorted({signal.channel for signal in evidence.signals if signal.family == family})
        for family in evidence.families
    ]
    ids = log.engine.table("SELECT account_id FROM account_numbers ORDER BY account")[
        "account_id"
    ].to_pylist()
    rows: dict[str, list[object]] = {name: [] for name in EDGES.names}
    for group in named:
        inside = np.zeros(evidence.accounts, dtype=bool)
        inside[group.members] = True
        source = np.repeat(np.arange(evidence.accounts), np.diff(graph.indptr))
        ties = np.flatnonzero(inside[source] & inside[graph.neighbour] & (source < graph.neighbour))
        for tie in ties[np.argsort(-graph.weight[ties], kind="stable")][:DRAWN_EDGES]:
            agreeing = [f for f in range(len(evidence.families)) if graph.families[tie] >> f & 1]
            rows["campaign_id"].append(group.campaign_id)
            rows["account_a"].append(ids[source[tie]])
            rows["account_b"].append(ids[graph.neighbour[tie]])
            rows["weight"].append(float(graph.weight[tie]))
            rows["channels"].append(sorted({channel for f in agreeing for channel in channel_of_family[f]}))
    return pa.table(rows, schema=EDGES)


def tenants(found: Iterable[tuple[str, Sequence[Tenant] | None]]) -> pa.Table:
    """Schema TENANTS, from each campaign's id and its tenants."""
    rows = [
        {"campaign_id": campaign_id, "tenant": number} | asdict(tenant)
        for campaign_id, group in found
        for number, tenant in enumerate(group or (), 1)
    ]
    return pa.Table.from_pylist(rows, schema=TENANTS)
