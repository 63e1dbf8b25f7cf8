"""``takes_turns``: a group test on session starts, for groups that other families have proposed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stillhunt.campaigns.log import Log
from stillhunt.stats.dispersion import evenness_p

IDLE = "INTERVAL 30 MINUTE"
"""Silence after which an exchange without a session id starts a new session."""


@dataclass(frozen=True)
class Sessions:
    """Session starts per account and day. starts: shape (accounts, days), days counted from the first day of the log.
    alive_from, alive_to: first and last day on which the account starts a session, shape (accounts,); an account
    without any has ``alive_to < alive_from``."""

    starts: NDArray[np.int32]
    alive_from: NDArray[np.int32]
    alive_to: NDArray[np.int32]


def session_starts(log: Log) -> Sessions:
    """Counts sessions: by ``session_id`` where the log has one, else by gaps of more than IDLE."""
    session = "session_id" if "session_id" in log.filled else "NULL::VARCHAR"
    rows = log.engine.table(
        f"""
        WITH marked AS (
            SELECT account, time, {session} AS session,
                   time - lag(time) OVER (PARTITION BY account ORDER BY time) AS gap
            FROM exchanges
        ), starts AS (
            SELECT account, min(time) AS time FROM marked WHERE session IS NOT NULL GROUP BY account, session
            UNION ALL
            SELECT account, time FROM marked WHERE session IS NULL AND (gap IS NULL OR gap > {IDLE})
        )
        SELECT account, datediff('day', (SELECT min(time) FROM exchanges), time)::INTEGER AS day, count(*) AS starts
        FROM starts GROUP BY account, day ORDER BY account, day
        """
    )
    account, day = rows["account"].to_numpy(), rows["day"].to_numpy()
    days = int(day.max()) + 1 if len(day) else 1
    starts = np.zeros((log.accounts, days), dtype=np.int32)
    starts[account, day] = rows["starts"].to_numpy()
    busy = starts > 0
    present = busy.any(axis=1)
    first = np.where(present, busy.argmax(axis=1), 0)
    last = np.where(present, days - 1 - busy[:, ::-1].argmax(axis=1), -1)
    return Sessions(starts, first.astype(np.int32), last.astype(np.int32))


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
