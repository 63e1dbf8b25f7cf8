"""What do accounts that act as one want? A second judgement, apart from whether they act as one.

Each trait is a number in [-1, 1], 0 where the log cannot tell. A kind's score is a weighted sum of traits; the softmax
of the scores is the confidence. ``KINDS_V1`` is the whole model. Its weights were set by hand, and then fitted to
groups of simulated logs, with the former as prior (``bench/kinds.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stillhunt.campaigns.profile import Profile
from stillhunt.campaigns.tenants import Tenant

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

    def adds(self, trait: Trait) -> float:
        """What a trait adds to the score of this kind."""
        return KINDS_V1[self.kind].get(trait.name, 0.0) * trait.value


KINDS_V1: Mapping[str, Mapping[str, float]] = {
    # Wants fresh answers to hard tasks, through accounts that one hand runs and that deny knowing each other.
    "distillation": {
        "crowd": -2.2, "declared": -1.2, "elicits": 2.8, "gateway": -2.5, "harvests": 1.4, "injects": 1.3,
        "long_answers": 0.6, "many_systems": 0.3, "many_ties": -1.2, "one_customer": -4.0, "one_hand": 5.1,
        "one_place": -1.1, "probes": 3.3, "reasons": 0.2, "replays": 4.2, "serial": -2.2, "single_turn": -0.5,
        "tenant": 2.1, "uncached": 0.2,
    },
    # Passes on strangers' traffic: many subjects, many programs, conversations.
    "reseller": {
        "crowd": -2.2, "declared": -1.2, "elicits": -1.6, "free": -0.6, "gateway": -2.5, "harvests": -1.8,
        "injects": -0.9, "long_answers": 0.7, "many_systems": 1.1, "many_ties": -1.2, "no_repeats": -2.0,
        "one_hand": 5.1, "probes": -0.9, "replays": -2.2, "serial": -1.6, "single_turn": -0.7, "tenant": -2.8,
        "uncached": -0.2,
    },
    # One person with many free accounts, one after another: ordinary use.
    "trial_farm": {
        "crowd": -0.5, "declared": 0.6, "enrolled": -2.9, "free": 2.4, "gateway": -2.1, "harvests": -0.2,
        "injects": -1.1, "many_systems": 0.9, "many_ties": -0.2, "one_hand": -0.8, "one_place": 1.8, "serial": 7.3,
        "uncached": 1.1,
    },
    # People or programs that belong together: a firm, a campus, one service on its customers' accounts.
    "shared_team": {
        "crowd": -0.3, "declared": 3.3, "enrolled": -3.1, "free": -0.3, "gateway": 1.0, "injects": -0.3,
        "many_systems": 0.6, "many_ties": 1.0, "no_repeats": 0.3, "one_customer": 2.8, "one_place": 1.2,
        "plain": 1.3, "reasons": -0.9, "serial": -2.1, "single_turn": 1.2, "tenant": 0.8, "uncached": 1.7,
    },
    # The same questions asked again and again, on purpose.
    "evaluation": {
        "declared": 4.8, "free": -1.2, "harvests": 1.5, "many_systems": -0.4, "many_ties": 1.0, "no_repeats": -6.3,
        "one_customer": 0.3, "one_place": 2.5, "plain": -0.8, "serial": -0.5, "single_turn": 2.0, "uncached": 2.9,
    },
    # Little ties the accounts; perhaps chance.
    "unclear": {
        "many_ties": -2.8, "plain": -2.7,
    },
}  # fmt: skip
BIAS: Mapping[str, float] = {
    "distillation": -0.5, "reseller": 1.0, "trial_farm": -2.5, "shared_team": 3.5, "evaluation": 0.5, "unclear": -3.1,
}  # fmt: skip

SPEAKS = 8.0
"""Nats from which a family of evidence ties the accounts by itself."""
CROWD = 0.75
"""Nats beyond the strongest family, per account, below which a group is rather a crowd around one popular thing."""
SURE = 0.5
"""Least confidence with which a kind is named; below it the kind is ``unclear``."""
ACCUSES = 0.7
"""As SURE, for distillation: the one kind that accuses."""
EXCUSES = "gateway"
"""The trait beside which no group is called distillation. A service whose program runs on its customers' accounts
shares with a harvest what it asks for, its program and its addresses, and may hand its work to their keys in turn; and
strangers who use one popular program may have registered on one day. None of them pays or hands over work alike, nor
registers together and shares addresses or turns besides."""


def judge_kind(group: Profile, rest: Profile, nats: Mapping[str, float]) -> KindVerdict:
    """The kind of a group, from its profile, the profile of accounts in no group and the evidence per family."""
    traits = traits_of(group, rest, nats)
    values = {trait.name: trait.value for trait in traits}
    scores = np.array(
        [
            BIAS.get(kind, 0.0) + sum(weight * values.get(name, 0.0) for name, weight in weights.items())
            for kind, weights in KINDS_V1.items()
        ]
    )
    if EXCUSES in values:
        scores[list(KINDS_V1).index("distillation")] = -np.inf
    odds = np.exp(scores - scores.max())
    confidence = dict(zip(KINDS_V1, (odds / odds.sum()).tolist(), strict=True))
    kind = named(confidence)
    return KindVerdict(kind, confidence[kind], confidence, tuple(traits))


def named(confidence: Mapping[str, float]) -> str:
    """The likeliest kind, or ``unclear`` where that is not sure enough."""
    kind = max(confidence, key=lambda name: confidence[name])
    return kind if confidence[kind] >= (ACCUSES if kind == "distillation" else SURE) else "unclear"


def _ramp(value: float, low: float, high: float) -> float:
    """-1 at ``low``, 1 at ``high``, linear between and flat beyond; ``low`` may lie above ``high``."""
    return float(np.clip(2 * (value - low) / (high - low) - 1, -1.0, 1.0))


def traits_of(group: Profile, rest: Profile, nats: Mapping[str, float]) -> list[Trait]:
    """Every trait that the log can tell."""
    asked = (*_wants(group, rest), *_ways(group, rest), *_ties(group, nats))
    return [Trait(name, value, words) for name, value, words in asked if value is not None]


def _wants(group: Profile, rest: Profile) -> Iterator[tuple[str, float | None, str]]:
    """What is asked for, and what for."""
    if group.harvested is not None:
        background = rest.harvested or 0.0
        yield (
            "harvests",
            _ramp(group.harvested - background, -0.3, 0.3),
            f"{group.harvested:.0%} of requests ask for what distillation is after, {background:.0%} elsewhere",
        )
    if group.elicits is not None:
        background = rest.elicits or 0.0
        yield (
            "elicits",
            float(np.clip((group.elicits - background) / 0.3, 0.0, 1.0)),
            f"{group.elicits:.0%} of requests ask to show reasoning or to grade answers, {background:.0%} elsewhere",
        )
    if group.tenants is not None:
        yield ("tenant", *_tenant(group.tenants, rest.harvested or 0.0))
    if group.output_mean is not None and rest.output_mean:
        ratio = group.output_mean / rest.output_mean
        yield (
            "long_answers",
            float(np.clip(np.log2(max(ratio, 0.01)) / 1.5, -1, 1)),
            f"answers are {ratio:.1f} times as long as elsewhere",
        )
    if group.reasoning is not None:
        excess = group.reasoning - (rest.reasoning or 0.0)
        yield (
            "reasons",
            float(np.clip(2 * excess, -1, 1)),
            f"{group.reasoning:.0%} ask for extended reasoning",
        )
    if group.replayed is not None:
        yield (
            "replays",
            float(np.clip((group.replayed - 0.15) / 0.3, 0.0, 1.0)),
            f"a signed reasoning block was carried by {1.0 + group.replayed:.1f} accounts",
        )
    if group.refused is not None:
        background = rest.refused or 0.0
        yield (
            "probes",
            float(np.clip((group.refused - background) / 0.3, 0.0, 1.0)),
            f"{group.refused:.0%} of requests were refused, {background:.0%} elsewhere",
        )


def _tenant(tenants: Sequence[Tenant], background: float) -> tuple[float, str]:
    """How clearly one tenant of the group is after what distillation is after, in [0, 1]."""
    best, words = 0.0, "no tenant of the accounts stands out by what it asks for"
    for tenant in tenants:
        if tenant.harvested is None:
            continue
        large = np.clip((tenant.share - 0.05) / 0.15, 0.0, 1.0)
        wide = np.clip((tenant.cover - 0.3) / 0.4, 0.0, 1.0)
        value = float(large * wide * np.clip((tenant.harvested - background) / 0.3, 0.0, 1.0))
        if value > best:
            best = value
            words = (
                f"one tenant sends {tenant.share:.0%} of the requests through {tenant.cover:.0%} of the accounts, and "
                f"{tenant.harvested:.0%} of them ask for what distillation is after"
            )
    return best, words


def _ways(group: Profile, rest: Profile) -> Iterator[tuple[str, float | None, str]]:
    """How it is asked."""
    if group.turns is not None:
        yield "single_turn", _ramp(group.turns, 4.0, 1.2), f"{group.turns:.1f} requests per session"
    if group.cached is not None:
        background = max(rest.cached or 0.0, 0.2)
        words = f"{group.cached:.0%} of input tokens came from a cache, {rest.cached or 0.0:.0%} elsewhere"
        yield "uncached", _ramp(group.cached, background, 0.0), words
    if group.repeats is not None:
        yield (
            "no_repeats",
            _ramp(group.repeats, 0.8, 0.05),
            f"{group.repeats:.0%} of an account's prompts were also sent by another account of the group",
        )
    if group.template is not None:
        background = rest.template or 0.0
        yield (
            "injects",
            _ramp(group.template - background, 0.0, 0.6),
            f"{group.template:.0%} of requests carry one template",
        )
    if group.systems is not None:
        yield (
            "many_systems",
            _ramp(group.systems, 1.5, 6.0),
            f"{group.systems:.1f} system prompts per account",
        )


def _ties(group: Profile, nats: Mapping[str, float]) -> Iterator[tuple[str, float | None, str]]:
    """What ties the accounts: one hand, or something that they declare."""
    hand = max(nats.get("timing", 0.0), 0.0) + nats.get("hand_off", 0.0)
    speaking = sum(value >= SPEAKS for value in nats.values())
    yield (
        "many_ties",
        _ramp(speaking, 1.0, max(0.8 * len(nats), 2.0)),
        f"{speaking} independent families of evidence tie the accounts to one another",
    )
    beyond = sum(nats.values()) - max(nats.values(), default=0.0)
    yield (
        "plain",
        _ramp(beyond, 15.0, 60.0),
        f"families of evidence other than the strongest add up to {beyond:.0f} nats",
    )
    each = beyond / max(group.accounts, 1)
    if each < CROWD:
        yield (
            "crowd",
            1.0 - each / CROWD,
            f"the accounts share one thing and hardly another: {each:.1f} nats each",
        )
    enrolled = nats.get("life_cycle", 0.0)
    shown = "show" if hand > 9.0 else "do not show"
    yield (
        "one_hand",
        _ramp(hand, 3.0, 15.0),
        f"turn-taking and hand-offs {shown} one hand behind the accounts",
    )
    made = "were" if enrolled > 10.0 else "were not"
    yield "enrolled", _ramp(enrolled, 0.0, 20.0), f"the accounts {made} registered or started together"
    if not _hidden_hand(nats):
        yield (
            "gateway",
            1.0,
            "what the accounts share, customers of one service or users of one program share too",
        )
    declared = _declared(group)
    yield "declared", declared, "the accounts declare that they belong together"
    if declared is not None and declared > 0.0:
        yield "one_customer", declared, "the accounts are openly one customer's"
    yield "free", _free(group), "the accounts are free or on trial"
    if group.one_place is not None:
        words = f"{group.one_place:.0%} of the accounts were seen in one place"
        yield "one_place", _ramp(group.one_place, 0.2, 0.8), words
    yield (
        "serial",
        float(np.clip((0.6 - group.parallel) / 0.4, 0.0, 1.0)),
        f"{group.parallel:.0%} of pairs of accounts are in use at the same time",
    )


def _hidden_hand(nats: Mapping[str, float]) -> bool:
    """Whether something ties the accounts that customers of one service, or users of one program, would not share."""
    tied = {family for family, value in nats.items() if value >= 3.0}
    return bool(tied & {"hand_off", "payment"}) or (
        "life_cycle" in tied and bool(tied & {"network", "timing"})
    )


def _declared(group: Profile) -> float | None:
    """Do the accounts say themselves that they are one customer: one organisation, a contract, or one card and one
    mail domain of their own? The domain alone is half a word."""
    known = [share for share in (group.same_org, group.contract) if share is not None]
    if group.one_card is not None and group.one_domain is not None:
        known.append(min(group.one_card, group.one_domain))
    if group.one_domain is not None:
        known.append(0.6 * group.one_domain)
    return _ramp(max(known), 0.0, 1.0) if known else None


def _free(group: Profile) -> float | None:
    """Free, on trial or unverified accounts."""
    known = [share for share in (group.free, group.unverified) if share is not None]
    return _ramp(max(known), 0.2, 0.9) if known else None
