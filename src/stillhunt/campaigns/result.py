"""From judged groups to campaigns: members, kinds, licences, harm, evidence tables and findings."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillhunt.campaigns import tables
from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.explain import Case, explain
from stillhunt.campaigns.judge import Group, Verdicts
from stillhunt.campaigns.kinds import KindVerdict, judge_kind
from stillhunt.campaigns.log import Log
from stillhunt.campaigns.membership import memberships
from stillhunt.campaigns.neighbours import Graph
from stillhunt.campaigns.profile import Profile, profiles
from stillhunt.campaigns.signals.model import MODEL
from stillhunt.campaigns.signals.signal import Artefacts, Signal
from stillhunt.campaigns.turns import Sessions, takes_turns
from stillhunt.schema.campaigns import CAMPAIGNS, FLAG_MEMBERSHIP, MEMBERS
from stillhunt.schema.digests import table_digest
from stillhunt.schema.findings import Finding

SMALLEST = 3
"""Members below which a group is no campaign."""
HARVEST_SHARE = 0.1
"""Share of a campaign's requests from which a capability counts as harvested."""

COVERED_BY_USE: Mapping[str, frozenset[str]] = {
    "synthetic_data": frozenset({"distillation", "evaluation", "unclear"}),
    "distillation": frozenset({"distillation", "evaluation", "unclear"}),
    "evaluation": frozenset({"distillation", "evaluation", "unclear"}),
    "resale": frozenset({"reseller", "unclear"}),
}
"""Which kinds of behaviour a licence covers."""


@dataclass(frozen=True)
class Scanned:
    """What the stages before the explanation found."""

    log: Log
    summary: pa.Table
    found: Sequence[tuple[Signal, Artefacts]]
    evidence: Evidence
    graph: Graph
    sessions: Sessions
    verdicts: Verdicts


@dataclass(frozen=True)
class Campaigns:
    """What a scan found. campaigns, members: schemas CAMPAIGNS and MEMBERS. evidence: the tables of EVIDENCE_TABLES by
    name. candidates: groups that were tested; families, signals, model: what they were tested on."""

    campaigns: pa.Table
    members: pa.Table
    evidence: Mapping[str, pa.Table]
    findings: tuple[Finding, ...]
    candidates: int
    families: tuple[str, ...]
    null_runs: int
    signals: tuple[Signal, ...]
    model: str


@dataclass(frozen=True)
class _Found:
    campaign_id: str
    group: Group
    accounts: NDArray[np.int32]
    membership: NDArray[np.float64]

    @property
    def members(self) -> NDArray[np.int32]:
        return self.accounts[self.membership >= FLAG_MEMBERSHIP]


def explained(scanned: Scanned, price_usd_per_mtok: float, inputs_digest: str) -> Campaigns:
    """Members, kinds and reasons of every group that passed, strongest first."""
    log, evidence = scanned.log, scanned.evidence
    people = log.engine.table("SELECT account_id, authorised_use FROM accounts ORDER BY account")
    ids, uses = people["account_id"].to_pylist(), people["authorised_use"].to_pylist()
    found = _with_members(scanned, ids)
    of_group, rest = profiles(log, scanned.summary, [f.members for f in found])
    kinds = [
        judge_kind(
            profile, rest, dict(zip(scanned.verdicts.families, f.group.evidence.tolist(), strict=True))
        )
        for f, profile in zip(found, of_group, strict=True)
    ]
    named = [tables.Named(f.campaign_id, f.members) for f in found]
    tables.register_members(log, named)
    names = {s: artefacts.names for s, (_, artefacts) in enumerate(scanned.found)}
    tabled = {
        "timeline": tables.timeline(log, named),
        "artefacts": tables.artefacts(log, evidence, names, named),
        "edges": tables.edges(log, evidence, scanned.graph, named),
        "harvest": tables.harvest(log),
    }
    log.engine.unregister("campaign_members")
    cited = {"inputs_digest": inputs_digest} | {name: table_digest(table) for name, table in tabled.items()}
    harvested = _harvested(tabled["harvest"])
    rows, members, findings = [], [], []
    for f, profile, kind in zip(found, of_group, kinds, strict=True):
        licensed = _licensed(f, kind, uses)
        rows.append(_campaign_row(f, profile, kind, harvested.get(f.campaign_id, []), price_usd_per_mtok))
        members += _member_rows(f, ids, licensed)
        of_campaign = [row for row in tabled["artefacts"].to_pylist() if row["campaign_id"] == f.campaign_id]
        turns = takes_turns(scanned.sessions, f.members)
        case = Case(f.campaign_id, f.group, profile, kind, of_campaign, turns, Counter(licensed.values()))
        findings += explain(case, rest, evidence, cited)
    return Campaigns(
        pa.Table.from_pylist(rows, schema=CAMPAIGNS).sort_by([("score", "descending")]),
        pa.Table.from_pylist(members, schema=MEMBERS),
        tabled,
        tuple(findings),
        scanned.verdicts.candidates,
        scanned.verdicts.families,
        scanned.verdicts.null_runs,
        evidence.signals,
        MODEL,
    )


def _with_members(scanned: Scanned, ids: Sequence[str]) -> list[_Found]:
    evidence = scanned.evidence
    taken = np.zeros(evidence.accounts, dtype=bool)
    found = []
    for group in scanned.verdicts.groups:
        accounts, membership = memberships(evidence, group.accounts, taken)
        sure = accounts[membership >= FLAG_MEMBERSHIP]
        if len(sure) < SMALLEST:
            continue
        taken[sure] = True
        found.append(_Found(_campaign_id([ids[i] for i in sure], scanned), group, accounts, membership))
    return found


def _campaign_id(members: Sequence[str], scanned: Scanned) -> str:
    """Stable for the same members and window."""
    first = min(scanned.summary["first_seen"].to_pylist())
    last = max(scanned.summary["last_seen"].to_pylist())
    content = "\n".join([f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}", *sorted(members)])
    return "c-" + hashlib.sha256(content.encode()).hexdigest()[:12]


def _licensed(f: _Found, kind: KindVerdict, uses: Sequence[str | None]) -> dict[int, str]:
    """Members whose licence covers the campaign's kind, with the licence."""
    return {
        int(i): use
        for i in f.accounts
        if (use := uses[i]) is not None and kind.kind in COVERED_BY_USE.get(use, frozenset())
    }


def _campaign_row(
    f: _Found, profile: Profile, kind: KindVerdict, harvested: list[str], price: float
) -> dict[str, object]:
    return {
        "campaign_id": f.campaign_id,
        "kind": kind.kind,
        "accounts": len(f.members),
        "requests": profile.requests,
        "first_seen": profile.first_seen,
        "last_seen": profile.last_seen,
        "q_value": f.group.q,
        "kind_confidence": kind.confidence,
        "score": f.group.score * (0.1 + kind.confidences["distillation"]),
        "harm": {
            "output_tokens": profile.output_tokens,
            "reasoning_tokens": profile.reasoning_tokens,
            "list_price_usd": profile.output_tokens / 1e6 * price,
        },
        "capabilities": harvested,
    }


def _member_rows(f: _Found, ids: Sequence[str], licensed: Mapping[int, str]) -> list[dict[str, object]]:
    return [
        {
            "account_id": ids[account],
            "campaign_id": f.campaign_id,
            "membership": 0.0 if int(account) in licensed else float(chance),
            "authorised_use": licensed.get(int(account)),
        }
        for account, chance in sorted(zip(f.accounts, f.membership, strict=True), key=lambda pair: -pair[1])
    ]


def _harvested(table: pa.Table) -> dict[str, list[str]]:
    """Per campaign, the capabilities that make up a tenth of it and more than their share elsewhere."""
    found: dict[str, list[str]] = {}
    for row in table.to_pylist():
        if row["share"] >= HARVEST_SHARE and row["share"] > row["background_share"]:
            found.setdefault(row["campaign_id"], []).append(row["capability"])
    return found
