"""How accounts come to be: who signs up when, from where, with which mail, card and proof."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillhunt.schema.accounts import ACCOUNTS, TRUTH
from stillhunt.schema.requests import TIMESTAMP
from stillhunt.simulate.catalogue import ISSUERS, VIRTUAL_ISSUERS, draw_public_mail
from stillhunt.simulate.clock import DAY, I64
from stillhunt.simulate.ids import U64, hex_strings, mint
from stillhunt.simulate.network import COUNTRIES, address_strings
from stillhunt.simulate.scene import Scene

Strings = NDArray[np.object_]
OPEN = np.iinfo(np.int64).max
"""``closed`` of an account that is still open."""

_MEAN_AGE_DAYS = 60.0
_ISSUER_WEIGHT = np.r_[
    np.full(len(VIRTUAL_ISSUERS), 3.0), 8.0 / (np.arange(len(ISSUERS) - len(VIRTUAL_ISSUERS)) + 2.0)
]
_ISSUER_WEIGHT /= _ISSUER_WEIGHT.sum()


@dataclass(frozen=True)
class Roster:
    """n accounts, arrays of length n. Identifiers are 0 and strings None where there is none; ``closed`` is OPEN."""

    account: U64
    org: U64
    created: I64
    closed: I64
    email_domain: Strings
    payment: U64
    issuer: Strings
    payment_country: Strings
    authorised: Strings
    signup_address: U64
    country: NDArray[np.int16]
    verification: Strings
    plan: Strings
    campaign: Strings
    kind: Strings

    def take(self, index: NDArray[np.int64]) -> Roster:
        return Roster(*(getattr(self, field.name)[index] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.account)

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """The tables ACCOUNTS and TRUTH."""
        accounts = hex_strings("acct_", self.account)
        closed = pa.array(self.closed, mask=self.closed == OPEN).cast(pa.timestamp("us")).cast(TIMESTAMP)
        columns = [
            accounts,
            hex_strings("org_", self.org, 12),
            pa.array(self.created).cast(pa.timestamp("us")).cast(TIMESTAMP),
            closed,
            pa.array(self.email_domain, pa.string()),
            hex_strings("pm_", self.payment),
            pa.array(self.issuer, pa.string()),
            pa.array(self.payment_country, pa.string()),
            pa.array(self.authorised, pa.string()),
            address_strings(self.signup_address),
            pa.array(np.array(COUNTRIES, dtype=object)[self.country], pa.string()),
            pa.array(self.verification, pa.string()),
            pa.array(self.plan, pa.string()),
        ]
        truth = [accounts, pa.array(self.campaign, pa.string()), pa.array(self.kind, pa.string())]
        return pa.table(columns, schema=ACCOUNTS), pa.table(truth, schema=TRUTH)


def some(present: NDArray[np.bool_], values: Strings) -> Strings:
    """``values`` where ``present``, None elsewhere."""
    chosen = np.full(len(values), None, dtype=object)
    chosen[present] = values[present]
    return chosen


def texts(value: str | None, n: int) -> Strings:
    """``value`` n times."""
    return np.full(n, value, dtype=object)


def join(parts: list[Roster]) -> Roster:
    """All accounts, one list after another."""
    return Roster(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Roster))
    )


def sign_up_times(rng: np.random.Generator, scene: Scene, n: int) -> I64:
    """When accounts that were seen in the window signed up: a growing service, so most are young."""
    age = rng.exponential(_MEAN_AGE_DAYS * DAY, n) % (900 * DAY)
    return scene.window.end - 1 - age.astype(np.int64)


def draw_issuers(rng: np.random.Generator, n: int) -> Strings:
    """Card issuers of private people and small firms."""
    return np.array(ISSUERS, dtype=object)[rng.choice(len(ISSUERS), n, p=_ISSUER_WEIGHT)]


def closures(rng: np.random.Generator, scene: Scene, created: I64, share: float) -> I64:
    """When accounts close: a ``share`` of them at some time between sign-up and the window's end."""
    first = np.maximum(created, scene.window.start)
    when = first + (rng.random(len(created)) * (scene.window.end - first)).astype(np.int64)
    return np.where(rng.random(len(created)) < share, when, OPEN)


def private_people(rng: np.random.Generator, scene: Scene, country: NDArray[np.int16], kind: str) -> Roster:
    """People who signed up by themselves, one account each."""
    n = len(country)
    created = sign_up_times(rng, scene, n)
    own_domain = rng.random(n) < 0.22
    mail = draw_public_mail(rng, n)
    mail[own_domain] = company_domains(rng, int(own_domain.sum()))
    plan = rng.choice(np.array(["trial", "free", "payg", "pro"], dtype=object), n, p=[0.16, 0.2, 0.44, 0.2])
    paid = (plan == "payg") | (plan == "pro") | (rng.random(n) < 0.25)
    where = scene.network.home(rng, country)
    codes = np.array(COUNTRIES, dtype=object)
    verified = np.where(paid, "card", np.where(rng.random(n) < 0.55, "phone", "none")).astype(object)
    verified[rng.random(n) < 0.04] = "identity"
    return Roster(
        account=mint(rng, n),
        org=np.zeros(n, dtype=np.uint64),
        created=created,
        closed=closures(rng, scene, created, 0.07),
        email_domain=mail,
        payment=np.where(paid, mint(rng, n), np.uint64(0)),
        issuer=some(paid, draw_issuers(rng, n)),
        payment_country=some(paid, codes[country]),
        authorised=texts(None, n),
        signup_address=where.address,
        country=country,
        verification=verified,
        plan=plan,
        campaign=texts(None, n),
        kind=texts(kind, n),
    )


def company_domains(rng: np.random.Generator, n: int) -> Strings:
    """A mail domain of its own for each of ``n`` firms or people."""
    first = np.array(
        [
            "north",
            "blue",
            "green",
            "red",
            "iron",
            "silver",
            "oak",
            "river",
            "stone",
            "cloud",
            "bright",
            "swift",
            "pixel",
            "data",
            "net",
            "urban",
            "solar",
            "nova",
            "alpha",
            "prime",
            "lake",
            "fox",
            "owl",
            "wolf",
            "maple",
            "cedar",
            "delta",
            "polar",
            "lunar",
            "terra",
        ],
        dtype=object,
    )
    second = np.array(
        [
            "works",
            "labs",
            "soft",
            "tech",
            "systems",
            "studio",
            "media",
            "group",
            "trade",
            "logic",
            "craft",
            "line",
            "field",
            "point",
            "bridge",
            "forge",
            "hub",
            "ware",
            "mind",
            "house",
        ],
        dtype=object,
    )
    number = rng.integers(1, 10_000, n).astype(str).astype(object)
    number[rng.random(n) < 0.6] = ""
    names: Strings = first[rng.integers(len(first), size=n)] + second[rng.integers(len(second), size=n)]
    domains: Strings = names + number + ".example"
    return domains


@dataclass(frozen=True)
class Firm:
    """What the accounts of one organisation have in common."""

    org: int
    domain: str
    payment: int
    issuer: str
    country: int
    founded: int
    office: int
    """Address of the office."""
    asn: int


def draw_firm(rng: np.random.Generator, scene: Scene, country: int) -> Firm:
    """One organisation with an office and a card."""
    where = scene.network.office(rng, np.array([country], dtype=np.int16))
    return Firm(
        org=int(mint(rng, 1)[0]),
        domain=str(company_domains(rng, 1)[0]),
        payment=int(mint(rng, 1)[0]),
        issuer=str(draw_issuers(rng, 1)[0]),
        country=country,
        founded=int(sign_up_times(rng, scene, 1)[0]),
        office=int(where.address[0]),
        asn=int(where.asn[0]),
    )


def staff(rng: np.random.Generator, scene: Scene, firm: Firm, n: int, kind: str) -> Roster:
    """Accounts of one organisation: same card, mail domain and office, opened over time as it grew."""
    span = max(1, scene.window.end - 2 * DAY - firm.founded)
    created = firm.founded + (rng.beta(0.8, 1.6, n) * span).astype(np.int64)
    created[0] = firm.founded
    plan = str(rng.choice(["payg", "team", "enterprise"], p=[0.4, 0.4, 0.2]))
    return Roster(
        account=mint(rng, n),
        org=np.full(n, firm.org, dtype=np.uint64),
        created=created,
        closed=closures(rng, scene, created, 0.03),
        email_domain=texts(firm.domain, n),
        payment=np.full(n, firm.payment, dtype=np.uint64),
        issuer=texts(firm.issuer, n),
        payment_country=texts(COUNTRIES[firm.country], n),
        authorised=texts(None, n),
        signup_address=np.full(n, firm.office, dtype=np.uint64),
        country=np.full(n, firm.country, dtype=np.int16),
        verification=texts("contract" if plan == "enterprise" else "card", n),
        plan=texts(plan, n),
        campaign=texts(None, n),
        kind=texts(kind, n),
    )
