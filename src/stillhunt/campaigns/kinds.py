"""What do accounts that act as one want? A second judgement, apart from whether they act as one.

Each trait is a number in [-1, 1], 0 where the log cannot tell. A kind's score is a weighted sum of traits; the softmax
of the scores is the confidence. ``KINDS_V1`` is the whole model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stillhunt.campaigns.profile import Profile

VERSION = "1"


@dataclass(frozen=True)
class Trait:
    """One thing that a group does, how it was measured, and in [-1, 1] how clearly."""

    name: str
    value: float
    words: str


@dataclass(frozen=True)
class KindVerdict:
    """kind, its confidence in [0, 1], every kind's confidence, and the traits that they rest on."""

    kind: str
    confidence: float
    confidences: Mapping[str, float]
    traits: tuple[Trait, ...]


KINDS_V1: Mapping[str, Mapping[str, float]] = {
    # Wants fresh, long, single answers to hard tasks, through accounts that deny knowing each other.
    "distillation": {
        "harvests": 2.0, "single_turn": 1.0, "uncached": 0.5, "long_answers": 0.7, "no_repeats": 1.0,
        "one_template": 0.5, "reasons": 0.5, "evades": 0.7, "declared": -2.5, "trial": -1.5,
    },
    # Passes on strangers' traffic: many subjects, conversations, no template.
    "reseller": {
        "harvests": -1.0, "single_turn": -1.2, "one_template": -1.5, "takes_turns": 1.0, "evades": 0.5,
        "no_repeats": 0.3, "declared": -1.0, "trial": -1.0, "many_systems": 1.0,
    },
    # One person or ring with many free accounts: small, short-lived, unverified, ordinary conversation.
    "trial_farm": {"trial": 3.0, "harvests": -1.0, "long_answers": -0.5, "single_turn": -0.5, "declared": -1.5},
    # People who belong together and say so.
    "shared_team": {"declared": 3.0, "harvests": -0.5, "evades": -1.0, "no_repeats": -0.5, "trial": -0.5},
    # The same questions asked again and again, on purpose.
    "evaluation": {"no_repeats": -3.0, "harvests": 0.7, "single_turn": 0.7, "evades": -0.7, "declared": 0.5},
    "unclear": {},
}  # fmt: skip
BIAS: Mapping[str, float] = {"unclear": 0.5}


def judge_kind(group: Profile, rest: Profile, nats: Mapping[str, float]) -> KindVerdict:
    """The kind of a group, from its profile, the profile of accounts in no group and the evidence per family."""
    traits = _traits(group, rest, nats)
    values = {trait.name: trait.value for trait in traits}
    scores = np.array(
        [
            BIAS.get(kind, 0.0) + sum(weight * values.get(name, 0.0) for name, weight in weights.items())
            for kind, weights in KINDS_V1.items()
        ]
    )
    odds = np.exp(scores - scores.max())
    confidence = dict(zip(KINDS_V1, (odds / odds.sum()).tolist(), strict=True))
    kind = max(confidence, key=lambda name: confidence[name])
    return KindVerdict(kind, confidence[kind], confidence, tuple(traits))


def _ramp(value: float, low: float, high: float) -> float:
    """-1 at ``low``, 1 at ``high``, linear between and flat beyond; ``low`` may lie above ``high``."""
    return float(np.clip(2 * (value - low) / (high - low) - 1, -1.0, 1.0))


def _traits(group: Profile, rest: Profile, nats: Mapping[str, float]) -> list[Trait]:
    found: list[Trait] = []

    def add(name: str, value: float | None, words: str) -> None:
        if value is not None:
            found.append(Trait(name, value, words))

    harvested, background = group.harvested, rest.harvested or 0.0
    if harvested is not None:
        add(
            "harvests",
            _ramp(harvested, background, min(1.0, background + 0.5)),
            f"{harvested:.0%} of requests ask for what distillation is after, {background:.0%} elsewhere",
        )
    if group.turns is not None:
        add("single_turn", _ramp(group.turns, 3.0, 1.2), f"{group.turns:.1f} requests per session")
    if group.cached is not None:
        add(
            "uncached", _ramp(group.cached, 0.3, 0.0), f"{group.cached:.0%} of input tokens came from a cache"
        )
    if group.output_mean is not None and rest.output_mean:
        ratio = group.output_mean / rest.output_mean
        add(
            "long_answers",
            float(np.clip(np.log2(max(ratio, 0.01)) / 1.5, -1, 1)),
            f"answers {ratio:.1f} times as long",
        )
    if group.repeats is not None:
        add(
            "no_repeats",
            _ramp(group.repeats, 0.4, 0.05),
            f"{group.repeats:.0%} of an account's prompts were also sent by another account of the group",
        )
    if group.template is not None:
        add(
            "one_template",
            _ramp(group.template, 0.1, 0.6),
            f"{group.template:.0%} of requests carry one template",
        )
    if group.systems is not None:
        add("many_systems", _ramp(group.systems, 1.5, 6.0), f"{group.systems:.1f} system prompts per account")
    if group.reasoning is not None:
        excess = group.reasoning - (rest.reasoning or 0.0)
        add("reasons", float(np.clip(2 * excess, -1, 1)), f"{group.reasoning:.0%} ask for extended reasoning")
    evades = max(nats.get("hand_off", 0.0), 0.0)
    add("evades", float(np.clip(evades / 20.0, 0.0, 1.0)), "prompts move to another account after a failure")
    turns = nats.get("timing", 0.0)
    add("takes_turns", float(np.clip(turns / 20.0, 0.0, 1.0)), "accounts start equally many sessions")
    add("declared", _declared(group), "the accounts declare that they belong together")
    add("trial", _trial(group), "free, unverified, small and short-lived accounts")
    return found


def _declared(group: Profile) -> float | None:
    """Do the accounts say themselves that they are one customer?"""
    known = [share for share in (group.same_org, group.contract) if share is not None]
    return _ramp(max(known), 0.0, 1.0) if known else None


def _trial(group: Profile) -> float | None:
    """Free or unverified accounts that live for a few days and ask little."""
    known = [share for share in (group.free, group.unverified) if share is not None]
    if not known:
        return None
    small = _ramp(float(np.log10(max(group.requests / group.accounts, 1.0))), 2.3, 1.3)
    return min(float(np.mean([_ramp(share, 0.2, 0.9) for share in known])), small)
