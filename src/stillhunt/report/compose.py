"""Composes the document from a scan's tables and findings."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from stillhunt.report.document import (
    FORMAT,
    Artefact,
    Campaign,
    Channel,
    Claim,
    Document,
    Edge,
    Harm,
    Harvest,
    Loss,
    Made,
    Member,
    Scanned,
    Signal,
    Standing,
    Tenant,
)
from stillhunt.report.doubts import doubts
from stillhunt.report.result import Result, Run
from stillhunt.report.when import when
from stillhunt.report.wording import KIND_MEANINGS, counted, kind_label, label, listed, period, share
from stillhunt.schema.campaigns import CHANNELS, FLAG_MEMBERSHIP
from stillhunt.schema.coverage import SIGNAL_NEEDS
from stillhunt.schema.findings import Finding

Row = dict[str, Any]

_SMALL_FACTS = ("expected", "log10_p", "table", "digest")
"""Keys of a finding's evidence that the document holds in fields of their own."""
_MOST_NAMED = 3


def compose(result: Result) -> Document:
    """The report of one scan. Campaigns of the kind distillation come first, each kind by falling score; members by
    falling membership."""
    scanned = _scanned(result.run)
    campaigns = _campaigns(result, scanned.channels)
    flagged = {m.account_id for campaign in campaigns for m in campaign.members if m.standing == "flagged"}
    return Document(
        format=FORMAT,
        verdict=_verdict(campaigns, len(flagged), scanned.accounts),
        lead=_lead(campaigns, scanned),
        notices=_notices(result),
        flagged=len(flagged),
        scanned=scanned,
        campaigns=campaigns,
        made=_made(result),
    )


def _campaigns(result: Result, channels: Sequence[Channel]) -> tuple[Campaign, ...]:
    rows = sorted(
        result.campaigns.to_pylist(),
        key=lambda row: (row["kind"] != "distillation", -(row["score"] or 0.0), row["campaign_id"]),
    )
    members = _by_campaign(result.members)
    evidence = {name: _by_campaign(table) for name, table in result.evidence.items()}
    claims: dict[str, list[tuple[Finding, Claim]]] = defaultdict(list)
    for finding in result.findings:
        claims[finding.subject.get("campaign", "")].append((finding, _claim(finding, result.digests)))
    campaigns_of: dict[str, list[str]] = defaultdict(list)
    for campaign_id, those in members.items():
        for member in those:
            campaigns_of[member["account_id"]].append(campaign_id)
    anchors = _anchors([row["campaign_id"] for row in rows])
    return tuple(
        _campaign(
            row,
            (rank, anchor),
            sorted(
                (_member(member, row["kind"], campaigns_of) for member in members[row["campaign_id"]]),
                key=lambda member: (-member.membership, member.account_id),
            ),
            claims[row["campaign_id"]],
            {name: tables[row["campaign_id"]] for name, tables in evidence.items()},
            channels,
        )
        for rank, (row, anchor) in enumerate(zip(rows, anchors, strict=True), start=1)
    )


def _campaign(
    row: Row,
    place: tuple[int, str],
    members: Sequence[Member],
    claims: Sequence[tuple[Finding, Claim]],
    evidence: Mapping[str, Sequence[Row]],
    channels: Sequence[Channel],
) -> Campaign:
    def of(role: str) -> list[Claim]:
        return [claim for finding, claim in claims if finding.role == role]

    inferred = sorted(of("inferred"), key=lambda claim: 0.0 if claim.log10_p is None else claim.log10_p)
    harvest = _harvest(evidence["harvest"])
    return Campaign(
        rank=place[0],
        anchor=place[1],
        **{
            name: row[name]
            for name in ("campaign_id", "kind", "accounts", "requests", "first_seen", "last_seen")
        },
        kind_confidence=_real(row["kind_confidence"]),
        q_value=_real(row["q_value"]),
        score=_real(row["score"]),
        flagged=sum(1 for member in members if member.standing == "flagged"),
        licensed=sum(1 for member in members if member.standing == "licensed"),
        harm=Harm(**(row["harm"] or dict.fromkeys(("output_tokens", "reasoning_tokens", "list_price_usd")))),
        capabilities=tuple(row["capabilities"] or ()),
        summary=_summary(row, harvest) + _operator(evidence["operators"]),
        when=when(evidence["timeline"]),
        edges=tuple(
            Edge(edge["account_a"], edge["account_b"], edge["weight"], tuple(edge["channels"] or ()))
            for edge in sorted(
                evidence["edges"], key=lambda edge: (-edge["weight"], edge["account_a"], edge["account_b"])
            )
        ),
        harvest=harvest,
        losses=_losses(evidence["harm"]),
        tenants=tuple(
            Tenant(**_of_campaign(tenant))
            for tenant in sorted(evidence["tenants"], key=lambda row: int(row["tenant"]))
        ),
        observed=tuple(of("observed")),
        inferred=tuple(inferred),
        counter=tuple(of("counter")),
        readings=tuple(of("reading")),
        artefacts=tuple(
            Artefact(**_of_campaign(artefact))
            for artefact in sorted(evidence["artefacts"], key=lambda a: (a["log10_p"], a["artefact"]))
        ),
        members=tuple(members),
        doubts=doubts(row, members, inferred, channels),
    )


def _by_campaign(table: pa.Table) -> defaultdict[str, list[Row]]:
    rows: defaultdict[str, list[Row]] = defaultdict(list)
    for row in table.to_pylist():
        rows[row["campaign_id"]].append(row)
    return rows


def _anchors(campaign_ids: Sequence[str]) -> list[str]:
    """A distinct fragment identifier for each, which stays the same while the campaign's id does."""
    anchors: list[str] = []
    for rank, campaign_id in enumerate(campaign_ids, start=1):
        anchor = "campaign-" + re.sub(r"[^A-Za-z0-9]+", "-", campaign_id).strip("-")
        anchors.append(f"{anchor}-{rank}" if anchor in anchors else anchor)
    return anchors


def _member(member: Row, kind: str, campaigns_of: Mapping[str, Sequence[str]]) -> Member:
    standing: Standing = "flagged"
    if member["authorised_use"] is not None:
        standing = "licensed"
    elif kind != "distillation":
        standing = "other_kind"
    elif member["membership"] < FLAG_MEMBERSHIP:
        standing = "below"
    others = (c for c in campaigns_of[member["account_id"]] if c != member["campaign_id"])
    return Member(
        account_id=member["account_id"],
        membership=member["membership"],
        standing=standing,
        authorised_use=member["authorised_use"],
        also_in=tuple(others),
    )


def _claim(finding: Finding, digests: Mapping[str, str]) -> Claim:
    table, digest = finding.evidence.get("table"), finding.evidence.get("digest")
    intact = None
    if table is not None and digest is not None:
        intact = digests.get(str(table)) == str(digest).removeprefix("sha256:")
    return Claim(
        text=finding.claim,
        statistic=finding.statistic,
        null=finding.null,
        value=finding.value,
        n=finding.n,
        expected=_optional(finding.evidence.get("expected")),
        log10_p=_optional(finding.evidence.get("log10_p")),
        channel=finding.channel,
        method=finding.method,
        version=finding.version,
        facts={name: fact for name, fact in finding.evidence.items() if name not in _SMALL_FACTS},
        table=None if table is None else str(table),
        digest=None if digest is None else str(digest),
        intact=intact,
    )


def _of_campaign(row: Row) -> Row:
    """A row of an evidence table without the campaign that it is of."""
    return {name: value for name, value in row.items() if name != "campaign_id"}


def _harvest(rows: Sequence[Row]) -> tuple[Harvest, ...]:
    return tuple(
        Harvest(
            **_of_campaign(row),
            ratio=row["share"] / row["background_share"] if row["background_share"] else None,
        )
        for row in sorted(rows, key=lambda row: (-row["share"], row["capability"]))
    )


def _losses(rows: Sequence[Row]) -> tuple[Loss, ...]:
    """The dearest first."""
    return tuple(
        Loss(**_of_campaign(row))
        for row in sorted(
            rows, key=lambda row: (-row["output_tokens"], row["capability"] or "", row["model"] or "")
        )
    )


def _summary(row: Row, harvest: Sequence[Harvest]) -> str:
    wanted = listed([f"{label(part.capability)} ({share(part.share)})" for part in harvest[:_MOST_NAMED]])
    asked = f", most of them for {wanted}" if wanted else ""
    kind = kind_label(row["kind"]).lower()
    meaning = KIND_MEANINGS.get(row["kind"], "")
    judged = (
        f"What for could not be established: {meaning}."
        if row["kind"] == "unclear"
        else f"Their behaviour fits {kind} best: {meaning}."
        if meaning
        else f"Their behaviour fits {kind} best."
    )
    same_day = row["first_seen"].date() == row["last_seen"].date()
    time = f"{'On' if same_day else 'From'} {period(row['first_seen'], row['last_seen'], joint='to')}"
    return (
        f"{counted(row['accounts'], 'account')} are judged to act as one. {time} they sent "
        f"{counted(row['requests'], 'request')}{asked}. {judged}"
    )


def _operator(rows: Sequence[Row]) -> str:
    """With which campaigns this one is probably one operator's, the surest first; empty without any."""
    if not rows:
        return ""
    others = [
        row["with_campaign"] for row in sorted(rows, key=lambda row: (-row["nats"], row["with_campaign"]))
    ]
    more = [f"{len(others) - _MOST_NAMED:,} more"] if len(others) > _MOST_NAMED else []
    named = listed([*others[:_MOST_NAMED], *more])
    return (
        f" Probably the same operator as {named}: that is an inference, and what was counted for it, what speaks "
        "against it and its honest reading stand with the evidence."
    )


def _verdict(campaigns: Sequence[Campaign], flagged: int, accounts: int) -> str:
    of = counted(accounts, "account")
    if not campaigns:
        return f"No campaign found among {of}"
    hostile = sum(1 for campaign in campaigns if campaign.kind == "distillation")
    if hostile == 0:
        return f"No distillation found among {of}, and {counted(len(campaigns), 'campaign')} of other kinds"
    flags = f"{counted(flagged, 'account')} flagged" if flagged else "no account flagged"
    return f"{counted(hostile, 'distillation campaign')}: {flags} out of {accounts:,}"


def _lead(campaigns: Sequence[Campaign], scanned: Scanned) -> str:
    on = [c for c in scanned.channels if any(signal.active for signal in c.signals)]
    groups = (
        ""
        if scanned.candidates_tested is None
        else f" {counted(scanned.candidates_tested, 'group')} of accounts {_was(scanned.candidates_tested)} tested on "
        f"{counted(len(on), 'channel')} of evidence."
    )
    read = (
        f"{counted(scanned.requests, 'request')} of {counted(scanned.accounts, 'account')} {_was(scanned.requests)} "
        f"scanned for accounts that act as one.{groups}"
    )
    if not campaigns:
        return (
            f"{read} None stood out from what chance makes of a log like this one. This does not show that there "
            "is no campaign: it shows that none left a trace in what could be seen, which is listed below."
        )
    others = sum(1 for campaign in campaigns if campaign.kind != "distillation")
    besides = ""
    if 0 < others < len(campaigns):
        besides = f" {counted(others, 'campaign')} of other kinds {'is' if others == 1 else 'are'} listed after them."
    return (
        f"{read} A campaign is a set of accounts that act as one; what they act for is a second, separate judgement. "
        f"Only members of campaigns of the kind distillation are flagged.{besides}"
    )


def _was(n: int) -> str:
    return "was" if n == 1 else "were"


def _notices(result: Result) -> tuple[str, ...]:
    notices = []
    run = result.run
    if run.rows_rejected:
        of = f" of {run.rows_read:,}" if run.rows_read is not None else ""
        reasons = [
            f"{reason} ({n:,})" for reason, n in sorted(run.rejected_reasons.items(), key=lambda r: -r[1])
        ]
        why = f" Reasons: {'; '.join(reasons)}." if reasons else " rejected.jsonl says why."
        rows = f"{run.rows_rejected:,}{of} row{'' if run.rows_rejected == 1 else 's'}"
        notices.append(
            f"Partial input: {rows} could not be used and {_was(run.rows_rejected)} left out.{why}"
        )
    notices += [
        f"{name} is missing from the result, so the parts of this report that need it are empty."
        for name in result.absent
    ]
    for finding in result.findings:
        claim = _claim(finding, result.digests)
        if claim.intact is False:
            notice = f"{claim.table} is not the file that the findings cite: its SHA-256 differs."
            if notice not in notices:
                notices.append(notice)
    return tuple(notices)


def _scanned(run: Run) -> Scanned:
    notes = {note.channel: note for note in run.channels}
    known = {name: need.channel for name, need in SIGNAL_NEEDS.items()}
    names = dict.fromkeys([*run.coverage.active, *run.coverage.missing])
    channels = []
    present = {known.get(name, "") for name in names} | set(notes)
    for channel in [*CHANNELS, *sorted(present - set(CHANNELS))]:
        signals = tuple(
            Signal(name, name in run.coverage.active, run.coverage.missing.get(name, ()))
            for name in names
            if known.get(name, "") == channel
        )
        note = notes.get(channel)
        channels.append(
            Channel(channel, signals, note.tested if note else None, note.calibration if note else "")
        )
    return Scanned(
        accounts=run.accounts,
        requests=run.requests,
        first=run.first,
        last=run.last,
        rows_read=run.rows_read,
        rows_rejected=run.rows_rejected,
        rejected_reasons=run.rejected_reasons,
        candidates_tested=run.candidates_tested,
        channels=tuple(channels),
        sparse={name: part for name, part in sorted(run.coverage.filled.items()) if 0 < part < 1},
    )


def _made(result: Result) -> Made:
    run = result.run
    return Made(run.versions, run.settings, run.inputs_digest, run.stages, result.digests)


def _real(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)
