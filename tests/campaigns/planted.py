"""Independent accounts, and among them campaigns, a team and a licensed vendor whose members are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from bench.independent import DAYS, independent, open_population
from bench.independent import Population as Population
from logs import at, prompt, system, table

from stillhunt.campaigns.pipeline import ScanSettings, find_campaigns
from stillhunt.campaigns.result import Campaigns
from stillhunt.campaigns.stages import Stages
from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.accounts import ACCOUNTS
from stillhunt.schema.campaigns import FLAG_MEMBERSHIP
from stillhunt.schema.requests import LAKE_REQUESTS

Row = dict[str, Any]


@dataclass(frozen=True)
class Pool:
    """Accounts of one hand: ``accounts`` of them; ``licence``: their ``authorised_use``."""

    name: str
    accounts: int
    licence: str | None = None
    hour: float = 2.0
    """Of the log, in which it is registered."""

    @property
    def ids(self) -> list[str]:
        return [f"{self.name}-{i:02d}" for i in range(self.accounts)]


def harvest(pool: Pool) -> tuple[list[Row], list[Row]]:
    """A pool that harvests reasoning: one template, always another task, dealt in turn; cards and exits are shared by
    a few accounts each; registered within one hour."""
    requests, turn = [], 0
    per_day = 4 * pool.accounts
    for day in range(1 + int(pool.hour // 24), DAYS):
        for k in range(per_day):
            i = turn % pool.accounts
            turn += 1
            requests.append(
                {
                    "time": at(24 * day + 24 * k / per_day),
                    "account_id": pool.ids[i],
                    "session_id": f"{pool.name}{turn}",
                    "input_tokens": 900,
                    "output_tokens": 1800,
                    "cached_input_tokens": 0,
                    "max_tokens": 30_000 + int(pool.hour),
                    "temperature": 0.9,
                    "tools": 0,
                    "reasoning": True,
                    "status": 200,
                    "finish_reason": "stop",
                    "client_ip": f"exit-{pool.name}-{i // 4}",
                    "country": "US",
                    "user_agent": f"ua {pool.name}",
                    "tls_fingerprint": "t",
                    "device_id": f"{pool.ids[i]}",
                    "prompt_sketch": prompt(pool.name, f"{turn:04d}"),
                    "prompt_chars": 500,
                    "system_sketch": system(pool.name),
                    "capability": ("grading", "mathematics")[turn % 2],
                }
            )
    people = [
        {
            "account_id": name,
            "created_at": at(pool.hour, minutes=2 * i),
            "email_domain": "mail-0",
            "payment_fingerprint": f"virtual-{pool.name}-{i // 5}",
            "payment_issuer": f"bank-{pool.hour:.0f}",
            "payment_country": "US",
            "country": "US",
            "verification": "phone",
            "plan": "paid",
            "authorised_use": pool.licence,
        }
        for i, name in enumerate(pool.ids)
    ]
    return requests, people


def office(pool: Pool) -> tuple[list[Row], list[Row]]:
    """A firm: one card, one domain, one address, a contract; people in conversation by day."""
    generator = np.random.default_rng(pool.accounts)
    requests = []
    for i, name in enumerate(pool.ids):
        for session in range(int(generator.integers(6, 30))):
            start = 24 * generator.integers(0, DAYS) + generator.uniform(8, 18)
            for turn in range(int(generator.integers(2, 7))):
                requests.append(
                    {
                        "time": at(start + turn / 20),
                        "account_id": name,
                        "session_id": f"{name}/{session}",
                        "input_tokens": 1000,
                        "output_tokens": 300,
                        "cached_input_tokens": 500,
                        "max_tokens": 4096,
                        "temperature": 1.0,
                        "tools": 0,
                        "reasoning": False,
                        "status": 200,
                        "finish_reason": "stop",
                        "client_ip": f"office-{pool.name}",
                        "country": "DE",
                        "user_agent": f"app {pool.name}",
                        "tls_fingerprint": "t2",
                        "device_id": f"laptop-{pool.name}-{i}",
                        "prompt_sketch": prompt(
                            f"{generator.integers(0, 9999):04d}", f"{generator.integers(0, 9999):04d}"
                        ),
                        "prompt_chars": 200,
                        "capability": "writing",
                    }
                )
    people = [
        {
            "account_id": name,
            "org_id": pool.name,
            "created_at": at(-24 * 40 - i),
            "email_domain": f"{pool.name}.example",
            "payment_fingerprint": f"card {pool.name}",
            "payment_issuer": "bank-1",
            "payment_country": "DE",
            "country": "DE",
            "verification": "contract",
            "plan": "paid",
            "authorised_use": pool.licence,
        }
        for i, name in enumerate(pool.ids)
    ]
    return requests, people


SMALL = Pool("hv", 20)
VENDOR = Pool("ld", 16, licence="synthetic_data", hour=31.0)
FIRM = Pool("fm", 18)

MAKERS: dict[str, Callable[[Pool], tuple[list[Row], list[Row]]]] = {
    "hv": harvest,
    "ld": harvest,
    "fm": office,
}


def planted(seed: int, accounts: int = 400, pools: tuple[Pool, ...] = (SMALL, VENDOR, FIRM)) -> Population:
    """A log of independent accounts and these pools."""
    background = independent(seed, accounts)
    made = [MAKERS[pool.name](pool) for pool in pools]
    requests = [background.requests, *(table(rows, LAKE_REQUESTS) for rows, _ in made)]
    people = [background.accounts, *(table(rows, ACCOUNTS) for _, rows in made)]
    return Population(pa.concat_tables(requests).sort_by("time"), pa.concat_tables(people))


DIGEST = "sha256:" + "0" * 64


def run(population: Population, **settings: object) -> tuple[Campaigns, Stages]:
    """A scan of a log, on one thread and ten null logs."""
    stages = Stages()
    with DuckDB(memory="1GB", threads=1) as engine:
        log, seen = open_population(engine, population)
        chosen = ScanSettings(threads=1, null_runs=10, **settings)  # type: ignore[arg-type]
        found = find_campaigns(log, seen, chosen, DIGEST, stages)
    return found, stages


def sure(found: Campaigns) -> dict[str, set[str]]:
    """Members with membership of at least one half, licensed or not, by campaign."""
    members: dict[str, set[str]] = {}
    for row in found.members.to_pylist():
        if row["membership"] >= FLAG_MEMBERSHIP or row["authorised_use"] is not None:
            members.setdefault(row["campaign_id"], set()).add(row["account_id"])
    return members


def found_in(found: Campaigns, ids: list[str]) -> dict[str, object]:
    """The campaign that holds most of these accounts."""
    (best,) = Counter(
        campaign for campaign, members in sure(found).items() for _ in members & set(ids)
    ).most_common(1)
    return next(row for row in found.campaigns.to_pylist() if row["campaign_id"] == best[0])
