"""Profiles: who is in a simulated log, and how many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from stillhunt.errors import SettingError
from stillhunt.simulate.kinds.campuses import universities
from stillhunt.simulate.kinds.farms import trial_farms
from stillhunt.simulate.kinds.individuals import agent_users, individuals
from stillhunt.simulate.kinds.organisations import enterprises, evaluations, saas
from stillhunt.simulate.operators import Operator
from stillhunt.simulate.pools import Discipline
from stillhunt.simulate.scene import Batches, Scene
from stillhunt.simulate.seeds import Seeds

Kind = Callable[[Scene, Seeds, int], Batches]

KINDS: Mapping[str, Kind] = {
    "individuals": individuals,
    "agent_users": agent_users,
    "saas": saas,
    "enterprises": enterprises,
    "universities": universities,
    "evaluations": evaluations,
    "trial_farms": trial_farms,
}

_PEOPLE = {
    "individuals": 3000,
    "agent_users": 800,
    "saas": 520,
    "enterprises": 420,
    "universities": 360,
    "evaluations": 20,
    "trial_farms": 520,
}


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
    thin: float = 0.15
    relays: int = 10
    """Hobby relays at scale 1."""
    fixed: tuple[str, ...] = field(default=())
    """Columns that the shapes in it fix by definition, for the check against leaks."""


_LETTER = Operator(
    name="letter",
    accounts=40,
    rate=25.6,
    asks={"agentic_reasoning": 3.0, "software_engineering": 3.0, "long_horizon_planning": 2.0},
    instruction="agent",
    turns=3.0,
    per_card=4.0,
    discipline=Discipline(scheduler="lru", bans_per_day=0.01),
)
_SMALL = Operator(
    name="small",
    accounts=18,
    rate=30.0,
    begin=0.1,
    asks={"reasoning_traces": 2.0, "grading": 2.0, "mathematics": 1.0},
    instruction="reasoning",
    turns=5.0,
    ramp_days=0.05,
    per_card=6.0,
    per_device=3.0,
    per_address=3.0,
    jitter=0.05,
    rewrites_headers=False,
    stock_days=4.0,
    batches=1,
)
_DRIP = Operator(
    name="drip",
    accounts=22,
    rate=13.0,
    asks={"software_engineering": 2.0, "agentic_reasoning": 2.0, "reasoning_traces": 2.0, "writing": 1.0},
    instruction="reasoning",
    in_system=True,
    turns=5.0,
    replay=0.9,
    per_card=0.0,
    per_address=1.5,
    stock_days=12.0,
    batches=3,
    trials=True,
    rhythm="day",
    jitter=0.6,
    discipline=Discipline(scheduler="lru", bans_per_day=0.02),
)

SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "demo",
            "three campaigns among every common kind of honest customer",
            _PEOPLE,
            (_LETTER, _SMALL, _DRIP),
        ),
        Scenario("honest", "every honest kind and abuse that is not distillation; no campaign", _PEOPLE),
    )
}


def scenario(name: str) -> Scenario:
    """The profile of that name. Raises SettingError when there is none."""
    if name not in SCENARIOS:
        raise SettingError(
            f"there is no profile {name!r}", "--profile", f"Name one of {', '.join(sorted(SCENARIOS))}."
        )
    return SCENARIOS[name]


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
