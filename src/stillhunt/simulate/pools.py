"""How a pool of accounts is worked: jobs in, accounts out. Schedulers, caps, cool-downs, bans and what follows."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stillhunt.simulate.clock import DAY, F64, HOUR, I64, MINUTE

Scheduler = Literal["lru", "random", "weighted"]
BanResponse = Literal["replace", "fail_over", "back_off"]
NEVER = np.iinfo(np.int64).max
_ATTEMPTS = 64
"""Accounts that a scheduler without a queue tries before it gives a job up."""
_SHIFT = 3 * HOUR
"""Up to so long before midnight (UTC) an account's day begins."""


@dataclass(frozen=True)
class Discipline:
    """How a pool is worked.

    scheduler: ``lru`` takes the account whose last use is longest ago, ``random`` any, ``weighted`` some more often
    than others. cap: sessions that an account may have open at once. cool_down_s: rest after a limit was hit.
    bans_per_day: chance per account and day in use. response: what a ban leads to; ``replace`` puts a new account
    in its place after ``replace_h`` hours, ``fail_over`` lets the rest carry on, ``back_off`` stops the pool
    for ``back_off_h`` hours besides. sleeps: an account rests while it is night where it claims to be. duty: share of
    days on which an account is used at all.
    """

    scheduler: Scheduler = "lru"
    cap: int = 1
    cool_down_s: float = 900.0
    limit_share: float = 0.02
    bans_per_day: float = 0.004
    response: BanResponse = "replace"
    replace_h: float = 6.0
    back_off_h: float = 18.0
    sleeps: bool = False
    duty: float = 1.0


@dataclass
class _State:
    born: list[int]
    ends: list[int]
    fate: list[float]
    open_until: list[list[int]]
    cool_until: list[int]
    weight: list[float]
    last_use: list[int]
    zone: list[int]
    """Microseconds ahead of UTC; account k has the k-th, cyclically."""
    shift: list[int] = field(default_factory=list)
    """Microseconds by which an account's days begin before UTC's."""
    paused_until: int = 0
    queue: list[tuple[int, float, int]] = field(default_factory=list)
    waiting: list[tuple[int, int]] = field(default_factory=list)

    def day_off(self, number: int, day: int, duty: float) -> bool:
        """Whether the account rests on that day. Days off are spread evenly, so that all work equally much."""
        return (number + day) * duty % 1 >= duty


@dataclass(frozen=True)
class Assignment:
    """Which account served each job (−1 for none), whether it hit a limit there, and when accounts came into use
    (``born``) and were banned (``ends``, NEVER if not); microseconds."""

    account: I64
    limited: NDArray[np.bool_]
    born: I64
    ends: I64


def schedule(
    rng: np.random.Generator,
    start: I64,
    length: I64,
    born: I64,
    discipline: Discipline,
    zone_h: F64 | None = None,
) -> Assignment:
    """Serves jobs in order of ``start``, each ``length`` microseconds long, from accounts ready at ``born``.

    zone_h: hours ahead of UTC; account k lives in the k-th zone, cyclically.
    """
    order = np.argsort(start, kind="stable")
    state = _open(rng, born, discipline, np.zeros(1) if zone_h is None else zone_h)
    account = np.full(len(start), -1, dtype=np.int64)
    limited = rng.random(len(start)) < discipline.limit_share
    dice = random.Random(int(rng.integers(2**63)))
    fates = _Fates(rng, discipline)
    for job in order.tolist():
        now = int(start[job])
        if now < state.paused_until:
            continue
        _admit(state, now)
        chosen = (
            _oldest(state, now, discipline)
            if discipline.scheduler == "lru"
            else _any(state, now, discipline, dice)
        )
        if chosen < 0:
            continue
        account[job] = chosen
        end = now + int(length[job])
        state.open_until[chosen] = [until for until in state.open_until[chosen] if until > now] + [end]
        if limited[job]:
            state.cool_until[chosen] = end + int(discipline.cool_down_s * 1e6)
        _age(state, chosen, now, fates, discipline)
    return Assignment(account, limited, np.array(state.born), np.array(state.ends))


class _Fates:
    """How long accounts last, in days of use."""

    def __init__(self, rng: np.random.Generator, discipline: Discipline) -> None:
        self._rng = rng
        self._mean = 1 / discipline.bans_per_day if discipline.bans_per_day > 0 else float("inf")

    def next(self) -> float:
        return float(self._rng.exponential(1.0)) * self._mean

    def uniform(self) -> float:
        return float(self._rng.random())

    def weight(self) -> float:
        return float(min(self._rng.lognormal(0.0, 1.0), 8.0))


def _open(rng: np.random.Generator, born: I64, discipline: Discipline, zone_h: F64) -> _State:
    n = len(born)
    fates = _Fates(rng, discipline)
    state = _State(
        born=born.tolist(),
        ends=[NEVER] * n,
        fate=[fates.next() for _ in range(n)],
        open_until=[[] for _ in range(n)],
        cool_until=[0] * n,
        weight=[fates.weight() for _ in range(n)],
        last_use=[0] * n,
        shift=[int(fates.uniform() * _SHIFT) for _ in range(n)],
        zone=(zone_h * HOUR).astype(np.int64).tolist(),
    )
    state.waiting = [(ready, number) for number, ready in enumerate(state.born)]
    heapq.heapify(state.waiting)
    return state


def _admit(state: _State, now: int) -> None:
    while state.waiting and state.waiting[0][0] <= now:
        _, number = heapq.heappop(state.waiting)
        heapq.heappush(state.queue, (state.last_use[number], number * 0.618 % 1, number))


def _oldest(state: _State, now: int, discipline: Discipline) -> int:
    aside: list[tuple[int, float, int]] = []
    chosen = -1
    while state.queue:
        entry = heapq.heappop(state.queue)
        number = entry[2]
        if state.ends[number] <= now:
            continue
        if (wakes := _wakes(state, number, now, discipline)) > now:
            heapq.heappush(state.waiting, (wakes, number))
            continue
        if _busy(state, number, now, discipline):
            aside.append(entry)
            continue
        chosen = number
        state.last_use[number] = now
        heapq.heappush(state.queue, (now, entry[1], number))
        break
    for entry in aside:
        heapq.heappush(state.queue, entry)
    return chosen


def _any(state: _State, now: int, discipline: Discipline, dice: random.Random) -> int:
    while state.queue:
        size = len(state.queue)
        for _ in range(_ATTEMPTS):
            place = int(dice.random() * size)
            number = state.queue[place][2]
            if state.ends[number] <= now:
                state.queue[place] = state.queue[-1]
                state.queue.pop()
                break
            if discipline.scheduler == "weighted" and dice.random() * 8 > state.weight[number]:
                continue
            if not _busy(state, number, now, discipline):
                return number
        else:
            return -1
    return -1


def _busy(state: _State, number: int, now: int, discipline: Discipline) -> bool:
    if state.cool_until[number] > now or _wakes(state, number, now, discipline) > now:
        return True
    return sum(until > now for until in state.open_until[number]) >= discipline.cap


def _wakes(state: _State, number: int, now: int, discipline: Discipline) -> int:
    """When the account may be used: now, after its day off, or after its night of eight hours, which begins when it
    pleases."""
    if discipline.duty < 1:
        local = now + state.shift[number]
        if state.day_off(number, local // DAY, discipline.duty):
            return now + DAY - local % DAY
    if not discipline.sleeps:
        return now
    begins = 22 * HOUR + number % 5 * 40 * MINUTE
    night = (now + state.zone[number % len(state.zone)] - begins) % DAY
    return now if night > 8 * HOUR else now + 8 * HOUR - night + number % 7 * 9 * MINUTE


def _age(state: _State, number: int, now: int, fates: _Fates, discipline: Discipline) -> None:
    """Bans the account when its time has come, and does what the operator does about it."""
    if state.ends[number] != NEVER:
        return
    used = (now - state.born[number]) / DAY
    if used < state.fate[number]:
        return
    state.ends[number] = now + int((0.02 + fates.uniform()) * HOUR)
    if discipline.response == "fail_over":
        return
    if discipline.response == "back_off":
        state.paused_until = now + int(discipline.back_off_h * HOUR * (0.5 + fates.uniform()))
    ready = now + int(discipline.replace_h * HOUR * (0.3 + fates.uniform())) + MINUTE
    state.born.append(ready)
    state.ends.append(NEVER)
    state.fate.append(fates.next())
    state.open_until.append([])
    state.cool_until.append(0)
    state.weight.append(fates.weight())
    state.last_use.append(0)
    state.shift.append(int(fates.uniform() * _SHIFT))
    heapq.heappush(state.waiting, (ready, len(state.born) - 1))


def arrivals(rng: np.random.Generator, n: int, cumulative: F64, edges: I64, jitter: float) -> I64:
    """``n`` starts of jobs, dispatched along an intensity whose integral over ``edges`` is ``cumulative``.

    jitter 0 is a dispatcher that keeps time; 1 is a Poisson process.
    """
    even = (np.arange(n) + rng.random(n) * 0.4) / max(n, 1)
    free = np.sort(rng.random(n))
    place = np.sort((1 - jitter) * even + jitter * free)
    starts: I64 = np.interp(place * cumulative[-1], cumulative, edges.astype(np.float64)).astype(np.int64)
    return starts
