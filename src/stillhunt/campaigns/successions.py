"""What follows a ban: when a campaign begins with what another used, against when that one's accounts were closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stillhunt.campaigns.log import Log
from stillhunt.stats.matching import succession

GAP_H = 4.0
"""Most hours between two closures of one wave."""
WAVE_SHARE = 0.5
"""Least share of a campaign's accounts that a wave closes, three at least."""
UNKNOWN_H = 24.0
"""Hours from the log's beginning within which a first use may be a continued one."""
NEAR_H = 3.0
"""Hours on either side of a moment over which the log's own beginnings are counted."""
CARRIED: Mapping[str, str] = {
    "prompts_share_template": "prompt_sketch[1:4]",
    "shares_system_prompt": "system_sketch",
    "shares_address": "client_ip",
    "shares_device": "device_id",
}
"""Signals whose artefacts are carried by exchanges, with the SQL by which an exchange shows one: their first use is
known."""

NULL = (
    "When a campaign begins to use something does not heed when accounts of another campaign are closed: it begins in "
    "any hour alike, or as other accounts of this log begin, whichever makes the delay less surprising."
)


@dataclass(frozen=True)
class Calendar:
    """Hours since the log's beginning, per account: first exchange, and closure (NaN: open). length_h: of the log."""

    first_h: NDArray[np.float64]
    closed_h: NDArray[np.float64]
    length_h: float

    def usual_per_h(self, at_h: float) -> float:
        """Density of beginnings about a moment, after UNKNOWN_H: the larger of even and the log's own."""
        begun = self.first_h[self.first_h >= UNKNOWN_H]
        near = np.abs(begun - at_h) <= NEAR_H
        own = near.sum() / (2 * NEAR_H * len(begun)) if len(begun) else 0.0
        return float(max(own, 1.0 / max(self.length_h - UNKNOWN_H, 1.0)))


@dataclass(frozen=True)
class Wave:
    """Closures of a campaign, each within GAP_H of the one before: the first, the last, and how many."""

    begins_h: float
    ends_h: float
    accounts: int


@dataclass(frozen=True)
class Succession:
    """Actor ``after`` begins at ``began_h`` with what it shares with ``before`` (``artefact``; None: with anything),
    whose wave of closures it follows, or shortly precedes. e: the bet on so short a delay."""

    before: int
    after: int
    wave: Wave
    began_h: float
    artefact: int | None
    e: float


def calendar(log: Log, summary: pa.Table) -> Calendar:
    """summary: columns ``account``, ``first_seen``, ``last_seen``, one row per account in the order of numbers."""
    begins = pc.min(summary["first_seen"])
    closed = log.engine.table("SELECT closed_at FROM accounts ORDER BY account")["closed_at"]
    length = _hours(
        pa.chunked_array([[pc.max(summary["last_seen"]).as_py()]], summary["last_seen"].type), begins
    )
    return Calendar(_hours(summary["first_seen"], begins), _hours(closed, begins), float(length[0]))


def _hours(times: pa.ChunkedArray, since: pa.Scalar) -> NDArray[np.float64]:
    microseconds = times.cast(pa.int64()).to_numpy().astype(np.float64)  # null becomes NaN
    hours: NDArray[np.float64] = (microseconds - since.cast(pa.int64()).as_py()) / 3.6e9
    return hours


def wave(closed_h: NDArray[np.float64]) -> Wave | None:
    """The largest wave of closures among a campaign's accounts, if it closes WAVE_SHARE of them."""
    closed = np.sort(closed_h[~np.isnan(closed_h)])
    waves = np.split(closed, np.flatnonzero(np.diff(closed) > GAP_H) + 1)
    largest = max(waves, key=len)
    if len(largest) < max(3.0, WAVE_SHARE * len(closed_h)):
        return None
    return Wave(float(largest[0]), float(largest[-1]), len(largest))


def follows(
    calendar: Calendar, actors: tuple[int, int], wave: Wave, began_h: float, artefact: int | None
) -> Succession | None:
    """The bet that the second actor begins because accounts of the first were closed; None where the beginning is not
    known because it may lie before the log."""
    if began_h < UNKNOWN_H:
        return None
    e = succession(began_h - wave.begins_h, calendar.usual_per_h(began_h))
    return Succession(*actors, wave, began_h, artefact, e)


def first_uses(
    log: Log, wanted: Sequence[tuple[str, str, int]], begins: pa.Scalar
) -> dict[tuple[str, int], float]:
    """When members of a campaign first show an artefact, hours from ``begins``, by campaign and the artefact's id.

    wanted: campaign, name of a signal of CARRIED, identity. Needs ``campaign_members``.
    """
    found: dict[tuple[str, int], float] = {}
    for signal in sorted({name for _, name, _ in wanted}):
        asked = sorted({(campaign, identity) for campaign, name, identity in wanted if name == signal})
        log.engine.register(
            "wanted",
            pa.table(
                {
                    "campaign_id": pa.array([campaign for campaign, _ in asked], pa.string()),
                    "artefact": pa.array([identity for _, identity in asked], pa.int64()),
                }
            ),
        )
        rows = log.engine.table(
            f"""
            SELECT campaign_id, artefact, min(time) AS time
            FROM (SELECT account, time, identity_of({CARRIED[signal]}) AS artefact FROM exchanges
                  WHERE {CARRIED[signal]} IS NOT NULL)
            JOIN campaign_members USING (account) JOIN wanted USING (campaign_id, artefact) GROUP BY ALL
            """
        )
        log.engine.unregister("wanted")
        hours = _hours(rows["time"], begins)
        keys = zip(rows["campaign_id"].to_pylist(), rows["artefact"].to_pylist(), strict=True)
        found |= dict(zip(keys, hours.tolist(), strict=True))
    return found
