"""Rivals beside Stillhunt, on the same logs and at the same harm to honest accounts.

    python -m bench.rivals_table [--scale small|full] [--profile NAME ...] [--seeds N] [--page]
    python -m bench.rivals_table --tune

A scan flags or does not flag, a rival ranks. So a rival's recall is told at the lowest threshold, one for all logs of
a profile, above which lie no more honest accounts than the scan flagged in them; and at 1 % of the honest accounts.
Resellers and trial farms count on neither side. Rivals know what was licensed, as the scan does. Their options were
chosen on logs of seeds below 200 (``--tune`` does so again), as the scan's were.

What is published of two of them is done again first: windows flagged by MMD, and requests flagged by honeypotllm.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from bench import simulated
from bench.page import PAGE, table, write_between
from bench.prompt_texts import real_prompts
from bench.result import OUT, Row, share, show, write
from bench.rivals.honeypot import THRESHOLD, replayed
from bench.rivals.log import RivalLog, Scores, read
from bench.rivals.mmd import WINDOW, embed
from bench.rivals.mmd_windows import PUBLISHED, PUBLISHED_FPR, Rates, window_rates
from bench.rivals.recall import caught
from bench.rivals.roster import RIVALS, scored
from bench.simulated import ABUSE, seeds_of
from bench.tolokers import auroc
from numpy.typing import NDArray

from stillhunt.simulate.shapes import SHAPES

PROFILES = (*SHAPES, "adaptive")
SMALL = ("letter", "small", "drip", "adaptive")
SEEDS = {"small": 1, "full": 3}
DEVELOPMENT_SEED = 171
ONE_PERCENT = 0.01
"""Share of honest accounts at which recall is told too."""


@dataclass(frozen=True)
class Marked:
    """Accounts of one log, in the order of its scores. kind: of truth. flagged: by the scan; None where it was not
    asked."""

    kind: NDArray[np.str_]
    flagged: NDArray[np.bool_] | None

    @property
    def hostile(self) -> NDArray[np.bool_]:
        return self.kind == "distillation"

    @property
    def honest(self) -> NDArray[np.bool_]:
        return ~self.hostile & ~np.isin(self.kind, list(ABUSE))


@contextmanager
def made(profile: str, seed: int, *, scanned: bool) -> Iterator[tuple[RivalLog, Marked]]:
    """One log of the simulator, as rivals read it, and what is known of its accounts."""
    with tempfile.TemporaryDirectory(prefix="stillhunt-bench-") as name:
        folder = Path(name)
        truth = simulated.make(folder / "log", profile, seed).rows
        accused = simulated.flags(simulated.scanned_log(profile, seed).found)[1] if scanned else None
        log = read(folder / "log")
    kind = np.array([truth[each]["kind"] for each in log.accounts])
    flagged = None if accused is None else np.array([each in accused for each in log.accounts])
    try:
        yield log, Marked(kind, flagged)
    finally:
        log.engine.close()


def measure(profile: str, seeds: int) -> list[Row]:
    """The figures of one profile, pooled over its logs."""
    scores: dict[str, list[Scores]] = {rival.name: [] for rival in RIVALS}
    marks: list[Marked] = []
    rows: list[Row] = []
    first = seeds_of(profile, 1)[0]
    for seed in seeds_of(profile, seeds):
        with made(profile, seed, scanned=True) as (log, marked):
            marks.append(marked)
            for rival in RIVALS:
                scores[rival.name].append(scored(rival, log))
            if seed == first:
                rows += as_published(profile, log, marked)
    kind = np.concatenate([each.kind for each in marks])
    flagged = np.concatenate([each.flagged for each in marks if each.flagged is not None])
    return rows + beside(
        profile, Marked(kind, flagged), {name: np.concatenate(each) for name, each in scores.items()}
    )


def beside(profile: str, marked: Marked, scores: Mapping[str, Scores]) -> list[Row]:
    """The scan's recall and harm, then each rival's recall at that harm and at 1 %."""
    assert marked.flagged is not None
    hostile, honest = marked.hostile, marked.honest
    right, wrong = int((marked.flagged & hostile).sum()), int((marked.flagged & honest).sum())
    rows = [
        share(profile, "Stillhunt: recall", right, int(hostile.sum())),
        share(profile, "Stillhunt: honest accounts flagged", wrong, int(honest.sum())),
    ]
    for name, score in scores.items():
        same = caught(score, hostile, honest, wrong)
        lax = caught(score, hostile, honest, int(ONE_PERCENT * honest.sum()))
        verdict = "behind" if same.hostile < right else "level with" if same.hostile == right else "ahead of"
        rows += [
            share(
                profile, f"{name}: recall at Stillhunt's rate", same.hostile, same.of, f"{verdict} Stillhunt"
            ),
            share(profile, f"{name}: recall at 1 % of honest accounts", lax.hostile, lax.of),
        ]
    return rows


def as_published(profile: str, log: RivalLog, marked: Marked) -> list[Row]:
    """On one log: the windows experiment of MMD, and what honeypotllm does as it ships."""
    sent = log.table("SELECT account, prompt FROM log WHERE prompt IS NOT NULL")
    account, vectors = sent["account"].to_numpy(), embed(sent["prompt"])
    rates = window_rates(vectors[marked.honest[account]], vectors[marked.hostile[account]])
    key, score = replayed(log)
    over, honest_apps = score >= THRESHOLD, marked.kind == "saas"
    theirs = over[marked.hostile[key]]
    apps = np.unique(key[honest_apps[key]])
    hit = np.intersect1d(apps, key[over])
    return [
        *_windows(f"windows: {profile}", rates),
        share(
            profile,
            "honeypotllm as it ships: hostile requests flagged",
            int(theirs.sum()),
            len(theirs),
            "0.003 to 0.009 of a slow one",
        ),
        share(
            profile, "honeypotllm as it ships: one-template apps ever flagged", len(hit), len(apps), "3 of 3"
        ),
    ]


def real_windows() -> list[Row]:
    """The windows experiment on real prompts, where they are present: each family that has enough of them as benign
    traffic, against each other one of some size."""
    texts = {
        family: embed(pa.chunked_array([pa.array(prompts, pa.string())]))
        for family, prompts in real_prompts().items()
        if len(prompts) >= WINDOW // 2
    }
    return [
        row
        for benign in texts
        for attacker in texts
        if benign != attacker and len(texts[benign]) >= 4 * WINDOW
        for row in _windows(f"windows: {attacker} in {benign}", window_rates(texts[benign], texts[attacker]))
    ]


def _windows(case: str, rates: Rates) -> list[Row]:
    rows = [
        Row(
            case, "benign windows flagged", rates.benign, "share", f"{PUBLISHED_FPR} published", rates.windows
        )
    ]
    for fraction, found in rates.mixed.items():
        published = f"{PUBLISHED[fraction]} published" if fraction in PUBLISHED else None
        rows.append(
            Row(case, f"windows flagged, {fraction:.0%} attackers", found, "share", published, rates.windows)
        )
    return rows


def tune(profiles: Sequence[str], names: Sequence[str] | None) -> list[Row]:
    """Of every rival and options: recall at no honest account and at 1 % of them, by whose mean one is chosen, and the
    area under the ROC curve, which decides between equals; means over one log of each profile."""
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    wanted = [rival for rival in RIVALS if names is None or rival.name in names]
    for profile in profiles:
        with made(profile, DEVELOPMENT_SEED, scanned=False) as (log, marked):
            for rival in wanted:
                for options in rival.grid:
                    score = scored(rival, log, options)
                    found.setdefault((rival.name, str(options)), []).append(merit(score, marked))
        print(f"{profile}: tried", flush=True)
    rows = []
    for rival in wanted:
        means = {
            each: np.mean(values, axis=0) for (name, each), values in found.items() if name == rival.name
        }
        for options, values in sorted(
            means.items(), key=lambda item: (-item[1][0] - item[1][1], -item[1][2])
        ):
            used = "in use" if options == str(rival.chosen) else None
            metrics = ("recall at no honest account", "recall at 1 %", "AUROC")
            for metric, value in zip(metrics, values, strict=True):
                unit = "AUROC" if metric == "AUROC" else "share"
                rows.append(Row(f"{rival.name} {options}", metric, float(value), unit, used, len(profiles)))
    return rows


def merit(score: Scores, marked: Marked) -> tuple[float, float, float]:
    """Recall at no honest account and at 1 % of them, and the area under the ROC curve against the honest ones."""
    none, one = (
        caught(score, marked.hostile, marked.honest, allowed).hostile / marked.hostile.sum()
        for allowed in (0, int(ONE_PERCENT * marked.honest.sum()))
    )
    judged = marked.hostile | marked.honest
    return none, one, auroc(marked.hostile[judged].astype(np.int64), score[judged])


def tell(rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes the table of profiles and rivals into docs/explanation/benchmark.md, between its marks."""
    value = {(row["case"], row["metric"]): row for row in rows}
    profiles = [row["case"] for row in rows if row["metric"] == "Stillhunt: recall"]
    head = ["profile", "hostile accounts", "Stillhunt", "honest flagged", *(rival.name for rival in RIVALS)]
    lines = []
    for profile in profiles:
        recall, harm = (
            value[profile, "Stillhunt: recall"],
            value[profile, "Stillhunt: honest accounts flagged"],
        )
        cells = [f"`{profile}`", f"{recall['n']}", _between(recall), f"{harm['value']:.4%} of {harm['n']:,}"]
        for rival in RIVALS:
            same = value[profile, f"{rival.name}: recall at Stillhunt's rate"]
            lax = value[profile, f"{rival.name}: recall at 1 % of honest accounts"]
            mark = "" if same["baseline"].startswith("behind") else "**"
            cells.append(f"{mark}{_between(same)}{mark}; {_between(lax)}")
        lines.append(cells)
    write_between("rivals", table(head, lines), PAGE)


def _between(row: Mapping[str, Any]) -> str:
    return f"{row['value']:.2f} ({row['low']:.2f}–{row['high']:.2f})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(prog="python -m bench.rivals_table", description=__doc__)
    parser.add_argument("--scale", choices=sorted(SEEDS), default="full")
    parser.add_argument(
        "--profile", action="append", choices=PROFILES, help="which; default: those of the scale"
    )
    parser.add_argument("--seeds", type=int, help="how many logs of each profile")
    parser.add_argument("--tune", action="store_true", help="try every option on development seeds instead")
    parser.add_argument(
        "--rival", action="append", choices=[each.name for each in RIVALS], help="with --tune: which"
    )
    parser.add_argument(
        "--page", action="store_true", help="write the table into the docs; alone: of the last run"
    )
    given = parser.parse_args(arguments)
    profiles = given.profile or (SMALL if given.scale == "small" else PROFILES)
    if given.tune:
        rows = tune(profiles, given.rival)
        show(rows)
        print(f"written to {write('rivals_tuning', rows)}")
        return 0
    if given.page and not given.profile and not given.seeds:
        tell(json.loads((OUT / "rivals_table.json").read_text(encoding="utf-8")))
        return 0
    rows = real_windows()
    for profile in profiles:
        rows += measure(profile, given.seeds or SEEDS[given.scale])
        print(f"{profile}: measured", flush=True)
    show(rows)
    behind = [
        f"{row.case}: {row.metric.split(':')[0]}"
        for row in rows
        if row.baseline in ("ahead of Stillhunt", "level with Stillhunt")
    ]
    print(
        "Stillhunt does not beat: "
        + ("; ".join(behind) or "nobody; it is ahead of every rival on every profile")
    )
    print(f"written to {write('rivals_table', rows)}")
    if given.page:
        tell([asdict(row) for row in rows])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
