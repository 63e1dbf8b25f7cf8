"""Trial farms: one person, many free trials. Abuse, but not distillation: the traffic is a person's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stillhunt.simulate.catalogue import PUBLIC_MAIL
from stillhunt.simulate.clock import DAY, HOUR, I64
from stillhunt.simulate.ids import mint
from stillhunt.simulate.kinds.organisations import sizes
from stillhunt.simulate.network import COUNTRIES, random_countries
from stillhunt.simulate.people import Life, Ways, draw_people, live
from stillhunt.simulate.registration import OPEN, draw_issuers, private_people
from stillhunt.simulate.render import render_batch
from stillhunt.simulate.scene import Batches, Scene
from stillhunt.simulate.seeds import Seeds
from stillhunt.simulate.sessions import Sessions
from stillhunt.simulate.traffic import converse

_HEAVY = Ways(rate=60.0, spread=0.8, personas=(3, 4, 2, 1, 3, 2))


def trial_farms(scene: Scene, seeds: Seeds, accounts: int) -> Batches:
    """People who open one free trial after another, each used until its credit is spent, then left."""
    rng = seeds.rng("sizes")
    for number, size in enumerate(sizes(rng, accounts, 9.0, 3)):
        yield from _farm(scene, seeds.rng(number), size)


def _farm(scene: Scene, rng: np.random.Generator, n: int) -> Batches:
    """One person works through ``n`` trials; each lasts a spell of days."""
    book = scene.book()
    country = random_countries(rng, 1)
    window = scene.window
    life = Life(np.array([window.start - 60 * DAY]), np.array([OPEN]), country)
    person = draw_people(rng, scene, book, life, _HEAVY)
    sessions = live(rng, scene, book, person)
    spells = np.sort(window.start + (rng.random(n - 1) * (window.end - window.start)).astype(np.int64))
    begin = np.r_[window.start - rng.integers(0, 9 * DAY), spells]
    owner = np.searchsorted(spells, sessions.start, side="right")
    created = _opened(rng, begin, bool(rng.random() < 0.4))
    roster = private_people(rng, scene, np.repeat(country, n), "trial_farm")
    card = mint(rng, 1)[0] if rng.random() < 0.35 else np.uint64(0)
    mail = str(rng.choice(PUBLIC_MAIL)) if rng.random() < 0.6 else None
    home = person.places.take(np.zeros(n, dtype=np.int64))
    spent = np.r_[begin[1:], OPEN]
    banned = rng.random(n) < 0.25
    roster = replace(
        roster,
        created=created,
        closed=np.where(banned & (spent != OPEN), spent, OPEN),
        email_domain=roster.email_domain if mail is None else np.full(n, mail, dtype=object),
        payment=np.full(n, card, dtype=np.uint64),
        issuer=np.full(n, draw_issuers(rng, 1)[0] if card else None, dtype=object),
        payment_country=np.full(n, COUNTRIES[country[0]] if card else None, dtype=object),
        signup_address=np.where(rng.random(n) < 0.7, home.address, roster.signup_address),
        verification=np.full(n, "card" if card else str(rng.choice(["none", "phone"])), dtype=object),
        plan=np.full(n, "trial", dtype=object),
    )
    traffic = converse(rng, scene, book, person.apps, _handed_on(rng, sessions, owner, n))
    yield render_batch(rng, scene, book, person.apps, roster, traffic)


def _opened(rng: np.random.Generator, begin: I64, ahead: bool) -> I64:
    """Accounts are opened when needed, or all in a few evenings."""
    if ahead:
        evenings: I64 = begin.min() - rng.integers(0, 2 * DAY, len(begin))
        return evenings
    return begin - rng.integers(5_000_000, 3 * HOUR, len(begin))


def _handed_on(rng: np.random.Generator, sessions: Sessions, owner: NDArray[np.int64], n: int) -> Sessions:
    """The person's sessions, each on the account of its time. Some clear the device's name with each account."""
    device = sessions.device
    if rng.random() < 0.5:
        device = device ^ mint(rng, n)[owner]
    return replace(sessions, account=owner, device=device, key=mint(rng, n)[owner])
