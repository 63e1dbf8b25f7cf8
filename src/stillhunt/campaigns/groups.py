"""How strongly each family says that the accounts of a group belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.moves import Moves, moves_within
from stillhunt.campaigns.turns import MIDDLE, Sessions, dispersions, steadiness
from stillhunt.campaigns.urn import COPIES, background, bet, span
from stillhunt.stats.bounds import chernoff_upper, hoeffding_lower
from stillhunt.stats.dispersion import evenness_p

TURNS = "timing"
"""The family of ``takes_turns`` and ``keeps_time``, the last column of the evidence."""
MOVES = "hand_off"
"""The family of ``hands_off`` and of replayed signatures."""
COVERS = 1 / 3
"""Least share of a group's members that a family must tie to one another, beyond chance, to speak for the group."""
MAJORITY = 1 / 2
"""Least share of the members that some second family must tie: with less, a group is a crowd around one popular thing
and the household, firm or farm within it."""
TIES = 10.0
"""How many times likelier than by chance a member's artefacts must be among those of the others to tie it to them."""


@dataclass(frozen=True)
class Conduct:
    """What accounts do that ties no single pair: when they start sessions, and whose prompts they take."""

    sessions: Sessions
    moves: Moves


def group_evidence(
    evidence: Evidence, conduct: Conduct, groups: Sequence[NDArray[np.int32]], agreeing: bool = True
) -> NDArray[np.float64]:
    """Nats per group and family, shape (groups, families + 1); the last column is timing. agreeing: only families that
    tie the same members count.

    Of a link family, the larger of two statistics less ``log 2``. First: the one artefact that is most concentrated
    in the group, by Chernoff's bound on its count, less the logarithm of the family's links over the artefact's. That
    is Bonferroni's correction over all artefacts of the family, each with its share of the links as weight; those that
    happen to occur in the group are no fair count of what was tried. It is held against the null of ``evidence``, with
    ``k r`` for ``1 - exp(-k r)``, which is at least as large and is exact for an account that carries one artefact; and
    it counts only where at least the share COVERS of the members carry it. Second: the logarithm of the mean e-value
    over the family's signals that members copy from one another (see ``urn``).

    Among the many users of a popular program there are some households and some firms, which share much; that says
    nothing about the rest. So a link family counts only where it ties the same members as the strongest one, at least
    COVERS of all; and none counts beside the strongest unless one of them ties MAJORITY of all with it. Two groups in
    one are not one group. An artefact ties its members where it tells by itself (its nats are above the correction), a
    signal where the member's artefacts are TIES times likelier among the others' than in the log.
    """
    if not groups:
        return np.zeros((0, len(evidence.families) + 1))
    pointers, members = _flat(groups)
    everything = np.full(len(groups), -1)
    links = _of_links(evidence, pointers, members, everything, agreeing)
    return _with_conduct(evidence, conduct, links, pointers, members)


def beyond_seed(
    evidence: Evidence, conduct: Conduct, groups: Sequence[NDArray[np.int32]], seed: NDArray[np.int16]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The same as ``group_evidence`` but for the family ``seed[g]`` that chose group ``g`` (below 0 where none did),
    and whether that family was weighed too.

    A family that finds nothing by itself, or ties fewer members than it must to speak for the group, cannot speak in
    agreement with another. So where none but the seed's own is left, and its artefacts are nearly all that there are,
    these are not read; its column is then 0.
    """
    if not groups:
        return np.zeros((0, len(evidence.families) + 1)), np.zeros(0, dtype=np.bool_)
    pointers, members = _flat(groups)
    own = np.maximum(seed, -1).astype(np.int64)
    links = np.zeros((len(groups), len(evidence.families)))
    asked = own < 0
    seeded = np.flatnonzero(~asked)
    alone = _of_links(evidence, *_some(pointers, members, seeded), own[seeded], False)
    asked[seeded] = (alone > 0.0).any(axis=1)
    loud = np.flatnonzero(asked)
    links[loud] = _of_links(evidence, *_some(pointers, members, loud), np.full(len(loud), -1), True)
    return _with_conduct(evidence, conduct, links, pointers, members), asked


def _flat(groups: Sequence[NDArray[np.int32]]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    pointers = np.concatenate(([0], np.cumsum([len(group) for group in groups]))).astype(np.int64)
    return pointers, np.concatenate(groups)


def _some(
    pointers: NDArray[np.int64], members: NDArray[np.int32], chosen: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Only the groups ``chosen``."""
    sizes = np.diff(pointers)
    kept = np.zeros(len(sizes), dtype=np.bool_)
    kept[chosen] = True
    return np.concatenate(([0], np.cumsum(sizes[chosen]))).astype(np.int64), members[np.repeat(kept, sizes)]


def _of_links(
    evidence: Evidence,
    pointers: NDArray[np.int64],
    members: NDArray[np.int32],
    skip: NDArray[np.int64],
    agreeing: bool,
) -> NDArray[np.float64]:
    """Nats per group and link family. skip: per group, a family that is not looked at (then another is 0 where it ties
    fewer than COVERS of the members by itself), or -1."""
    artefacts = len(evidence.family)
    nats: NDArray[np.float64] = _link_families(
        pointers,
        members,
        evidence.cuts,
        skip,
        evidence.artefact,
        evidence.family,
        evidence.signal,
        evidence.rate,
        evidence.activity,
        evidence.corrections,
        np.array([signal.weighs for signal in evidence.signals], dtype=np.bool_),
        evidence.family_of(),
        len(evidence.families),
        evidence.popularity.astype(np.float64),
        evidence.links,
        COVERS,
        MAJORITY,
        agreeing,
        COPIES,
        # Made here, where untouched zeros take no time: a group alone touches few of a large log's artefacts.
        *np.zeros((3, artefacts)),
        np.zeros(artefacts, dtype=np.bool_),
        np.empty(artefacts, dtype=np.int32),
    )
    return nats


def _with_conduct(
    evidence: Evidence,
    conduct: Conduct,
    links: NDArray[np.float64],
    pointers: NDArray[np.int64],
    members: NDArray[np.int32],
) -> NDArray[np.float64]:
    if MOVES in evidence.families:
        column = evidence.families.index(MOVES)
        handed = moving_evidence(conduct.moves, pointers, members)
        links[:, column] = np.maximum(np.maximum(links[:, column], handed) - np.log(2.0), 0.0)
    return np.column_stack((links, timing_evidence(conduct.sessions, pointers, members)))


def moving_evidence(
    moves: Moves, pointers: NDArray[np.int64], members: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Nats per group that ``hands_off`` shows; 0 where moves after failures connect less than COVERS of the members or
    fewer than three. Customers with a few keys each hand off among these; that says nothing about all of them."""
    after, mean, _, connected = moves_within(moves, pointers, members)
    covered = connected >= np.maximum(COVERS * np.diff(pointers), 3.0)
    nats: NDArray[np.float64] = np.where(covered, chernoff_upper(after, mean), 0.0)
    return nats


def timing_evidence(
    sessions: Sessions, pointers: NDArray[np.int64], members: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Nats per group: the larger of what ``takes_turns`` and ``keeps_time`` show, less ``log 2``. Group ``g`` is
    ``members[pointers[g]:pointers[g + 1]]``."""
    even = -np.log(np.maximum(evenness_p(*dispersions(sessions, pointers, members)), 1e-300))
    spread, triples = steadiness(sessions, pointers, members)
    steady = hoeffding_lower(spread, MIDDLE, triples)
    nats: NDArray[np.float64] = np.maximum(np.maximum(even, steady) - np.log(2.0), 0.0)
    return nats


@njit(cache=True, nogil=True)
def chernoff(x, mean):  # type: ignore[no-untyped-def]
    if x <= mean or x <= 0:
        return 0.0
    return x * np.log(x / max(mean, 1e-300)) - x + mean


@njit(cache=True, nogil=True)
def _link_families(  # type: ignore[no-untyped-def]
    pointers, member, cuts, skip, artefact, family, signal, rate, activity, penalty, weighs, family_of, families,
    popularity, links, covers, majority, agreeing, copies, count, share, rates, tells, touched
):  # fmt: skip
    groups, signals = len(pointers) - 1, activity.shape[1]
    result = np.zeros((groups, families))
    wealth, present, busy = np.zeros((signals, len(copies))), np.zeros(signals), np.zeros(signals)
    best, ties, told = np.zeros(families), np.zeros(signals), np.zeros((families, families))
    for g in range(groups):
        group = member[pointers[g] : pointers[g + 1]]
        least = covers * len(group)
        bet(
            group, cuts, skip[g], artefact, signal, rate, activity, popularity, links, count, share, wealth, present,
            busy, copies,
        )  # fmt: skip
        seen = 0
        for i in group:
            for part in range(2):
                begin, end = span(cuts, i, skip[g], part)
                for link in range(begin, end):
                    a = artefact[link]
                    if rates[a] == 0.0:
                        touched[seen] = a
                        seen += 1
                    rates[a] += rate[link]
        best[:] = 0.0
        for position in range(seen):
            a = touched[position]
            if weighs[signal[a]] and count[a] >= 2.0:
                nats = chernoff(count[a], rates[a] / count[a] * busy[signal[a]]) - penalty[a]
                tells[a] = nats > 0.0
                if count[a] >= least:
                    best[family[a]] = max(best[family[a]], nats)
        told[:] = 0.0
        for i in group:
            mask = 0
            ties[:] = 0.0
            for part in range(2):
                begin, end = span(cuts, i, skip[g], part)
                for link in range(begin, end):
                    a = artefact[link]
                    s = signal[a]
                    if weighs[s]:
                        if tells[a]:
                            mask |= 1 << family[a]
                        k = activity[i, s]
                        chance = background(rate[link], popularity[a], count[a] - 1.0, links[s], busy[s] - k)
                        ties[s] += (share[a] - 1.0 / k) / (k * chance)
            for s in range(signals):
                if ties[s] > 0.0 and ties[s] >= TIES * (present[s] - 1.0):
                    mask |= 1 << family_of[s]
            for f in range(families):
                if mask >> f & 1:
                    for other in range(families):
                        told[f, other] += mask >> other & 1
        for f in range(families):
            urn, stakes = 0.0, 0
            for s in range(signals):
                if family_of[s] == f and weighs[s]:
                    for t in range(len(copies)):
                        urn = wealth[s, t] if stakes == 0 else np.logaddexp(urn, wealth[s, t])
                        stakes += 1
            urn -= np.log(max(stakes, 1))
            result[g, f] = max(0.0, max(best[f], urn) - np.log(2.0))
        if skip[g] >= 0:
            for f in range(families):
                if told[f, f] < least:
                    result[g, f] = 0.0
        if agreeing:
            strongest = np.argmax(result[g])
            second = 0.0
            for f in range(families):
                if f != strongest and result[g, f] > 0.0:
                    second = max(second, told[strongest, f])
            for f in range(families):
                if told[strongest, f] < least or (f != strongest and second < majority * len(group)):
                    result[g, f] = 0.0
        for position in range(seen):
            a = touched[position]
            tells[a] = False
            count[a], share[a], rates[a] = 0.0, 0.0, 0.0
    return result
