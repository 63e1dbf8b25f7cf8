"""How an operator comes by accounts, and what each of them shows to the provider: mail, card, address, client."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stillhunt.simulate.apps import API, SUBSCRIPTION, Apps, draw_apps
from stillhunt.simulate.catalogue import VIRTUAL_ISSUERS, Models, draw_public_mail
from stillhunt.simulate.clock import DAY, F64, HOUR, I64
from stillhunt.simulate.ids import U64, mint
from stillhunt.simulate.network import COUNTRIES, Endpoints, Network, random_countries
from stillhunt.simulate.operators import Operator
from stillhunt.simulate.people import whims
from stillhunt.simulate.pools import NEVER, Assignment
from stillhunt.simulate.registration import (
    OPEN,
    Roster,
    company_domains,
    draw_firm,
    draw_issuers,
    private_people,
    some,
    staff,
    texts,
)
from stillhunt.simulate.scene import Scene

_LEASES = 3


@dataclass(frozen=True)
class Enrolment:
    """n accounts of a pool and what they wear. ``leases``: three addresses each, in order, used in turn.
    ``apps``: the client that each account pretends to be, with ``own_parameters`` if it sets them as well."""

    roster: Roster
    leases: Endpoints
    lease_days: F64
    fresh_exits: bool
    network: Network
    models: Models
    device: U64
    key: U64
    style: U64
    taste: NDArray[np.int8]
    lag: F64
    apps: Apps
    own_parameters: bool

    def where(self, rng: np.random.Generator, account: I64, time: I64) -> Endpoints:
        """Where each job of ``account`` at ``time`` comes from."""
        if self.fresh_exits:
            return self.network.home(rng, self.roster.country[account])
        turn = (time / (self.lease_days[account] * DAY)).astype(np.int64) % _LEASES
        return self.leases.take(account * _LEASES + turn)

    def model(self, rng: np.random.Generator, account: I64, time: I64) -> NDArray[np.int16]:
        """The model that each account asks at each time."""
        return self.models.choose(rng, time, whims(rng, self.taste[account]), self.lag[account])

    def wear(self, apps: Apps, account: I64) -> Apps:
        """``apps`` as they look when sent through ``account``: parameters stay, the client is the account's."""
        own = self.apps.take(account)
        if self.own_parameters:
            return replace(
                own,
                system=apps.system,
                system_variant=apps.system_variant,
                agentic=apps.agentic,
                tools=apps.tools,
            )
        return replace(
            apps,
            channel=own.channel,
            client=own.client,
            tls=own.tls,
            sends_session=own.sends_session,
            sends_device=own.sends_device,
            retries=np.full(len(account), True),
        )


def enrol(
    rng: np.random.Generator,
    scene: Scene,
    operator: Operator,
    assigned: Assignment,
    countries: NDArray[np.int16],
) -> Enrolment:
    """Registers the accounts that the scheduler used; account k claims to be in the k-th country, cyclically."""
    n = len(assigned.born)
    country = countries[np.arange(n) % len(countries)]
    roster = (_of_a_firm if operator.firm else _registered)(rng, scene, operator, assigned, country)
    group = _groups(rng, n, operator.per_address)
    line = scene.network.server if operator.firm else scene.network.home
    leases = line(rng, np.repeat(country, _LEASES))
    shared = leases.take((group[:, None] * _LEASES + np.arange(_LEASES)).ravel())
    devices = mint(rng, n)
    lag = scene_lag(rng, n, operator.pivot)
    return Enrolment(
        roster=roster if operator.firm else replace(roster, signup_address=shared.address[::_LEASES]),
        leases=shared,
        lease_days=rng.uniform(1.0, 9.0, n),
        fresh_exits=operator.per_address == 0,
        network=scene.network,
        models=scene.models,
        device=devices[_groups(rng, n, operator.per_device)] if operator.per_device > 0 else devices,
        key=mint(rng, n),
        style=mint(rng, n),
        taste=rng.choice(3, n, p=[0.62, 0.28, 0.1]).astype(np.int8),
        lag=lag,
        apps=_disguises(rng, scene, operator, n),
        own_parameters=not operator.same_parameters,
    )


def scene_lag(rng: np.random.Generator, n: int, pivot: bool) -> F64:
    """Days from a release until each account moves to the new model."""
    if pivot:
        return np.where(rng.random(n) < 0.7, rng.uniform(0.0, 1.0, n), rng.exponential(6.0, n))
    return rng.exponential(9.0, n) + 0.3


def _groups(rng: np.random.Generator, n: int, per: float) -> I64:
    """Which accounts share one thing, when about ``per`` of them do."""
    count = max(1, round(n / max(per, 1.0)))
    return rng.permutation(np.arange(n) % count) if count < n else np.arange(n)


def pool_countries(rng: np.random.Generator, operator: Operator) -> NDArray[np.int16]:
    """Where the accounts of a pool claim to be. Exits for sale are where people are; a firm is in one place."""
    if operator.firm:
        return random_countries(rng, 1)
    favoured = random_countries(rng, 30)
    n = 16 + operator.accounts * 8
    return np.where(rng.random(n) < 0.4, rng.choice(favoured, n), random_countries(rng, n)).astype(np.int16)


def _of_a_firm(
    rng: np.random.Generator,
    scene: Scene,
    operator: Operator,
    assigned: Assignment,
    country: NDArray[np.int16],
) -> Roster:
    n = len(country)
    roster = staff(rng, scene, draw_firm(rng, scene, int(country[0])), n, operator.truth)
    return replace(
        roster,
        created=np.minimum(roster.created, assigned.born - HOUR),
        closed=np.where(assigned.ends == NEVER, OPEN, assigned.ends),
        authorised=texts(operator.authorised, n),
    )


def _registered(
    rng: np.random.Generator,
    scene: Scene,
    operator: Operator,
    assigned: Assignment,
    country: NDArray[np.int16],
) -> Roster:
    n = len(country)
    roster = private_people(rng, scene, country, operator.truth)
    created = _sign_ups(rng, operator, assigned)
    card = operator.per_card > 0
    group = _groups(rng, n, operator.per_card)
    issuers = np.where(
        rng.random(n) < 0.4, rng.choice(np.array(VIRTUAL_ISSUERS, dtype=object), n), draw_issuers(rng, n)
    )
    codes = np.array(COUNTRIES, dtype=object)
    unpaid = rng.random(n) < (0.85 if operator.trials else 0.12)
    payment = np.where(unpaid | (not card), np.uint64(0), mint(rng, n)[group])
    none = payment == 0
    plan = np.where(
        operator.trials, "trial", rng.choice(["payg", "pro", "free", "trial"], n, p=[0.5, 0.22, 0.16, 0.12])
    )
    return replace(
        roster,
        created=created,
        closed=np.where(assigned.ends == NEVER, OPEN, assigned.ends),
        email_domain=_mail(rng, operator, n),
        payment=payment,
        issuer=some(~none, issuers[group]),
        payment_country=some(~none, codes[country[group]]),
        plan=plan.astype(object),
        verification=np.where(none, rng.choice(["phone", "none"], n), "card").astype(object),
    )


def _sign_ups(rng: np.random.Generator, operator: Operator, assigned: Assignment) -> I64:
    """The first accounts come from a stock made in batches; replacements are made, or bought, when needed."""
    n = len(assigned.born)
    first = min(operator.accounts, n)
    begin = int(assigned.born.min())
    if operator.batches > 0:
        evenings = begin - (rng.random(operator.batches) * operator.stock_days * DAY).astype(np.int64)
        stock = rng.choice(evenings, n) - (rng.exponential(1.2 * HOUR, n)).astype(np.int64)
    else:
        stock = begin - (rng.random(n) * operator.stock_days * DAY).astype(np.int64)
    later = assigned.born - (rng.exponential(4 * HOUR, n)).astype(np.int64) - HOUR // 6
    from_stock = (np.arange(n) < first) | (rng.random(n) < 0.4)
    return np.where(from_stock, stock, later)


def _mail(rng: np.random.Generator, operator: Operator, n: int) -> NDArray[np.object_]:
    if operator.mail_domains == 0:
        return draw_public_mail(rng, n)
    domains = company_domains(rng, operator.mail_domains)
    return np.where(rng.random(n) < 0.45, rng.choice(domains, n), draw_public_mail(rng, n))


def _disguises(rng: np.random.Generator, scene: Scene, operator: Operator, n: int) -> Apps:
    """The client of each account. Rewritten headers name popular programs, while one program speaks TLS."""
    if operator.firm:
        gateway = draw_apps(rng, scene, np.array(["gateway"]))
        return replace(gateway, channel=np.array([API], dtype=np.int8)).take(np.zeros(n, dtype=np.int64))
    channel = np.int8(rng.choice([API, SUBSCRIPTION], p=[0.65, 0.35]))
    apps = draw_apps(rng, scene, rng.choice(["sdk", "agent", "web"], n, p=[0.5, 0.35, 0.15]))
    channels = np.where(rng.random(n) < 0.35, channel, apps.channel).astype(np.int8)
    relay = scene.clients.draw(rng, "sdk", 3)
    if operator.rewrites_headers:
        tls = relay[rng.integers(3, size=n)]
        honest = rng.random(n) < 0.45
        return replace(apps, channel=channels, tls=np.where(honest, apps.client, tls).astype(np.int16))
    one = np.full(n, relay[0], dtype=np.int16)
    return replace(apps, channel=channels, client=one, tls=one)
