"""One demo log for all tests that only look at it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from stillhunt.simulate.simulation import Simulation, simulate


@pytest.fixture(scope="session")
def demo() -> Simulation:
    """The demo profile at its own size."""
    return simulate("demo", 1)


@pytest.fixture(scope="session")
def members(demo: Simulation) -> Callable[[str], set[str]]:
    """The accounts of a kind or of a campaign."""
    truth = demo.truth.to_pylist()

    def of(name: str) -> set[str]:
        return {row["account_id"] for row in truth if name in (row["kind"], row["campaign"])}

    return of


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(5)
