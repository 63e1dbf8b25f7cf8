"""Firms whose traffic looks staged although nothing is hidden: runners of continuous integration, moves from one set of
accounts to another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stillhunt.simulate.apps import SUBSCRIPTION, draw_apps
from stillhunt.simulate.clock import DAY, HOUR, MINUTE, RHYTHMS, Habits, bursts, session_starts
from stillhunt.simulate.grammar.patterns import TEMPLATES
from stillhunt.simulate.ids import mint
from stillhunt.simulate.kinds.organisations import machine_hours, machine_starts, served_by, services, sizes
from stillhunt.simulate.network import ZONE_H, random_countries
from stillhunt.simulate.people import template
from stillhunt.simulate.registration import OPEN, draw_firm, staff
from stillhunt.simulate.render import render_batch
from stillhunt.simulate.scene import CAPABILITY, Batches, Scene
from stillhunt.simulate.seeds import Seeds
from stillhunt.simulate.sessions import plan
from stillhunt.simulate.traffic import converse

_REVIEW = next(pattern for pattern in TEMPLATES if pattern.startswith("Review the change"))
_IMAGES = 3
"""Client programs per account, one for each image that its jobs run in."""


def ci_runners(scene: Scene, seeds: Seeds, accounts: int) -> Batches:
    """Service accounts of build pipelines: a fresh address for each job, several programs on one account, bursts with
    each push, one device name for each repository."""
    rng = seeds.rng("sizes")
    for number, size in enumerate(sizes(rng, accounts, 10.0, 2)):
        yield from _pipelines(scene, seeds.rng(number), size)


def _pipelines(scene: Scene, rng: np.random.Generator, n: int) -> Batches:
    book = scene.book()
    country = int(random_countries(rng, 1)[0])
    roster = staff(rng, scene, draw_firm(rng, scene, country), n, "ci")
    apps = draw_apps(rng, scene, rng.choice(["sdk", "sdk", "agent"], n * _IMAGES))
    apps = replace(apps, channel=np.where(apps.channel == SUBSCRIPTION, 0, apps.channel).astype(np.int8))
    families = [book.add(scene.language.family(_REVIEW, rng)) for _ in range(1 + n // 6)]
    pushes = np.exp(rng.normal(np.log(4.0), 0.8, n)) * scene.thin
    habits = replace(
        machine_hours(rng, scene, roster, pushes, ZONE_H[country]),
        rhythm=np.full(n, RHYTHMS.index("office"), dtype=np.int8),
        weekend=np.full(n, rng.uniform(0.0, 0.3)),
    )
    pusher, when = session_starts(rng, habits)
    job, start = bursts(rng, when, 1 + rng.poisson(5.0, len(when)), 4 * MINUTE)
    account = pusher[job]
    keys, repositories = mint(rng, n), mint(rng, n)
    sessions = plan(
        rng,
        account,
        start,
        scene.network.server(rng, random_countries(rng, len(start))),
        turns=1 + rng.poisson(1.0, len(start)),
        gap_s=4.0,
        fresh=rng.random(len(start)) < 0.6,
        capability=CAPABILITY["software_engineering"],
        family=np.array(families)[account % len(families)],
        app=account * _IMAGES + rng.integers(_IMAGES, size=len(start)),
        key=keys[account],
        device=repositories[account],
        model=scene.models.choose(
            rng, start, (account % 3).astype(np.int8), rng.exponential(9.0, n)[account]
        ),
    )
    yield render_batch(rng, scene, book, apps, roster, converse(rng, scene, book, apps, sessions))


def migrations(scene: Scene, seeds: Seeds, accounts: int) -> Batches:
    """Firms that move a running service to new accounts on one day: the old ones close, the new ones, opened together,
    carry the full load from their first hour."""
    rng = seeds.rng("sizes")
    for number, size in enumerate(sizes(rng, accounts, 16.0, 4)):
        yield from _migration(scene, seeds.rng(number), size)


def _migration(scene: Scene, rng: np.random.Generator, n: int) -> Batches:
    book = scene.book()
    country = int(random_countries(rng, 1)[0])
    roster = staff(rng, scene, draw_firm(rng, scene, country), n, "migration")
    length = scene.window.end - scene.window.start
    move = scene.window.start + int(rng.uniform(0.25, 0.8) * length)
    new = np.arange(n) >= n // 2
    before = np.minimum(roster.created, move - DAY)
    roster = replace(
        roster,
        created=np.where(new, move - (rng.exponential(3 * HOUR, n)).astype(np.int64) - MINUTE, before),
        closed=np.where(new, OPEN, move + HOUR + (rng.random(n) * 3 * DAY).astype(np.int64)),
    )
    apps = services(rng, scene, book, n)
    families = np.array([template(rng, scene, book) for _ in range(1 + int(rng.poisson(0.7)))])
    load = np.exp(rng.normal(np.log(20.0), 0.6, n)) * scene.thin
    habits: Habits = replace(
        machine_hours(rng, scene, roster, load, ZONE_H[country]),
        begin=np.where(new, move, np.maximum(before, scene.window.start)),
        end=np.where(new, scene.window.end, move + HOUR),
    )
    account, start = machine_starts(rng, scene, habits)
    servers = scene.network.server(rng, np.full(1 + n // 6, country, dtype=np.int16))
    keys, devices = mint(rng, n), mint(rng, n)
    sessions = plan(
        rng,
        account,
        start,
        servers.take(account % len(servers)),
        turns=1 + rng.poisson(0.4, len(start)),
        capability=CAPABILITY[str(rng.choice(["data_transformation", "writing", "software_engineering"]))],
        family=rng.choice(families, len(start)),
        app=served_by(rng, account),
        key=keys[account],
        device=devices[account],
        model=scene.models.choose(
            rng, start, np.full(len(start), rng.integers(3)), np.full(len(start), rng.exponential(8.0))
        ),
        wordy=rng.lognormal(0, 0.5),
    )
    yield render_batch(rng, scene, book, apps, roster, converse(rng, scene, book, apps, sessions))
