"""Profiles: who is in a simulated log, and how many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from stillhunt.errors import SettingError
from stillhunt.simulate.kinds.agencies import agencies
from stillhunt.simulate.kinds.campuses import universities
from stillhunt.simulate.kinds.contracts import big_relays, gateways, vendors
from stillhunt.simulate.kinds.farms import trial_farms
from stillhunt.simulate.kinds.individuals import agent_users, individuals, vpn_users
from stillhunt.simulate.kinds.organisations import enterprises, evaluations, saas
from stillhunt.simulate.kinds.pipelines import ci_runners, migrations
from stillhunt.simulate.operators import Operator
from stillhunt.simulate.pools import Discipline
from stillhunt.simulate.scene import Batches, Scene
from stillhunt.simulate.seeds import Seeds
from stillhunt.simulate.shapes import ADAPTIVE, DRIP, EVASIONS, LETTER, SHAPES, SMALL

Kind = Callable[[Scene, Seeds, int], Batches]

KINDS: Mapping[str, Kind] = {
    "individuals": individuals,
    "vpn_users": vpn_users,
    "agent_users": agent_users,
    "saas": saas,
    "enterprises": enterprises,
    "universities": universities,
    "evaluations": evaluations,
    "vendors": vendors,
    "ci_runners": ci_runners,
    "gateways": gateways,
    "migrations": migrations,
    "agencies": agencies,
    "trial_farms": trial_farms,
    "big_relays": big_relays,
}

_PEOPLE = {
    "individuals": 3000,
    "vpn_users": 300,
    "agent_users": 800,
    "saas": 500,
    "enterprises": 400,
    "universities": 360,
    "evaluations": 24,
    "vendors": 36,
    "ci_runners": 120,
    "gateways": 100,
    "migrations": 80,
    "agencies": 90,
    "trial_farms": 600,
    "big_relays": 60,
}
"""Accounts of each kind, the same in every profile."""
_DEMO = {kind: round(0.8 * accounts) for kind, accounts in _PEOPLE.items()}


@dataclass(frozen=True)
class Scenario:
    """What a log holds. ``accounts``: accounts of each kind at scale 1. ``operators``: pools, hostile or not.
    ``days`` and ``start`` (ISO date, UTC) give the window; ``thin`` the share of all traffic that is kept."""

    name: str
    about: str
    accounts: Mapping[str, int]
    operators: tuple[Operator, ...] = ()
    days: int = 14
    start: str = "2026-04-20"
    thin: float = 0.5
    relays: int = 10
    """Hobby relays at scale 1."""
    sketched: bool = False
    """Whether it is written as a lake of sketches, with no text."""
    fixed: tuple[str, ...] = ()
    """Beginnings of columns that the shapes in it fix by definition, for the check against leaks."""


_ABOUT = {
    "letter": "agentic work through many accounts, 26 requests a day each; oldest use first",
    "first_reports": "three operators at once: synchronised grading, shared cards, a relay that jumps to a new model",
    "two_pools": "one injected instruction; a banned pool's traffic moves to a second pool that serves others too",
    "relay_sessions": "live users' sessions, forwarded and kept; signed reasoning moves between accounts",
    "harness": "an operator forwards its own users of one coding agent",
    "rotated": "few accounts at a very high rate, burnt and replaced every few days",
    "drip": "free trials that replay stored conversations, 13 requests a day",
    "small": "some dozens of accounts that start together and share cards, addresses and machines",
    "mixed": "a reseller's pool of which a third is one laboratory's",
    "probe": "days of refused extraction tricks on few accounts, then volume on others",
}
_VOLUME = (
    "requests count",
    "requests.time",
    *(
        f"requests.{name} distinct"
        for name in ("request_id", "session_id", "prompt", "completion", "finish_reason", "tools")
    ),
    "requests.status",
    "requests.input_tokens",
    "requests.output_tokens",
    "requests.cached_input_tokens",
    "requests.latency_ms",
)
_STRANGERS = (
    "requests.time distinct hours",
    "requests.system_prompt distinct",
    "requests.model distinct",
    "requests.tools",
    "requests.stream spread",
    "requests.finish_reason distinct",
    "requests.temperature",
    "requests.max_tokens distinct",
    "requests.max_tokens spread",
)
_FIXED: Mapping[str, tuple[str, ...]] = {
    "demo": ("accounts.plan", "accounts.payment"),
    "letter": ("requests.prompt length",),
    "first_reports": (*_STRANGERS, "requests.prompt length"),
    "two_pools": (*_VOLUME, "requests.system_prompt", "accounts.closed_at"),
    "relay_sessions": _STRANGERS,
    "harness": (
        *_STRANGERS,
        "requests.system_prompt",
        "requests.reasoning_signature",
        "requests.finish_reason",
        "requests.input_tokens",
        "requests.cached_input_tokens",
    ),
    "rotated": (
        *_VOLUME,
        "requests.prompt length",
        "requests.completion length",
        "accounts.closed_at",
        "accounts.created_at",
    ),
    "drip": ("accounts.plan", "accounts.payment", "accounts.verification", "requests.system_prompt"),
    "small": (
        "accounts.created_at",
        "accounts.payment",
        "requests.time",
        "requests.user_agent",
        "requests.tls_fingerprint",
        "requests.prompt length",
    ),
    "mixed": _STRANGERS,
    "probe": (
        "requests.completion length",
        "requests.finish_reason",
        "requests.time",
        "requests.input_tokens",
    ),
}
"""Columns that a shape fixes by what it is: volume of few accounts at high rates, many strangers on one account, one
instruction on top of every prompt or in the system prompt, free trials, accounts made and used together, refusals, the
short answers of a judge."""

_MANY = 149.3
"""The honest population of the largest report, in those of the other profiles: a million accounts."""
_THIN = 0.245
_LETTER_FULL = Scenario(
    "letter-full",
    "the letter's own size: 28.8 million requests of 25,000 accounts in 45 days, in 300 million; a lake, without text",
    {kind: round(_MANY * accounts) for kind, accounts in _PEOPLE.items()},
    # A hundredth is banned and replaced a day, so that 17,200 at a time are 25,000 in all.
    (replace(LETTER, accounts=17_200, rate=28.8e6 / 17_200 / 45 / _THIN),),
    days=45,
    start="2026-04-22",
    thin=_THIN,
    relays=1493,
    sketched=True,
    fixed=_FIXED["letter"],
)

SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "demo",
            "three campaigns among every common kind of honest customer",
            _DEMO,
            (LETTER, SMALL, DRIP),
            thin=0.15,
            fixed=_FIXED["demo"],
        ),
        Scenario("honest", "every honest kind and abuse that is not distillation; no campaign", _PEOPLE),
        *(
            Scenario(name, _ABOUT[name], _PEOPLE, operators, fixed=_FIXED.get(name, ()))
            for name, operators in SHAPES.items()
        ),
        Scenario(
            "adaptive", "an operator who turns every knob of evasion at once", _PEOPLE, (ADAPTIVE,), thin=1.0
        ),
    )
}
"""The profiles of one size, which can be compared with one another."""

PROFILES: Mapping[str, Scenario] = {**SCENARIOS, _LETTER_FULL.name: _LETTER_FULL}
"""The profiles that ``--profile`` names."""

EVASION: Mapping[str, Scenario] = {
    name: Scenario(f"evasion-{name}", f"one operator, one knob: {name.replace('_', ' ')}", _PEOPLE, operators)
    for name, operators in EVASIONS.items()
}
"""One knob of evasion at a time, for the cost of each; ``reusing`` is the operator who turns none."""


def scenario(name: str) -> Scenario:
    """The profile of that name. Raises SettingError when there is none."""
    if name not in PROFILES:
        raise SettingError(
            f"there is no profile {name!r}", "--profile", f"Name one of {', '.join(sorted(PROFILES))}."
        )
    return PROFILES[name]


def scaled(one: Scenario, scale: float) -> Scenario:
    """The same log with ``scale`` times as many accounts of each kind and in each pool."""
    return replace(
        one,
        accounts={kind: max(1, round(count * scale)) for kind, count in one.accounts.items()},
        operators=tuple(
            replace(
                pool, accounts=max(2, round(pool.accounts * scale)), customers=round(pool.customers * scale)
            )
            for pool in one.operators
        ),
        relays=round(one.relays * scale),
    )


def hobby_relay(seeds: Seeds, number: int) -> Operator:
    """A small relay: some friends and their friends on 3 to 22 shared accounts."""
    rng = seeds.rng("hobby_relay", number)
    accounts = int(rng.integers(3, 23))
    return Operator(
        name=f"relay-{number:03d}",
        accounts=accounts,
        rate=0.0,
        customers=int(accounts * rng.uniform(1.5, 5.0)) + 2,
        instruction=None,
        begin=float(rng.choice([0.0, rng.random() * 0.5])),
        pauses=0,
        per_address=float(rng.choice([1.0, accounts])),
        per_card=float(rng.choice([1.0, 2.0, 4.0])),
        per_device=float(rng.choice([0.0, accounts])),
        rewrites_headers=bool(rng.random() < 0.5),
        stock_days=float(rng.uniform(5, 90)),
        batches=int(rng.integers(0, 4)),
        mail_domains=int(rng.integers(0, 3)),
        discipline=Discipline(scheduler="lru" if rng.random() < 0.6 else "random", cap=2, bans_per_day=0.006),
        truth="reseller",
    )
