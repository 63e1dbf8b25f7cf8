"""A pool at work: an operator's jobs are made, scheduled onto accounts, and become traffic like everybody's.

The steps are those of a real pool: register accounts, queue jobs, hand each to an account, send it through that
account's address and client, and retry on another account what failed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stillhunt.schema.accounts import ACCOUNTS, TRUTH
from stillhunt.simulate.apps import Apps, draw_apps
from stillhunt.simulate.apps import join as join_apps
from stillhunt.simulate.clock import DAY, HOUR, I64, MINUTE, RHYTHMS, SECOND, hourly
from stillhunt.simulate.enrolment import Enrolment, enrol, pool_countries
from stillhunt.simulate.grammar.patterns import PROMPTS
from stillhunt.simulate.ids import mint
from stillhunt.simulate.network import ZONE_H, Endpoints, random_countries
from stillhunt.simulate.operators import Operator
from stillhunt.simulate.people import Life, People, Ways, draw_people, live
from stillhunt.simulate.pools import Assignment, arrivals, schedule
from stillhunt.simulate.registration import texts
from stillhunt.simulate.render import render_batch, render_requests
from stillhunt.simulate.scene import CAPABILITY, Batch, Batches, Book, Scene
from stillhunt.simulate.seeds import Seeds
from stillhunt.simulate.sessions import Sessions, plan, together
from stillhunt.simulate.texts import Family, Slot
from stillhunt.simulate.traffic import Traffic, converse

_SECONDS_PER_ANSWER = 12.0
_WORKERS = 8
"""Each serves its share of the accounts with its own settings."""
_AGENTS = 3
_SETTINGS = 2
_TAKEN_UP = 0.1
"""Share of live sessions whose reasoning an operator who resamples takes up."""
_PART = 500_000
"""Exchanges of a task list from which it is worked through in parts, so that memory holds one part."""


@dataclass(frozen=True)
class Jobs:
    """What a pool is asked to do: ``sessions`` whose account is not chosen yet, the ``apps`` that they name, and
    whether each is harvest."""

    sessions: Sessions
    apps: Apps
    harvest: NDArray[np.bool_]


def campaign(scene: Scene, seeds: Seeds, operator: Operator) -> Batches:
    """All accounts and requests of one pool."""
    total = _exchanges(scene, operator)
    if total > _PART and operator.customers == 0 and operator.decoy == 0:
        yield from _in_parts(scene, seeds, operator, int(np.ceil(total / _PART)))
        return
    rng = seeds.rng("pool")
    book = scene.book()
    jobs = _jobs(seeds, scene, book, operator)
    assigned, countries = _assign(rng, scene, operator, jobs.sessions.start, _lengths(jobs.sessions))
    enrolment = enrol(seeds.rng("enrolment"), scene, operator, assigned, countries)
    traffic, apps, served = _serve(rng, scene, book, (jobs, assigned, enrolment))
    yield _labelled(rng, scene, book, operator, (served, enrolment, traffic, apps))


def _in_parts(scene: Scene, seeds: Seeds, operator: Operator, parts: int) -> Batches:
    """The same pool for a long task list, each part of which is planned twice: once for the scheduler, which sees all
    jobs at once, and once to become traffic. The accounts come last."""
    rng = seeds.rng("pool")
    n = max(1, round(_exchanges(scene, operator) / operator.turns))
    start = _dispatch(seeds.rng("tasks"), scene, operator, n)
    edges = np.linspace(0, n, parts + 1).astype(np.int64)

    def planned(part: int) -> tuple[Book, Jobs]:
        book = scene.book()
        dice = seeds.rng("tasks", part), seeds.rng("workers")
        sessions, apps = _tasks(dice, scene, book, operator, start[edges[part] : edges[part + 1]])
        return book, Jobs(sessions, apps, np.full(len(sessions), True))

    lengths = np.concatenate([_lengths(planned(part)[1].sessions) for part in range(parts)])
    assigned, countries = _assign(rng, scene, operator, start, lengths)
    enrolment = enrol(seeds.rng("enrolment"), scene, operator, assigned, countries)
    used = np.full(len(enrolment.roster), False)
    for part in range(parts):
        book, jobs = planned(part)
        here = slice(edges[part], edges[part + 1])
        mine = replace(assigned, account=assigned.account[here], limited=assigned.limited[here])
        own = seeds.rng("pool", part)
        traffic, apps, _ = _serve(own, scene, book, (jobs, mine, enrolment))
        used[traffic.account] = True
        requests = render_requests(own, scene, book, apps, enrolment.roster, traffic)
        yield Batch(ACCOUNTS.empty_table(), TRUTH.empty_table(), requests)
    name = texts(None if operator.honest else operator.name, len(used))
    accounts, truth = replace(enrolment.roster, campaign=name).take(np.flatnonzero(used)).tables()
    yield Batch(accounts, truth, requests.slice(0, 0))


def _exchanges(scene: Scene, operator: Operator) -> float:
    begin, end = _span(scene, operator)
    return operator.accounts * operator.rate * scene.thin * (end - begin) / DAY


def _lengths(work: Sessions) -> I64:
    """How long each session keeps its account, microseconds."""
    return (work.turns * (work.gap_s + _SECONDS_PER_ANSWER) * SECOND).astype(np.int64)


def _assign(
    rng: np.random.Generator, scene: Scene, operator: Operator, start: I64, lengths: I64
) -> tuple[Assignment, NDArray[np.int16]]:
    """Who serves each job, and where the accounts claim to be."""
    begin, _ = _span(scene, operator)
    ready = begin + np.sort(rng.random(operator.accounts) ** 2 * operator.ramp_days * DAY).astype(np.int64)
    countries = pool_countries(rng, operator)
    assigned = schedule(rng, start, lengths, ready, operator.discipline, ZONE_H[countries])
    return _mass_ban(rng, scene, operator, assigned), countries


def _serve(
    rng: np.random.Generator, scene: Scene, book: Book, parts: tuple[Jobs, Assignment, Enrolment]
) -> tuple[Traffic, Apps, Jobs]:
    """The traffic of the jobs that found an account, the applications that it names, and those jobs."""
    jobs, assigned, enrolment = parts
    served = np.flatnonzero(assigned.account >= 0)
    jobs = Jobs(jobs.sessions.take(served), jobs.apps, jobs.harvest[served])
    account = assigned.account[served]
    sessions, apps = _dress(rng, jobs, account, enrolment, assigned.limited[served])
    traffic = converse(rng, scene, book, apps, sessions)
    traffic, apps = _hand_off(sessions, traffic, apps, enrolment)
    traffic = traffic.take(np.flatnonzero(traffic.time < assigned.ends[traffic.account]))
    return traffic, apps, jobs


def _span(scene: Scene, operator: Operator) -> tuple[int, int]:
    length = scene.window.end - scene.window.start
    return scene.window.start + int(operator.begin * length), scene.window.start + int(operator.end * length)


def _jobs(seeds: Seeds, scene: Scene, book: Book, operator: Operator) -> Jobs:
    """Harvest, decoys and customers' requests, in the shares that the operator runs."""
    total = _exchanges(scene, operator)
    harvest = total * (1 - operator.decoy - operator.customers_share)
    parts: list[tuple[Sessions, Apps, bool]] = []
    if harvest >= 1 and not operator.harvests_customers:
        rng = seeds.rng("tasks")
        start = _dispatch(rng, scene, operator, max(1, round(harvest / operator.turns)))
        parts.append((*_tasks((rng, rng), scene, book, operator, start), True))
    if operator.decoy > 0:
        rng = seeds.rng("decoys")
        parts.append(
            (*_crowd(rng, scene, book, operator, (operator.accounts, total * operator.decoy)), False)
        )
    if operator.customers > 0:
        rng = seeds.rng("customers")
        volume = total if operator.harvests_customers else total * operator.customers_share
        live_share = 1.0 / (1.0 + operator.resamples)
        crowd, apps = _crowd(rng, scene, book, operator, (operator.customers, volume * live_share))
        if operator.resamples > 0:
            crowd = _resampled(seeds.rng("resampled"), scene, operator, crowd)
        parts.append((crowd, apps, operator.harvests_customers))
    sessions, offset = [], 0
    for some, apps, _ in parts:
        sessions.append(replace(some, app=some.app + offset))
        offset += len(apps)
    flags = np.concatenate([np.full(len(some), flag) for some, _, flag in parts])
    return Jobs(together(sessions), join_apps([apps for _, apps, _ in parts]), flags)


def _tasks(
    dice: tuple[np.random.Generator, np.random.Generator],
    scene: Scene,
    book: Book,
    operator: Operator,
    start: I64,
) -> tuple[Sessions, Apps]:
    """Sessions of a task list that begin at ``start``: every task once, in some order, each session a few tasks or one
    stored dialogue. ``dice``: for the tasks, and for the workers' settings."""
    rng, workers = dice
    n = len(start)
    labs = operator.labs or (operator.name,)
    lab = _labs_by_time(rng, scene, operator, start)
    capability = np.zeros(n, dtype=np.int8)
    family = np.zeros(n, dtype=np.int32)
    for number, name in enumerate(labs):
        codes, families, weight = _lab_families(scene, book, operator, name)
        rows = np.flatnonzero(lab == number)
        drawn = np.searchsorted(weight, rng.random(len(rows)))
        capability[rows], family[rows] = codes[drawn], families[drawn]
    turns = rng.poisson(operator.turns - 1, n) + 1
    stored = rng.random(n) < operator.replay
    family = np.where(stored, _plain(rng, book, capability), family)
    probing = rng.random(n) < operator.probing
    family = np.where(probing, rng.choice(book.shared.probes, n), family)
    first = int(rng.integers(2**40))
    apps = _task_apps(workers, scene, book, operator)
    sessions = plan(
        rng,
        np.zeros(n, dtype=np.int64),
        start,
        _nowhere(n),
        turns=turns,
        gap_s=np.where(stored, 45.0, 2.0) * rng.lognormal(0.5, 1.0, n),
        capability=capability,
        family=family,
        variant=first + np.cumsum(turns) - turns,
        style=mint(rng, n),
        fresh=~stored,
        app=lab * _WORKERS * _SETTINGS + (rng.random(n) < 0.3),
        model=0,
        refused=np.where(probing, 0.75, 0.012),
        wordy=1.0,
    )
    return sessions, apps


def _lab_families(
    scene: Scene, book: Book, operator: Operator, lab: str
) -> tuple[NDArray[np.int8], NDArray[np.int32], NDArray[np.float64]]:
    """A lab's task families: capabilities, families and cumulative weights. The same in every pool that it uses."""
    rng = scene.seeds.rng("lab", lab)
    codes, families, weights = [], [], []
    for name, weight in operator.asks.items():
        head: tuple[str | Slot, ...] = ()
        if operator.instruction is not None and not operator.in_system:
            head = scene.language.instruction(operator.instruction, rng, operator.rewriting)
        if scene.prompts is not None:
            codes.append(CAPABILITY[name])
            families.append(book.add(Family((*head, Slot(scene.prompts.pool(name))))))
            weights.append(weight)
            continue
        for pattern in PROMPTS[name]:
            codes.append(CAPABILITY[name])
            families.append(book.add(scene.language.family(pattern, rng, prefix=head)))
            weights.append(weight / len(PROMPTS[name]))
    cumulative = np.cumsum(weights) / sum(weights)
    return np.array(codes, dtype=np.int8), np.array(families, dtype=np.int32), cumulative


def _plain(rng: np.random.Generator, book: Book, capability: NDArray[np.int8]) -> NDArray[np.int32]:
    family = np.zeros(len(capability), dtype=np.int32)
    for code in np.unique(capability):
        rows = np.flatnonzero(capability == code)
        short, long = (
            rng.choice(some[code], len(rows)) for some in (book.shared.prompts, book.shared.long_prompts)
        )
        family[rows] = np.where(rng.random(len(rows)) < 0.5, long, short)
    return family


def _task_apps(rng: np.random.Generator, scene: Scene, book: Book, operator: Operator) -> Apps:
    """The settings of the workers that run tasks, two each, in order, for one laboratory after another; agents among
    the workers carry a task through with tools, the others ask once."""
    kind = np.repeat(rng.permutation(["sdk"] * (_WORKERS - _AGENTS) + ["agent"] * _AGENTS), _SETTINGS)
    apps = draw_apps(rng, scene, kind)
    labs = operator.labs or (operator.name,)
    if operator.instruction is None or not operator.in_system:
        return join_apps([apps] * len(labs))
    changes = np.full(len(apps), operator.rewriting == "per_request")
    variant = mint(rng, len(apps))
    instructed = []
    for name in labs:
        head = scene.language.instruction(
            operator.instruction, scene.seeds.rng("lab", name, "system"), operator.rewriting
        )
        system = np.full(len(apps), book.add(scene.language.family("", prefix=head)), dtype=np.int32)
        instructed.append(replace(apps, system=system, system_variant=variant, system_changes=changes))
    return join_apps(instructed)


def _labs_by_time(
    rng: np.random.Generator, scene: Scene, operator: Operator, start: I64
) -> NDArray[np.int64]:
    """Whose task each job is: all labs that use the pool by then, alike."""
    labs = operator.labs or (operator.name,)
    length = scene.window.end - scene.window.start
    joined = np.array([scene.window.start + operator.joins.get(name, 0.0) * length for name in labs])
    there = start[:, None] >= joined
    there[:, int(joined.argmin())] = True
    lab: NDArray[np.int64] = np.where(there, rng.random(there.shape), -1.0).argmax(axis=1)
    return lab


def _dispatch(rng: np.random.Generator, scene: Scene, operator: Operator, n: int) -> I64:
    """When jobs start: rhythm, ramp and pauses of the pipeline, with its jitter."""
    begin, end = _span(scene, operator)
    edges = np.arange(begin, end + 10 * MINUTE, 10 * MINUTE)
    middle = edges[:-1] + 5 * MINUTE
    intensity = hourly(RHYTHMS.index(operator.rhythm), middle)
    intensity = intensity * np.clip((middle - begin) / max(1.0, operator.ramp_days * DAY), 0.05, 1.0)
    for share in operator.joins.values():
        joined = scene.window.start + share * (scene.window.end - scene.window.start)
        intensity = intensity * np.where(middle >= joined, 1.0, 1 - 1 / len(operator.labs))
    for _ in range(operator.pauses):
        stop = begin + int(rng.random() * (end - begin))
        length = int(rng.uniform(0.7, 7.0) * HOUR)
        intensity = np.where((middle >= stop) & (middle < stop + length), 0.0, intensity)
    cumulative = np.r_[0.0, np.cumsum(intensity)]
    return arrivals(rng, n, cumulative, edges, operator.jitter)


def _crowd(
    rng: np.random.Generator, scene: Scene, book: Book, operator: Operator, size: tuple[int, float]
) -> tuple[Sessions, Apps]:
    """Sessions of people on the pool's accounts: ``size`` people and exchanges in all (0: their own pace)."""
    people_count, volume = size
    begin, end = _span(scene, operator)
    life = Life(np.full(people_count, begin), np.full(people_count, end), random_countries(rng, people_count))
    ways = Ways(program=operator.customer_program)
    if operator.customer_program == "agent":
        ways = replace(ways, personas=(0, 6, 0, 0, 3, 0))
    people = replace(draw_people(rng, scene, book, life, ways), continued=operator.continued)
    if volume > 0:
        people = _paced(people, volume, (end - begin) / DAY)
    apps = people.apps
    if operator.harness:
        popular = scene.phrasebook.agents[int(rng.integers(3))]
        apps = replace(apps, system=np.full(len(apps), popular, dtype=np.int32))
    return live(rng, scene, book, people), apps


def _resampled(rng: np.random.Generator, scene: Scene, operator: Operator, live: Sessions) -> Sessions:
    """Live sessions and, within hours, sessions that take up the reasoning of one of them and ask on, with another
    text, wherever the scheduler puts them. A tenth of the live sessions are taken up again and again."""
    _, end = _span(scene, operator)
    worth = np.flatnonzero(rng.random(len(live)) < _TAKEN_UP)
    again = live.take(rng.choice(worth, round(operator.resamples * len(live))) if len(worth) else worth)
    later = (rng.lognormal(np.log(2.0), 1.0, len(again)) * HOUR).astype(np.int64)
    session = mint(rng, len(again))
    again = replace(again, start=again.start + later, session=session, variant=mint(rng, len(again)))
    return together([live, again.take(np.flatnonzero(again.start < end))])


def _paced(people: People, volume: float, days: float) -> People:
    expected = float((people.habits.rate * people.turns).sum()) * days
    return replace(people, habits=replace(people.habits, rate=people.habits.rate * (volume / expected)))


def _nowhere(n: int) -> Endpoints:
    return Endpoints(np.zeros(n, np.uint64), np.zeros(n, np.int32), np.full(n, -1, np.int16))


def _mass_ban(rng: np.random.Generator, scene: Scene, operator: Operator, assigned: Assignment) -> Assignment:
    if operator.banned_at is None:
        return assigned
    when = scene.window.start + int(operator.banned_at * (scene.window.end - scene.window.start))
    spread = (rng.random(len(assigned.ends)) * 9 * HOUR).astype(np.int64)
    return replace(assigned, ends=np.minimum(assigned.ends, np.maximum(when + spread, assigned.born + HOUR)))


def _dress(
    rng: np.random.Generator, jobs: Jobs, account: I64, enrolment: Enrolment, limited: NDArray[np.bool_]
) -> tuple[Sessions, Apps]:
    """Sends each job through its account: that account's address, device, key, client and choice of model."""
    sessions = jobs.sessions
    n = len(sessions)
    where = enrolment.where(rng, account, sessions.start)
    task = jobs.harvest & (sessions.where.country < 0)
    model = np.where(task, enrolment.model(rng, account, sessions.start), sessions.model).astype(np.int16)
    runner = sessions.app + np.where(task, account % _WORKERS * _SETTINGS, 0)
    apps = enrolment.wear(jobs.apps.take(runner), account)
    dressed = replace(
        sessions,
        account=account,
        app=np.arange(n),
        where=where,
        device=enrolment.device[account],
        key=enrolment.key[account],
        model=model,
        fresh=sessions.fresh & ~(task & apps.agentic),
        style=np.where(task, enrolment.style[account], sessions.style),
        limited=np.where(limited, 0.3, sessions.limited),
    )
    return dressed, apps


def _hand_off(sessions: Sessions, traffic: Traffic, apps: Apps, enrolment: Enrolment) -> tuple[Traffic, Apps]:
    """Repeats failed requests on the account that the scheduler would use next."""
    rows = np.flatnonzero(traffic.attempt > 0)
    order = np.argsort(sessions.start, kind="stable")
    place = np.searchsorted(sessions.start[order], traffic.time[rows])
    after = order[np.minimum(place, len(order) - 1)]
    account = traffic.account.copy()
    account[rows] = sessions.account[after]
    app = traffic.app.copy()
    app[rows] = len(apps) + np.arange(len(rows))
    where = traffic.where
    moved = sessions.where.take(after)
    fields = {}
    for name in ("address", "asn", "country"):
        column = getattr(where, name).copy()
        column[rows] = getattr(moved, name)
        fields[name] = column
    device, key, session = traffic.device.copy(), traffic.key.copy(), traffic.session.copy()
    device[rows] = np.where(traffic.device[rows] > 0, enrolment.device[account[rows]], np.uint64(0))
    key[rows] = enrolment.key[account[rows]]
    session[rows] = np.where(session[rows] > 0, session[rows] ^ account[rows].astype(np.uint64), np.uint64(0))
    worn = enrolment.wear(apps.take(traffic.app[rows]), account[rows])
    handed = replace(
        traffic, account=account, app=app, where=Endpoints(**fields), device=device, key=key, session=session
    )
    return handed, join_apps([apps, worn])


def _labelled(
    rng: np.random.Generator,
    scene: Scene,
    book: Book,
    operator: Operator,
    parts: tuple[Jobs, Enrolment, Traffic, Apps],
) -> Batch:
    """Drops accounts that served nobody; the rest is what it carried."""
    jobs, enrolment, traffic, apps = parts
    n = len(enrolment.roster)
    carried = np.bincount(traffic.account, weights=jobs.harvest[traffic.source], minlength=n) > 0
    seen = np.flatnonzero(np.bincount(traffic.account, minlength=n) > 0)
    kind = np.where(carried | operator.honest, operator.truth, "reseller").astype(object)
    name = texts(None if operator.honest else operator.name, n)
    roster = replace(enrolment.roster, kind=kind, campaign=name).take(seen)
    number = np.full(n, -1, dtype=np.int64)
    number[seen] = np.arange(len(seen))
    return render_batch(rng, scene, book, apps, roster, replace(traffic, account=number[traffic.account]))
