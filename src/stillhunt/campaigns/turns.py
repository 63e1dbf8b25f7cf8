"""``takes_turns``: a group test on session starts, for groups that other families have proposed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stillhunt.campaigns.log import Log
from stillhunt.stats.dispersion import under_dispersion

IDLE = "INTERVAL 30 MINUTE"
"""Silence after which an exchange without a session id starts a new session."""


@dataclass(frozen=True)
class Sessions:
    """Session starts per account and day, in CSR form: ``day`` counts from the first day of the log."""

    indptr: NDArray[np.int64]
    day: NDArray[np.int32]
    starts: NDArray[np.int64]
    alive_from: NDArray[np.int32]
    alive_to: NDArray[np.int32]
    """First and last day of each account."""


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
    account = rows["account"].to_numpy()
    day = rows["day"].to_numpy().astype(np.int32)
    indptr = np.concatenate(([0], np.cumsum(np.bincount(account, minlength=log.accounts)))).astype(np.int64)
    present = np.diff(indptr) > 0
    alive_from = np.zeros(log.accounts, dtype=np.int32)
    alive_to = np.full(log.accounts, -1, dtype=np.int32)
    alive_from[present] = day[indptr[:-1][present]]
    alive_to[present] = day[indptr[1:][present] - 1]
    return Sessions(indptr, day, rows["starts"].to_numpy().astype(np.int64), alive_from, alive_to)


def takes_turns(sessions: Sessions, group: NDArray[np.int32]) -> tuple[float, float, int]:
    """The accounts of a group start equally many sessions each day, more evenly than independent users would.

    Null: on each day, every account of the group that is in use starts its sessions independently of the others. Users
    who differ in how busy they are only make the counts more uneven.

    Returns the index of dispersion (1 when independent, near 0 when work is dealt in turn, above 1 for unequal users),
    its lower-tail p-value and the degrees of freedom. The first and last day of an account are left out, because it
    was in use for only a part of them. Misleads for jobs that run at fixed times on every account.
    Source: Fisher's index of dispersion; schedulers that serve the account that has rested longest.
    """
    first = sessions.alive_from[group] + 1
    last = sessions.alive_to[group] - 1
    used = last >= first
    if used.sum() < 2:
        return float("nan"), 1.0, 0
    group, first, last = group[used], first[used], last[used]
    days = int(last.max()) + 1
    counts = np.full((days, len(group)), -1, dtype=np.int64)
    for column, (account, begin, end) in enumerate(zip(group, first, last, strict=True)):
        counts[begin : end + 1, column] = 0
        links = slice(sessions.indptr[account], sessions.indptr[account + 1])
        inside = (sessions.day[links] >= begin) & (sessions.day[links] <= end)
        counts[sessions.day[links][inside], column] = sessions.starts[links][inside]
    here = counts >= 0
    return under_dispersion(counts[here], here.sum(axis=1).astype(np.int64))
