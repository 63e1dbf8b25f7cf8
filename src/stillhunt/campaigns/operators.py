"""From ties between campaigns to operators: the table, and the findings of each campaign that is tied."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse

from stillhunt.campaigns.attribution import COMPARED, LEAST_NATS, SUCCESSION, Actor, Tie, links_among
from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.successions import NULL as SUCCESSION_NULL
from stillhunt.campaigns.successions import Succession
from stillhunt.schema.campaigns import OPERATORS
from stillhunt.schema.findings import Finding

VERSION = "1"
METHOD = "attribution"
MOST_TOLD = 2
"""Artefacts of a family that are told of a pair."""
TABLE = "evidence/operators.parquet"

NULL = (
    "Campaigns and other accounts draw what they use from this log independently of one another: what an account of "
    "one campaign uses is as likely to be met on an account of any other actor."
)
READING = (
    "Two customers of one seller (of cards, mail domains, exits or ready-made prompts) look alike too, as do two "
    "operators whom one ban sends to the same market. It fits the less, the more families agree that no one seller "
    "serves: here {families}."
)


def operators(
    evidence: Evidence, actors: Sequence[Actor], ties: Sequence[Tie], words: Mapping[int, str]
) -> pa.Table:
    """Schema OPERATORS: two rows per tie, the surest first. words: names of the artefacts that ``to_name`` lists."""
    names = _operator_ids(actors, ties)
    rows = [
        {
            "operator_id": names[tie.a],
            "campaign_id": actors[one].campaign_id,
            "with_campaign": actors[other].campaign_id,
            "nats": tie.nats,
            "q_value": tie.q,
            "families": [
                {"family": name, "nats": nats}
                for name, nats in sorted(tie.families.items(), key=lambda pair: -pair[1])
            ],
            "reasons": [claim for claim, _ in _reasons(evidence, actors, tie, (one, other), words)],
        }
        for tie in ties
        for one, other in ((tie.a, tie.b), (tie.b, tie.a))
    ]
    return pa.Table.from_pylist(rows, schema=OPERATORS)


def _operator_ids(actors: Sequence[Actor], ties: Sequence[Tie]) -> dict[int, str]:
    """Stable for the same campaigns."""
    a, b = [tie.a for tie in ties], [tie.b for tie in ties]
    graph = sparse.coo_array((np.ones(len(ties)), (a, b)), shape=(len(actors), len(actors)))
    _, part = sparse.csgraph.connected_components(graph, directed=False)
    names = {}
    for number in {*a, *b}:
        together = sorted(actors[int(k)].campaign_id for k in np.flatnonzero(part == part[number]))
        names[number] = "o-" + hashlib.sha256("\n".join(together).encode()).hexdigest()[:12]
    return names


def told(evidence: Evidence, tie: Tie) -> list[int]:
    """The artefacts of a tie that are told: the MOST_TOLD most telling of each family that speaks."""
    chosen: list[int] = []
    for name in tie.speaking:
        mine = [k for k, _ in tie.artefacts if evidence.families[evidence.family[k]] == name]
        chosen += mine[:MOST_TOLD]
    return chosen


def to_name(evidence: Evidence, ties: Sequence[Tie]) -> list[int]:
    """Every artefact that is told of some tie."""
    begun = {one.artefact for tie in ties for one in tie.successions if one.artefact is not None}
    return sorted(begun.union(*(told(evidence, tie) for tie in ties)))


def explain_ties(
    evidence: Evidence,
    actors: Sequence[Actor],
    ties: Sequence[Tie],
    words: Mapping[int, str],
    cited: Mapping[str, str],
) -> list[Finding]:
    """Every finding on operators, for each campaign of each tie. ``cited``: ``inputs_digest`` and, per evidence table,
    its digest."""
    return [
        finding
        for tie in ties
        for pair in ((tie.a, tie.b), (tie.b, tie.a))
        for finding in _findings(evidence, actors, tie, pair, words, cited)
    ]


def _findings(
    evidence: Evidence,
    actors: Sequence[Actor],
    tie: Tie,
    pair: tuple[int, int],
    words: Mapping[int, str],
    cited: Mapping[str, str],
) -> Iterator[Finding]:
    one, other = actors[pair[0]], actors[pair[1]]
    common: dict[str, Any] = {
        "subject": {"campaign": one.campaign_id},
        "method": METHOD,
        "version": VERSION,
        "inputs_digest": cited["inputs_digest"],
        "n": len(one.members) + len(other.members),
    }
    for claim, fields in _reasons(evidence, actors, tie, pair, words):
        yield Finding(claim=claim, null="", role="observed", **common, **fields)
    silent = sorted(name for name, nats in tie.families.items() if nats < LEAST_NATS)
    spoken = _listed(tie.speaking)
    yield Finding(
        claim=f"Probably the same operator as campaign {other.campaign_id}: the two draw on one stock, by {spoken}.",
        statistic="log_e_value",
        null=NULL + (f" {SUCCESSION_NULL}" if SUCCESSION in tie.families else ""),
        value=tie.nats,
        role="inferred",
        evidence={
            "q_value": tie.q,
            "nats": {name: round(nats, 3) for name, nats in tie.families.items()},
            "table": TABLE,
            "digest": cited["operators"],
        },
        **common,
    )
    if silent:
        yield Finding(
            claim=f"Nothing beyond chance ties the campaign to {other.campaign_id} by {_listed(silent)}.",
            statistic="nats",
            null=NULL,
            value=max(tie.families[name] for name in silent),
            role="counter",
            **common,
        )
    yield Finding(
        claim=READING.format(families=spoken),
        statistic="families",
        null="",
        value=float(len(tie.speaking)),
        role="reading",
        **common,
    )


def _reasons(
    evidence: Evidence,
    actors: Sequence[Actor],
    tie: Tie,
    pair: tuple[int, int],
    words: Mapping[int, str],
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What was counted of a tie, in words, with statistic and value; ``pair``: from whose side, and the other."""
    one, other = actors[pair[0]], actors[pair[1]]
    for k in told(evidence, tie):
        signal = evidence.signals[evidence.signal[k]]
        here, there = (
            len(links_among(evidence, actor.members, np.array([k], dtype=np.int32))[0])
            for actor in (one, other)
        )
        rest = int(evidence.popularity[k]) - here - there
        claim = (
            f"{here:,} of {len(one.members):,} accounts, and {there:,} of {len(other.members):,} of campaign "
            f"{other.campaign_id}, {signal.claim} ({words[k]}), which {rest:,} other accounts of the log share."
        )
        yield (
            claim,
            {
                "statistic": "accounts_of_both",
                "value": float(here + there),
                "channel": signal.channel,
                "evidence": {"signal": signal.name, "elsewhere": rest},
            },
        )
    for each in tie.successions if SUCCESSION in tie.speaking else ():
        yield (
            _succeeded(actors, each, words),
            {
                "statistic": "hours_from_ban_to_beginning",
                "value": each.began_h - each.wave.begins_h,
                "channel": "life_cycle",
                "evidence": {"closed": each.wave.accounts},
            },
        )


def _succeeded(actors: Sequence[Actor], each: Succession, words: Mapping[int, str]) -> str:
    before, after = actors[each.before], actors[each.after]
    delay = each.began_h - each.wave.begins_h
    lasted = max(1, math.ceil(each.wave.ends_h - each.wave.begins_h))
    when = f"{abs(delay):.1f} hours {'after' if delay >= 0 else 'before'} the first closure"
    what = "" if each.artefact is None else f" to use what the two share ({words[each.artefact]})"
    return (
        f"{each.wave.accounts:,} of {len(before.members):,} accounts of campaign {before.campaign_id} were closed "
        f"within {lasted} h; {when}, campaign {after.campaign_id} began{what}."
    )


def _listed(families: Sequence[str]) -> str:
    names = [name.replace("_", " ") for name in families]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def may_be_compared(kind: str, members: int, licensed: int) -> bool:
    """Whether a campaign is compared with others: of an accusing kind, and not wholly covered by licences."""
    return kind in COMPARED and licensed < members
