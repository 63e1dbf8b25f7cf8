"""Learned scores of accounts beside the scan that needs no labels, on simulated campaigns.

    python -m bench.scorers [--scale small|full] [--profile NAME ...]

Labels are campaigns injected into honest traffic: one log of each other profile, made from other seeds, so that the
shape of the campaign that is looked for was never seen; then the same with a log of that profile among them. The scan
judges the same logs without labels. A scan flags or does not flag, a score ranks, so recalls are compared at equal
harm: the score's threshold lets through as many accounts that do not distil (honest ones, resellers, trial farms) as
the scan flagged. Features are those of ``scan_features``; no verdict of the scan and no account's name is in them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench.result import Row, show, write
from bench.simulated import account_ids, flags, make, opened
from bench.tolokers import auroc
from numpy.typing import NDArray

from stillhunt.campaigns.evidence import weigh
from stillhunt.campaigns.log import Log
from stillhunt.campaigns.neighbours import neighbours
from stillhunt.campaigns.pipeline import ScanSettings, collect, find_campaigns
from stillhunt.campaigns.scorers.accounts import scan_features
from stillhunt.campaigns.scorers.boosted import fit
from stillhunt.campaigns.signals.model import SIGNALS_V1
from stillhunt.campaigns.stages import Stages
from stillhunt.campaigns.summarise import countries, summarise
from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.coverage import Coverage
from stillhunt.simulate.shapes import SHAPES

TRAINING_SEED, FIRST_SEED = 151, 251
SEEDS = {"small": 1, "full": 3}
SMALL = ("letter", "small", "drip")


@dataclass(frozen=True)
class Judged:
    """Accounts of one log. features: of each. hostile: whether it distils. flagged: whether the scan says so; None
    where it was not asked."""

    features: NDArray[np.float32]
    hostile: NDArray[np.bool_]
    flagged: NDArray[np.bool_] | None


def judged(profile: str, seed: int, *, scanned: bool) -> Judged:
    """Makes one log and reads it as a scan does."""
    with tempfile.TemporaryDirectory(prefix="stillhunt-bench-") as name:
        folder = Path(name)
        hostile = make(folder / "log", profile, seed).hostile
        with DuckDB(memory="3GB", temp_dir=folder) as engine:
            log, seen = opened(folder / "log", folder / "lake", engine)
            ids = account_ids(log)
            graph = neighbours(weigh(collect(log, seen, SIGNALS_V1), countries(log)))
            features = scan_features(summarise(log), graph)
            found = flagged(log, seen) if scanned else None
    return Judged(
        features,
        np.array([each in hostile for each in ids]),
        None if found is None else np.array([each in found for each in ids]),
    )


def flagged(log: Log, seen: Coverage) -> set[str]:
    """Accounts that the scan flags for distillation."""
    return flags(find_campaigns(log, seen, ScanSettings(), "sha256:" + "0" * 64, Stages()))[1]


def recall_at(scores: NDArray[np.float64], hostile: NDArray[np.bool_], allowed: int) -> float:
    """Share of hostile accounts above a threshold that at most ``allowed`` of the others reach."""
    others = np.sort(scores[~hostile])[::-1]
    return float((scores[hostile] > others[allowed]).mean())


def learnt(training: Sequence[Judged], log: Judged) -> NDArray[np.float64]:
    """Scores of a log's accounts, learnt from other logs."""
    features = np.concatenate([each.features for each in training])
    labels = np.concatenate([each.hostile for each in training]).astype(np.int64)
    return fit(features, labels, seed=0, threads=1).predict(log.features)


def measure(profile: str, training: dict[str, Judged], seeds: int) -> list[Row]:
    """The figures of one profile: means over logs."""
    unseen = [log for name, log in training.items() if name != profile]
    ways = {"learnt, other shapes": unseen, "learnt, this shape too": [*training.values()]}
    figures: dict[str, list[float]] = {}
    others = harmed = 0
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        log = judged(profile, seed, scanned=True)
        assert log.flagged is not None
        allowed = int((log.flagged & ~log.hostile).sum())
        harmed, others = harmed + allowed, others + int((~log.hostile).sum())
        figures.setdefault("scan: recall", []).append(float(log.flagged[log.hostile].mean()))
        for name, logs in ways.items():
            scores = learnt(logs, log)
            for metric, value in (
                ("recall", recall_at(scores, log.hostile, allowed)),
                (
                    "recall at 0.1 % of others",
                    recall_at(scores, log.hostile, int(0.001 * (~log.hostile).sum())),
                ),
                ("AUROC", auroc(log.hostile.astype(np.int64), scores)),
            ):
                figures.setdefault(f"{name}: {metric}", []).append(value)
    rows = [Row(profile, "scan: others flagged", harmed / others, "share", n=others)]
    for metric, values in figures.items():
        unit = "AUROC" if metric.endswith("AUROC") else "share"
        rows.append(
            Row(profile, metric, float(np.mean(values)), unit, n=seeds, low=min(values), high=max(values))
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(prog="python -m bench.scorers", description=__doc__)
    parser.add_argument("--scale", choices=sorted(SEEDS), default="full")
    parser.add_argument("--profile", action="append", choices=list(SHAPES), help="which, at least two")
    given = parser.parse_args(arguments)
    names = given.profile or (SMALL if given.scale == "small" else tuple(SHAPES))
    if len(names) < 2:
        parser.error("expected at least two profiles, to learn from one and look for the other")
    training = {}
    for name in names:
        training[name] = judged(name, TRAINING_SEED, scanned=False)
        print(f"{name}: log to learn from", flush=True)
    rows: list[Row] = []
    for name in names:
        rows += measure(name, training, SEEDS[given.scale])
        print(f"{name}: measured", flush=True)
    show(rows)
    print(f"written to {write('scorers', rows)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
