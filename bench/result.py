"""What every bench prints and writes: one row per figure (contract, section 5)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from scipy.stats import beta

OUT = Path(__file__).parent / "out"


@dataclass(frozen=True)
class Row:
    """One figure. ``baseline`` names what it was held against; ``n`` is how many runs or items it rests on;
    ``low`` and ``high`` bound it, where that is known."""

    case: str
    metric: str
    value: float
    unit: str
    baseline: str | None = None
    n: int = 1
    low: float | None = None
    high: float | None = None


def share(case: str, metric: str, k: int, n: int, baseline: str | None = None) -> Row:
    """``k`` of ``n`` as a share, with its Clopper–Pearson interval."""
    low, high = bounds(k, n)
    return Row(case, metric, k / n if n else 0.0, "share", baseline, n, low, high)


def bounds(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper–Pearson confidence interval of a share."""
    if n == 0:
        return 0.0, 1.0
    tail = (1 - level) / 2
    low = 0.0 if k == 0 else float(beta.ppf(tail, k, n - k + 1))
    high = 1.0 if k == n else float(beta.ppf(1 - tail, k + 1, n - k))
    return low, high


def write(name: str, rows: Sequence[Row]) -> Path:
    """Writes ``bench/out/<name>.json``."""
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{name}.json"
    path.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    return path


def beside_last(name: str, rows: Sequence[Row]) -> list[Row]:
    """The rows of ``bench/out/<name>.json`` about other cases than these, then these; for a run that measures some
    cases anew and leaves the others as they were."""
    path = OUT / f"{name}.json"
    last = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    anew = {row.case for row in rows}
    return [Row(**row) for row in last if row["case"] not in anew] + list(rows)


def show(rows: Sequence[Row]) -> None:
    """Prints the figures as a table."""
    cells = [("case", "metric", "value", "unit", "against", "n")]
    cells += [
        (
            r.case,
            r.metric,
            f"{r.value:,.4g}" if abs(r.value) < 1e4 else f"{r.value:,.0f}",
            r.unit,
            r.baseline or "",
            f"{r.n:,}",
        )
        for r in rows
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    for row in cells:
        text = (
            f"{cell:>{width}}" if column in (2, 5) else f"{cell:<{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(text).rstrip())
