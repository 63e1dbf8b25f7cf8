"""How many hostile accounts a score finds when it may hurt so many honest ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bench.rivals.log import Scores
from numpy.typing import NDArray


@dataclass(frozen=True)
class Caught:
    """hostile: of ``of`` hostile accounts, how many lie above the threshold; honest: how many honest ones do."""

    hostile: int
    of: int
    honest: int


def caught(scores: Scores, hostile: NDArray[np.bool_], honest: NDArray[np.bool_], allowed: int) -> Caught:
    """At the lowest threshold that at most ``allowed`` honest accounts lie above.

    Accounts that are neither hostile nor honest (abuse that is not distillation) may lie anywhere. Accounts with equal
    scores are flagged together or not at all.
    """
    ranked = np.sort(scores[honest])[::-1]
    threshold = ranked[allowed] if allowed < len(ranked) else -np.inf
    above = scores > threshold
    return Caught(int((above & hostile).sum()), int(hostile.sum()), int((above & honest).sum()))
