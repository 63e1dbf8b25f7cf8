"""Keys to sketch under."""

from __future__ import annotations

import pytest

from stillhunt.sketch.keys import SketchKey


@pytest.fixture(scope="session")
def key() -> SketchKey:
    """The key of the vectors."""
    return SketchKey("k-1c4f249b", bytes(range(32)))


@pytest.fixture(scope="session")
def other_key() -> SketchKey:
    """Another."""
    return SketchKey("k-other", bytes(range(100, 132)))
