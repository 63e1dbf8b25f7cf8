"""The rivals, each with the options that ``python -m bench.rivals_table --tune`` found best on development seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bench.rivals import components, dense, duplicates, forest, honeypot, mmd, rate
from bench.rivals.log import RivalLog, Scores


@dataclass(frozen=True)
class Rival:
    """score: of a log and options. chosen: the options in use. grid: those that were tried."""

    name: str
    score: Callable[[RivalLog, Any], Scores]
    chosen: Any
    grid: Sequence[Any]


RIVALS = (
    Rival("rate threshold", rate.busiest_day, rate.GRID[0], rate.GRID),
    Rival(
        "isolation forest",
        forest.isolation,
        forest.Options(("shape", "outcome", "sharing"), 256, True),
        forest.GRID,
    ),
    Rival(
        "connected components",
        components.component_size,
        components.Options(5, 2, False, ("payment",)),
        components.GRID,
    ),
    Rival("duplicate prompts", duplicates.shared_prompts, duplicates.Options(5, 120, False), duplicates.GRID),
    Rival("windowed MMD", mmd.account_shift, mmd.Options("own", distinct=True), mmd.GRID),
    Rival("dense blocks", dense.block_density, dense.Options(("payment", "device"), 1), dense.GRID),
    Rival("honeypotllm", honeypot.key_score, honeypot.Options(20, None, "flagged"), honeypot.GRID),
)


def scored(rival: Rival, log: RivalLog, options: Any = None) -> Scores:
    """The rival's scores; a licensed account comes last, as Stillhunt is told of licences too."""
    return np.where(log.licensed, -np.inf, rival.score(log, rival.chosen if options is None else options))
