"""A language without meaning: tokens follow one another by a fixed random table, so that texts repeat themselves as
real ones do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stillhunt.marks.embed import Step


@dataclass(frozen=True)
class Language:
    """logits: (vocabulary, vocabulary), of the next token after each token."""

    logits: NDArray[np.float64]

    @property
    def step(self) -> Step:
        return lambda made: self.logits[[row[-1] if row else 0 for row in made]]

    @property
    def vocabulary(self) -> int:
        return len(self.logits)


def language(seed: int, vocabulary: int = 200, sharpness: float = 2.0) -> Language:
    """A language with random preferences; a higher ``sharpness`` leaves less to chance."""
    rng = np.random.default_rng(seed)
    return Language(rng.normal(0.0, sharpness, (vocabulary, vocabulary)))
