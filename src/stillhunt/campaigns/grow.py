"""Groups grown from candidates: whoever fits joins, whoever does not leaves, until nothing changes.

A candidate is a guess that one artefact or one tie made: a fragment of a pool, or a pool with strangers in it. Here
every account of the log is asked how much better the group explains its links than the log does, in all link families
together. The bar is the prior odds against: low at first, so that a fragment finds the pool that it is a part of, then
higher, so that strangers leave again. Null logs grow their candidates too, so that growing earns nothing by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stillhunt.campaigns.clusters import SMALLEST
from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.groups import chernoff
from stillhunt.campaigns.urn import background

WORTH = 5.0
"""Score, in nats, from which a candidate is grown."""
MOST = 8192
"""Most candidates that are grown, so that in a log of any size growing takes no more than the log itself. Logs of some
ten thousand accounts hold fewer that are worth it."""
KNOWN = 0.5
"""Share of a candidate in one group that was grown before from which it is not grown again."""
COPYING = 0.6
"""Share of the members that copy from one another, in a signal that all of them show."""
POPULAR = 64
"""Accounts of an artefact from which it must be twice as frequent in the group as by chance to be looked at."""
WIDE = 8192
"""Accounts of an artefact from which it must tell by itself to be looked at, so that in a log of any size a group is
held against those who share something with it."""
INSIDE, PICKED = 1, 2
"""Of an account while a group is held against the log: it is of the group; it may fit."""

ARTEFACT = np.dtype(
    [
        ("begin", np.int64),
        ("carriers", np.int32),
        ("signal", np.int32),
        ("popularity", np.float64),
        ("rate", np.float64),
        ("penalty", np.float64),
        ("count", np.float64),
        ("share", np.float64),
        ("weight", np.float64),
    ]
)
"""All that a group asks of an artefact, in one line of a processor's cache: where its carriers begin and how many there
are, its rate at the first of them, its correction; and, while a group is held against the log, the members that carry
it, their weight, and the nats by which it tells."""
CARRIER = np.dtype([("account", np.int32), ("rarity", np.float32)])
"""rarity: one over the account's activity times the rate: how rarely by chance it carries the artefact."""


@dataclass(frozen=True)
class Phase:
    """pool: accounts that a pool is taken to have, at most ``share`` of the log: the prior odds of the bar, unless the
    group is larger. rounds: most rounds."""

    pool: float
    share: float
    rounds: int


PHASES = (Phase(200.0, 1 / 30, 5), Phase(60.0, 1 / 100, 3), Phase(40.0, 1 / 150, 4))


def grown(
    evidence: Evidence, groups: Sequence[NDArray[np.int32]], scores: NDArray[np.float64]
) -> tuple[list[NDArray[np.int32]], NDArray[np.int64]]:
    """What candidates grow into, best first; each as ascending account numbers, none twice. And the candidate that
    each grew from first.

    scores: nats per candidate, the order in which they are grown, from WORTH up, MOST of them. A candidate is passed
    over when KNOWN of it already belongs to one grown group.
    """
    space = Space(evidence)
    label = np.full(evidence.accounts, -1, dtype=np.int64)
    found: dict[bytes, tuple[NDArray[np.int32], int]] = {}
    order = np.argsort(-scores, kind="stable")
    tries = 0
    for number, g in enumerate(order[scores[order] >= WORTH]):
        if tries == MOST:
            break
        seed = groups[g]
        known = label[seed]
        known = known[known >= 0]
        if len(known) and np.bincount(known).max() >= KNOWN * len(seed):
            continue
        group = space.grow(seed)
        tries += 1
        if group is not None:
            found.setdefault(group.tobytes(), (group, int(g)))
            label[group[label[group] < 0]] = number
        label[seed[label[seed] < 0]] = number
    return [group for group, _ in found.values()], np.array([g for _, g in found.values()], dtype=np.int64)


def odds_against(accounts: int, pool: float) -> float:
    """Logarithm of the odds that an account of the log is not of a pool of that size."""
    return float(np.log(max(accounts - pool, 1.0) / pool))


class Space:
    """Work arrays for one matrix of evidence."""

    def __init__(self, evidence: Evidence) -> None:
        accounts, signals, artefacts = evidence.accounts, len(evidence.signals), len(evidence.signal)
        self.evidence = evidence
        self.ends: dict[tuple[int, int, bytes], NDArray[np.int32] | None] = {}
        carrier = np.empty(len(evidence.member), dtype=CARRIER)
        _rarities(
            evidence.members_ptr,
            evidence.member,
            evidence.signal,
            evidence.activity,
            evidence.member_rate,
            carrier,
        )
        of_artefact = np.zeros(artefacts, dtype=ARTEFACT)
        of_artefact["begin"], of_artefact["carriers"] = (
            evidence.members_ptr[:-1],
            np.diff(evidence.members_ptr),
        )
        of_artefact["signal"], of_artefact["popularity"] = evidence.signal, evidence.popularity
        of_artefact["penalty"] = evidence.corrections
        carried = of_artefact["carriers"] > 0
        of_artefact["rate"][carried] = evidence.member_rate[of_artefact["begin"][carried]]
        self.of_log = (
            evidence.indptr,
            evidence.artefact,
            evidence.rate,
            carrier,
            evidence.activity,
            evidence.links,
            evidence.family_of(),
            len(evidence.families),
        )
        self.of_artefact = of_artefact
        self.work = (
            np.empty(artefacts, dtype=np.int32),
            np.zeros((signals, accounts)),
            np.empty((signals, accounts + 1), dtype=np.int32),
            np.zeros(accounts, dtype=np.uint8),
            np.empty(accounts, dtype=np.int32),
            np.empty(accounts),
        )

    def grow(self, group: NDArray[np.int32]) -> NDArray[np.int32] | None:
        """The group at the end of all phases; None where too few fit together. Many groups of one pool grow into the
        same one on the way there, from where the end is known."""
        passed: list[tuple[int, int, bytes]] = []
        end = self._grow(group, passed)
        self.ends.update(dict.fromkeys(passed, end))
        return end

    def _grow(
        self, group: NDArray[np.int32], passed: list[tuple[int, int, bytes]]
    ) -> NDArray[np.int32] | None:
        accounts = self.evidence.accounts
        for number, phase in enumerate(PHASES):
            pool = min(phase.pool, phase.share * accounts)
            for turn in range(phase.rounds):
                here = number, turn, blake2b(group.tobytes(), digest_size=16).digest()
                if here in self.ends:
                    return self.ends[here]
                passed.append(here)
                bar = odds_against(accounts, max(len(group), pool))
                members, nats = self.fit(group, bar)
                last, group = group, np.sort(members[nats > bar])
                if len(group) < SMALLEST:
                    return None
                if np.array_equal(last, group):
                    break
        return group

    def fit(
        self, group: NDArray[np.int32], bar: float = -np.inf
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Accounts that share anything with the group, and how well they fit, in nats; those that cannot come above
        ``bar`` may be left out."""
        # The families' ratios are multiplied, and none is above that of its likeliest signal.
        ratio = np.exp(bar / len(self.evidence.families))
        n = _fit(group, 1.0 + (ratio - 1.0) / COPYING, *self.of_log, self.of_artefact, *self.work)
        members, nats = self.work[-2:]
        return members[:n], nats[:n]


@njit(cache=True, nogil=True)
def _rarities(members_ptr, member, signal, activity, rate, carrier):  # type: ignore[no-untyped-def]
    for a in range(len(members_ptr) - 1):
        for at in range(members_ptr[a], members_ptr[a + 1]):
            carrier[at].account = member[at]
            carrier[at].rarity = 1.0 / (activity[member[at], signal[a]] * rate[at])


@njit(cache=True, nogil=True)
def _fit(  # type: ignore[no-untyped-def]
    group, least, indptr, artefact, rate, carrier, activity, links, family_of, families, of_artefact, carried, likelier,
    touched, state, fits, nats
):  # fmt: skip
    """Per account and signal the mean of two bets: that it copies from members at random (the urn), and, where
    artefacts tell by themselves, that it carries what is typical of the members, by their nats. Each account is held
    against the others; of a family's signals, the mean. Only accounts for which some signal is ``least`` times likelier
    or more are weighed."""
    signals = activity.shape[1]
    present, busy, telling = np.zeros((3, signals))
    n_touched = np.zeros(signals, dtype=np.int64)
    n_carried = 0
    for i in group:
        for s in range(signals):
            present[s] += activity[i, s] > 0.0
            busy[s] += activity[i, s]
        for link in range(indptr[i], indptr[i + 1]):
            of = of_artefact[artefact[link]]
            if of.count == 0.0:
                carried[n_carried] = artefact[link]
                n_carried += 1
            of.count += 1.0
            of.share += 1.0 / activity[i, of.signal]
    for place in range(n_carried):
        of = of_artefact[carried[place]]
        of.weight = 0.0
        if of.count >= 2.0:
            nat = chernoff(of.count, of.rate * busy[of.signal]) - of.penalty
            if nat > 0.0:
                of.weight = nat
                telling[of.signal] += nat
    for place in range(n_carried):
        of = of_artefact[carried[place]]
        s = of.signal
        if _tells_little(of, busy[s]):
            continue
        apart = background(1.0, of.popularity, of.count, links[s], busy[s])
        others = max(present[s], 1.0)
        drawn = (0.5 if telling[s] > 0.0 else 1.0) * of.share / (apart * others)
        borne = 0.5 * of.weight / telling[s] * of.count / others if of.weight > 0.0 else 0.0
        n = n_touched[s]
        for at in range(of.begin, of.begin + of.carriers):
            i, rarity = carrier[at].account, np.float64(carrier[at].rarity)
            before = likelier[s, i]
            touched[s, n] = i
            n += before == 0.0
            likelier[s, i] = before + drawn * rarity
        if borne > 0.0:
            for at in range(of.begin, of.begin + of.carriers):
                likelier[s, carrier[at].account] += borne * max(1.0, carrier[at].rarity / apart)
        n_touched[s] = n
    for i in group:
        state[i] = INSIDE
        likelier[:, i] = 0.0
        for link in range(indptr[i], indptr[i + 1]):
            of = of_artefact[artefact[link]]
            s = of.signal
            if of.count < 2.0 or _tells_little(of, busy[s]):
                continue
            k, rest = activity[i, s], present[s] - 1.0
            chance = background(rate[link], of.popularity, of.count - 1.0, links[s], busy[s] - k)
            gain = (0.5 if telling[s] > 0.0 else 1.0) * (of.share - 1.0 / k) / (k * chance * rest)
            if of.weight > 0.0:
                gain += 0.5 * of.weight / telling[s] * (of.count - 1.0) / rest / min(1.0, k * chance)
            likelier[s, i] += gain
    n = 0
    for s in range(signals):
        for place in range(n_touched[s]):
            i = touched[s, place]
            if likelier[s, i] > least and not state[i] & PICKED:
                state[i] |= PICKED
                fits[n] = i
                n += 1
    ratio, parts = np.zeros(families), np.zeros(families)
    for place in range(n):
        i = fits[place]
        ratio[:] = 0.0
        parts[:] = 0.0
        own = 1.0 if state[i] & INSIDE else 0.0
        for s in range(signals):
            if activity[i, s] > 0.0 and present[s] > own:
                ratio[family_of[s]] += 1.0 + present[s] / len(group) * COPYING * (likelier[s, i] - 1.0)
                parts[family_of[s]] += 1.0
        likelihood = 1.0
        for f in range(families):
            if parts[f] > 0.0:
                likelihood *= ratio[f] / parts[f]
        nats[place] = np.log(likelihood)
        state[i] = 0
    for s in range(signals):
        for place in range(n_touched[s]):
            likelier[s, touched[s, place]] = 0.0
    for place in range(n_carried):
        of = of_artefact[carried[place]]
        of.count, of.share = 0.0, 0.0
    for i in group:
        state[i] = 0
    return n


@njit(cache=True, nogil=True, inline="always")
def _tells_little(of, busy):  # type: ignore[no-untyped-def]
    """Whether an artefact is too popular to be asked about, given the group's links of its signal."""
    if of.popularity > WIDE and of.weight == 0.0:
        return True
    return of.popularity > POPULAR and of.count < 2.0 * of.rate * busy
