"""Fragments grow into pools, strangers leave, and accounts that are not alike stay apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from logs import make_evidence

from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.grow import WORTH, grown
from stillhunt.campaigns.log import Log
from stillhunt.campaigns.signals.shares_address import shares_address
from stillhunt.campaigns.signals.shares_payment import shares_payment
from stillhunt.campaigns.signals.shares_system_prompt import shares_system_prompt
from stillhunt.campaigns.signals.signal import Artefacts
from stillhunt.campaigns.signals.signs_up_together import signs_up_together

ACCOUNTS = 3000
POOL = list(range(100, 140))
Sharing = dict[Callable[[Log], Artefacts], list[list[int]]]


def background(seed: int) -> Sharing:
    """Strangers in pairs at an address and on a card, in ten popular programs and five hundred hours."""
    generator = np.random.default_rng(seed)
    others = np.setdiff1d(np.arange(ACCOUNTS), POOL)

    def apart(values: int) -> list[list[int]]:
        value = generator.integers(0, values, len(others))
        return [others[value == v].tolist() for v in range(values) if (value == v).sum() > 1]

    return {
        shares_system_prompt: apart(10),
        shares_address: apart(1400),
        shares_payment: apart(1400),
        signs_up_together: apart(500),
    }


def pool(seed: int) -> Evidence:
    """A pool that shares no one thing: it uses one popular program, four accounts share a card, ten a sign-up hour."""
    sharing = background(seed)
    sharing[shares_system_prompt][0] += POOL
    sharing[shares_payment] += [POOL[first : first + 4] for first in range(0, 40, 4)]
    sharing[signs_up_together] += [POOL[first::4] for first in range(4)]
    return make_evidence(ACCOUNTS, {f: [sorted(a) for a in sets] for f, sets in sharing.items()})


def ends(evidence: Evidence, groups: list[np.ndarray], scores: np.ndarray) -> list[np.ndarray]:
    return grown(evidence, groups, scores)[0]


def of(*accounts: int) -> np.ndarray:
    return np.array(sorted(accounts), dtype=np.int32)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [3, 6, 12])
def test_a_fragment_finds_its_pool(seed: int, size: int) -> None:
    generator = np.random.default_rng(10 * seed + size)
    first = int(generator.integers(0, 10)) * 4
    fragment = of(*POOL[first : first + 4], *generator.choice(POOL, size, replace=False).tolist())
    (found,) = ends(pool(seed), [np.unique(fragment)], np.array([20.0]))
    assert set(found.tolist()) >= set(POOL)
    assert len(set(found.tolist()) - set(POOL)) <= 2
    assert (np.diff(found) > 0).all()


def test_strangers_leave() -> None:
    strangers = np.random.default_rng(1).choice(np.arange(1000, 3000), 20, replace=False).tolist()
    (found,) = ends(pool(4), [of(*POOL[:24], *strangers)], np.array([20.0]))
    assert set(found.tolist()) >= set(POOL)
    assert len(set(found.tolist()) & set(strangers)) <= 1


def test_accounts_that_are_not_alike_grow_into_nothing_large() -> None:
    generator = np.random.default_rng(2)
    evidence = make_evidence(ACCOUNTS, background(2))
    groups = [np.sort(generator.choice(ACCOUNTS, 8, replace=False)).astype(np.int32) for _ in range(60)]
    found = ends(evidence, groups, np.full(60, 10.0))
    assert all(len(group) <= 12 for group in found)
    assert sum(len(group) for group in found) < 0.6 * 60 * 8


def test_the_best_are_grown_first_and_what_is_known_is_not_grown_again() -> None:
    evidence = pool(5)
    fragments = [of(*POOL[:8]), of(*POOL[8:20]), of(*POOL[:12])]
    found = ends(evidence, fragments, np.array([10.0, 30.0, 20.0]))
    assert len(found) == 1
    assert found[0].tolist() == ends(evidence, fragments[1:2], np.array([30.0]))[0].tolist()


def test_what_is_not_worth_it_is_not_ends() -> None:
    assert ends(pool(6), [of(*POOL[:8])], np.array([WORTH - 0.1])) == []
    assert ends(pool(6), [], np.zeros(0)) == []


def test_growing_leaves_no_trace_for_the_next() -> None:
    """The same candidates, alone or after others, grow into the same groups."""
    evidence = pool(7)
    one, other = of(*POOL[:8]), of(*range(1000, 1012))
    together = ends(evidence, [other, one], np.array([9.0, 8.0]))
    assert [g.tolist() for g in ends(evidence, [one], np.array([8.0]))] == [
        g.tolist() for g in together if POOL[0] in g
    ]


def test_each_end_names_the_candidate_it_grew_from_first() -> None:
    candidates = [of(*POOL[:8]), of(*range(1000, 1012)), of(*POOL[8:20])]
    found, seeds = grown(pool(8), candidates, np.array([WORTH - 0.1, 20.0, 30.0]))
    assert {int(seeds[k]) for k, group in enumerate(found) if POOL[0] in group} == {2}
    assert len(seeds) == len(found)


def test_of_very_many_candidates_the_best_are_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stillhunt.campaigns.grow.MOST", 1)
    _, seeds = grown(pool(9), [of(*range(1000, 1012)), of(*POOL[:20])], np.array([20.0, 30.0]))
    assert seeds.tolist() == [1]
