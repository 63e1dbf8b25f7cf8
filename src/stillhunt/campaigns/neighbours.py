"""The account graph: for each account its strongest neighbours, merged row by row from shared artefacts.

Nothing is ever paired with everything. A pair weighs, per family, its rarest shared artefact, and the families are
added. An artefact of more than ``WINDOW`` accounts ties each of them to the ``WINDOW`` that stand nearest in the
accounts' (meaningless, fixed) order: the same neighbours for every artefact that they share, so that agreement in
several families still adds up. Hubs are thus weighed by their popularity, not cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stillhunt.campaigns.evidence import Evidence

KEPT = 32
"""Strongest neighbours kept per account."""
WINDOW = 64
"""Members of one artefact that an account is compared with."""


@dataclass(frozen=True)
class Graph:
    """A symmetric sparse graph in CSR form: weight in nats, ``families`` a bit mask of those that agree."""

    indptr: NDArray[np.int64]
    neighbour: NDArray[np.int32]
    weight: NDArray[np.float32]
    families: NDArray[np.int64]


def neighbours(evidence: Evidence, kept: int = KEPT, window: int = WINDOW) -> Graph:
    """The union of every account's ``kept`` strongest pairs."""
    own, theirs = np.empty_like(evidence.rate), np.empty_like(evidence.member_rate)
    signal, activity = evidence.signal, evidence.activity
    _surprise(evidence.indptr, evidence.artefact, signal, activity, evidence.rate, own)
    _surprise_of_members(
        evidence.members_ptr, evidence.member, signal, activity, evidence.member_rate, theirs
    )
    source, target, weight, mask = _strongest(
        evidence.indptr,
        evidence.artefact,
        evidence.members_ptr,
        evidence.member,
        evidence.family,
        own,
        theirs,
        kept,
        window,
    )
    low, high = np.minimum(source, target), np.maximum(source, target)
    _, once = np.unique(low.astype(np.int64) * evidence.accounts + high, return_index=True)
    rows = np.concatenate((low[once], high[once]))
    columns = np.concatenate((high[once], low[once]))
    order = np.lexsort((columns, rows))
    indptr = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=evidence.accounts))))
    return Graph(
        indptr.astype(np.int64),
        columns[order].astype(np.int32),
        np.tile(weight[once], 2)[order],
        np.tile(mask[once], 2)[order],
    )


@njit(cache=True, nogil=True)
def _nats(activity, rate):  # type: ignore[no-untyped-def]
    """Surprise that an account of this activity carries an artefact of this rate."""
    return -np.log(-np.expm1(-activity * rate))


@njit(cache=True, nogil=True)
def _surprise(indptr, artefact, signal, activity, rate, nats):  # type: ignore[no-untyped-def]
    for i in range(len(indptr) - 1):
        for link in range(indptr[i], indptr[i + 1]):
            nats[link] = _nats(activity[i, signal[artefact[link]]], rate[link])


@njit(cache=True, nogil=True)
def _surprise_of_members(members_ptr, member, signal, activity, rate, nats):  # type: ignore[no-untyped-def]
    for a in range(len(members_ptr) - 1):
        for at in range(members_ptr[a], members_ptr[a + 1]):
            nats[at] = _nats(activity[member[at], signal[a]], rate[at])


@njit(cache=True, nogil=True)
def _strongest(  # type: ignore[no-untyped-def]
    indptr, artefact, members_ptr, member, family, own, theirs, kept, window
):
    accounts = len(indptr) - 1
    best = np.zeros(accounts, dtype=np.float32)
    total = np.zeros(accounts, dtype=np.float32)
    mask = np.zeros(accounts, dtype=np.int64)
    touched = np.empty(accounts, dtype=np.int32)
    fresh = np.empty(accounts, dtype=np.int32)
    source = np.empty(accounts * kept, dtype=np.int32)
    target = np.empty(accounts * kept, dtype=np.int32)
    weight = np.empty(accounts * kept, dtype=np.float32)
    masks = np.empty(accounts * kept, dtype=np.int64)
    heap = np.empty(kept, dtype=np.int32)
    out = 0
    for i in range(accounts):
        seen = 0
        link = indptr[i]
        while link < indptr[i + 1]:
            own_family = family[artefact[link]]
            new = 0
            while link < indptr[i + 1] and family[artefact[link]] == own_family:
                a = artefact[link]
                start, stop = members_ptr[a], members_ptr[a + 1]
                if stop - start > window:
                    here = start + np.searchsorted(member[start:stop], i)
                    start = max(start, min(here - window // 2, stop - window))
                    stop = start + window
                for place in range(start, stop):
                    j = member[place]
                    if j == i:
                        continue
                    value = 0.5 * (own[link] + theirs[place])
                    if value <= 0.0:
                        continue
                    if best[j] == 0.0:
                        fresh[new] = j
                        new += 1
                    if value > best[j]:
                        best[j] = value
                link += 1
            for position in range(new):
                j = fresh[position]
                if total[j] == 0.0:
                    touched[seen] = j
                    seen += 1
                total[j] += best[j]
                mask[j] |= 1 << own_family
                best[j] = 0.0
        for position in range(_largest(total, touched[:seen], heap)):
            j = touched[heap[position]]
            source[out] = i
            target[out] = j
            weight[out] = total[j]
            masks[out] = mask[j]
            out += 1
        for position in range(seen):
            total[touched[position]] = 0.0
            mask[touched[position]] = 0
    return source[:out], target[:out], weight[:out], masks[:out]


@njit(cache=True, nogil=True)
def _largest(total, touched, heap):  # type: ignore[no-untyped-def]
    """Fills ``heap`` with the places in ``touched`` of the largest totals, of equal ones the first, in no order; and
    gives their number. The root of the heap is the least of them."""
    kept = min(len(heap), len(touched))
    for place in range(len(touched)):
        value = total[touched[place]]
        if place < kept:
            at = place
            while at > 0:
                up = (at - 1) >> 1
                if total[touched[heap[up]]] < value:
                    break
                heap[at] = heap[up]
                at = up
            heap[at] = place
        elif value > total[touched[heap[0]]]:
            at = 0
            while 2 * at + 1 < kept:
                down = 2 * at + 1
                if down + 1 < kept and _weaker(total, touched, heap[down + 1], heap[down]):
                    down += 1
                if not _weaker(total, touched, heap[down], place):
                    break
                heap[at] = heap[down]
                at = down
            heap[at] = place
    return kept


@njit(cache=True, nogil=True)
def _weaker(total, touched, one, other):  # type: ignore[no-untyped-def]
    """Whether the total at place ``one`` is the smaller, or as large and later."""
    a, b = total[touched[one]], total[touched[other]]
    return a < b or (a == b and one > other)
