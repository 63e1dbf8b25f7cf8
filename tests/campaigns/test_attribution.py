"""Which campaigns are one operator's: e-values under their null, what wins and what does not, and who is compared."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from logs import make_evidence

from stillhunt.campaigns.attribution import (
    LEAST_NATS,
    SUCCESSION,
    Actor,
    Tie,
    accepted,
    compare,
    promising,
    stocks,
)
from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.signals.replaces_banned_account import replaces_banned_account
from stillhunt.campaigns.signals.shares_address import shares_address
from stillhunt.campaigns.signals.shares_client_stack import shares_client_stack
from stillhunt.campaigns.signals.shares_payment import shares_payment
from stillhunt.campaigns.signals.shares_system_prompt import shares_system_prompt

ACCOUNTS = 900
Groups = list[np.ndarray]


def log_of(
    generator: np.random.Generator, groups: Groups, copying: float, hands: list[int] | None = None
) -> Evidence:
    """Programs, prompts, addresses and cards of heavy-tailed popularity. A member of a group takes each from its
    group's own stock, drawn from the same market, with chance ``copying``; whoever else drew them. hands: whose stock
    each group has."""
    group_of = np.full(ACCOUNTS, -1)
    for number, members in enumerate(groups):
        group_of[members] = number if hands is None else hands[number]
    sharing = {}
    for signal, steepness, most in (
        (shares_client_stack, 1.6, 2),
        (shares_system_prompt, 1.3, 3),
        (shares_address, 1.15, 6),
        (shares_payment, 1.1, 1),
    ):
        stock = np.minimum(generator.zipf(steepness, (len(groups) + 1, 4)), 5000)
        drawn: dict[int, set[int]] = {}
        for account in range(ACCOUNTS):
            for value in np.minimum(generator.zipf(steepness, int(generator.integers(1, most + 1))), 5000):
                copies = group_of[account] >= 0 and generator.random() < copying
                taken = int(stock[group_of[account], int(generator.integers(4))]) if copies else int(value)
                drawn.setdefault(taken, set()).add(account)
        sharing[signal] = [sorted(who) for who in drawn.values() if len(who) > 1]
    return make_evidence(ACCOUNTS, sharing, generator.integers(0, 5, ACCOUNTS).tolist())


def dealt(generator: np.random.Generator, sizes: list[int]) -> Groups:
    accounts = generator.permutation(ACCOUNTS).astype(np.int32)
    return [np.sort(part) for part in np.split(accounts, np.cumsum(sizes))[:-1]]


@pytest.mark.parametrize("copying", [0.0, 0.5, 0.95], ids=["strangers", "loose pools", "tight pools"])
def test_an_e_value_for_independent_operators(copying: float) -> None:
    """Pairs of groups that draw from one market, whoever the other is: random strangers among users of popular
    programs, and pools whose members copy from one another. The mean of the product over families is no more than 1,
    give or take four standard errors over logs, and so is that of each family."""
    generator = np.random.default_rng(round(100 * copying))
    products, single = [], []
    for _ in range(40):
        groups = dealt(generator, [3, 5, 8, 12, 20, 40])
        held = stocks(log_of(generator, groups, copying), groups)
        families = [compare(held, a, b)[0] for a, b in combinations(range(len(groups)), 2)]
        products.append(np.mean([math.exp(sum(nats.values())) for nats in families]))
        single.append(np.mean([[math.exp(value) for value in nats.values()] for nats in families], axis=0))
    for means in (np.array(products), *np.array(single).T):
        assert means.std() > 0
        assert means.mean() <= 1.0 + 4 * means.std() / math.sqrt(len(means))


def planted(here: int, there: int, elsewhere: int) -> tuple[Evidence, Groups]:
    """Two groups of ten; so many of either, and so many others, use one address. Each group has a card; others too."""
    address = [*range(here), *range(10, 10 + there), *range(20, 20 + elsewhere)]
    others = [[i, i + 1] for i in range(400, 800, 2)]
    cards = [list(range(10)), list(range(10, 20)), *others]
    groups = [np.arange(10, dtype=np.int32), np.arange(10, 20, dtype=np.int32)]
    return make_evidence(ACCOUNTS, {shares_address: [address, *others], shares_payment: cards}), groups


def test_what_only_two_campaigns_share_ties_them() -> None:
    evidence, groups = planted(10, 10, 0)
    families, artefacts = compare(stocks(evidence, groups), 0, 1)
    others = ACCOUNTS - 20
    assert families["network"] == pytest.approx(math.log(0.5 + 0.5 * (others + 1)))
    assert families["payment"] == pytest.approx(-math.log(2)), "a card each is no common card"
    assert [round(e) for _, e in artefacts] == [others + 1]


def test_shares_of_either_and_of_others_weaken_it() -> None:
    def nats(here: int, there: int, elsewhere: int) -> float:
        evidence, groups = planted(here, there, elsewhere)
        return compare(stocks(evidence, groups), 0, 1)[0]["network"]

    assert nats(10, 10, 0) > nats(5, 10, 0) > nats(5, 5, 0) > LEAST_NATS > nats(5, 5, 40)
    assert nats(5, 10, 3) == pytest.approx(nats(10, 5, 3)), "neither comes first"
    assert abs(nats(10, 10, 380)) < 1.0


def test_ten_obvious_lines_agree() -> None:
    """Against the formula written out account by account; one country, so that three readings are two."""
    generator = np.random.default_rng(5)
    groups = dealt(generator, [4, 9, 15])
    evidence = log_of(generator, groups, 0.7)
    evidence = make_evidence(ACCOUNTS, _sharing(evidence))
    inside = {int(i): g for g, members in enumerate(groups) for i in members}
    found, artefacts = compare(stocks(evidence, groups), 0, 2)
    for k, e in artefacts:
        carriers = evidence.member[evidence.members_ptr[k] : evidence.members_ptr[k + 1]].tolist()
        draw = {i: 1 / evidence.activity[i, evidence.signal[k]] for i in carriers}
        q = [sum(draw.get(int(i), 0.0) for i in members) / len(members) for members in groups]
        strangers = sum(part for i, part in draw.items() if i not in inside)
        third = sum(part for i, part in draw.items() if inside.get(i) == 1)
        actors = (1 + strangers + q[1]) / (1 + ACCOUNTS - 28 + 1)
        accounts = (1 + strangers + third) / (1 + ACCOUNTS - 19)
        world = max(actors, accounts)
        home = (strangers + third + 200 * world) / (ACCOUNTS - 19 + 200)
        assert e == pytest.approx(q[0] * q[2] / max(world, home))
    assert len(artefacts) > 5
    assert set(found) == {"client", "network", "payment"}


def _sharing(evidence: Evidence) -> dict[object, list[list[int]]]:
    sharing: dict[object, list[list[int]]] = {}
    for k, s in enumerate(evidence.signal):
        carriers = evidence.member[evidence.members_ptr[k] : evidence.members_ptr[k + 1]].tolist()
        sharing.setdefault(evidence.signals[s].collect, []).append(carriers)
    return sharing


def test_no_pair_that_might_speak_is_passed_over() -> None:
    """The bound on all pairs at once lets through whatever a full comparison finds, and not everything."""
    passed = every = speaking = 0
    for seed in range(4):
        generator = np.random.default_rng(seed)
        groups = dealt(generator, [3, 5, 8, 12, 20, 30, 40])
        held = stocks(log_of(generator, groups, 0.9, [0, 1, 2, 3, 2, 5, 3]), groups)
        through = set(promising(held, list(range(len(groups)))))
        for pair in combinations(range(len(groups)), 2):
            every += 1
            if max(compare(held, *pair)[0].values()) >= LEAST_NATS:
                speaking += 1
                assert pair in through
        passed += len(through)
    assert 0 < speaking <= passed < every


def test_closures_that_the_provider_chose_tie_nobody() -> None:
    groups = [np.arange(10, dtype=np.int32), np.arange(10, 20, dtype=np.int32)]
    evidence = make_evidence(
        ACCOUNTS, {replaces_banned_account: [list(range(20))], shares_payment: [[30, 31]]}
    )
    assert compare(stocks(evidence, groups), 0, 1) == ({}, [])


def actors(*kinds: str) -> list[Actor]:
    return [
        Actor(f"c-{k}", kind, np.arange(3, dtype=np.int32), kind != "shared_team")
        for k, kind in enumerate(kinds)
    ]


def tie(a: int, b: int, *nats: float) -> Tie:
    return Tie(a, b, dict(zip(("client", SUCCESSION, "payment"), nats, strict=False)), ())


def test_two_families_must_speak() -> None:
    one, two = tie(0, 1, 8.0, LEAST_NATS - 0.01), tie(0, 1, 3.5, 3.0)
    both = actors("distillation", "distillation")
    assert accepted([one], both, 0.05) == []
    (found,) = accepted([two], both, 0.05)
    assert found.q == pytest.approx(math.exp(-6.5))
    assert found.speaking == ["client", SUCCESSION]


def test_each_pair_of_kinds_answers_for_its_own_false_discoveries() -> None:
    """Many trial farms are many pairs; they raise the bar for one another, not for two distillation campaigns."""
    many = actors("distillation", "distillation", *["trial_farm"] * 60, "shared_team")
    found = accepted([tie(0, 1, 3.5, 3.0), tie(5, 6, 3.5, 3.0)], many, 0.05)
    assert [(one.a, one.b) for one in found] == [(0, 1)]
    pairs = 60 * 59 / 2
    enough = math.log(pairs / 0.05) - 3.0
    assert [(one.a, one.b) for one in accepted([tie(5, 6, enough + 0.01, 3.0)], many, 0.05)] == [(5, 6)]
    assert accepted([tie(5, 6, enough - 0.01, 3.0)], many, 0.05) == []
    assert len(accepted([tie(5, 6, enough - 0.01, 3.0), tie(7, 8, enough, 3.1)], many, 0.05)) == 2, "step up"


def test_families_that_find_nothing_in_common_count_against_a_pair() -> None:
    assert tie(0, 1, 3.1, 3.1, -0.69).nats == pytest.approx(5.51)
    assert accepted([tie(0, 1, 3.1, 3.1, -3.3)], actors("distillation", "distillation"), 0.05) == []
