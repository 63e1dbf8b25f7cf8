"""Universities: many students on one campus network, one assignment, one deadline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stillhunt.simulate.clock import DAY, HOUR, I64
from stillhunt.simulate.kinds.organisations import sizes
from stillhunt.simulate.network import random_countries
from stillhunt.simulate.people import APPS_EACH, Life, People, Ways, draw_people, live
from stillhunt.simulate.registration import company_domains, private_people
from stillhunt.simulate.render import render_batch
from stillhunt.simulate.scene import CAPABILITY, Batches, Book, Scene
from stillhunt.simulate.seeds import Seeds
from stillhunt.simulate.sessions import Sessions, plan, together
from stillhunt.simulate.traffic import converse

_STUDENTS = Ways(rate=7.0, spread=1.0, personas=(2, 3, 6, 1, 1, 0))
_SUBJECTS = ("mathematics", "software_engineering", "reasoning_traces", "long_horizon_planning")


def universities(scene: Scene, seeds: Seeds, accounts: int) -> Batches:
    """Courses of some dozens of students: the same questions from many accounts, crowded before a deadline."""
    rng = seeds.rng("sizes")
    for number, size in enumerate(sizes(rng, accounts, 70.0, 15)):
        yield from _course(scene, seeds.rng(number), size)


def _course(scene: Scene, rng: np.random.Generator, n: int) -> Batches:
    book = scene.book()
    country = np.full(n, random_countries(rng, 1)[0], dtype=np.int16)
    roster = private_people(rng, scene, country, "university")
    term = scene.window.start - int(rng.integers(2, 70)) * DAY
    joined = rng.random(n) < 0.5
    created = np.where(joined, term + (rng.exponential(6 * DAY, n)).astype(np.int64), roster.created)
    created = np.minimum(created, scene.window.end - DAY)
    mail = roster.email_domain.copy()
    mail[rng.random(n) < 0.8] = str(company_domains(rng, 1)[0]).replace(".example", ".edu.example")
    campus = scene.network.university(rng, country[:1])
    roster = replace(
        roster,
        created=created,
        closed=np.maximum(roster.closed, created + DAY),
        email_domain=mail,
        signup_address=np.where(joined, campus.address[0], roster.signup_address),
    )
    people = draw_people(rng, scene, book, Life(roster.created, roster.closed, country), _STUDENTS)
    own = live(rng, scene, book, people)
    on_campus = rng.random(len(own)) < 0.5
    sessions = together(
        [
            _moved(own, on_campus, int(campus.address[0]), int(campus.asn[0])),
            _assignment(rng, scene, book, people, campus.address[0]),
        ]
    )
    traffic = converse(rng, scene, book, people.apps, sessions)
    yield render_batch(rng, scene, book, people.apps, roster, traffic)


def _moved(sessions: Sessions, which: np.ndarray, address: int, asn: int) -> Sessions:
    where = replace(
        sessions.where,
        address=np.where(which, np.uint64(address), sessions.where.address),
        asn=np.where(which, np.int32(asn), sessions.where.asn).astype(np.int32),
    )
    return replace(sessions, where=where)


def _assignment(
    rng: np.random.Generator, scene: Scene, book: Book, people: People, campus: np.uint64
) -> Sessions:
    """Each student asks some of the same few questions, most of them in the last days."""
    n = len(people)
    capability = CAPABILITY[_SUBJECTS[int(rng.integers(len(_SUBJECTS)))]]
    family = int(rng.choice(book.shared.prompts[capability]))
    questions = int(rng.integers(4, 12))
    deadline = scene.window.start + int(rng.integers(3, scene.window.days)) * DAY + 21 * HOUR
    asked = rng.binomial(questions, 0.45, n)
    student = np.repeat(np.arange(n), asked)
    before: I64 = (rng.exponential(1.2 * DAY, n)[student] + rng.exponential(0.5 * HOUR, len(student))).astype(
        np.int64
    )
    start = np.maximum(deadline - before, people.habits.begin[student])
    home = people.places.take(student * 3)
    at_campus = rng.random(len(student)) < 0.4
    sessions = plan(
        rng,
        student,
        start,
        home,
        turns=1 + rng.poisson(1.0, len(student)),
        gap_s=90.0,
        fresh=False,
        capability=capability,
        family=family,
        variant=rng.integers(1, questions + 1, len(student)),
        style=people.style[student],
        app=student * APPS_EACH,
        device=people.device[student * APPS_EACH],
        model=scene.models.choose(rng, start, people.taste[student], people.lag[student]),
        wordy=people.wordy[student],
    )
    asn = np.broadcast_to(home.asn[:1], (len(student),))
    return replace(
        sessions,
        where=replace(
            home, address=np.where(at_campus, campus, home.address), asn=np.where(at_campus, asn, home.asn)
        ),
    )
