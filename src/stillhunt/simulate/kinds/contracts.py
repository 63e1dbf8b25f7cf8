"""Customers by contract who work as pools do, in the open: gateways, licensed vendors of synthetic data."""

from __future__ import annotations

import numpy as np

from stillhunt.simulate.campaign import campaign
from stillhunt.simulate.kinds.organisations import sizes
from stillhunt.simulate.operators import Operator
from stillhunt.simulate.pools import Discipline, Scheduler
from stillhunt.simulate.scene import Batches, Scene
from stillhunt.simulate.seeds import Seeds

_ORDERS: tuple[tuple[str, dict[str, float]], ...] = (
    ("reasoning", {"mathematics": 3.0, "reasoning_traces": 2.0}),
    ("agent", {"agentic_reasoning": 3.0, "software_engineering": 2.0}),
    ("grading", {"grading": 2.0, "writing": 1.0}),
)


def gateways(scene: Scene, seeds: Seeds, accounts: int) -> Batches:
    """Firms that route their users' requests over some accounts of their own, and fail over between them; addresses,
    programs and sessions of the users do not come through."""
    rng = seeds.rng("sizes")
    for number, size in enumerate(sizes(rng, accounts, 8.0, 3)):
        yield from campaign(
            scene, seeds.child(number), _gateway(seeds.rng(number), f"gateway-{number}", size)
        )


def _gateway(rng: np.random.Generator, name: str, n: int) -> Operator:
    scheduler: Scheduler = "lru" if rng.random() < 0.5 else "weighted"
    return Operator(
        name=name,
        accounts=n,
        rate=0.0,
        customers=int(n * rng.uniform(2.0, 6.0)) + 2,
        continued=0.2,
        instruction=None,
        ramp_days=0.0,
        pauses=0,
        firm=True,
        per_address=n,
        same_parameters=True,
        authorised="resale" if rng.random() < 0.5 else None,
        discipline=Discipline(scheduler=scheduler, cap=4, bans_per_day=0.0),
        truth="gateway",
    )


def vendors(scene: Scene, seeds: Seeds, accounts: int) -> Batches:
    """Vendors that are licensed to make training data: task lists, one instruction, round the clock, over a few
    accounts of one firm."""
    rng = seeds.rng("sizes")
    for number, size in enumerate(sizes(rng, accounts, 9.0, 3)):
        yield from campaign(scene, seeds.child(number), _vendor(seeds.rng(number), f"vendor-{number}", size))


def _vendor(rng: np.random.Generator, name: str, n: int) -> Operator:
    instruction, asks = _ORDERS[int(rng.integers(len(_ORDERS)))]
    return Operator(
        name=name,
        accounts=n,
        rate=float(rng.uniform(20.0, 60.0)),
        begin=float(rng.choice([0.0, rng.random() * 0.4])),
        asks=asks,
        instruction=instruction,
        turns=3.0,
        ramp_days=float(rng.choice([0.0, 2.0])),
        jitter=float(rng.uniform(0.1, 0.9)),
        pivot=bool(rng.random() < 0.5),
        firm=True,
        per_address=n,
        authorised="synthetic_data",
        discipline=Discipline(scheduler="lru", cap=2, bans_per_day=0.0),
        truth="synthetic_data",
    )


def big_relays(scene: Scene, seeds: Seeds, accounts: int) -> Batches:
    """Resellers at scale: dozens of accounts, hundreds of strangers, sessions that stick, oldest use first. Abuse, but
    nobody harvests."""
    for number in range(max(1, round(accounts / 60))):
        rng = seeds.rng(number)
        relay = Operator(
            name=f"big-relay-{number:03d}",
            accounts=max(2, min(60, accounts)),
            rate=float(rng.uniform(12.0, 30.0)),
            customers=3 * min(60, accounts),
            customers_share=1.0,
            instruction=None,
            continued=0.15,
            per_card=float(rng.choice([1.0, 3.0])),
            stock_days=60.0,
            discipline=Discipline(scheduler="lru", cap=2, bans_per_day=0.008),
            truth="reseller",
        )
        yield from campaign(scene, seeds.child(number), relay)
