"""From judged groups to campaigns: members, kinds, licences, harm, evidence tables and findings."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stillhunt.campaigns import tables
from stillhunt.campaigns.attribution import Actor, attribute
from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.explain import Case, explain
from stillhunt.campaigns.groups import Conduct
from stillhunt.campaigns.grow import Space
from stillhunt.campaigns.judge import Verdicts
from stillhunt.campaigns.kinds import KindVerdict, judge_kind
from stillhunt.campaigns.log import Log
from stillhunt.campaigns.membership import memberships
from stillhunt.campaigns.neighbours import Graph
from stillhunt.campaigns.operators import explain_ties, may_be_compared, operators, to_name
from stillhunt.campaigns.partition import Group
from stillhunt.campaigns.profile import Profile, profiles
from stillhunt.campaigns.signals.model import MODEL
from stillhunt.campaigns.signals.signal import Artefacts, Signal
from stillhunt.schema.campaigns import CAMPAIGNS, FLAG_MEMBERSHIP, MEMBERS
from stillhunt.schema.digests import table_digest
from stillhunt.schema.findings import Finding
from stillhunt.stats.fdr import benjamini_hochberg

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
    conduct: Conduct
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
class Grouped:
    """A group under its campaign's name: its accounts, and the membership of each."""

    campaign_id: str
    group: Group
    accounts: NDArray[np.int32]
    membership: NDArray[np.float64]

    @property
    def members(self) -> NDArray[np.int32]:
        return self.accounts[self.membership >= FLAG_MEMBERSHIP]


@dataclass(frozen=True)
class _Found(Grouped):
    profile: Profile
    kind: KindVerdict


def explained(scanned: Scanned, price_usd_per_mtok: float, inputs_digest: str) -> Campaigns:
    """Members, kinds and reasons of every group that passed, strongest first."""
    log, evidence = scanned.log, scanned.evidence
    people = log.engine.table("SELECT account_id, authorised_use FROM accounts ORDER BY account")
    ids, uses = people["account_id"].to_pylist(), people["authorised_use"].to_pylist()
    found, rest = _with_kinds(scanned, with_members(scanned, ids))
    named = [tables.Named(f.campaign_id, f.members) for f in found]
    tables.register_members(log, named)
    names = {s: artefacts.names for s, (_, artefacts) in enumerate(scanned.found)}
    tabled = {
        "timeline": tables.timeline(log, named),
        "artefacts": tables.artefacts(log, evidence, names, named),
        "edges": tables.edges(log, evidence, scanned.graph, named),
        "harvest": tables.harvest(log),
        "harm": tables.harm(log, price_usd_per_mtok),
        "tenants": tables.tenants((f.campaign_id, f.profile.tenants) for f in found),
    }
    actors = [
        Actor(
            f.campaign_id,
            f.kind.kind,
            f.members,
            may_be_compared(f.kind.kind, len(f.members), len(_licensed(f, uses))),
        )
        for f in found
    ]
    ties = attribute(log, evidence, scanned.summary, actors, scanned.verdicts.level)
    words = tables.artefact_names(log, evidence, names, to_name(evidence, ties))
    tabled["operators"] = operators(evidence, actors, ties, words)
    log.engine.unregister("campaign_members")
    cited = {"inputs_digest": inputs_digest} | {name: table_digest(table) for name, table in tabled.items()}
    harvested = _harvested(tabled["harvest"])
    shared: dict[str, list[Mapping[str, object]]] = {}
    for row in tabled["artefacts"].to_pylist():
        shared.setdefault(row["campaign_id"], []).append(row)
    rows, members, findings = [], [], []
    for f in found:
        licensed = _licensed(f, uses)
        rows.append(_campaign_row(f, harvested.get(f.campaign_id, []), price_usd_per_mtok))
        members += _member_rows(f, ids, licensed)
        alike = shared.get(f.campaign_id, [])
        covered = Counter(licensed.values())
        case = Case(f.campaign_id, f.group, f.members, f.profile, f.kind, alike, scanned.conduct, covered)
        findings += explain(case, rest, evidence, cited)
    findings += explain_ties(evidence, actors, ties, words, cited)
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


def _with_kinds(scanned: Scanned, grouped: Sequence[Grouped]) -> tuple[list[_Found], Profile]:
    """Groups with their profiles and kinds, and the profile of accounts in no group.

    Every kind answers for its own false discoveries: a group passes only where it would among the groups of its kind
    alone. Otherwise a hundred well-founded teams would pay for one ill-founded accusation.
    """
    verdicts = scanned.verdicts
    profiled, rest = profiles(scanned.log, scanned.summary, [g.members for g in grouped])
    kinds = [
        judge_kind(profile, rest, dict(zip(verdicts.families, g.group.evidence.tolist(), strict=True)))
        for g, profile in zip(grouped, profiled, strict=True)
    ]
    q = np.ones(len(grouped))
    for name in {kind.kind for kind in kinds}:
        alike = [i for i, kind in enumerate(kinds) if kind.kind == name]
        p = np.array([grouped[i].group.p for i in alike])
        q[alike] = benjamini_hochberg(p, tested=verdicts.candidates)
    found = [
        _Found(
            g.campaign_id, replace(g.group, q=float(q[i])), g.accounts, g.membership, profiled[i], kinds[i]
        )
        for i, g in enumerate(grouped)
        if q[i] <= verdicts.level
    ]
    return found, rest


def with_members(scanned: Scanned, ids: Sequence[str]) -> list[Grouped]:
    """Groups that pass, with memberships; an account is a member of one at most."""
    evidence = scanned.evidence
    first, last = (
        function(scanned.summary[name]).as_py()
        for function, name in ((pc.min, "first_seen"), (pc.max, "last_seen"))
    )
    window = f"{first:%Y-%m-%d}\n{last:%Y-%m-%d}"
    taken = np.zeros(evidence.accounts, dtype=bool)
    space = Space(evidence)
    found = []
    for group in scanned.verdicts.groups:
        accounts, membership = memberships(space, group.accounts, taken)
        sure = accounts[membership >= FLAG_MEMBERSHIP]
        if len(sure) < SMALLEST:
            continue
        taken[sure] = True
        found.append(Grouped(_campaign_id([ids[i] for i in sure], window), group, accounts, membership))
    return found


def _campaign_id(members: Sequence[str], window: str) -> str:
    """Stable for the same members and window."""
    return "c-" + hashlib.sha256("\n".join([window, *sorted(members)]).encode()).hexdigest()[:12]


def _licensed(f: _Found, uses: Sequence[str | None]) -> dict[int, str]:
    """Members whose licence covers the campaign's kind, with the licence."""
    return {
        int(i): use
        for i in f.accounts
        if (use := uses[i]) is not None and f.kind.kind in COVERED_BY_USE.get(use, frozenset())
    }


def _campaign_row(f: _Found, harvested: list[str], price: float) -> dict[str, object]:
    profile, kind = f.profile, f.kind
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
