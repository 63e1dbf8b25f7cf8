"""What accounts that act as one want."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
from people import ARCHETYPES, REST

from stillhunt.campaigns.kinds import ACCUSES, BIAS, KINDS_V1, SURE, Trait, judge_kind, named
from stillhunt.campaigns.profile import Profile
from stillhunt.schema.campaigns import KINDS


@pytest.mark.parametrize("kind", ARCHETYPES)
def test_each_kind_is_recognised_at_its_clearest(kind: str) -> None:
    verdict = judge_kind(ARCHETYPES[kind][0], REST, ARCHETYPES[kind][1])
    assert verdict.kind == kind
    assert verdict.confidence > 0.8
    assert verdict.confidence == max(verdict.confidences.values())


@pytest.mark.parametrize("kind", ARCHETYPES)
def test_confidences_are_probabilities_over_every_kind(kind: str) -> None:
    verdict = judge_kind(ARCHETYPES[kind][0], REST, ARCHETYPES[kind][1])
    assert tuple(verdict.confidences) == tuple(KINDS_V1)
    assert set(verdict.confidences) == set(KINDS)
    assert sum(verdict.confidences.values()) == pytest.approx(1.0)
    assert all(0 <= each <= 1 for each in verdict.confidences.values())


def between(share: float, one: str, other: str) -> tuple[Profile, dict[str, float]]:
    """A group that lies so far on the way from one archetype to another."""
    (a, nats), (b, more) = ARCHETYPES[one], ARCHETYPES[other]
    mixed = {
        field.name: (1 - share) * getattr(a, field.name) + share * getattr(b, field.name)
        for field in fields(Profile)
        if isinstance(getattr(a, field.name), float)
    }
    return replace(a, **mixed), {f: (1 - share) * nats[f] + share * more[f] for f in nats}


@pytest.mark.parametrize(
    ("one", "other"),
    [(a, b) for a in ARCHETYPES for b in ARCHETYPES if a < b],
)
def test_what_is_not_sure_is_unclear(one: str, other: str) -> None:
    for step in range(21):
        group, nats = between(step / 20, one, other)
        verdict = judge_kind(group, REST, nats)
        likeliest = max(verdict.confidences, key=lambda kind: verdict.confidences[kind])
        if verdict.confidences[likeliest] < (ACCUSES if likeliest == "distillation" else SURE):
            assert verdict.kind == "unclear"
        else:
            assert verdict.kind == likeliest
        assert verdict.confidence == verdict.confidences[verdict.kind]


def test_an_accusation_needs_more_than_another_kind() -> None:
    def told(kind: str, share: float) -> str:
        return named({name: share if name == kind else (1 - share) / 5 for name in KINDS_V1})

    assert told("reseller", 0.6) == "reseller"
    assert told("distillation", 0.69) == "unclear"
    assert told("distillation", 0.7) == "distillation"


def test_some_group_between_two_kinds_is_below_sure() -> None:
    steps = [between(s / 100, "evaluation", "reseller") for s in range(101)]
    verdicts = [judge_kind(group, REST, nats) for group, nats in steps]
    unsure = [verdict for verdict in verdicts if max(verdict.confidences.values()) < SURE]
    assert unsure
    assert all(verdict.kind == "unclear" for verdict in unsure)


def test_a_log_that_tells_nothing_is_never_called_distillation() -> None:
    unknown = {field.name: None for field in fields(Profile) if "None" in str(field.type)}
    bare = replace(REST, accounts=30, requests=900, **unknown)
    verdict = judge_kind(bare, replace(REST, **unknown), {"timing": 20.0, "network": 30.0})
    assert verdict.kind != "distillation"
    assert {trait.name for trait in verdict.traits} <= {
        "one_hand", "enrolled", "serial", "gateway", "many_ties", "plain", "crowd"
    }  # fmt: skip


def test_coordination_alone_is_not_distillation() -> None:
    group = replace(ARCHETYPES["distillation"][0], harvested=0.3, elicits=0.0, reasoning=0.1, output_mean=300.0,
                    cached=0.3, turns=4.0, template=0.05, systems=6.0)  # fmt: skip
    assert judge_kind(group, REST, ARCHETYPES["distillation"][1]).kind != "distillation"


def test_a_relay_that_takes_up_stored_reasoning_is_no_mere_reseller() -> None:
    group, nats = ARCHETYPES["reseller"]
    said = [
        judge_kind(replace(group, replayed=replayed), REST, nats).confidences["distillation"]
        for replayed in (0.0, 0.1, 0.3, 0.9)
    ]
    assert said == sorted(said)
    assert said[0] == said[1], "a conversation that is carried on stands on two accounts, and tells nothing"
    assert said[1] < said[2] < said[3]


def test_a_crowd_around_one_popular_thing_is_not_accused() -> None:
    """Hardly a nat each beyond the strongest family: whatever they ask for, they may be strangers."""
    group, nats = ARCHETYPES["distillation"]
    loose = dict.fromkeys(nats, 0.0) | {"client": 400.0, "payment": 0.2 * group.accounts}
    assert judge_kind(group, REST, loose).kind != "distillation"


@pytest.mark.parametrize("family", ["hand_off", "life_cycle", "payment"])
def test_customers_of_one_service_are_not_accused_without_a_tie_that_they_would_not_share(
    family: str,
) -> None:
    """A program, addresses and a template are a service's; what tells one hand is none of these."""
    group, nats = ARCHETYPES["distillation"]
    service = dict.fromkeys(nats, 0.0) | {"client": 500.0, "network": 300.0}
    excused = judge_kind(group, REST, service)
    assert excused.confidences["distillation"] == 0.0
    assert excused.kind != "distillation"
    in_turn = judge_kind(group, REST, service | {"timing": 40.0})
    assert in_turn.confidences["distillation"] == 0.0, (
        "a service may hand its work to its customers' keys in turn"
    )
    assert judge_kind(group, REST, service | {family: 4.0}).confidences["distillation"] > 0.0


def test_strangers_who_registered_on_one_day_and_use_one_program_are_not_accused() -> None:
    group, nats = ARCHETYPES["distillation"]
    strangers = dict.fromkeys(nats, 0.0) | {"client": 60.0, "life_cycle": 170.0}
    assert judge_kind(group, REST, strangers).confidences["distillation"] == 0.0
    assert judge_kind(group, REST, strangers | {"timing": 20.0}).confidences["distillation"] > 0.0


@pytest.mark.parametrize("share", ["same_org", "contract"])
def test_accounts_that_say_they_belong_together_are_not_accused(share: str) -> None:
    group = replace(ARCHETYPES["distillation"][0], **{share: 1.0})
    nats = ARCHETYPES["distillation"][1] | {"timing": 0.0, "hand_off": 0.0}
    assert judge_kind(group, REST, nats).kind != "distillation"


@pytest.mark.parametrize("kind", ARCHETYPES)
def test_every_trait_is_bounded_and_has_words(kind: str) -> None:
    verdict = judge_kind(ARCHETYPES[kind][0], REST, ARCHETYPES[kind][1])
    names = [trait.name for trait in verdict.traits]
    assert len(names) == len(set(names))
    assert all(-1 <= trait.value <= 1 and len(trait.words) > 10 for trait in verdict.traits)
    weighed = {name for weights in KINDS_V1.values() for name in weights}
    assert set(names) <= weighed


@pytest.mark.parametrize("kind", ARCHETYPES)
def test_what_traits_add_is_the_score_of_the_kind(kind: str) -> None:
    """The softmax of the sums, with BIAS, gives the confidences back; a trait without weight adds nothing."""
    verdict = judge_kind(ARCHETYPES[kind][0], REST, ARCHETYPES[kind][1])
    scores = {
        each: BIAS.get(each, 0.0) + sum(replace(verdict, kind=each).adds(trait) for trait in verdict.traits)
        for each in KINDS_V1
    }
    odds = {each: math.exp(score) for each, score in scores.items()}
    assert {each: value / sum(odds.values()) for each, value in odds.items()} == pytest.approx(
        verdict.confidences
    )
    assert verdict.adds(Trait("unheard of", 1.0, "")) == 0.0


def test_only_how_little_ties_the_accounts_speaks_for_unclear() -> None:
    group, nats = ARCHETYPES["distillation"]
    tied = replace(judge_kind(group, REST, nats), kind="unclear")
    loose = replace(judge_kind(group, REST, dict.fromkeys(nats, 1.0)), kind="unclear")
    assert {trait.name for trait in tied.traits if tied.adds(trait)} == {"many_ties", "plain"}
    assert all(tied.adds(trait) <= 0 for trait in tied.traits)
    assert all(loose.adds(trait) >= 0 for trait in loose.traits)
    assert loose.confidences["unclear"] > tied.confidences["unclear"]


def test_one_more_point_for_a_trait_never_lowers_a_kind_that_wants_it() -> None:
    confidences = [
        judge_kind(
            replace(ARCHETYPES["distillation"][0], elicits=share), REST, ARCHETYPES["distillation"][1]
        ).confidences["distillation"]
        for share in (0.0, 0.1, 0.2, 0.4)
    ]
    assert confidences == sorted(confidences)
