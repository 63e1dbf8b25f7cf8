"""Agencies: a few people who work for many clients, on an account for each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stillhunt.simulate.clock import DAY, HOUR
from stillhunt.simulate.kinds.organisations import sizes
from stillhunt.simulate.network import COUNTRIES, Endpoints, random_countries
from stillhunt.simulate.people import Life, Ways, draw_people, live
from stillhunt.simulate.registration import company_domains, draw_issuers, private_people, texts
from stillhunt.simulate.render import render_batch
from stillhunt.simulate.scene import Batches, Scene
from stillhunt.simulate.seeds import Seeds
from stillhunt.simulate.traffic import converse

_WAYS = Ways(rate=12.0, spread=1.0, personas=(3, 3, 0, 3, 1, 2))


def agencies(scene: Scene, seeds: Seeds, accounts: int) -> Batches:
    """Accounts opened in a few evenings from one office, on one card and one mail domain, each for another client's
    work."""
    rng = seeds.rng("sizes")
    for number, size in enumerate(sizes(rng, accounts, 12.0, 3)):
        yield from _agency(scene, seeds.rng(number), size)


def _agency(scene: Scene, rng: np.random.Generator, n: int) -> Batches:
    book = scene.book()
    country = np.full(n, random_countries(rng, 1)[0], dtype=np.int16)
    roster = private_people(rng, scene, country, "agency")
    office = scene.network.office(rng, country[:1])
    evenings = np.sort(roster.created)[rng.integers(n, size=3)]
    created = rng.choice(evenings, n) - (rng.exponential(HOUR, n)).astype(np.int64)
    roster = replace(
        roster,
        created=created,
        closed=np.maximum(roster.closed, created + DAY),
        email_domain=texts(str(company_domains(rng, 1)[0]), n),
        payment=np.full(n, roster.account[0] ^ np.uint64(1), dtype=np.uint64),
        issuer=texts(str(draw_issuers(rng, 1)[0]), n),
        payment_country=texts(COUNTRIES[int(country[0])], n),
        signup_address=np.full(n, office.address[0], dtype=np.uint64),
        verification=texts("card", n),
        plan=texts(str(rng.choice(["payg", "pro"])), n),
    )
    people = draw_people(rng, scene, book, Life(roster.created, roster.closed, country), _WAYS)
    sessions = live(rng, scene, book, people)
    there = rng.random(len(sessions)) < 0.75
    where = Endpoints(
        np.where(there, office.address[0], sessions.where.address),
        np.where(there, office.asn[0], sessions.where.asn).astype(np.int32),
        np.where(there, office.country[0], sessions.where.country).astype(np.int16),
    )
    traffic = converse(rng, scene, book, people.apps, replace(sessions, where=where))
    yield render_batch(rng, scene, book, people.apps, roster, traffic)
