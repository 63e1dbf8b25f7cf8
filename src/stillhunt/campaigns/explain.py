"""Findings of a campaign: facts that were counted, inferences with their null, counter-evidence, honest readings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.groups import Conduct
from stillhunt.campaigns.kinds import VERSION, KindVerdict
from stillhunt.campaigns.moves import hands_off
from stillhunt.campaigns.partition import Group
from stillhunt.campaigns.profile import Profile
from stillhunt.campaigns.signals.signal import stated_null
from stillhunt.campaigns.turns import keeps_time, takes_turns
from stillhunt.campaigns.urn import copied
from stillhunt.schema.campaigns import CHANNELS
from stillhunt.schema.findings import Finding

FOR_IT = 0.3
"""A trait that adds at least this to the kind's score is told as a fact for the kind, one that takes as much off it as
one against it."""
UNLIKELY = 0.01
"""p-value below which a test on a whole group is told."""


@dataclass(frozen=True)
class Case:
    """All that is known of one campaign when it is explained. artefacts: its rows of the table ARTEFACTS."""

    campaign_id: str
    group: Group
    members: NDArray[np.int32]
    profile: Profile
    kind: KindVerdict
    artefacts: Sequence[Mapping[str, Any]]
    conduct: Conduct
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
        if case.kind.adds(trait) >= FOR_IT:
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
    yield from _copies(case, evidence, cited)
    yield from _group_tests(case, cited)
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


def _copies(case: Case, evidence: Evidence, cited: Mapping[str, str]) -> Iterator[Finding]:
    """Signals in which members share several artefacts that differ, and the bet that they copy wins."""
    nats = copied(evidence, case.members)
    for s, signal in enumerate(evidence.signals):
        p = math.exp(-max(float(nats[s]), 0.0))
        sets, tied = _sets(evidence, case.members, s)
        if signal.weighs and sets > 1 and p < UNLIKELY:
            yield _finding(
                case,
                cited,
                claim=f"In {sets:,} sets, {tied:,} of {case.profile.accounts:,} accounts {signal.claim}.",
                statistic="log_e_value",
                null=signal.null,
                value=float(nats[s]),
                n=tied,
                method="copies",
                version="1",
                evidence={"log10_p": math.log10(max(p, 1e-300)), "sets": sets, "family": signal.family},
                role="inferred",
                channel=signal.channel,
            )


def _sets(evidence: Evidence, members: NDArray[np.int32], s: int) -> tuple[int, int]:
    """Artefacts of a signal that two or more members carry, and members that carry one of them."""
    links = np.concatenate([np.arange(evidence.indptr[i], evidence.indptr[i + 1]) for i in members])
    links = links[evidence.signal[evidence.artefact[links]] == s]
    carried, part, count = np.unique(evidence.artefact[links], return_inverse=True, return_counts=True)
    account = np.searchsorted(evidence.indptr, links, side="right")
    return int((count > 1).sum()), len(np.unique(account[count[part] > 1])) if len(carried) else 0


def _group_tests(case: Case, cited: Mapping[str, str]) -> Iterator[Finding]:
    """What the tests on whole groups show, where it is unlikely by chance."""
    sessions, moves = case.conduct.sessions, case.conduct.moves
    even, even_p, freedom = takes_turns(sessions, case.members)
    steady, steady_p, triples = keeps_time(sessions, case.members)
    after, mean, moved_p, moved = hands_off(moves, case.members)
    found = (
        (
            takes_turns,
            "index_of_dispersion",
            "timing",
            (even, even_p, freedom, 1.0),
            f"The accounts start equally many sessions each day: variance over mean is {even:.3f}, where independent "
            "users give 1 or more.",
        ),
        (
            keeps_time,
            "spread_of_intervals",
            "timing",
            (steady, steady_p, triples, 1.0),
            f"Together, the accounts start sessions at steady intervals: their spread is {steady:.2f} of what "
            "independent users give.",
        ),
        (
            hands_off,
            "pairs_that_hand_off",
            "hand_off",
            (float(after), moved_p, moved, mean),
            f"Of {moved:,} pairs of accounts that passed on a prompt within ten minutes, {after:,} did so after a "
            f"failure; {mean:.1f} were to be expected.",
        ),
    )
    for test, statistic, channel, (value, p, n, expected), claim in found:
        if n and p < UNLIKELY:
            yield _finding(
                case,
                cited,
                claim=claim,
                statistic=statistic,
                null=stated_null(test),
                value=value,
                n=n,
                method=test.__name__,
                version="1",
                evidence={"expected": expected, "log10_p": math.log10(max(p, 1e-300))},
                role="inferred",
                channel=channel,
            )


def _counter(case: Case, evidence: Evidence, cited: Mapping[str, str]) -> Iterator[Finding]:
    for trait in case.kind.traits:
        if case.kind.adds(trait) <= -FOR_IT:
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
