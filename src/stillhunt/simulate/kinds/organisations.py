"""Organisations whose programs do the asking: one-template services, enterprises, evaluation labs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stillhunt.simulate.apps import AGGREGATOR, API, CLOUD, Apps, draw_apps
from stillhunt.simulate.clock import DAY, HOUR, I64, RHYTHMS, Habits, bursts, session_starts
from stillhunt.simulate.grammar.patterns import SYSTEMS
from stillhunt.simulate.ids import U64, mint
from stillhunt.simulate.network import ZONE_H, Endpoints, random_countries
from stillhunt.simulate.people import template, whims
from stillhunt.simulate.real import real_starts
from stillhunt.simulate.registration import Firm, Roster, draw_firm, private_people, staff
from stillhunt.simulate.render import render_batch
from stillhunt.simulate.scene import CAPABILITY, Batches, Book, Scene
from stillhunt.simulate.seeds import Seeds
from stillhunt.simulate.sessions import Sessions, plan, together
from stillhunt.simulate.traffic import converse

_WORK = np.array(
    [
        CAPABILITY[name]
        for name in ("data_transformation", "writing", "software_engineering", "grading", "knowledge")
    ]
)
_LARGEST = 4_000.0
"""Requests a day of the largest account: enough to be a tenth of all traffic."""
SERVICES = 3
_SERVICE_SHARE = (0.6, 0.25, 0.15)
_WORK_SHARE = [0.5, 0.2, 0.15, 0.07, 0.08]


def sizes(rng: np.random.Generator, total: int, mean: float, least: int = 2) -> list[int]:
    """Sizes of organisations that make up ``total`` accounts, skewed about ``mean``."""
    chosen: list[int] = []
    while (left := total - sum(chosen)) > 0:
        size = max(least, int(rng.lognormal(np.log(mean), 0.8)))
        chosen.append(min(size, left) if left >= least else left)
    return chosen


def machine_hours(
    rng: np.random.Generator, scene: Scene, roster: Roster, rate: np.ndarray, zone: float
) -> Habits:
    """Habits of programs: ``rate`` requests a day; some follow office hours, others run all day or at night."""
    n = len(roster)
    rhythm = rng.choice(len(RHYTHMS), p=[0.25, 0.35, 0.0, 0.0, 0.3, 0.1])
    return Habits(
        rate=rate,
        begin=np.maximum(roster.created, scene.window.start),
        end=np.minimum(roster.closed, scene.window.end),
        zone_h=np.full(n, zone),
        rhythm=np.full(n, rhythm, dtype=np.int8),
        weekend=np.full(n, rng.beta(1.2, 1.2)),
        day_share=np.full(n, rng.uniform(0.7, 1.0)),
    )


def machine_starts(rng: np.random.Generator, scene: Scene, habits: Habits) -> tuple[I64, I64]:
    """Starts of programs' requests, sorted by account, then time; after real clients' arrivals where there are some."""
    if scene.rates is None:
        return session_starts(rng, habits)
    account, start = real_starts(rng, scene.rates, habits.rate, scene.window)
    open_ = (start >= habits.begin[account]) & (start < habits.end[account])
    return account[open_], start[open_]


def services(rng: np.random.Generator, scene: Scene, book: Book, n: int) -> Apps:
    """Applications of one firm, ``SERVICES`` for each of its ``n`` accounts, in order: a few of its own, each with its
    system prompt and settings, on one program."""
    count = 1 + int(rng.poisson(2.0))
    system = np.full(count, -1, dtype=np.int32)
    for number in np.flatnonzero(rng.random(count) < 0.6):
        pattern = SYSTEMS[int(rng.integers(len(SYSTEMS)))]
        system[number] = book.add(scene.language.family(pattern, rng))
    apps = draw_apps(rng, scene, rng.choice(["sdk", "agent"], count, p=[0.85, 0.15]), system)
    apps = replace(
        apps,
        channel=np.full(count, rng.choice([API, API, API, CLOUD, AGGREGATOR]), dtype=np.int8),
        client=np.full(count, apps.client[0]),
        tls=np.full(count, apps.tls[0]),
    )
    return apps.take(rng.integers(count, size=n * SERVICES))


def served_by(rng: np.random.Generator, account: I64) -> I64:
    """The application of each session."""
    return account * SERVICES + rng.choice(SERVICES, len(account), p=_SERVICE_SHARE)


def saas(scene: Scene, seeds: Seeds, accounts: int) -> Batches:
    """Services with one template: on many accounts of one firm, or on their customers' own accounts."""
    rng = seeds.rng("sizes")
    for number, size in enumerate(sizes(rng, accounts, 22.0, 3)):
        yield from _saas(scene, seeds.rng(number), size)


def _saas(scene: Scene, rng: np.random.Generator, n: int) -> Batches:
    book = scene.book()
    country = int(random_countries(rng, 1)[0])
    firm = draw_firm(rng, scene, country)
    own = bool(rng.random() < 0.5)
    roster = (
        private_people(rng, scene, random_countries(rng, n), "saas")
        if own
        else staff(rng, scene, firm, n, "saas")
    )
    apps = services(rng, scene, book, n)
    families = np.array([template(rng, scene, book) for _ in range(1 + int(rng.poisson(0.5)))])
    rate = np.exp(rng.normal(np.log(14.0), 1.0, n)) * scene.thin
    account, start = machine_starts(rng, scene, machine_hours(rng, scene, roster, rate, ZONE_H[country]))
    if not own and rng.random() < 0.3:
        account = _in_turn(start, n)
    servers = scene.network.server(rng, np.full(1 + n // 8, country, dtype=np.int16))
    hosts = servers.take(account % len(servers))
    taste = rng.choice(3, p=[0.25, 0.35, 0.4])
    sessions = plan(
        rng,
        account,
        start,
        hosts,
        capability=rng.choice(_WORK, p=_WORK_SHARE),
        family=rng.choice(families, len(account)),
        app=served_by(rng, account),
        key=mint(rng, n)[account],
        device=mint(rng, n)[account],
        model=scene.models.choose(
            rng,
            start,
            whims(rng, np.full(len(start), taste, dtype=np.int8)),
            np.full(len(start), rng.exponential(8.0) * (rng.random() > 0.15)),
        ),
        wordy=rng.lognormal(0, 0.5),
    )
    yield render_batch(rng, scene, book, apps, roster, converse(rng, scene, book, apps, sessions))


def _in_turn(start: I64, n: int) -> I64:
    """Accounts one after another, as a load balancer hands requests to its keys."""
    account = np.empty(len(start), dtype=np.int64)
    account[np.argsort(start, kind="stable")] = np.arange(len(start)) % n
    return account


def enterprises(scene: Scene, seeds: Seeds, accounts: int) -> Batches:
    """Firms behind one address and one card, whose batch jobs come in bursts and differ widely in size."""
    rng = seeds.rng("sizes")
    for number, size in enumerate(sizes(rng, accounts, 14.0, 2)):
        yield from _enterprise(scene, seeds.rng(number), size)


def _enterprise(scene: Scene, rng: np.random.Generator, n: int) -> Batches:
    book = scene.book()
    country = int(random_countries(rng, 1)[0])
    firm = draw_firm(rng, scene, country)
    roster = staff(rng, scene, firm, n, "enterprise")
    apps = services(rng, scene, book, n)
    audited = bool(rng.random() < 0.15)
    families = np.array([template(rng, scene, book, audited=audited) for _ in range(2 + n // 4)])
    volume = np.exp(rng.normal(np.log(12.0), 1.1, n)) * (rng.pareto(1.2, n) + 0.6)
    volume = np.minimum(volume, _LARGEST) * scene.thin
    calm, batch = rng.beta(1.5, 1.5), np.minimum(6 + volume * 2, 150)
    habits = machine_hours(rng, scene, roster, volume * calm, ZONE_H[country])
    names = mint(rng, n), mint(rng, n)
    steady = _requests(rng, scene, firm, families, names, machine_starts(rng, scene, habits))
    which, when = session_starts(rng, replace(habits, rate=volume * (1 - calm) / batch))
    job, times = bursts(rng, when, rng.poisson(batch[which]), int(rng.uniform(0.1, 2) * HOUR))
    jobs = _requests(rng, scene, firm, families, names, (which[job], times))
    traffic = converse(rng, scene, book, apps, together([steady, jobs]))
    yield render_batch(rng, scene, book, apps, roster, traffic)


def _requests(
    rng: np.random.Generator,
    scene: Scene,
    firm: Firm,
    families: NDArray[np.int64],
    names: tuple[U64, U64],
    starts: tuple[I64, I64],
) -> Sessions:
    account, start = starts
    n = len(account)
    lag = np.full(n, 4.0 + firm.org % 23)
    office = Endpoints(
        np.full(n, firm.office, dtype=np.uint64),
        np.full(n, firm.asn, dtype=np.int32),
        np.full(n, firm.country, dtype=np.int16),
    )
    return plan(
        rng,
        account,
        start,
        office,
        capability=_WORK[(account + firm.org % 7) % len(_WORK)],
        family=families[account % len(families)],
        app=served_by(rng, account),
        key=names[0][account],
        device=names[1][account],
        model=scene.models.choose(rng, start, whims(rng, (account % 3).astype(np.int8)), lag),
        limited=np.where(rng.random(n) < 0.05, 0.15, 0.004),
    )


def evaluations(scene: Scene, seeds: Seeds, accounts: int) -> Batches:
    """Labs that run public benchmarks on every model, at once when one is released: every lab the same items, each
    the full list."""
    rng = seeds.rng("sizes")
    for number, size in enumerate(sizes(rng, accounts, 3.0, 1)):
        yield from _lab(scene, seeds.rng(number), size)


def _lab(scene: Scene, rng: np.random.Generator, n: int) -> Batches:
    book = scene.book()
    country = int(random_countries(rng, 1)[0])
    firm = draw_firm(rng, scene, country)
    roster = staff(rng, scene, firm, n, "evaluation")
    roster = replace(
        roster, created=np.minimum(roster.created, scene.window.start - rng.integers(1, 60 * DAY))
    )
    if rng.random() < 0.5:
        roster = replace(roster, authorised=np.full(n, "evaluation", dtype=object))
    apps = services(rng, scene, book, n)
    suites = rng.choice(len(book.shared.benchmarks), 1 + int(rng.poisson(1.5)), replace=False)
    runs: list[Sessions] = []
    for suite in suites:
        capability, family = book.shared.benchmarks[suite]
        items = max(12, int((120 + 60 * suite) * min(1.0, scene.thin * 2)))
        days = np.r_[scene.models.release + rng.integers(HOUR // 5, 9 * HOUR), _reruns(rng, scene)]
        for start in days:
            model = int(rng.choice([3, 3, 4])) if start >= scene.models.release else int(rng.integers(3))
            account = rng.integers(n, size=items) if rng.random() < 0.5 else np.full(items, rng.integers(n))
            times = int(start) + np.sort(rng.random(items) * rng.uniform(0.2, 3) * HOUR).astype(np.int64)
            where = scene.network.server(rng, np.full(1, country, dtype=np.int16))
            runs.append(
                plan(
                    rng,
                    account,
                    times,
                    where.take(np.zeros(items, dtype=np.int64)),
                    capability=capability,
                    family=family,
                    variant=np.arange(1, items + 1),
                    app=served_by(rng, account),
                    key=mint(rng, n)[account],
                    model=model,
                    limited=0.02,
                )
            )
    traffic = converse(rng, scene, book, apps, together(runs))
    yield render_batch(rng, scene, book, apps, roster, traffic)


def _reruns(rng: np.random.Generator, scene: Scene) -> I64:
    span = scene.window.end - scene.window.start
    return scene.window.start + (rng.random(1 + int(rng.poisson(1.0))) * span).astype(np.int64)
