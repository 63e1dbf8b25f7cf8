"""How well the best single column tells hostile accounts apart, per profile of the simulator.

    python -m bench.leaks [--scale small|full] [--profile NAME ...]

A simulated log in which one column gives the labels away measures nothing. For each profile: the column with the
highest area under the ROC curve, hostile against honest accounts, mean over seeds; then the columns above the bound
that the shape fixes by its definition. Exit status 1 when a column that is not fixed reaches the bound.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import defaultdict

from bench.result import Row, show, write

from stillhunt.simulate.leaks import is_fixed, leaks
from stillhunt.simulate.scenarios import SCENARIOS, Scenario
from stillhunt.simulate.simulation import simulate

BOUND = 0.75
SEEDS = {"small": 1, "full": 3}


def measure(one: Scenario, seeds: int) -> dict[str, list[float]]:
    """The AUC of each column's numbers in each of the seeds."""
    found: dict[str, list[float]] = defaultdict(list)
    for seed in range(1, seeds + 1):
        for leak in leaks(simulate(one, seed)):
            found[leak.name].append(leak.auc)
    return found


def rows_of(one: Scenario, found: dict[str, list[float]]) -> list[Row]:
    """The most telling column that is not fixed, then the fixed ones above the bound, each by its best number."""
    ranked = sorted(found.items(), key=lambda item: -statistics.mean(item[1]))
    free = next((name, aucs) for name, aucs in ranked if not is_fixed(name, one.fixed))
    best: dict[str, tuple[str, list[float]]] = {}
    for name, aucs in ranked:
        if is_fixed(name, one.fixed) and statistics.mean(aucs) >= BOUND:
            best.setdefault(name.split(" ")[0], (name, aucs))
    fixed = list(best.values())
    return [_row(one.name, "best column", *free)] + [
        _row(one.name, "fixed by the shape", *some) for some in fixed
    ]


def _row(case: str, metric: str, name: str, aucs: list[float]) -> Row:
    mean = statistics.mean(aucs)
    return Row(case, f"{metric}: {name}", mean, "AUC", f"below {BOUND}", len(aucs), min(aucs), max(aucs))


def main() -> int:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(prog="python -m bench.leaks", description=__doc__.splitlines()[0])
    parser.add_argument("--scale", choices=tuple(SEEDS), default="full")
    parser.add_argument(
        "--profile", action="append", choices=[name for name in SCENARIOS if name != "honest"]
    )
    arguments = parser.parse_args()
    names = arguments.profile or [name for name in SCENARIOS if name != "honest"]
    rows: list[Row] = []
    for name in names:
        rows += rows_of(SCENARIOS[name], measure(SCENARIOS[name], SEEDS[arguments.scale]))
        print(f"{name}: measured", file=sys.stderr)
    show(rows)
    path = write("leaks", rows)
    print(f"\n{path}")
    leaky = [row for row in rows if row.metric.startswith("best column") and row.value >= BOUND]
    return 1 if leaky else 0


if __name__ == "__main__":
    raise SystemExit(main())
