"""Do the members of a group copy from one another? A bet per signal, for any number of shared artefacts.

Members come one after another. Under the null each draws its artefacts from the log, whoever came before. The bet is
that with probability ``theta`` it takes one from an earlier member, chosen at random, and one of that member's
artefacts, at random. Of an account with k artefacts each is given the weight ``1 / k``. What a member multiplies the
stake by is then

    1 - theta + theta * sum over its artefacts a of q(a) / (k r(a)),

where ``q(a)`` is the share of a among the earlier members' artefacts and ``r(a)`` its share of the log's links outside
the earlier members. Its expectation under the null is at most 1, so the product is an e-value: it reaches ``e**t`` with
probability at most ``e**-t``, however the group's artefacts are spread. One card for all, ten cards for four accounts
each and pairs of accounts at one address all win; a popular artefact wins nothing.

Source: testing by betting (Shafer 2021; Vovk and Wang 2021); the bet is Pólya's urn (Blackwell and MacQueen 1973).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stillhunt.campaigns.evidence import Evidence

COPIES = np.array([0.6, 0.9])
"""Probabilities of copying that are bet on; the stake is divided evenly. None is small: among the many users of a
popular program there is always a household or a farm that copies, and that says nothing about the rest."""


def copied(evidence: Evidence, group: NDArray[np.int32]) -> NDArray[np.float64]:
    """Logarithm of the e-value per signal, nats, shape (signals,); 0 where fewer than two members show the signal."""
    signals, artefacts = len(evidence.signals), len(evidence.signal)
    wealth, present, taken = np.zeros((signals, len(COPIES))), np.zeros(signals), np.zeros(signals)
    bet(
        group,
        evidence.cuts,
        -1,
        evidence.artefact,
        evidence.signal,
        evidence.rate,
        evidence.activity,
        evidence.popularity.astype(np.float64),
        evidence.links,
        np.zeros(artefacts),
        np.zeros(artefacts),
        wealth,
        present,
        taken,
        COPIES,
    )
    nats: NDArray[np.float64] = np.logaddexp.reduce(wealth, axis=1) - np.log(len(COPIES))
    return nats


@njit(cache=True, nogil=True)
def background(rate, popularity, inside, links, taken):  # type: ignore[no-untyped-def]
    """An artefact's share of the links that are not the group's. inside: members that carry it; taken: the group's
    links of the signal; both without the account that is asked about."""
    return rate * max(popularity - inside, 1.0) / popularity / max(1.0 - taken / links, 1.0 / links)


@njit(cache=True, nogil=True)
def span(cuts, i, skip, part):  # type: ignore[no-untyped-def]
    """Links of account ``i`` without those of the family ``skip``, in two parts; all in the first where it is -1."""
    if skip < 0:
        return (cuts[i, 0], cuts[i, -1]) if part == 0 else (cuts[i, -1], cuts[i, -1])
    return (cuts[i, 0], cuts[i, skip]) if part == 0 else (cuts[i, skip + 1], cuts[i, -1])


@njit(cache=True, nogil=True)
def bet(  # type: ignore[no-untyped-def]
    group,
    cuts,
    skip,
    artefact,
    signal,
    rate,
    activity,
    popularity,
    links,
    count,
    share,
    wealth,
    present,
    taken,
    copies,
):
    """Fills ``wealth``, logarithms per signal and ``copies``; and for all members ``count`` and ``share`` per artefact
    (members, and their weight), ``present`` and ``taken`` per signal (members, and their links). ``count`` and
    ``share`` must come in as zeros and are left for the caller to clear. ``skip``: a family that is left out, or -1."""
    wealth[:] = 0.0
    present[:] = 0.0
    taken[:] = 0.0
    signals = activity.shape[1]
    like = np.zeros(signals)
    for i in group:
        like[:] = 0.0
        for part in range(2):
            begin, end = span(cuts, i, skip, part)
            for link in range(begin, end):
                a = artefact[link]
                if count[a] > 0.0:
                    s = signal[a]
                    like[s] += share[a] / background(rate[link], popularity[a], count[a], links[s], taken[s])
        for s in range(signals):
            k = activity[i, s]
            if k > 0.0:
                if present[s] > 0.0:
                    ratio = like[s] / (k * present[s])
                    for t in range(wealth.shape[1]):
                        wealth[s, t] += np.log1p(copies[t] * (ratio - 1.0))
                present[s] += 1.0
        for part in range(2):
            begin, end = span(cuts, i, skip, part)
            for link in range(begin, end):
                a = artefact[link]
                share[a] += 1.0 / activity[i, signal[a]]
                count[a] += 1.0
                taken[signal[a]] += 1.0
