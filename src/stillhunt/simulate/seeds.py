"""Randomness by name: every component draws from a generator of its own, so that adding one changes no other."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Seeds:
    """A node in a tree of named generators. The same path of names gives the same numbers."""

    seed: int
    path: tuple[str, ...] = ()

    def child(self, *names: str | int) -> Seeds:
        """The node below this one at ``names``."""
        return Seeds(self.seed, self.path + tuple(str(name) for name in names))

    def rng(self, *names: str | int) -> np.random.Generator:
        """The generator at ``names`` below this node."""
        path = "/".join(self.path + tuple(str(name) for name in names))
        spread = int.from_bytes(hashlib.sha256(path.encode()).digest()[:16], "big")
        return np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence([self.seed, spread])))
