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

    indptr, artefact, n: per account, its artefacts (ascending, so families stay together) and exchanges behind each.
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
    n: NDArray[np.int64]
    members_ptr: NDArray[np.int64]
    member: NDArray[np.int32]
    signal: NDArray[np.int16]
    family: NDArray[np.int16]
    popularity: NDArray[np.int64]
    country: NDArray[np.int64]
    rate: NDArray[np.float64]
    member_rate: NDArray[np.float64]
    activity: NDArray[np.float64]
    artefact_id: NDArray[np.uint64]
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
    account_of, artefact_of, counts = [], [], []
    ids, signal_of, popularity = [], [], []
    offset = 0
    for s in by_family:
        links = found[s][1].links
        identity, first, local = np.unique(
            links["artefact"].to_numpy(), return_index=True, return_inverse=True
        )
        account_of.append(links["account"].to_numpy().astype(np.int32))
        artefact_of.append((local + offset).astype(np.int32))
        counts.append(links["n"].to_numpy().astype(np.int64))
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
        n=np.zeros(0, dtype=np.int64),
        members_ptr=np.zeros(offset + 1, dtype=np.int64),
        member=np.zeros(0, dtype=np.int32),
        signal=signal,
        family=family_of_signal[signal] if len(signals) else np.zeros(0, dtype=np.int16),
        popularity=popular,
        country=country,
        rate=np.zeros(0),
        member_rate=np.zeros(0),
        activity=np.zeros((accounts, len(signals))),
        artefact_id=_joined(ids, np.uint64),
        cuts=np.zeros((accounts, len(families) + 1), dtype=np.int64),
    )
    return relink(
        evidence, _joined(account_of, np.int32), _joined(artefact_of, np.int32), _joined(counts, np.int64)
    )


def relink(
    evidence: Evidence, account: NDArray[np.int32], artefact: NDArray[np.int32], n: NDArray[np.int64]
) -> Evidence:
    """The same artefacts tied to other accounts: used to fill a matrix and to draw null logs."""
    members_ptr = _pointers(artefact, len(evidence.signal))
    indptr = _pointers(account, evidence.accounts)
    every = np.arange(len(account))
    order = _stable(account, indptr, _stable(artefact, members_ptr, every))
    back = _stable(artefact, members_ptr, _stable(account, indptr, every))
    signals = len(evidence.signals)
    signal_of_link = evidence.signal[artefact]
    place = account.astype(np.int64) * signals + signal_of_link
    activity = np.bincount(place, minlength=evidence.accounts * signals).astype(np.float64)
    rate = _rates(evidence, account, artefact, signal_of_link, (members_ptr, back))
    return replace(
        evidence,
        indptr=indptr,
        artefact=artefact[order],
        n=n[order],
        members_ptr=members_ptr,
        member=account[back],
        rate=rate[order],
        member_rate=rate[back],
        activity=activity.reshape(evidence.accounts, signals),
        cuts=_cuts(evidence, indptr, account, artefact),
    )


def _cuts(
    evidence: Evidence, indptr: NDArray[np.int64], account: NDArray[np.int32], artefact: NDArray[np.int32]
) -> NDArray[np.int64]:
    families = len(evidence.families)
    place = account.astype(np.int64) * families + evidence.family[artefact]
    ends = np.cumsum(np.bincount(place, minlength=evidence.accounts * families)).reshape(
        evidence.accounts, families
    )
    return np.column_stack((indptr[:-1], ends)).astype(np.int64)


def _rates(
    evidence: Evidence,
    account: NDArray[np.int32],
    artefact: NDArray[np.int32],
    signal: NDArray[np.int16],
    by_artefact: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> NDArray[np.float64]:
    """``r_ia`` per link. by_artefact: pointers, and the links of each artefact."""
    signals = len(evidence.signals)
    totals = np.bincount(evidence.signal, weights=evidence.popularity.astype(np.float64), minlength=signals)
    world = evidence.popularity[artefact] / np.maximum(totals[signal], 1.0)
    home = evidence.country[account]
    countries = int(evidence.country.max(initial=0) + 1)
    at_home = np.bincount(home * signals + signal, minlength=countries * signals)
    neighbours = _alike(home, countries, *by_artefact) - 1.0
    local = (neighbours + PRIOR_LINKS * world) / (at_home[home * signals + signal] - 1.0 + PRIOR_LINKS)
    rates: NDArray[np.float64] = np.maximum(world, local)
    return rates


@njit(cache=True, nogil=True)
def _stable(key, pointers, order):  # type: ignore[no-untyped-def]
    """``order``, sorted by ``key[order]`` with equal ones kept in order. pointers: where each key's place begins."""
    place = pointers[:-1].copy()
    out = np.empty(len(order), dtype=np.int64)
    for link in order:
        out[place[key[link]]] = link
        place[key[link]] += 1
    return out


@njit(cache=True, nogil=True)
def _alike(home, countries, pointers, links):  # type: ignore[no-untyped-def]
    """Per link, how many links of its artefact have its ``home``."""
    alike = np.empty(len(links))
    count = np.zeros(countries)
    for a in range(len(pointers) - 1):
        for at in range(pointers[a], pointers[a + 1]):
            count[home[links[at]]] += 1.0
        for at in range(pointers[a], pointers[a + 1]):
            alike[links[at]] = count[home[links[at]]]
        for at in range(pointers[a], pointers[a + 1]):
            count[home[links[at]]] = 0.0
    return alike


def _pointers(rows: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=size)))).astype(np.int64)


def _joined(parts: Sequence[NDArray[Scalar]], dtype: type[Scalar]) -> NDArray[Scalar]:
    return np.concatenate(parts).astype(dtype) if parts else np.zeros(0, dtype=dtype)
