"""A static threshold on the rate: how many requests an account sent on its busiest day."""

from __future__ import annotations

from dataclasses import dataclass

from bench.rivals.log import RivalLog, Scores


@dataclass(frozen=True)
class Options:
    """period_s: what counts as a day."""

    period_s: int = 86_400


GRID = (Options(),)


def busiest_day(log: RivalLog, options: Options = GRID[0]) -> Scores:
    """Requests on the busiest day, UTC."""
    return log.scores(
        "SELECT account, max(n) FROM (SELECT account, count(*) AS n FROM log "
        f"GROUP BY account, floor(t_s / {options.period_s})) GROUP BY account"
    )
