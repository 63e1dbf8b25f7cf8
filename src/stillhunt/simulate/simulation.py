"""From a profile and a seed to the tables of a log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pyarrow as pa

from stillhunt.errors import SettingError
from stillhunt.schema.progress import Progress, Silent
from stillhunt.simulate.campaign import campaign
from stillhunt.simulate.clock import Window
from stillhunt.simulate.real import Prompts, Rates
from stillhunt.simulate.scenarios import KINDS, Scenario, hobby_relay, scaled, scenario
from stillhunt.simulate.scene import Batch, build_scene
from stillhunt.sketch.keys import KeyRing


@dataclass(frozen=True)
class Simulation:
    """A labelled log: ``requests`` (schema REQUESTS, with text, by time), ``accounts`` (ACCOUNTS) and ``truth``
    (TRUTH), both by account."""

    requests: pa.Table
    accounts: pa.Table
    truth: pa.Table


def simulate(
    profile: str | Scenario,
    seed: int,
    scale: float = 1.0,
    *,
    progress: Progress | None = None,
    prompts: Prompts | None = None,
    rates: Rates | None = None,
) -> Simulation:
    """The log of a profile, whole in memory. Equal arguments give equal tables.

    scale: multiplies accounts of every kind. prompts, rates: real texts and arrivals, in place of made-up ones. Raises
    SettingError for an unknown profile or a scale out of range.
    """
    batches = list(stream(profile, seed, scale, progress=progress, prompts=prompts, rates=rates))
    requests = pa.concat_tables([batch.requests for batch in batches])
    return Simulation(
        requests=requests.sort_by([("time", "ascending"), ("request_id", "ascending")]),
        accounts=pa.concat_tables([batch.accounts for batch in batches]).sort_by("account_id"),
        truth=pa.concat_tables([batch.truth for batch in batches]).sort_by("account_id"),
    )


def stream(
    profile: str | Scenario,
    seed: int,
    scale: float = 1.0,
    *,
    progress: Progress | None = None,
    prompts: Prompts | None = None,
    rates: Rates | None = None,
    keys: KeyRing | None = None,
) -> Iterator[Batch]:
    """The same log in batches of accounts with all that they did; rows of a batch are in no order. keys: for sketches
    in place of text, each text as soon as it is made."""
    if not 0 < scale < 1e6:
        raise SettingError(
            f"expected a scale above 0, got {scale}", "--scale", "1 is the profile's own size."
        )
    chosen = scaled(scenario(profile) if isinstance(profile, str) else profile, scale)
    progress = progress or Silent()
    scene = replace(build_scene(seed, window(chosen), chosen.thin, prompts, rates), keys=keys)
    progress.stage(f"simulate {chosen.name}", None)
    for kind, accounts in chosen.accounts.items():
        for batch in KINDS[kind](scene, scene.seeds.child(kind), accounts):
            progress.advance(batch.requests.num_rows)
            yield batch
    pools = [*chosen.operators, *(hobby_relay(scene.seeds, number) for number in range(chosen.relays))]
    for pool in pools:
        for batch in campaign(scene, scene.seeds.child("pool", pool.name), pool):
            progress.advance(batch.requests.num_rows)
            yield batch


def window(one: Scenario) -> Window:
    """The time that a profile covers."""
    start = datetime.fromisoformat(one.start).replace(tzinfo=UTC)
    return Window(int(start.timestamp()) * 1_000_000, one.days)
