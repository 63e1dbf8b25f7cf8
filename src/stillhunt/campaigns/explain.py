"""Findings of a campaign: facts that were counted, inferences with their null, counter-evidence, honest readings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.judge import Group
from stillhunt.campaigns.kinds import VERSION, KindVerdict
from stillhunt.campaigns.profile import Profile
from stillhunt.campaigns.signals.signal import stated_null
from stillhunt.campaigns.turns import takes_turns
from stillhunt.schema.campaigns import CHANNELS
from stillhunt.schema.findings import Finding

FOR_IT = 0.4
"""A trait of at least this strength is told as a fact for the kind, one below its negative as one against it."""


@dataclass(frozen=True)
class Case:
    """All that is known of one campaign when it is explained. artefacts: its rows of the table ARTEFACTS."""

    campaign_id: str
    group: Group
    profile: Profile
    kind: KindVerdict
    artefacts: Sequence[Mapping[str, Any]]
    turns: tuple[float, float, int]
    licensed: Mapping[str, int]
    """How many members are licensed, per ``authorised_use``."""


def explain(case: Case, rest: Profile, evidence: Evidence, cited: Mapping[str, str]) -> list[Finding]:
    """Every finding of a case. ``cited``: ``inputs_digest`` and, per evidence table, its digest."""
    return [
        *_observed(case, cited),
        *_inferred(case, evidence, cited),
        *_counter(case, evidence, cited),
        *_readings(case, rest, cited),
    ]


def _finding(case: Case, cited: Mapping[str, str], **fields: Any) -> Finding:
    given = {"null": "", "version": VERSION, "evidence": {}, "channel": ""} | fields
    return Finding(subject={"campaign": case.campaign_id}, inputs_digest=cited["inputs_digest"], **given)


def _observed(case: Case, cited: Mapping[str, str]) -> Iterator[Finding]:
    profile = case.profile
    yield _finding(
        case,
        cited,
        claim=f"{profile.accounts:,} accounts sent {profile.requests:,} requests, "
        f"{profile.per_account_day:.1f} per account and active day.",
        statistic="requests",
        value=float(profile.requests),
        n=profile.accounts,
        method="profile",
        role="observed",
    )
    if profile.output_tokens:
        yield _finding(
            case,
            cited,
            claim=f"{profile.output_tokens:,} output tokens left, {profile.reasoning_tokens:,} of them with extended "
            "reasoning.",
            statistic="output_tokens",
            value=float(profile.output_tokens),
            n=profile.requests,
            method="profile",
            role="observed",
            channel="outcome",
        )
    for trait in case.kind.traits:
        if trait.value >= FOR_IT and trait.name not in ("evades", "takes_turns", "declared", "trial"):
            yield _finding(
                case,
                cited,
                claim=_sentence(trait.words),
                statistic=trait.name,
                value=trait.value,
                n=profile.requests,
                method="kinds",
                role="observed",
                channel="outcome",
            )


def _inferred(case: Case, evidence: Evidence, cited: Mapping[str, str]) -> Iterator[Finding]:
    signals = {signal.name: signal for signal in evidence.signals}
    told: set[str] = set()
    for row in case.artefacts:
        if row["signal"] in told:
            continue
        told.add(row["signal"])
        signal = signals[row["signal"]]
        yield _finding(
            case,
            cited,
            claim=f"{row['members']:,} of {case.profile.accounts:,} accounts {signal.claim} ({row['artefact']}), which "
            f"{row['accounts'] - row['members']:,} other accounts of the log share.",
            statistic="members_with_artefact",
            null=signal.null,
            value=float(row["members"]),
            n=case.profile.accounts,
            method=signal.name,
            version=signal.version,
            evidence={
                "expected": row["expected"],
                "log10_p": row["log10_p"],
                "family": signal.family,
                "table": "evidence/artefacts.parquet",
                "digest": cited["artefacts"],
            },
            role="inferred",
            channel=signal.channel,
        )
    ratio, p, freedom = case.turns
    if freedom and p < 0.05:
        yield _finding(
            case,
            cited,
            claim=f"The accounts start equally many sessions each day: variance over mean is {ratio:.3f}, where "
            "independent users give 1 or more.",
            statistic="index_of_dispersion",
            null=stated_null(takes_turns),
            value=ratio,
            n=freedom,
            method="takes_turns",
            version="1",
            evidence={"expected": 1.0, "log10_p": math.log10(max(p, 1e-300))},
            role="inferred",
            channel="timing",
        )
    families = dict(zip((*evidence.families, "timing"), case.group.evidence.tolist(), strict=True))
    yield _finding(
        case,
        cited,
        claim="Independent families of evidence agree on these accounts beyond what null logs produce.",
        statistic="nats_beyond_the_strongest_family",
        null="Families of evidence fall on accounts independently of one another, given how busy an account is, its "
        "country and whether it is new.",
        value=case.group.score,
        n=case.profile.accounts,
        method="judge",
        version="1",
        evidence={"q_value": case.group.q, "nats": {name: round(nats, 3) for name, nats in families.items()}},
        role="inferred",
    )
    yield _finding(
        case,
        cited,
        claim=f"What the accounts do fits {case.kind.kind.replace('_', ' ')} best.",
        statistic="kind_confidence",
        null="",
        value=case.kind.confidence,
        n=case.profile.requests,
        method="kinds",
        evidence={name: round(value, 4) for name, value in case.kind.confidences.items()},
        role="inferred",
    )


def _counter(case: Case, evidence: Evidence, cited: Mapping[str, str]) -> Iterator[Finding]:
    for trait in case.kind.traits:
        if trait.value <= -FOR_IT and trait.name not in ("declared", "trial"):
            yield _finding(
                case,
                cited,
                claim=_sentence(trait.words),
                statistic=trait.name,
                value=trait.value,
                n=case.profile.requests,
                method="kinds",
                role="counter",
                channel="outcome",
            )
    speaking = {row["signal"] for row in case.artefacts}
    for channel in CHANNELS:
        signals = [signal for signal in evidence.signals if signal.channel == channel]
        if signals and not any(signal.name in speaking for signal in signals):
            words = " or ".join(signal.claim for signal in signals)
            yield _finding(
                case,
                cited,
                claim=f"No rare artefact ties the accounts here: no unusual number of them {words}.",
                statistic="artefacts",
                null=signals[0].null,
                value=0.0,
                n=case.profile.accounts,
                method=signals[0].name,
                version=signals[0].version,
                role="counter",
                channel=channel,
            )


def _readings(case: Case, rest: Profile, cited: Mapping[str, str]) -> Iterator[Finding]:
    for claim, value in _considered(case, rest):
        yield _finding(
            case,
            cited,
            claim=claim,
            statistic="share",
            value=value,
            n=case.profile.accounts,
            method="readings",
            role="reading",
        )


def _considered(case: Case, rest: Profile) -> Iterator[tuple[str, float]]:
    profile = case.profile
    if profile.same_org is not None:
        fits = "fits" if profile.same_org > 0.5 else "does not fit"
        yield (
            f"One customer with many accounts {fits}: {profile.same_org:.0%} of the accounts declare one organisation.",
            profile.same_org,
        )
    if profile.repeats is not None:
        fits = "fits" if profile.repeats > 0.3 else "does not fit"
        yield (
            f"A shared course, benchmark or test suite {fits}: {profile.repeats:.0%} of an account's prompts were sent "
            "by another account of the group too.",
            profile.repeats,
        )
    popular = [row for row in case.artefacts if row["channel"] == "content"]
    if popular:
        outside = popular[0]["accounts"] - popular[0]["members"]
        fits = "fits" if outside > profile.accounts else "does not fit"
        yield (
            f"A popular tool used by strangers {fits}: {outside:,} accounts outside the group carry its commonest "
            "template.",
            float(outside),
        )
    if profile.turns is not None and rest.turns is not None:
        fits = "fits" if profile.turns > 0.7 * rest.turns else "does not fit"
        yield (
            f"People in conversation {fits}: {profile.turns:.1f} requests per session, {rest.turns:.1f} elsewhere.",
            profile.turns,
        )
    for use, members in sorted(case.licensed.items()):
        yield (
            f"A licence for {use.replace('_', ' ')} covers {members:,} of the accounts; they are listed, not flagged.",
            members / max(profile.accounts, 1),
        )


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:] + "."
