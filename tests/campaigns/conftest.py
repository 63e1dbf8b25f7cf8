"""An engine for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stillhunt.engines.duckdb import DuckDB


@pytest.fixture
def engine() -> Iterator[DuckDB]:
    """DuckDB in memory, on one thread."""
    with DuckDB(memory="1GB", threads=1) as engine:
        yield engine
