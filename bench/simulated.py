"""Simulated logs, as benches make them, read them and hold a scan's flags against their truth."""

from __future__ import annotations

import os
import pickle
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from bench.result import OUT

import stillhunt
from stillhunt.campaigns.log import Log, open_log
from stillhunt.campaigns.result import Campaigns
from stillhunt.cli.scanning import Input, scan
from stillhunt.config import Settings
from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.campaigns import FLAG_MEMBERSHIP
from stillhunt.schema.coverage import Coverage, coverage
from stillhunt.schema.progress import Silent
from stillhunt.simulate.files import write
from stillhunt.simulate.real import Prompts, Rates
from stillhunt.simulate.scenarios import SCENARIOS, Scenario, scenario
from stillhunt.simulate.simulation import stream, window
from stillhunt.sketch.keys import KeyRing, key_for
from stillhunt.sources.accounts import read_accounts
from stillhunt.sources.comparable import comparable, sketches_of
from stillhunt.sources.detect import SourceSettings
from stillhunt.sources.ingest import Destination, ingest
from stillhunt.sources.lake import Lake, open_lake
from stillhunt.sources.logs import open_logs

ABUSE = frozenset({"reseller", "trial_farm"})
"""Kinds of accounts that are no honest customers, and do not distil."""
FIRST_SEED = 5000
"""Signals, kinds and settings were chosen without a look at logs of this seed or of higher ones."""
_APART = 100
_KEY = KeyRing(key_for(bytes(range(32))))


def seeds_of(profile: str, logs: int) -> range:
    """The seeds of a profile's logs. No two profiles have one in common, so all their honest accounts are different."""
    if not 0 < logs <= _APART:
        raise ValueError(f"expected 1 to {_APART} logs of a profile, got {logs}")
    first = FIRST_SEED + _APART * list(SCENARIOS).index(profile)
    return range(first, first + logs)


@dataclass(frozen=True)
class Truth:
    """Who is who in one log. rows: of truth.parquet, by account. requests: in the log."""

    rows: Mapping[str, Mapping[str, Any]]
    requests: int

    @property
    def hostile(self) -> set[str]:
        return {account for account, row in self.rows.items() if row["kind"] == "distillation"}

    @property
    def abuse(self) -> set[str]:
        return {account for account, row in self.rows.items() if row["kind"] in ABUSE}

    @property
    def campaigns(self) -> dict[str, set[str]]:
        """Hostile accounts by operator."""
        named: dict[str, set[str]] = {}
        for account in self.hostile:
            named.setdefault(self.rows[account]["campaign"], set()).add(account)
        return named

    @property
    def honest(self) -> set[str]:
        return set(self.rows) - self.hostile - self.abuse


def make(
    folder: Path,
    profile: str | Scenario,
    seed: int,
    prompts: Prompts | None = None,
    rates: Rates | None = None,
) -> Truth:
    """Writes a log of the simulator to ``folder``."""
    chosen = scenario(profile) if isinstance(profile, str) else profile
    made = write(stream(chosen, seed, prompts=prompts, rates=rates), window(chosen), folder)
    rows = pq.read_table(folder / "truth.parquet").to_pylist()
    return Truth({row["account_id"]: row for row in rows}, made.requests)


def scanned(log: Path, result: Path) -> Campaigns:
    """What ``stillhunt scan`` finds in a log, with its default settings."""
    return scan(Input([str(log)]), result, Settings(), Silent()).campaigns


@dataclass(frozen=True)
class ScannedLog:
    """Who is who in a log, what the scan found in it, and how long the scan took, seconds."""

    truth: Truth
    found: Campaigns
    seconds: float


def scanned_log(profile: str, seed: int) -> ScannedLog:
    """The log of a profile and a seed, made and scanned as the command line does it, with default settings.

    Benches read the same logs. So what was found is kept in ``bench/out/scans``, for the package as it is: after any
    change to it, logs are scanned anew.
    """
    kept = OUT / "scans" / f"{_package()}-{profile}-{seed}.pickle"
    if kept.exists():
        one: ScannedLog = pickle.loads(kept.read_bytes())
        return one
    with tempfile.TemporaryDirectory(prefix="stillhunt-bench-") as folder:
        truth = make(Path(folder) / "log", profile, seed)
        started = time.perf_counter()
        found = scanned(Path(folder) / "log", Path(folder) / "result")
    one = ScannedLog(truth, found, time.perf_counter() - started)
    kept.parent.mkdir(parents=True, exist_ok=True)
    unfinished = kept.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(pickle.dumps(one))
    unfinished.rename(kept)
    return one


@cache
def _package() -> str:
    """A digest of the package's files."""
    files = sorted(
        path for path in Path(stillhunt.__file__).parent.rglob("*.*") if path.suffix in (".py", ".toml")
    )
    return sha256(b"".join(sha256(path.read_bytes()).digest() for path in files)).hexdigest()[:16]


def ingested(log: Path, lake: Path, engine: DuckDB, keys: KeyRing) -> Lake:
    """The lake of a log in a folder, as ``stillhunt ingest`` makes it under that key."""
    given = open_logs([str(log)], None, SourceSettings((), None), None)
    ingest(given, Destination(lake), keys, engine, now=datetime.now(UTC), progress=Silent())
    return open_lake(lake)


def opened(log: Path, lake: Path, engine: DuckDB) -> tuple[Log, Coverage]:
    """The log in a folder, through a lake that is made of it, as the stages of a scan read it."""
    made = ingested(log, lake, engine, _KEY)
    people = None if made.accounts_file is None else read_accounts(made.accounts_file)
    read = open_log(engine, comparable(made, engine), people, sketches_of(made, engine))
    return read, coverage(made.coverage.filled, read.account_columns)


def account_ids(log: Log) -> list[str]:
    """The id of each account, by its number."""
    ids: pa.Table = log.engine.table("SELECT account_id FROM accounts ORDER BY account")
    named: list[str] = ids["account_id"].to_pylist()
    return named


def flags(found: Campaigns) -> tuple[set[str], set[str]]:
    """Campaigns of kind distillation, and the accounts that are flagged for them."""
    accused = {row["campaign_id"] for row in found.campaigns.to_pylist() if row["kind"] == "distillation"}
    return accused, _members(found, accused)


def grouped(found: Campaigns) -> set[str]:
    """Accounts that are members of a campaign of any kind."""
    return _members(found, set(found.campaigns["campaign_id"].to_pylist()))


def _members(found: Campaigns, campaigns: set[str]) -> set[str]:
    return {
        row["account_id"]
        for row in found.members.to_pylist()
        if row["campaign_id"] in campaigns and row["membership"] >= FLAG_MEMBERSHIP
    }
