"""Links as one weighed matrix, and the same matrix with links moved."""

from __future__ import annotations

import numpy as np
import pytest
from logs import link_table, make_evidence, signal_of

from stillhunt.campaigns.evidence import PRIOR_LINKS, Evidence, relink, weigh
from stillhunt.campaigns.signals.shares_address import shares_address
from stillhunt.campaigns.signals.shares_device import shares_device
from stillhunt.campaigns.signals.shares_payment import shares_payment
from stillhunt.campaigns.signals.signal import Artefacts

SHARING = {
    shares_payment: [[0, 1, 2], [3, 4]],
    shares_address: [[0, 1], [1, 2, 3, 4, 5], [0, 5]],
    shares_device: [[2, 4]],
}


def carried(evidence: Evidence) -> set[tuple[int, str, int]]:
    """Every link as account, signal and the artefact's identity."""
    return {
        (int(i), evidence.signals[evidence.signal[a]].name, int(evidence.artefact_id[a]))
        for i, a in zip(evidence.link_accounts(), evidence.artefact, strict=True)
    }


def test_both_directions_hold_the_same_links() -> None:
    evidence = make_evidence(7, SHARING)
    expected = {
        (i, function.__name__, a)
        for function, artefacts in SHARING.items()
        for a, members in enumerate(artefacts)
        for i in members
    }
    assert carried(evidence) == expected
    back = {
        (int(i), a)
        for a in range(len(evidence.signal))
        for i in evidence.member[evidence.members_ptr[a] : evidence.members_ptr[a + 1]]
    }
    assert back == set(zip(evidence.link_accounts().tolist(), evidence.artefact.tolist(), strict=True))


def test_families_stay_together_in_every_row() -> None:
    evidence = make_evidence(7, SHARING)
    assert evidence.families == ("payment", "network")
    for i in range(7):
        row = evidence.family[evidence.artefact[evidence.indptr[i] : evidence.indptr[i + 1]]]
        assert row.tolist() == sorted(row.tolist())
    assert np.diff(evidence.family).min() >= 0


def test_activity_counts_artefacts_per_signal() -> None:
    evidence = make_evidence(7, SHARING)
    names = [signal.name for signal in evidence.signals]
    activity = evidence.activity[:, [names.index(f.__name__) for f in SHARING]]
    assert activity[0].tolist() == [1, 2, 0]
    assert activity[4].tolist() == [1, 1, 1]
    assert activity[6].tolist() == [0, 0, 0]


def test_a_rate_is_the_artefacts_share_of_its_signals_links() -> None:
    evidence = make_evidence(7, {shares_address: SHARING[shares_address]})
    assert evidence.rate == pytest.approx(evidence.popularity[evidence.artefact] / 9, rel=0.3)
    # One country: the account itself is left out of its neighbours, and the world weighs PRIOR_LINKS.
    neighbours = evidence.popularity[evidence.artefact] - 1
    world = evidence.popularity[evidence.artefact] / 9
    local = (neighbours + PRIOR_LINKS * world) / (9 - 1 + PRIOR_LINKS)
    assert evidence.rate == pytest.approx(np.maximum(world, local))


def test_what_is_rare_in_the_world_may_be_common_at_home() -> None:
    home = [0] * 900 + [1] * 100
    at_home, abroad = list(range(900, 980)), [*range(980, 1000), *range(60)]
    others = [[i] for i in range(60, 900)]
    evidence = make_evidence(1000, {shares_address: [at_home, abroad, *others]}, home)
    rate = {
        (int(i), int(a)): float(r)
        for i, a, r in zip(evidence.link_accounts(), evidence.artefact, evidence.rate, strict=True)
    }
    world = 80 / 1000
    assert rate[900, 0] == pytest.approx((79 + PRIOR_LINKS * world) / (99 + PRIOR_LINKS))
    assert rate[900, 0] > 3 * world
    assert rate[0, 1] == pytest.approx(world)


def test_popularity_may_exceed_the_links() -> None:
    signal = signal_of(shares_payment)
    evidence = weigh(
        [(signal, Artefacts(link_table([0, 1], [5, 5], [40, 40]), ""))], np.zeros(3, dtype=np.int64)
    )
    assert evidence.popularity.tolist() == [40]
    assert np.diff(evidence.members_ptr).tolist() == [2]


def test_member_rates_are_the_link_rates_in_the_other_order() -> None:
    evidence = make_evidence(7, SHARING, [0, 0, 0, 1, 1, 1, 1])
    by_link = {
        (int(i), int(a)): float(r)
        for i, a, r in zip(evidence.link_accounts(), evidence.artefact, evidence.rate, strict=True)
    }
    artefact = np.repeat(np.arange(len(evidence.signal)), np.diff(evidence.members_ptr))
    assert [by_link[int(i), int(a)] for i, a in zip(evidence.member, artefact, strict=True)] == pytest.approx(
        evidence.member_rate
    )


def test_moving_links_keeps_popularity_and_activity() -> None:
    evidence = make_evidence(7, SHARING)
    place = np.array([3, 4, 5, 6, 0, 1, 2], dtype=np.int32)
    moved = relink(evidence, place[evidence.link_accounts()], evidence.artefact)
    assert carried(moved) == {(int(place[i]), name, a) for i, name, a in carried(evidence)}
    assert moved.popularity.tolist() == evidence.popularity.tolist()
    assert np.diff(moved.members_ptr).tolist() == np.diff(evidence.members_ptr).tolist()
    assert moved.activity[place].tolist() == evidence.activity.tolist()


def test_relinking_in_place_changes_nothing() -> None:
    evidence = make_evidence(7, SHARING, [0, 1, 0, 1, 0, 1, 0])
    again = relink(evidence, evidence.link_accounts(), evidence.artefact)
    for name in ("indptr", "artefact", "members_ptr", "member", "rate", "member_rate", "activity"):
        assert getattr(again, name).tolist() == getattr(evidence, name).tolist(), name


def test_a_log_that_feeds_no_signal_gives_empty_evidence() -> None:
    evidence = weigh([], np.zeros(4, dtype=np.int64))
    assert (evidence.accounts, evidence.families, len(evidence.artefact)) == (4, (), 0)
    assert evidence.indptr.tolist() == [0] * 5
