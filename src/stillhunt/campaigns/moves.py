"""``hands_off``: a group test on prompts that move from account to account, for groups that other families proposed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stillhunt.campaigns.log import Log
from stillhunt.stats.bounds import chernoff_upper

WITHIN = "INTERVAL 10 MINUTE"
"""How soon after an exchange the same prompt on another account counts as a move."""
ENOUGH = 20
"""Exchanges of an hour from which its own share of failures is used; the whole log's share below."""


@dataclass(frozen=True)
class Moves:
    """Prompts that were sent on one account and next, within WITHIN, on another.

    giver_ptr, taker: in CSR form, for each account the accounts that took its prompts, ascending. failed: whether the
    giver's exchange had failed. chance: share of all exchanges that failed in that hour, in (0, 1). origin: shape
    (accounts,), whose moves account ``i`` is given; place: its inverse. Both are the identity, but in a null log.
    """

    giver_ptr: NDArray[np.int64]
    taker: NDArray[np.int32]
    failed: NDArray[np.bool_]
    chance: NDArray[np.float64]
    origin: NDArray[np.int32]
    place: NDArray[np.int32]

    def accounts(self) -> NDArray[np.int32]:
        """Accounts of the log that give or take a prompt, ascending."""
        givers = np.flatnonzero(np.diff(self.giver_ptr))
        return np.union1d(givers, self.taker).astype(np.int32)

    def given(self, came_from: NDArray[np.int32]) -> Moves:
        """Account ``i`` is given the moves of account ``came_from[i]``."""
        origin = self.origin[came_from]
        place = np.empty_like(origin)
        place[origin] = np.arange(len(origin), dtype=np.int32)
        return Moves(self.giver_ptr, self.taker, self.failed, self.chance, origin, place)


def failure(log: Log) -> str:
    """SQL that is true for an exchange with status 403, 429 or 5xx, or whose answer was a refusal."""
    tests = []
    if "status" in log.filled:
        tests.append("coalesce(status IN (403, 429) OR status >= 500, FALSE)")
    if "finish_reason" in log.filled:
        tests.append("coalesce(finish_reason = 'refusal', FALSE)")
    return " OR ".join(tests) or "FALSE"


def prompt_moves(log: Log) -> Moves:
    """Every move of the log; none where it has no prompts or no failures."""
    itself = np.arange(log.accounts, dtype=np.int32)
    if "prompt_sketch" not in log.filled or not log.filled & {"status", "finish_reason"}:
        nothing = np.zeros(0)
        return Moves(
            np.zeros(log.accounts + 1, dtype=np.int64),
            nothing.astype(np.int32),
            nothing.astype(np.bool_),
            nothing,
            itself,
            itself,
        )
    rows = log.engine.table(
        f"""
        WITH sent AS (
            SELECT account, time, identity_of(prompt_sketch, prompt_chars) AS text, prompt_sketch,
                ({failure(log)}) AS failed
            FROM exchanges
        ), hours AS (
            SELECT epoch_us(time) // 3600000000 AS hour, count(*) AS n, avg(failed::INTEGER) AS share
            FROM sent GROUP BY hour
        ), ever AS (SELECT avg(failed::INTEGER) AS share FROM sent),
        next AS (
            SELECT account, time, failed, lead(account) OVER same AS taker, lead(time) OVER same AS taken
            FROM sent WHERE prompt_sketch IS NOT NULL WINDOW same AS (PARTITION BY text ORDER BY time, account)
        )
        SELECT next.account, taker, next.failed,
            greatest(least(CASE WHEN hours.n >= {ENOUGH} THEN hours.share ELSE ever.share END, 0.9), 0.002) AS chance
        FROM next JOIN hours ON hours.hour = epoch_us(next.time) // 3600000000 CROSS JOIN ever
        WHERE taker <> next.account AND taken <= next.time + {WITHIN} ORDER BY next.account, taker, next.time
        """
    )
    giver = rows["account"].to_numpy()
    return Moves(
        np.concatenate(([0], np.cumsum(np.bincount(giver, minlength=log.accounts)))).astype(np.int64),
        rows["taker"].to_numpy().astype(np.int32),
        rows["failed"].to_numpy(zero_copy_only=False),
        rows["chance"].to_numpy(),
        itself,
        itself,
    )


def hands_off(moves: Moves, group: NDArray[np.int32]) -> tuple[int, float, float, int]:
    """Prompts move on to another account of the group after failures, more than after answers that did not fail.

    Null: whether a prompt is sent next, within ten minutes, on another account does not depend on whether it has just
    failed. Moves then follow failures as often as exchanges of that hour fail.

    Counted are ordered pairs of accounts, not moves, because two accounts that once pass work on do it again. Returns
    the pairs within the group with a move after a failure, how many of them were to be expected, a bound on the
    upper-tail p-value and the number of all pairs with a move. That strangers send one popular text, or one
    benchmark, makes moves, but not moves after failures. Misleads for routers with several keys of one customer,
    which fail over by design. Source: own; pools cool an account down after a failure and go on with the next.
    """
    after, mean, count, _ = moves_within(moves, np.array([0, len(group)]), group)
    return int(after[0]), float(mean[0]), float(np.exp(-chernoff_upper(after, mean)[0])), int(count[0])


def moves_within(
    moves: Moves, pointers: NDArray[np.int64], members: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Per group: pairs with a move after a failure, their expectation, all pairs with a move, and members in the
    largest set that moves after failures connect. Group ``g`` is ``members[pointers[g]:pointers[g + 1]]``."""
    after, mean, count, connected = _moves_within(
        moves.giver_ptr,
        moves.taker,
        moves.failed,
        moves.chance,
        moves.origin,
        moves.place,
        pointers,
        members,
        np.zeros(len(moves.origin), dtype=np.int64),
    )
    return after, mean, count, connected


@njit(cache=True, nogil=True)
def _root(parent, i):  # type: ignore[no-untyped-def]
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def _moves_within(  # type: ignore[no-untyped-def]
    giver_ptr, taker, failed, chance, origin, place, pointers, members, member_of
):
    """member_of: zeros, one per account; the number of its last group, from 1."""
    groups = len(pointers) - 1
    after = np.zeros(groups)
    mean = np.zeros(groups)
    count = np.zeros(groups, dtype=np.int64)
    connected = np.zeros(groups, dtype=np.int64)
    parent = np.empty(len(origin), dtype=np.int64)
    size = np.empty(len(origin), dtype=np.int64)
    for g in range(groups):
        for at in range(pointers[g], pointers[g + 1]):
            i = members[at]
            member_of[i] = g + 1
            parent[i] = i
            size[i] = 1
        for at in range(pointers[g], pointers[g + 1]):
            i = members[at]
            giver = origin[i]
            move = giver_ptr[giver]
            while move < giver_ptr[giver + 1]:
                pair = taker[move]
                j = place[pair]
                none, some = 1.0, False
                while move < giver_ptr[giver + 1] and taker[move] == pair:
                    none *= 1.0 - chance[move]
                    some |= failed[move]
                    move += 1
                if member_of[j] != g + 1:
                    continue
                count[g] += 1
                mean[g] += 1.0 - none
                if some:
                    after[g] += 1.0
                    one, other = _root(parent, i), _root(parent, j)
                    if one != other:
                        parent[other] = one
                        size[one] += size[other]
                        connected[g] = max(connected[g], size[one])
    return after, mean, count, connected
