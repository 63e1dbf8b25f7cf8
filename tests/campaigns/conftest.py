"""An engine for each test, and one scan that many look at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from planted import planted, run

from stillhunt.campaigns.result import Campaigns
from stillhunt.engines.duckdb import DuckDB


@pytest.fixture
def engine() -> Iterator[DuckDB]:
    """DuckDB in memory, on one thread."""
    with DuckDB(memory="1GB", threads=1) as engine:
        yield engine


@pytest.fixture(scope="session")
def found() -> Campaigns:
    """What a scan finds in the planted log of seed 1."""
    return run(planted(1))[0]
