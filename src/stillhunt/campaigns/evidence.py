"""``Evidence``: every account–artefact link of a log as one sparse matrix, weighed against popularity and activity.

The null of all link signals: account ``i`` carries artefact ``a`` of signal ``s`` with probability
``1 - exp(-k_is r_ia)``, where ``k_is`` is the number of the signal's artefacts that the account carries and ``r_ia``
the artefact's share of the signal's links. It is the bipartite configuration model: popular artefacts and busy
accounts meet often, and such a meeting weighs little.

The share is the larger of two: over the whole log, ``d_a / K_s``, and over the account's own country without the
account itself, drawn towards the former by ``PRIOR_LINKS`` links. Addresses, issuers and languages go by country, and
what is rare in the world may be common at home.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stillhunt.campaigns.signals.signal import Artefacts, Signal

PRIOR_LINKS = 200.0
"""Links of a country at which its own shares and the world's weigh the same."""

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True)
class Evidence:
    """Links of ``accounts`` accounts to ``A`` artefacts in CSR form, both ways.

    indptr, artefact: per account, its artefacts (ascending, so families stay together).
    members_ptr, member: per artefact, its accounts (ascending).
    signal: per artefact, the index of its signal in ``signals``. family: per artefact, the index in ``families``.
    popularity: per artefact, accounts of the whole log that carry it. rate: per link, ``r_ia``; member_rate: the same
    in the order of ``member``. country: per account, a number.
    activity: shape (accounts, signals), ``k_is``.
    artefact_id: per artefact, the identity that its signal gave it.
    cuts: shape (accounts, families + 1), where the links of each family begin in each account's; the last is where the
    account's end.
    """

    accounts: int
    signals: tuple[Signal, ...]
    families: tuple[str, ...]
    indptr: NDArray[np.int64]
    artefact: NDArray[np.int32]
    members_ptr: NDArray[np.int64]
    member: NDArray[np.int32]
    signal: NDArray[np.int16]
    family: NDArray[np.int16]
    popularity: NDArray[np.int64]
    country: NDArray[np.int64]
    rate: NDArray[np.float32]
    member_rate: NDArray[np.float32]
    activity: NDArray[np.float64]
    artefact_id: NDArray[np.int64]
    cuts: NDArray[np.int64]

    def link_accounts(self) -> NDArray[np.int32]:
        """The account of each link, in the order of ``artefact``."""
        return np.repeat(np.arange(self.accounts, dtype=np.int32), np.diff(self.indptr))

    @cached_property
    def links(self) -> NDArray[np.float64]:
        """Links per signal in the whole log."""
        return np.bincount(self.signal, weights=self.popularity, minlength=len(self.signals)).astype(
            np.float64
        )

    @cached_property
    def corrections(self) -> NDArray[np.float64]:
        """Nats of Bonferroni's weighted correction, per artefact: the family's links over the artefact's, as
        logarithm."""
        totals = np.bincount(self.family, weights=self.popularity, minlength=len(self.families))
        nats: NDArray[np.float64] = np.log(totals[self.family] / self.popularity)
        return nats

    def family_of(self) -> NDArray[np.int64]:
        """The index in ``families`` of each signal."""
        return np.array([self.families.index(signal.family) for signal in self.signals], dtype=np.int64)


def weigh(found: Sequence[tuple[Signal, Artefacts]], country: NDArray[np.int64]) -> Evidence:
    """One matrix from the links of every signal; artefacts are numbered family by family. country: per account, a
    number."""
    accounts = len(country)
    signals = tuple(signal for signal, _ in found)
    families = tuple(dict.fromkeys(signal.family for signal in signals))
    by_family = sorted(range(len(signals)), key=lambda s: families.index(signals[s].family))
    account_of, artefact_of = [], []
    ids, signal_of, popularity = [], [], []
    offset = 0
    for s in by_family:
        links = found[s][1].links
        identity, first, local = np.unique(
            links["artefact"].to_numpy(), return_index=True, return_inverse=True
        )
        account_of.append(links["account"].to_numpy().astype(np.int32))
        artefact_of.append((local + offset).astype(np.int32))
        ids.append(identity)
        signal_of.append(np.full(len(identity), s, dtype=np.int16))
        popularity.append(links["accounts"].to_numpy()[first].astype(np.int64))
        offset += len(identity)
    signal = _joined(signal_of, np.int16)
    family_of_signal = np.array([families.index(signal.family) for signal in signals], dtype=np.int16)
    popular = _joined(popularity, np.int64)
    evidence = Evidence(
        accounts=accounts,
        signals=signals,
        families=families,
        indptr=np.zeros(accounts + 1, dtype=np.int64),
        artefact=np.zeros(0, dtype=np.int32),
        members_ptr=np.zeros(offset + 1, dtype=np.int64),
        member=np.zeros(0, dtype=np.int32),
        signal=signal,
        family=family_of_signal[signal] if len(signals) else np.zeros(0, dtype=np.int16),
        popularity=popular,
        country=country,
        rate=np.zeros(0, dtype=np.float32),
        member_rate=np.zeros(0, dtype=np.float32),
        activity=np.zeros((accounts, len(signals))),
        artefact_id=_joined(ids, np.int64),
        cuts=np.zeros((accounts, len(families) + 1), dtype=np.int64),
    )
    return relink(evidence, _joined(account_of, np.int32), _joined(artefact_of, np.int32))


def relink(evidence: Evidence, account: NDArray[np.int32], artefact: NDArray[np.int32]) -> Evidence:
    """The same artefacts tied to these accounts, link by link."""
    links = np.arange(len(account), dtype=np.int32 if len(account) < 2**31 else np.int64)
    by_artefact = _stable(artefact, _pointers(artefact, len(evidence.signal)), links)
    order = _stable(account, _pointers(account, evidence.accounts), by_artefact)
    return _weighed(evidence, artefact[order], _cuts(evidence, account, artefact))


def dealt(
    evidence: Evidence, came_from: NDArray[np.int32], left_out: NDArray[np.bool_] | None = None
) -> Evidence:
    """The same artefacts, where account ``i`` is given the links in family ``f`` of account ``came_from[f, i]``; or
    none, if it is left out. came_from: a permutation per family, of those that are not left out among themselves."""
    kept = np.ones(evidence.accounts, dtype=np.bool_) if left_out is None else ~left_out
    sizes = np.diff(evidence.cuts, axis=1)
    given = np.take_along_axis(sizes, came_from.T, axis=0) * kept[:, None]
    cuts = _ends(given)
    artefact = np.empty(int(given.sum()), dtype=np.int32)
    _copy(evidence.artefact, evidence.cuts, came_from, cuts, artefact)
    return _weighed(evidence, artefact, cuts)


def _weighed(evidence: Evidence, artefact: NDArray[np.int32], cuts: NDArray[np.int64]) -> Evidence:
    """The matrix of these links, account by account."""
    indptr = np.append(cuts[:, 0], np.int64(len(artefact)))
    members_ptr = _pointers(artefact, len(evidence.signal))
    links = np.arange(len(artefact), dtype=np.int32 if len(artefact) < 2**31 else np.int64)
    back = _stable(artefact, members_ptr, links)
    signals = len(evidence.signals)
    activity = np.zeros((evidence.accounts, signals))
    _count(indptr, artefact, evidence.signal, activity)
    country = evidence.country
    at_home = np.zeros((int(country.max(initial=0)) + 1, signals))
    np.add.at(at_home, country, activity)
    member = np.empty(len(artefact), dtype=np.int32)
    rate, member_rate = np.empty((2, len(artefact)), dtype=np.float32)
    world = evidence.popularity / np.maximum(evidence.links, 1.0)[evidence.signal]
    account = np.repeat(np.arange(evidence.accounts, dtype=np.int32), np.diff(indptr))
    _rates(members_ptr, back, account, evidence.signal, world, country, at_home, member, rate, member_rate)
    return replace(
        evidence,
        indptr=indptr,
        artefact=artefact,
        members_ptr=members_ptr,
        member=member,
        rate=rate,
        member_rate=member_rate,
        activity=activity,
        cuts=cuts,
    )


def _ends(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """``cuts``, from the links per account and family."""
    ends = np.cumsum(sizes.ravel()).reshape(sizes.shape)
    begins = np.append(np.int64(0), ends[:-1].max(axis=1, initial=0))[: len(sizes)]
    return np.column_stack((begins, ends))


def _cuts(evidence: Evidence, account: NDArray[np.int32], artefact: NDArray[np.int32]) -> NDArray[np.int64]:
    sizes = np.zeros((evidence.accounts, len(evidence.families)), dtype=np.int64)
    _count_families(account, artefact, evidence.family, sizes)
    return _ends(sizes)


@njit(cache=True, nogil=True)
def _copy(artefact, cuts, came_from, new_cuts, into):  # type: ignore[no-untyped-def]
    for i in range(len(new_cuts)):
        for f in range(len(came_from)):
            begin, source = new_cuts[i, f], cuts[came_from[f, i], f]
            for at in range(new_cuts[i, f + 1] - begin):
                into[begin + at] = artefact[source + at]


@njit(cache=True, nogil=True)
def _count_families(account, artefact, family, sizes):  # type: ignore[no-untyped-def]
    for link in range(len(artefact)):
        sizes[account[link], family[artefact[link]]] += 1


@njit(cache=True, nogil=True)
def _count(indptr, artefact, signal, activity):  # type: ignore[no-untyped-def]
    for i in range(len(indptr) - 1):
        for link in range(indptr[i], indptr[i + 1]):
            activity[i, signal[artefact[link]]] += 1.0


@njit(cache=True, nogil=True)
def _stable(key, pointers, order):  # type: ignore[no-untyped-def]
    """``order``, sorted by ``key[order]`` with equal ones kept in order. pointers: where each key's place begins."""
    place = pointers[:-1].copy()
    out = np.empty_like(order)
    for link in order:
        out[place[key[link]]] = link
        place[key[link]] += 1
    return out


@njit(cache=True, nogil=True)
def _rates(  # type: ignore[no-untyped-def]
    members_ptr, links, account, signal, world, country, at_home, member, rate, member_rate
):
    """Fills each artefact's members, and ``r_ia`` per link and per member. links: those of each artefact."""
    count = np.zeros(len(at_home))
    for a in range(len(members_ptr) - 1):
        s, everywhere = signal[a], world[a]
        for at in range(members_ptr[a], members_ptr[a + 1]):
            member[at] = account[links[at]]
            count[country[member[at]]] += 1.0
        for at in range(members_ptr[a], members_ptr[a + 1]):
            home = country[member[at]]
            others = at_home[home, s] - 1.0 + PRIOR_LINKS
            local = (count[home] - 1.0 + PRIOR_LINKS * everywhere) / others
            member_rate[at] = max(everywhere, local)
            rate[links[at]] = member_rate[at]
        for at in range(members_ptr[a], members_ptr[a + 1]):
            count[country[member[at]]] = 0.0


def _pointers(rows: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=size)))).astype(np.int64)


def _joined(parts: Sequence[NDArray[Scalar]], dtype: type[Scalar]) -> NDArray[Scalar]:
    return np.concatenate(parts).astype(dtype) if parts else np.zeros(0, dtype=dtype)
