"""People: what they ask, how often, when, from where, with which programs. Which account their requests run on is
another matter: their own, one of a farm of trials, or one of a relay's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stillhunt.simulate.apps import Apps, draw_apps
from stillhunt.simulate.clock import F64, I64, RHYTHMS, Habits, session_starts
from stillhunt.simulate.grammar.patterns import TEMPLATES
from stillhunt.simulate.ids import U64, mint, mix
from stillhunt.simulate.network import ZONE_H, Endpoints, join
from stillhunt.simulate.scene import CAPABILITY, Book, Scene
from stillhunt.simulate.sessions import Sessions
from stillhunt.simulate.texts import Family, Slot

_PERSONAS = {
    # share, capabilities wanted, programs (sdk, web, agent), typical turns, seconds between turns
    "chatter": (
        0.26,
        {"knowledge": 4, "conversation": 3, "writing": 3, "data_transformation": 1},
        (1, 9, 0),
        3.0,
        70,
    ),
    "developer": (
        0.22,
        {"software_engineering": 7, "agentic_reasoning": 2, "knowledge": 1},
        (4, 2, 4),
        5.0,
        60,
    ),
    "student": (
        0.12,
        {"mathematics": 4, "knowledge": 3, "writing": 2, "reasoning_traces": 1},
        (1, 8, 0),
        3.0,
        80,
    ),
    "planner": (0.08, {"long_horizon_planning": 5, "writing": 3, "knowledge": 2}, (2, 6, 1), 3.5, 100),
    "tinkerer": (
        0.16,
        {
            "agentic_reasoning": 4,
            "reasoning_traces": 3,
            "software_engineering": 3,
            "mathematics": 2,
            "grading": 2,
        },
        (6, 0, 4),
        4.0,
        35,
    ),
    "script": (
        0.16,
        {"data_transformation": 5, "software_engineering": 2, "grading": 2, "writing": 2, "mathematics": 1},
        (9, 0, 1),
        8.0,
        6,
    ),
}
PERSONAS = tuple(_PERSONAS)
_SHARE = np.array([row[0] for row in _PERSONAS.values()])
SCRIPT = PERSONAS.index("script")
_PROGRAMS = np.array(["sdk", "web", "agent"])
APPS_EACH = 5
_APP_SHARE = (0.46, 0.24, 0.14, 0.1, 0.06)
_COPIED = 0.02
"""Share of sessions that begin with a prompt found somewhere, copied word for word."""
_PLACES_EACH = 3


@dataclass(frozen=True)
class People:
    """n people. Per person: ``habits``; ``persona`` code; ``turns`` and ``gap_s`` typical of a session; ``style``;
    ``taste`` of model and ``lag`` days until a new one is used; ``family`` of their own template, −1 for none;
    ``wordy``. ``apps``: five each, ``places``: three each, in order. ``device``: of each app."""

    habits: Habits
    country: NDArray[np.int16]
    persona: NDArray[np.int8]
    turns: F64
    gap_s: F64
    style: U64
    taste: NDArray[np.int8]
    lag: F64
    family: NDArray[np.int32]
    wordy: F64
    apps: Apps
    places: Endpoints
    device: U64
    pastes: F64
    """Share of sessions whose first prompt has something pasted below."""
    continued: float = 0.06
    """Share of sessions that carry on the one before, with its signed reasoning."""

    def __len__(self) -> int:
        return len(self.persona)


@dataclass(frozen=True)
class Life:
    """When n people are around, microseconds, and where they live, code of COUNTRIES."""

    begin: I64
    end: I64
    country: NDArray[np.int16]


@dataclass(frozen=True)
class Ways:
    """How people of one kind differ from people at large. ``rate``: exchanges a day, median; ``spread``: of its
    logarithm. ``personas``: shares of PERSONAS. ``program``: forced kind of client, if any."""

    rate: float = 15.0
    spread: float = 1.2
    personas: tuple[float, ...] = tuple(_SHARE)
    program: str | None = None
    places: str | None = None
    """Where all of a person's requests leave: ``vpn``, ``phone``; by default at home, on the phone and elsewhere."""


def draw_people(
    rng: np.random.Generator, scene: Scene, book: Book, life: Life, ways: Ways | None = None
) -> People:
    """One person per life."""
    n = len(life.begin)
    country = life.country
    ways = ways or Ways()
    shares = np.array(ways.personas) / sum(ways.personas)
    persona = rng.choice(len(PERSONAS), n, p=shares).astype(np.int8)
    rows = [_PERSONAS[PERSONAS[code]] for code in range(len(PERSONAS))]
    turns = 1 + (np.array([row[3] for row in rows])[persona] - 1) * rng.lognormal(0, 0.5, n)
    exchanges = np.exp(rng.normal(np.log(ways.rate), ways.spread, n))
    machine = persona == SCRIPT
    rhythm = rng.choice(len(RHYTHMS), n, p=[0.42, 0.25, 0.23, 0.07, 0.03, 0.0])
    rhythm[machine] = rng.choice(len(RHYTHMS), int(machine.sum()), p=[0.2, 0.15, 0.05, 0.05, 0.35, 0.2])
    habits = Habits(
        rate=exchanges * scene.thin / turns,
        begin=np.maximum(life.begin, scene.window.start),
        end=np.minimum(life.end, scene.window.end),
        zone_h=ZONE_H[country] + rng.normal(0, 0.7, n),
        rhythm=rhythm.astype(np.int8),
        weekend=np.where(machine & (rng.random(n) < 0.6), 1.0, rng.beta(2.6, 1.8, n)),
        day_share=np.where(machine, 0.95, rng.beta(3, 1.6, n)),
    )
    kind = _programs(rng, persona, n) if ways.program is None else np.full(n * APPS_EACH, ways.program)
    apps, device = _programs_of(rng, scene, kind)
    family = np.full(n, -1, dtype=np.int32)
    for person in np.flatnonzero(machine & (rng.random(n) < 0.55)):
        family[person] = template(rng, scene, book)
    return People(
        habits=habits,
        country=country,
        persona=persona,
        turns=turns,
        gap_s=np.array([row[4] for row in rows], dtype=float)[persona] * rng.lognormal(0, 0.6, n),
        style=mint(rng, n),
        taste=rng.choice(3, n, p=[0.5, 0.3, 0.2]).astype(np.int8),
        lag=rng.exponential(9.0, n) * (rng.random(n) > 0.12),
        family=family,
        wordy=rng.lognormal(0, 0.6, n),
        apps=apps,
        places=_places(rng, scene, country, machine)
        if ways.places is None
        else _exits(rng, scene, country, ways.places),
        device=device,
        pastes=rng.beta(0.9, 1.2, n),
    )


def template(rng: np.random.Generator, scene: Scene, book: Book, *, audited: bool = False) -> int:
    """A new family: one template that somebody's program fills. ``audited`` ones ask for the reasoning behind each
    answer, for the records."""
    pattern = TEMPLATES[int(rng.integers(len(TEMPLATES)))]
    domain = str(rng.choice(scene.language.domains))
    head: tuple[str | Slot, ...]
    head = scene.language.instruction("reasoning", rng, "fixed") if audited else ()
    if scene.prompts is not None and scene.prompts.templates:
        filled = scene.prompts.templates[int(rng.integers(len(scene.prompts.templates)))]
        return book.add(Family((*head, Slot(filled))))
    return book.add(scene.language.family(pattern, rng, domain=domain, prefix=head))


def _programs(rng: np.random.Generator, persona: NDArray[np.int8], n: int) -> NDArray[np.str_]:
    kind = np.empty((n, APPS_EACH), dtype=_PROGRAMS.dtype)
    for code, name in enumerate(PERSONAS):
        rows = np.flatnonzero(persona == code)
        weight = np.array(_PERSONAS[name][2], dtype=float)
        kind[rows] = rng.choice(_PROGRAMS, (len(rows), APPS_EACH), p=weight / weight.sum())
    return kind.ravel()


def _programs_of(rng: np.random.Generator, scene: Scene, kind: NDArray[np.str_]) -> tuple[Apps, U64]:
    """Applications and the installation that each runs on: often one program on one machine, set up differently."""
    apps, device = draw_apps(rng, scene, kind), mint(rng, len(kind))
    first = np.arange(len(kind)) // APPS_EACH * APPS_EACH
    same = (rng.random(len(kind)) < 0.75) & (kind == kind[first])
    take = np.where(same, first, np.arange(len(kind)))
    return replace(apps, client=apps.client[take], tls=apps.tls[take]), device[take]


def _places(
    rng: np.random.Generator, scene: Scene, country: NDArray[np.int16], machine: NDArray[np.bool_]
) -> Endpoints:
    """Home, phone and a third place (office, VPN or a server) of each person."""
    n = len(country)
    network = scene.network
    vpn = rng.random(n) < 0.3
    third = _either(vpn, network.vpn_exit(rng, country), network.office(rng, country))
    server = _either(np.full(n, True), network.server(rng, country), third)
    rarely_home = machine | (rng.random(n) < 0.05)
    home = _either(rarely_home & (rng.random(n) < 0.7), server, network.home(rng, country))
    phone = _either(machine, home, network.phone(rng, country))
    mixed = join([home, phone, _either(machine, server, third)])
    return mixed.take(np.arange(3 * n).reshape(_PLACES_EACH, n).T.ravel())


def _exits(rng: np.random.Generator, scene: Scene, country: NDArray[np.int16], where: str) -> Endpoints:
    """Three exits each of a VPN or of a phone carrier, shared with all the others there."""
    draw = scene.network.vpn_exit if where == "vpn" else scene.network.phone
    return draw(rng, np.repeat(country, _PLACES_EACH))


def _either(choose: NDArray[np.bool_], yes: Endpoints, no: Endpoints) -> Endpoints:
    return Endpoints(
        np.where(choose, yes.address, no.address),
        np.where(choose, yes.asn, no.asn).astype(np.int32),
        np.where(choose, yes.country, no.country).astype(np.int16),
    )


def live(rng: np.random.Generator, scene: Scene, book: Book, people: People) -> Sessions:
    """All sessions of ``people`` in the window. ``account`` is the person's place; sorted by person, then time."""
    person, start = session_starts(rng, people.habits)
    n = len(person)
    capability, family = _wishes(rng, book, people, person)
    own = people.family[person] >= 0
    fresh = own | ((people.persona[person] == SCRIPT) & (rng.random(n) < 0.7))
    which = rng.choice(APPS_EACH, n, p=_APP_SHARE)
    app = person * APPS_EACH + which
    place = rng.choice(_PLACES_EACH, n, p=[0.62, 0.2, 0.18])
    device = people.device[app]
    second_key = (which > 0) & (people.style[person] % np.uint64(5) < 2)
    session = mint(rng, n)
    variant, style = mint(rng, n), people.style[person]
    copied = ~own & (rng.random(n) < _COPIED)
    variant[copied] = _popular(rng, int(copied.sum()))
    style = np.where(copied, np.uint64(1), style)
    family = np.where(copied, book.shared.first_prompt[capability], family)
    follows = np.r_[False, person[1:] == person[:-1]] & (rng.random(n) < people.continued)
    return Sessions(
        account=person,
        start=start,
        turns=1 + rng.geometric(1 / np.maximum(people.turns[person], 1.001)) - 1,
        gap_s=people.gap_s[person],
        capability=capability,
        family=family,
        variant=variant,
        style=style,
        fresh=fresh & ~copied,
        app=app,
        model=scene.models.choose(rng, start, whims(rng, people.taste[person]), people.lag[person]),
        where=people.places.take(person * _PLACES_EACH + place),
        device=device,
        key=mix(people.style[person] + second_key.astype(np.uint64), 3) >> np.uint64(1),
        session=session,
        origin=np.where(follows, np.roll(session, 1), session),
        limited=np.full(n, 0.004) * (1 + people.habits.rate[person]).clip(1, 20),
        refused=np.where(rng.random(n) < 0.02, 0.25, 0.002),
        wordy=people.wordy[person],
    )


def whims(rng: np.random.Generator, taste: NDArray[np.int8]) -> NDArray[np.int8]:
    """The model of each session, where now and then another than the usual one is taken."""
    n = len(taste)
    return np.where(rng.random(n) < 0.25, rng.choice(3, n, p=[0.4, 0.35, 0.25]), taste).astype(np.int8)


def _popular(rng: np.random.Generator, n: int) -> U64:
    """Numbers of prompts that make the rounds, the best known first."""
    return (rng.pareto(0.9, n).clip(0, 300) + 1).astype(np.uint64)


def _wishes(
    rng: np.random.Generator, book: Book, people: People, person: I64
) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """What each session is about: capability and family of the first text."""
    n = len(person)
    capability = np.zeros(n, dtype=np.int8)
    family = np.zeros(n, dtype=np.int32)
    persona = people.persona[person]
    pastes = rng.random(n) < people.pastes[person]
    for code, name in enumerate(PERSONAS):
        rows = np.flatnonzero(persona == code)
        wanted = _PERSONAS[name][1]
        weight = np.array(list(wanted.values()), dtype=float)
        codes = np.array([CAPABILITY[key] for key in wanted], dtype=np.int8)
        capability[rows] = rng.choice(codes, len(rows), p=weight / weight.sum())
    for code in np.unique(capability):
        rows = np.flatnonzero(capability == code)
        short, long = (
            rng.choice(some[code], len(rows)) for some in (book.shared.prompts, book.shared.long_prompts)
        )
        family[rows] = np.where(pastes[rows], long, short)
    own = people.family[person]
    return np.where(own >= 0, CAPABILITY["data_transformation"], capability).astype(np.int8), np.where(
        own >= 0, own, family
    ).astype(np.int32)
