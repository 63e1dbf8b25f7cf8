"""``takes_turns`` and ``keeps_time``: group tests on session starts, for groups that other families have proposed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stillhunt.campaigns.log import Log
from stillhunt.stats.bounds import hoeffding_lower
from stillhunt.stats.dispersion import evenness_p

IDLE = "INTERVAL 30 MINUTE"
"""Silence after which an exchange without a session id starts a new session."""
DAY_US = 86_400_000_000
"""Microseconds of a day."""


@dataclass(frozen=True)
class Sessions:
    """Session starts per account.

    starts: per day, shape (accounts, days), days counted from the first day of the log. alive_from, alive_to: first
    and last day on which the account starts a session, shape (accounts,); an account without any has ``alive_to <
    alive_from``. time, starter: every start of the log, by time: seconds from the first exchange, and whose it is.
    rank: the places of each account's starts in these, ascending, account by account; those of account ``i`` are
    ``rank[rank_ptr[origin[i]]:rank_ptr[origin[i] + 1]]``. origin: shape (accounts,), who in the log started the
    sessions that account ``i`` is given; itself, but in a null log.
    """

    starts: NDArray[np.int32]
    alive_from: NDArray[np.int32]
    alive_to: NDArray[np.int32]
    time: NDArray[np.float64]
    starter: NDArray[np.int32]
    rank: NDArray[np.int32]
    rank_ptr: NDArray[np.int64]
    origin: NDArray[np.int32]

    def given(self, came_from: NDArray[np.int32]) -> Sessions:
        """Account ``i`` is given the sessions of account ``came_from[i]``."""
        return Sessions(
            self.starts[came_from],
            self.alive_from[came_from],
            self.alive_to[came_from],
            self.time,
            self.starter,
            self.rank,
            self.rank_ptr,
            self.origin[came_from],
        )


def session_starts(log: Log) -> Sessions:
    """Counts sessions: by ``session_id`` where the log has one, else by gaps of more than IDLE."""
    session = "session_id" if "session_id" in log.filled else "NULL::VARCHAR"
    rows = log.engine.table(
        f"""
        WITH unmarked AS (SELECT DISTINCT account FROM exchanges WHERE {session} IS NULL),
        gaps AS (
            SELECT account, time, {session} AS session,
                   time - lag(time) OVER (PARTITION BY account ORDER BY time) AS gap
            FROM exchanges SEMI JOIN unmarked USING (account)
        ), starts AS (
            SELECT account, min(time) AS time FROM exchanges WHERE {session} IS NOT NULL GROUP BY account, {session}
            UNION ALL
            SELECT account, time FROM gaps WHERE session IS NULL AND (gap IS NULL OR gap > {IDLE})
        )
        SELECT account, epoch_us(time) - (SELECT epoch_us(min(time)) FROM exchanges) AS since,
            (epoch_us(time) // {DAY_US} - (SELECT epoch_us(min(time)) // {DAY_US} FROM exchanges))::INTEGER AS day
        FROM starts ORDER BY account, since
        """
    )
    account, day = rows["account"].to_numpy(), rows["day"].to_numpy()
    days = int(day.max()) + 1 if len(day) else 1
    starts = np.zeros((log.accounts, days), dtype=np.int32)
    np.add.at(starts, (account, day), 1)
    busy = starts > 0
    present = busy.any(axis=1)
    first = np.where(present, busy.argmax(axis=1), 0)
    last = np.where(present, days - 1 - busy[:, ::-1].argmax(axis=1), -1)
    since = rows["since"].to_numpy()
    order = np.argsort(since, kind="stable")
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return Sessions(
        starts,
        first.astype(np.int32),
        last.astype(np.int32),
        since[order] / 1e6,
        account[order].astype(np.int32),
        rank,
        np.concatenate(([0], np.cumsum(np.bincount(account, minlength=log.accounts)))).astype(np.int64),
        np.arange(log.accounts, dtype=np.int32),
    )


def takes_turns(sessions: Sessions, group: NDArray[np.int32]) -> tuple[float, float, int]:
    """The accounts of a group start equally many sessions each day, more evenly than independent users would.

    Null: on each day, every account of the group that is in use starts its sessions independently of the others. Users
    who differ in how busy they are only make the counts more uneven.

    Returns the index of dispersion (1 when independent, near 0 when work is dealt in turn, above 1 for unequal users),
    its lower-tail p-value and the degrees of freedom. The first and last day of an account are left out, because it
    was in use for only a part of them. Misleads for jobs that run at fixed times on every account.
    Source: Fisher's index of dispersion; schedulers that serve the account that has rested longest.
    """
    statistic, freedom, step = dispersions(sessions, np.array([0, len(group)]), group)
    ratio = float(statistic[0] / freedom[0]) if freedom[0] else float("nan")
    return ratio, float(evenness_p(statistic, freedom, step)[0]), int(freedom[0])


def keeps_time(sessions: Sessions, group: NDArray[np.int32]) -> tuple[float, float, int]:
    """The sessions of a group, taken together, start at steadier intervals than those of independent users would.

    Null: each account starts its sessions independently of the others, as a Poisson process of any rate that hardly
    changes between three starts of the group in a row. Of three starts in a row on three different accounts, the middle
    one then lies anywhere between the others, whatever the hour and however busy the accounts.

    The same three accounts in the same order count once, with the mean over all their turns: accounts on timers repeat
    one split every hour, and a thousand repeats say no more than one. Returns the mean squared distance of the middle
    start from the middle, as a multiple of what independence gives (1 when independent, near 0 for a dispatcher that
    keeps time, above 1 for bursts), a bound on its lower-tail p-value and the number of distinct triples. Misleads for
    timers that start jobs on several accounts of one customer in turn.
    Source: own; for a Poisson process the split of two neighbouring intervals is uniform, whatever the rate, and splits
    that share no interval are independent. The bound is Hoeffding's (1963, theorem 1).
    """
    spread, triples = steadiness(sessions, np.array([0, len(group)]), group)
    nats = hoeffding_lower(spread, MIDDLE, triples)
    return float(spread[0] / MIDDLE), float(np.exp(-nats[0])), int(triples[0])


LONG = 250_000
"""Starts of a group from which only those of the first part of the log are read, about as many: they tell enough."""
MIDDLE = 1.0 / 3.0
"""Mean of ``(2 u - 1)²`` for u uniform in [0, 1]."""


def steadiness(
    sessions: Sessions, pointers: NDArray[np.int64], members: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Per group the mean of ``(2 u - 1)²``, where u is the place of the middle of three starts between the others, and
    the number of distinct ordered triples of accounts, each of which counts once with its own mean. No two triples of
    starts share an interval. Of more than LONG starts the first are read. The mean is MIDDLE where there is none."""
    total, triples = _steadiness(
        sessions.time, sessions.starter, sessions.rank, sessions.rank_ptr, sessions.origin, pointers, members
    )
    return np.where(triples > 0, total / np.maximum(triples, 1), MIDDLE), triples


@njit(cache=True, nogil=True)
def _steadiness(time, starter, rank, rank_ptr, origin, pointers, members):  # type: ignore[no-untyped-def]
    groups, accounts = len(pointers) - 1, np.int64(len(origin))
    total = np.zeros(groups)
    triples = np.zeros(groups, dtype=np.int64)
    bits = np.zeros(len(time) // 64 + 1, dtype=np.uint64)
    blocks = np.zeros(len(bits) // 64 + 1, dtype=np.uint64)
    slots = np.full(16, -1, dtype=np.int64)
    for g in range(groups):
        count = 0
        for place in range(pointers[g], pointers[g + 1]):
            i = origin[members[place]]
            count += rank_ptr[i + 1] - rank_ptr[i]
        if count < 3:
            continue
        end = len(time) if count <= LONG else np.int64(len(time) * (LONG / count))
        merged = np.empty(count, dtype=np.int32)
        count = _merge(
            rank, rank_ptr, origin, members[pointers[g] : pointers[g + 1]], end, bits, blocks, merged
        )
        key = np.empty(count // 2, dtype=np.int64)
        away = np.empty(count // 2)
        seen, k = 0, 0
        while k + 2 < count:
            first, middle, last = merged[k], merged[k + 1], merged[k + 2]
            one, two, three = starter[first], starter[middle], starter[last]
            span = time[last] - time[first]
            if two in (one, three) or one == three or span <= 0.0:
                k += 1
                continue
            key[seen] = (one * accounts + two) * accounts + three
            away[seen] = (2.0 * (time[middle] - time[first]) / span - 1.0) ** 2
            seen += 1
            k += 2
        while len(slots) < 2 * seen:
            slots = np.full(2 * len(slots), -1, dtype=np.int64)
        total[g], triples[g] = _sum_of_means(key[:seen], away[:seen], slots)
    return total, triples


@njit(cache=True, nogil=True)
def _merge(rank, rank_ptr, origin, group, end, bits, blocks, merged):  # type: ignore[no-untyped-def]
    """Fills ``merged`` with the ranks of the group's starts below ``end``, ascending, and gives their number: a bit for
    each, a bit for each word of bits. Both must come in as zeros, and are left so. Few are sorted instead, since all
    words of a large log's would be looked at."""
    if len(merged) < len(blocks):
        few = 0
        for member in group:
            i = origin[member]
            for at in range(rank_ptr[i], rank_ptr[i + 1]):
                if rank[at] >= end:
                    break
                merged[few] = rank[at]
                few += 1
        merged[:few].sort()
        return few
    for member in group:
        i = origin[member]
        for at in range(rank_ptr[i], rank_ptr[i + 1]):
            if rank[at] >= end:
                break
            word = rank[at] >> 6
            bits[word] |= np.uint64(1) << np.uint64(rank[at] & 63)
            blocks[word >> 6] |= np.uint64(1) << np.uint64(word & 63)
    out = 0
    for block in range(len(blocks)):
        words, blocks[block] = blocks[block], np.uint64(0)
        while words != 0:
            word = (block << 6) + _lowest(words)
            words &= words - np.uint64(1)
            left, bits[word] = bits[word], np.uint64(0)
            while left != 0:
                merged[out] = (word << 6) + _lowest(left)
                left &= left - np.uint64(1)
                out += 1
    return out


_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_PLACES = np.zeros(64, dtype=np.int64)
_PLACES[[int(_DE_BRUIJN) * 2**bit % 2**64 >> 58 for bit in range(64)]] = np.arange(64)


@njit(cache=True, nogil=True)
def _lowest(word):  # type: ignore[no-untyped-def]
    """The place of the lowest bit that is set. Source: Leiserson, Prokop and Randall (1998)."""
    return _PLACES[((word & (~word + np.uint64(1))) * _DE_BRUIJN) >> np.uint64(58)]


@njit(cache=True, nogil=True)
def _sum_of_means(key, value, slots):  # type: ignore[no-untyped-def]
    """The sum over distinct keys of the mean value under each, and how many there are. ``slots``: a power of two of
    places, twice as many as keys or more; -1 everywhere, and left so."""
    n = len(key)
    sums, counts = np.empty(n), np.zeros(n, dtype=np.int64)
    used = np.empty(n, dtype=np.int64)
    mask = np.uint64(1)
    while mask < 2 * n:
        mask *= np.uint64(2)
    mask -= np.uint64(1)
    distinct = 0
    for k in range(n):
        mixed = np.uint64(key[k]) * np.uint64(0x9E3779B97F4A7C15)
        slot = (mixed >> np.uint64(32)) & mask
        while slots[slot] >= 0 and key[slots[slot]] != key[k]:
            slot = (slot + np.uint64(1)) & mask
        first = slots[slot]
        if first < 0:
            slots[slot] = k
            used[distinct] = slot
            sums[k], counts[k] = 0.0, 0
            distinct += 1
            first = k
        sums[first] += value[k]
        counts[first] += 1
    total = 0.0
    for place in range(distinct):
        first = slots[used[place]]
        total += sums[first] / counts[first]
        slots[used[place]] = -1
    return total, distinct


def dispersions(
    sessions: Sessions, pointers: NDArray[np.int64], members: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Fisher's statistic, degrees of freedom and smallest step of the statistic, per group. Group ``g`` is
    ``members[pointers[g]:pointers[g + 1]]``."""
    statistic, freedom, step = _dispersions(
        sessions.starts, sessions.alive_from, sessions.alive_to, pointers, members
    )
    return statistic, freedom, step


@njit(cache=True, nogil=True)
def _dispersions(starts, alive_from, alive_to, pointers, members):  # type: ignore[no-untyped-def]
    groups = len(pointers) - 1
    days = starts.shape[1]
    statistic = np.zeros(groups)
    freedom = np.zeros(groups, dtype=np.int64)
    step = np.full(groups, np.inf)
    total = np.zeros(days)
    squares = np.zeros(days)
    present = np.zeros(days)
    for g in range(groups):
        total[:] = 0.0
        squares[:] = 0.0
        present[:] = 0.0
        for place in range(pointers[g], pointers[g + 1]):
            i = members[place]
            for day in range(alive_from[i] + 1, alive_to[i]):
                x = starts[i, day]
                total[day] += x
                squares[day] += x * x
                present[day] += 1.0
        for day in range(days):
            if present[day] >= 2 and total[day] > 0:
                mean = total[day] / present[day]
                statistic[g] += squares[day] / mean - total[day]
                freedom[g] += present[day] - 1
                step[g] = min(step[g], 2.0 / mean)
    return statistic, freedom, step
