"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# The same examples on every run and every machine: a red run is about the change that it ran on.
settings.register_profile("stillhunt", derandomize=True, deadline=None)
settings.load_profile("stillhunt")
