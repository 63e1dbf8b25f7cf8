"""What each way of evasion costs the detector: one operator, one knob turned at a time, and all at once.

    python -m bench.evasion [--scale small|full] [--profile KNOB ...] [--seeds N] [--page]

The base is ``reusing`` of the simulator's evasions: 45 accounts at 24 exchanges a day on agentic work, dealt oldest
use first, who hides nothing. Every other row changes what it names and nothing else, and the honest traffic beside it
stays as it is; ``everything`` is the operator of the profile ``adaptive``, in half of its traffic. Of each: how many
of the accounts that carried harvest are flagged for distillation, how many are in a campaign of any kind, and the
nats by which evidence ties the true accounts to one another (``group_evidence`` on them, as the scan weighs its own
groups): per family, where a family counts only if it ties the same accounts as the strongest one; and per signal,
each by itself. Signals that tie them by DEAD nats or more in the base and by fewer here are named as dead. Nats are
medians over logs.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from bench.asked import last_run, parser
from bench.page import table, write_between
from bench.result import OUT, Row, beside_last, share, show, write
from bench.simulated import FIRST_SEED, account_ids, flags, grouped, make, opened
from numpy.typing import NDArray

from stillhunt.campaigns.evidence import Evidence
from stillhunt.campaigns.groups import TURNS, Conduct, group_evidence, moving_evidence
from stillhunt.campaigns.kinds import SPEAKS
from stillhunt.campaigns.pipeline import ScanSettings, find_groups
from stillhunt.campaigns.result import explained
from stillhunt.campaigns.stages import Stages
from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.progress import Silent
from stillhunt.simulate.operators import Operator
from stillhunt.simulate.scenarios import EVASION, Scenario
from stillhunt.simulate.shapes import ADAPTIVE, EVASIONS, REUSING

SEEDS = {"small": 1, "full": 3}
BASE = "reusing"
SMALL = (BASE, "fresh_exits", "own_cards", "decoys_60", "everything")
DEAD = SPEAKS
"""Nats below which a signal does not tie a group by itself."""
HAND_OFF = "hands_off_after_refusal"
"""The signal whose links only propose groups; moves of prompts weigh it."""

KNOBS: Mapping[str, tuple[Operator, ...]] = {
    **{name: operators for name, operators in EVASIONS.items() if name != "decoys"},
    "mail_domains": (replace(REUSING, mail_domains=0),),
    "decoys_30": (replace(REUSING, decoy=0.3),),
    "decoys_60": (replace(REUSING, decoy=0.6),),
    "everything": (ADAPTIVE,),
}
"""Operators by the knob that they turn."""


def world(knob: str) -> Scenario:
    """The profile with that knob's operators in the same honest traffic as every other knob's."""
    return replace(EVASION[BASE], name=f"evasion-{knob}", operators=KNOBS[knob])


@dataclass
class Cost:
    """Of one knob: hostile accounts, those flagged, those in any campaign, honest ones flagged, over logs; and the nats
    of the true group per family and per signal, one value a log."""

    hostile: int = 0
    caught: int = 0
    grouped: int = 0
    honest: int = 0
    accused: int = 0
    families: dict[str, list[float]] = field(default_factory=dict)
    signals: dict[str, list[float]] = field(default_factory=dict)


def measure(knob: str, seed: int, cost: Cost) -> None:
    """Simulates one log, scans it, and weighs its true group."""
    with tempfile.TemporaryDirectory(prefix="stillhunt-bench-") as name:
        folder = Path(name)
        truth = make(folder / "log", world(knob), seed)
        with DuckDB(temp_dir=folder) as engine:
            log, seen = opened(folder / "log", folder / "lake", engine)
            settings = ScanSettings()
            scan = find_groups(log, seen, settings, Stages(Silent()))
            found = explained(scan, settings.price_usd_per_mtok, "sha256:" + "0" * 64)
            true = [number for number, account in enumerate(account_ids(log)) if account in truth.hostile]
    by_family, by_signal = tied(scan.evidence, scan.conduct, np.array(true, dtype=np.int32))
    for into, nats in ((cost.families, by_family), (cost.signals, by_signal)):
        for name, value in nats.items():
            into.setdefault(name, []).append(value)
    flagged = flags(found)[1]
    cost.hostile += len(truth.hostile)
    cost.caught += len(flagged & truth.hostile)
    cost.grouped += len(grouped(found) & truth.hostile)
    cost.honest += len(truth.honest)
    cost.accused += len(flagged & truth.honest)


def tied(
    evidence: Evidence, conduct: Conduct, group: NDArray[np.int32]
) -> tuple[dict[str, float], dict[str, float]]:
    """Nats by which each family ties the accounts of a group, and by which each signal does, by itself."""
    (families,) = group_evidence(evidence, conduct, [group])
    apart = replace(
        evidence,
        signals=tuple(replace(signal, family=signal.name) for signal in evidence.signals),
        families=tuple(signal.name for signal in evidence.signals),
        family=evidence.signal,
    )
    (signals,) = group_evidence(apart, conduct, [group], agreeing=False)
    by_signal = dict(zip((*apart.families, TURNS), signals.tolist(), strict=True))
    if HAND_OFF in by_signal:
        (by_signal[HAND_OFF],) = moving_evidence(conduct.moves, np.array([0, len(group)]), group).tolist()
    return dict(zip((*evidence.families, TURNS), families.tolist(), strict=True)), by_signal


def rows(knob: str, cost: Cost) -> list[Row]:
    """The figures of one knob."""
    found = [
        share(knob, "account recall", cost.caught, cost.hostile),
        share(knob, "hostile accounts in any campaign", cost.grouped, cost.hostile),
        share(knob, "honest accounts flagged", cost.accused, cost.honest),
    ]
    for what, nats in (("family", cost.families), ("signal", cost.signals)):
        for name, values in nats.items():
            middle, metric = statistics.median(values), f"{what} {name}"
            found.append(Row(knob, metric, middle, "nats", None, len(values), min(values), max(values)))
    return found


def dead(base: Mapping[str, float], here: Mapping[str, float]) -> list[str]:
    """Signals that tie the accounts in the base, and no longer here."""
    return [name for name, nats in base.items() if nats >= DEAD > here.get(name, 0.0)]


def tell(measured: Sequence[Mapping[str, Any]]) -> None:
    """Writes the figures into docs/explanation/benchmark.md, between its marks."""
    figures: dict[str, dict[str, Mapping[str, Any]]] = {
        knob: {row["metric"]: row for row in measured if row["case"] == knob}
        for knob in KNOBS
        if any(row["case"] == knob for row in measured)
    }

    def nats(knob: str, what: str) -> dict[str, float]:
        return {
            metric.removeprefix(f"{what} "): float(row["value"])
            for metric, row in figures.get(knob, {}).items()
            if metric.startswith(f"{what} ")
        }

    families = list(dict.fromkeys(name for knob in figures for name in nats(knob, "family")))
    head = ["knob", "hostile", "recall", "in any campaign", "honest flagged", *families, "dead signals"]
    lines = []
    for knob, figure in figures.items():
        recall, honest = figure["account recall"], figure["honest accounts flagged"]
        cells = [f"`{knob}`", f"{recall['n']}"]
        cells.append(f"{recall['value']:.2f} ({recall['low']:.2f}–{recall['high']:.2f})")
        cells.append(f"{figure['hostile accounts in any campaign']['value']:.2f}")
        cells.append(f"{round(honest['value'] * honest['n'])} of {honest['n']:,}")
        cells += [f"{nats(knob, 'family').get(family, 0.0):.0f}" for family in families]
        cells.append(", ".join(f"`{name}`" for name in dead(nats(BASE, "signal"), nats(knob, "signal"))))
        lines.append(cells)
    write_between("evasion", table(head, lines))


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses, measures, prints."""
    given = parser(
        "evasion", __doc__, SEEDS, sorted(KNOBS), "which knobs, the others stay as last measured"
    ).parse_args(arguments)
    if (last := last_run("evasion", given)) is not None:
        tell(last)
        return
    costs = {knob: Cost() for knob in given.profile or (SMALL if given.scale == "small" else KNOBS)}
    measured: list[Row] = []
    for number in range(given.seeds or SEEDS[given.scale]):
        for knob, cost in costs.items():
            measure(knob, FIRST_SEED + number, cost)
            told = ", ".join(f"{family} {values[-1]:.0f}" for family, values in cost.families.items())
            print(
                f"{knob}, {number + 1} logs: {cost.caught} of {cost.hostile} hostile accounts flagged, "
                f"{cost.grouped} in any campaign; nats: {told}",
                flush=True,
            )
            measured = [row for each, so_far in costs.items() if so_far.hostile for row in rows(each, so_far)]
            write("evasion", beside_last("evasion", measured) if given.profile else measured)
    show(measured)
    if given.page:
        tell(json.loads((OUT / "evasion.json").read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
