"""Which campaigns are one operator's? Bets that two campaigns draw what they use from one stock.

An operator whose accounts are banned goes on with others, and buys cards, mail, exits and programs for several pools
at once. What two campaigns use is compared per signal by the e-value of ``stats.matching``, in which a campaign counts
as one draw however many accounts it has; the mean over the signals of a family, staked by half, is what the family
says. The product over families is an e-value for the pair. An account without an artefact of a signal draws nothing,
which matches nobody; a signal that neither campaign shows is not asked.

Null: campaigns and other accounts draw what they use from this log independently of one another: what an account of
one campaign uses is as likely to be met on any other actor's account, be it another campaign's, a stranger's or a
compatriot's, whichever makes it less surprising.

Misleads where two customers buy from one seller: of cards, of mail domains, of exits, of ready-made prompts. So
two families must agree. When the provider closes accounts is the provider's choice: that two campaigns lose accounts
in one hour is no evidence, and what follows a ban is asked apart (``successions``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

from stillhunt.campaigns.evidence import PRIOR_LINKS, Evidence
from stillhunt.campaigns.log import Log
from stillhunt.campaigns.successions import (
    CARRIED,
    Calendar,
    Succession,
    calendar,
    first_uses,
    follows,
    wave,
)
from stillhunt.stats.fdr import benjamini_hochberg
from stillhunt.stats.matching import STAKE, match, share_elsewhere, staked

COMPARED = ("distillation", "reseller", "trial_farm")
"""Kinds whose campaigns are compared: one hand behind accounts that deny knowing each other. Teams and test suites
declare who they are, and an unclear campaign accuses nobody."""
LEAST_FAMILIES = 2
"""Families of evidence that must each speak for a pair: one honest cause, or one seller, can explain one."""
LEAST_E = 20.0
"""e-value from which a family speaks, 3 nats: under the null, one in twenty reaches it at most. What follows a ban can
hardly show more in a log of two weeks, which holds three hundred hours."""
LEAST_NATS = staked(LEAST_E)
"""The same with half of the stake kept, as ``Tie`` holds it."""
SUCCESSION = "succession"
"""The family of what follows a ban."""
UNASKED = frozenset({"replaces_banned_account"})
"""Signals whose artefacts are the provider's doing."""


@dataclass(frozen=True)
class Actor:
    """A campaign of the scan. members: numbers of its accounts. compared: whether it may be tied to others."""

    campaign_id: str
    kind: str
    members: NDArray[np.int32]
    compared: bool


@dataclass(frozen=True)
class Tie:
    """What speaks for one operator behind actors ``a`` and ``b``. families: nats of each family that could be asked.
    artefacts: what ties them, with the e-value that each adds to its signal's; the most telling first."""

    a: int
    b: int
    families: Mapping[str, float]
    artefacts: tuple[tuple[int, float], ...]
    successions: tuple[Succession, ...] = ()
    q: float = 1.0

    @property
    def nats(self) -> float:
        return sum(self.families.values())

    @property
    def speaking(self) -> list[str]:
        """Families of at least LEAST_NATS, the strongest first."""
        strong = [name for name, nats in self.families.items() if nats >= LEAST_NATS]
        return sorted(strong, key=lambda name: -self.families[name])


@dataclass(frozen=True)
class Stocks:
    """What actors draw: an account, one of its artefacts of a signal at random, or nothing if it has none; a campaign,
    what one of its accounts at random draws.

    Rows of ``share`` and ``weight`` are campaigns, columns artefacts: the chance that a campaign's draw is the
    artefact, and the sum over its accounts of theirs. shows: campaigns by signals, whether any account has one. Over
    all actors, of which a campaign is one and so is each account in none, chances add up to ``by_actor``; over all
    accounts to ``by_account``, over those of a country to ``by_country`` (artefacts, countries). actors: how many;
    there: accounts per country."""

    evidence: Evidence
    members: Sequence[NDArray[np.int32]]
    share: sparse.csr_array
    weight: sparse.csr_array
    shows: NDArray[np.bool_]
    by_actor: NDArray[np.float64]
    actors: int
    by_account: NDArray[np.float64]
    by_country: sparse.csr_array
    there: NDArray[np.float64]


def stocks(evidence: Evidence, groups: Sequence[NDArray[np.int32]]) -> Stocks:
    """What each group holds, and everybody else. groups: account numbers, disjoint."""
    artefacts = len(evidence.signal)
    account = evidence.link_accounts()
    part = 1.0 / evidence.activity[account, evidence.signal[evidence.artefact]]
    group_of = np.full(evidence.accounts, -1, dtype=np.int64)
    for number, members in enumerate(groups):
        group_of[members] = number
    inside = group_of[account] >= 0
    rows, columns = group_of[account][inside], evidence.artefact[inside]
    shape = (len(groups), artefacts)
    size = np.array([len(members) for members in groups], dtype=np.float64)
    share = sparse.csr_array((part[inside] / size[rows], (rows, columns)), shape=shape)
    alone = np.bincount(evidence.artefact[~inside], weights=part[~inside], minlength=artefacts)
    countries = int(evidence.country.max(initial=0)) + 1
    return Stocks(
        evidence,
        groups,
        share,
        sparse.csr_array((part[inside], (rows, columns)), shape=shape),
        np.array([(evidence.activity[members] > 0).any(axis=0) for members in groups], dtype=np.bool_),
        alone.astype(np.float64) + np.asarray(share.sum(axis=0)).ravel(),
        int((group_of < 0).sum()) + len(groups),
        np.bincount(evidence.artefact, weights=part, minlength=artefacts).astype(np.float64),
        sparse.csr_array(
            (part, (evidence.artefact, evidence.country[account])), shape=(artefacts, countries)
        ),
        np.bincount(evidence.country, minlength=countries).astype(np.float64),
    )


def compare(held: Stocks, a: int, b: int) -> tuple[dict[str, float], list[tuple[int, float]]]:
    """Nats of each link family that one of two groups shows, and what each artefact that both hold adds to its signal's
    e-value, the largest first."""
    evidence = held.evidence
    common = np.intersect1d(_row(held.share, a)[0], _row(held.share, b)[0])
    own, theirs = (_values(held.share, group, common) for group in (a, b))
    adds = match(own, theirs, _elsewhere(held, a, b, common, own + theirs))
    e = np.bincount(evidence.signal[common], weights=adds, minlength=len(evidence.signals))
    asked = _asked(evidence) & (held.shows[a] | held.shows[b])
    family = evidence.family_of()
    families = {
        name: staked(e[asked & (family == f)])
        for f, name in enumerate(evidence.families)
        if (asked & (family == f)).any()
    }
    order = [k for k in np.argsort(-adds, kind="stable") if asked[evidence.signal[common[k]]]]
    return families, [(int(common[k]), float(adds[k])) for k in order]


def _asked(evidence: Evidence) -> NDArray[np.bool_]:
    return np.array([s.weighs and s.name not in UNASKED for s in evidence.signals], dtype=np.bool_)


def _elsewhere(
    held: Stocks, a: int, b: int, common: NDArray[np.int32], both: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Share of each artefact among the others: of actors, of accounts, or of the accounts of either's countries, where
    the share is drawn towards that in the world by PRIOR_LINKS accounts; the largest."""
    evidence = held.evidence
    actors = share_elsewhere(np.maximum(held.by_actor[common] - both, 0.0), held.actors - 2.0)
    taken = _values(held.weight, a, common) + _values(held.weight, b, common)
    left = evidence.accounts - len(held.members[a]) - len(held.members[b])
    accounts = share_elsewhere(np.maximum(held.by_account[common] - taken, 0.0), float(left))
    world = np.maximum(actors, accounts)
    here, there = held.by_country[common].toarray(), held.there.copy()
    homes = np.zeros((2, len(there)))
    for side, group in enumerate((a, b)):
        members = held.members[group]
        home = np.bincount(evidence.country[members], minlength=len(there))
        homes[side] = home / len(members)
        there -= home
        account, place = links_among(evidence, members, common)
        part = 1.0 / evidence.activity[account, evidence.signal[common[place]]]
        np.subtract.at(here, (place, evidence.country[account]), part)
    local = (np.maximum(here, 0.0) + PRIOR_LINKS * world[:, None]) / (there + PRIOR_LINKS)
    largest: NDArray[np.float64] = np.maximum(world, (local @ homes.T).max(axis=1, initial=0.0))
    return largest


def links_among(
    evidence: Evidence, members: NDArray[np.int32], artefacts: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Links of members to these artefacts (ascending): accounts, and the artefacts' places."""
    links = np.concatenate([np.arange(evidence.indptr[i], evidence.indptr[i + 1]) for i in members])
    account = np.repeat(members, np.diff(evidence.indptr)[members])
    place = np.searchsorted(artefacts, evidence.artefact[links])
    known = np.append(artefacts, -1)[place] == evidence.artefact[links]
    return account[known], place[known]


def _row(table: sparse.csr_array, row: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    inside = slice(table.indptr[row], table.indptr[row + 1])
    return table.indices[inside], table.data[inside]


def _values(table: sparse.csr_array, row: int, columns: NDArray[np.int32]) -> NDArray[np.float64]:
    held, values = _row(table, row)
    order = np.argsort(held)
    found: NDArray[np.float64] = values[order][np.searchsorted(held[order], columns)]
    return found


def promising(held: Stocks, compared: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of which some link family might speak: a bound on every pair at once, which no pair exceeds.

    The share elsewhere is at least that among actors, and two actors hold at most 2 of ``by_actor``.
    """
    evidence = held.evidence
    reaches = np.zeros((len(compared), len(compared)), dtype=np.bool_)
    for s in np.flatnonzero(_asked(evidence)):
        columns = np.flatnonzero(evidence.signal == s)
        if not len(columns):
            continue
        share = held.share[list(compared)][:, columns]
        lowest = np.maximum(held.by_actor[columns] - 1.0, 1.0) / max(held.actors - 1.0, 1.0)
        bound = ((share * (1.0 / lowest)) @ share.T).toarray()
        reaches |= np.log1p(STAKE * (bound - 1.0)) >= LEAST_NATS
    return [(compared[i], compared[j]) for i, j in zip(*np.nonzero(np.triu(reaches, 1)), strict=True)]


def attribute(
    log: Log, evidence: Evidence, summary: pa.Table, actors: Sequence[Actor], level: float
) -> list[Tie]:
    """Pairs of campaigns that are probably one operator's, the surest first. Needs ``campaign_members``.

    level: false discovery rate over the pairs of the same two kinds; e-BH, which holds however the pairs depend.
    """
    compared = [number for number, actor in enumerate(actors) if actor.compared]
    if len(compared) < 2:
        return []
    held = stocks(evidence, [actor.members for actor in actors])
    ties = []
    for a, b in promising(held, compared):
        families, artefacts = compare(held, a, b)
        if max(families.values(), default=0.0) >= LEAST_NATS:
            ties.append(Tie(a, b, families, tuple((k, e) for k, e in artefacts if e >= 1.0)))
    ties = _with_successions(log, evidence, summary, actors, ties)
    return accepted(ties, actors, level)


def accepted(ties: Sequence[Tie], actors: Sequence[Actor], level: float) -> list[Tie]:
    """Those of the pairs that pass. A pair without LEAST_FAMILIES that speak counts as an e-value of 0."""
    pairs: dict[tuple[str, ...], int] = {}
    for one, other in combinations([actor for actor in actors if actor.compared], 2):
        kinds = tuple(sorted((one.kind, other.kind)))
        pairs[kinds] = pairs.get(kinds, 0) + 1
    agreeing = [tie for tie in ties if len(tie.speaking) >= LEAST_FAMILIES]
    passed = []
    for kinds, tested in pairs.items():
        mine = [tie for tie in agreeing if tuple(sorted((actors[tie.a].kind, actors[tie.b].kind))) == kinds]
        q = benjamini_hochberg(np.exp([min(-tie.nats, 0.0) for tie in mine]), tested=tested)
        passed += [
            Tie(tie.a, tie.b, tie.families, tie.artefacts, tie.successions, float(each))
            for tie, each in zip(mine, q, strict=True)
            if each <= level
        ]
    return sorted(passed, key=lambda tie: -tie.nats)


def _with_successions(
    log: Log, evidence: Evidence, summary: pa.Table, actors: Sequence[Actor], ties: Sequence[Tie]
) -> list[Tie]:
    """The ties with what follows a ban of either, where it is known."""
    days = calendar(log, summary)
    waves = {n: wave(days.closed_h[actors[n].members]) for tie in ties for n in (tie.a, tie.b)}
    asked = []
    for number, tie in enumerate(ties):
        carried = [k for k, _ in tie.artefacts if evidence.signals[evidence.signal[k]].name in CARRIED]
        first = carried[0] if carried else None
        asked += [
            (number, (before, after), struck, first)
            for before, after in ((tie.a, tie.b), (tie.b, tie.a))
            if (struck := waves[before]) is not None
        ]
    wanted = [
        (actors[after].campaign_id, evidence.signals[evidence.signal[k]].name, int(evidence.artefact_id[k]))
        for _, (_, after), _, k in asked
        if k is not None
    ]
    began = first_uses(log, wanted, pc.min(summary["first_seen"]))
    found: dict[int, list[Succession]] = {}
    for number, pair, struck, k in asked:
        one = follows(days, pair, struck, _began(days, evidence, actors[pair[1]], k, began), k)
        if one is not None:
            found.setdefault(number, []).append(one)
    return [_joined(tie, found.get(number, [])) for number, tie in enumerate(ties)]


def _began(
    days: Calendar,
    evidence: Evidence,
    actor: Actor,
    artefact: int | None,
    began: Mapping[tuple[str, int], float],
) -> float:
    if artefact is None:
        return float(days.first_h[actor.members].min())
    return began[actor.campaign_id, int(evidence.artefact_id[artefact])]


def _joined(tie: Tie, found: Sequence[Succession]) -> Tie:
    if not found:
        return tie
    families = {**tie.families, SUCCESSION: staked(np.array([one.e for one in found]))}
    return Tie(tie.a, tie.b, families, tie.artefacts, tuple(found))
