"""Is a campaign's kind right as often as its confidence says? Groups of simulated logs against the truth.

Every log is scanned; every group that passes and of which at least 60 % are of one true kind is a case. Reported are
the share of right kinds, Brier scores, and how often "this is distillation" and the likeliest kind are right per tenth
of their confidence, on seeds that were not looked at; ``--page`` draws the latter too. With ``--fit``, groups of
development seeds are made instead, and weights are fitted to them with the shipped ones as prior; what comes out is
printed for ``campaigns/kinds.py``, with the error on each shape that the fit had not seen.

    python -m bench.kinds [--scale small|full] [--profile NAME ...] [--seeds N] [--fit] [--page]
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bench.asked import last_run, parser, told
from bench.page import PAGE, table, write_between
from bench.reliability import Point, reliability
from bench.result import Row, show
from bench.result import share as counted
from bench.simulated import account_ids, make, opened, scanned_log, seeds_of
from numpy.typing import NDArray
from scipy.optimize import minimize

from stillhunt.campaigns.kinds import BIAS, EXCUSES, KINDS_V1, named, traits_of
from stillhunt.campaigns.pipeline import ScanSettings, find_groups
from stillhunt.campaigns.profile import profiles
from stillhunt.campaigns.result import with_members
from stillhunt.campaigns.stages import Stages
from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.campaigns import FLAG_MEMBERSHIP
from stillhunt.simulate.scenarios import SCENARIOS

DEVELOPMENT_SEED = 11
SEEDS = {"small": 1, "full": 2}
SMALL = ("demo", "mixed", "honest")
PURE = 0.6
COVERT = ("distillation", "reseller")
ALIKE = ("many_ties", "plain", "crowd", "one_hand", "enrolled", "gateway", "declared")
"""Traits of how the accounts are tied, which say whether one hidden hand runs them and not what it wants: the kinds of
COVERT weigh them alike."""
TEAMS = frozenset({"enterprise", "saas", "university", "agency", "ci", "migration", "gateway"})
KINDS = tuple(KINDS_V1)
NAMES = tuple(sorted({name for weights in KINDS_V1.values() for name in weights}))
LOST_TOGETHER = (
    ("declared", "one_customer", "free"),
    ("harvests", "elicits"),
    ("injects", "many_systems", "no_repeats", "tenant"),
    ("reasons", "uncached", "long_answers"),
    ("single_turn",),
    ("probes",),
    ("one_place",),
)
"""Traits that go with one column of a log. Copies of each case without some of them are fitted too, so that the kinds
do not come to rest on what other logs lack."""


@dataclass(frozen=True)
class Case:
    """A group: its traits in the order of NAMES, its true kind, the campaign that most of it is from, its log."""

    traits: NDArray[np.float64]
    kind: str
    campaign: str | None
    log: str


def cases(profile: str, seed: int) -> list[Case]:
    """The groups of one log whose kind is plain."""
    with tempfile.TemporaryDirectory(prefix="stillhunt-bench-") as name:
        folder = Path(name)
        truth = make(folder / "log", profile, seed).rows
        with DuckDB(memory="3GB", temp_dir=folder) as engine:
            log, seen = opened(folder / "log", folder / "lake", engine)
            scanned = find_groups(log, seen, ScanSettings(), Stages())
            ids = account_ids(log)
            groups = with_members(scanned, ids)
            own, rest = profiles(log, scanned.summary, [group.members for group in groups])
    found = []
    for group, profile_of in zip(groups, own, strict=True):
        rows = [truth[ids[i]] for i in group.members]
        kind, count = Counter(true_kind(row["kind"]) for row in rows).most_common(1)[0]
        if kind is None or count < PURE * len(rows):
            continue
        campaign = Counter(row["campaign"] for row in rows).most_common(1)[0][0]
        nats = dict(zip(scanned.verdicts.families, group.group.evidence.tolist(), strict=True))
        traits = {trait.name: trait.value for trait in traits_of(profile_of, rest, nats)}
        values = np.array([traits.get(name, 0.0) for name in NAMES])
        found.append(Case(values, kind, campaign, f"{profile} {seed}"))
    return found


def true_kind(kind: str) -> str | None:
    """What a group of such accounts should be called; None where that is open (licensed synthetic data)."""
    if kind == "synthetic_data":
        return None
    if kind in TEAMS:
        return "shared_team"
    return kind if kind in KINDS else "unclear"


def weights() -> NDArray[np.float64]:
    """The shipped weights, shape (kinds, names + 1), the bias last."""
    return np.array([[*(KINDS_V1[k].get(n, 0.0) for n in NAMES), BIAS.get(k, 0.0)] for k in KINDS])


def confidences(model: NDArray[np.float64], found: Sequence[Case]) -> NDArray[np.float64]:
    """Shape (cases, kinds)."""
    scores = np.array([[*case.traits, 1.0] for case in found]) @ model.T
    excused = np.array([case.traits[NAMES.index(EXCUSES)] > 0 for case in found])
    scores[excused, KINDS.index("distillation")] = -np.inf
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def fitted(
    found: Sequence[Case], copies: int = 3, lost: float = 0.3, hostile: float = 3.0
) -> NDArray[np.float64]:
    """Weights of the largest posterior: a normal prior about the shipped ones, with a deviation of 0.7 where one is
    shipped and 0.25 (for ``unclear``, 0.05) where none is, and 1 for the biases. Kinds of COVERT have equal weights
    where ALIKE says so, about their mean where the shipped ones differ. Cases of distillation count ``hostile`` times,
    and each case comes with ``copies`` that lack some traits, at a fifth of its weight."""
    prior = weights()
    alike = np.ix_([KINDS.index(kind) for kind in COVERT], [NAMES.index(name) for name in ALIKE])
    prior[alike] = prior[alike].mean(axis=0)
    deviation = np.where(prior != 0, 0.7, 0.25)
    unclear = KINDS.index("unclear")
    deviation[unclear] = np.where(prior[unclear] != 0, 0.7, 0.05)
    deviation[:, -1] = 1.0
    generator = np.random.default_rng(0)
    x = np.array([[*case.traits, 1.0] for case in found])
    y = np.array([KINDS.index(case.kind) for case in found])
    weight = np.where(y == KINDS.index("distillation"), hostile, 1.0)
    parts = [x]
    for _ in range(copies):
        thinned = x.copy()
        for together in LOST_TOGETHER:
            rows = generator.random(len(x)) < lost
            thinned[np.ix_(rows, [NAMES.index(name) for name in together])] = 0.0
        parts.append(thinned)
    x, y = np.vstack(parts), np.tile(y, copies + 1)
    weight = np.concatenate([weight, *[0.2 * weight] * copies])
    rows = np.arange(len(y))

    def cost(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        model = flat.reshape(prior.shape)
        scores = x @ model.T
        scores -= scores.max(axis=1, keepdims=True)
        share = np.exp(scores)
        share /= share.sum(axis=1, keepdims=True)
        off = share.copy()
        off[rows, y] -= 1.0
        moved = (model - prior) / deviation**2
        loss = -(weight * np.log(np.maximum(share[rows, y], 1e-300))).sum()
        loss += 0.5 * (moved * (model - prior)).sum()
        slope = (off * weight[:, None]).T @ x + moved
        slope[alike] = slope[alike].mean(axis=0)
        return float(loss), slope.ravel()

    best = minimize(cost, prior.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return np.asarray(best.x).reshape(prior.shape)


@dataclass(frozen=True)
class Judged:
    """A group that was told: its true kind, the kind that it was given, and every kind's confidence, shape (kinds,)."""

    true: str
    said: str
    share: NDArray[np.float64]


def judged(profile: str, seed: int) -> list[Judged]:
    """The groups of one log whose kind is plain, as the whole scan judges them."""
    one = scanned_log(profile, seed)
    said = {row["campaign_id"]: row["kind"] for row in one.found.campaigns.to_pylist()}
    told_of = [each for each in one.found.findings if each.statistic == "kind_confidence"]
    share = {each.subject["campaign"]: each.evidence for each in told_of}
    true: dict[str, list[str | None]] = {name: [] for name in said}
    for row in one.found.members.to_pylist():
        if row["membership"] >= FLAG_MEMBERSHIP:
            true[row["campaign_id"]].append(true_kind(one.truth.rows[row["account_id"]]["kind"]))
    found = []
    for name, kinds in true.items():
        kind, count = Counter(kinds or [None]).most_common(1)[0]
        if kind is not None and count >= PURE * len(kinds):
            found.append(Judged(kind, said[name], np.array([share[name][each] for each in KINDS])))
    return found


def of_model(model: NDArray[np.float64], found: Sequence[Case]) -> list[Judged]:
    """The same cases under other weights."""
    return _judged(found, confidences(model, found))


def _judged(found: Sequence[Case], share: NDArray[np.float64]) -> list[Judged]:
    said = [named(dict(zip(KINDS, row, strict=True))) for row in share.tolist()]
    return [Judged(case.kind, *each) for case, each in zip(found, zip(said, share, strict=True), strict=True)]


def rows_of(name: str, found: Sequence[Judged]) -> list[Row]:
    """The figures of one set of groups."""
    right = np.array([each.said == each.true for each in found])
    hostile = np.array([each.true == "distillation" for each in found])
    accused = np.array([each.said == "distillation" for each in found])
    share = np.array([each.share for each in found])
    chance, true = share[:, KINDS.index("distillation")], np.array([KINDS.index(each.true) for each in found])
    of_all = ((share - np.eye(len(KINDS))[true]) ** 2).sum(axis=1)
    result = [
        counted(name, "kind right", int(right.sum()), len(found)),
        Row(name, "Brier score of distillation", float(((chance - hostile) ** 2).mean()), "", n=len(found)),
        Row(name, "Brier score of all kinds", float(of_all.mean()), "", n=len(found)),
        counted(
            name, "groups of a campaign called distillation", int(accused[hostile].sum()), int(hostile.sum())
        ),
        counted(
            name, "other groups called distillation", int(accused[~hostile].sum()), int((~hostile).sum())
        ),
    ]
    likeliest = share.argmax(axis=1)
    said = {
        "distillation": (chance, hostile),
        "likeliest kind": (share.max(axis=1), likeliest == true),
    }
    for label, (confidence, holds) in said.items():
        tenth = np.minimum((confidence * 10).astype(np.int64), 9)
        for number in np.unique(tenth):
            mine = tenth == number
            row = counted(name, f"{label}, confidence {number / 10:.1f} to {number / 10 + 0.1:.1f}",
                          int(holds[mine].sum()), int(mine.sum()), f"{confidence[mine].mean():.3f} said")  # fmt: skip
            result.append(row)
    return result


def tell(measured: Sequence[Mapping[str, Any]]) -> None:
    """Writes the figures into docs/explanation/benchmark.md, and the picture beside it."""
    lines, points = [], []
    for row in measured:
        if row["metric"].partition(", confidence ")[2]:
            points.append(Point(row["metric"].partition(",")[0], float(row["baseline"].split()[0]),
                                row["value"], row["low"], row["high"], row["n"]))  # fmt: skip
            continue
        between = "" if row["low"] is None else f"{row['low']:.4f} to {row['high']:.4f}"
        lines.append([row["metric"], f"{row['value']:.4f}", between, f"{row['n']:,}"])
    write_between("kinds", table(["figure", "value", "95 % interval", "groups"], lines))
    (PAGE.parent / "reliability.svg").write_text(reliability(points), encoding="utf-8")


def unseen(found: Sequence[Case]) -> NDArray[np.float64]:
    """Confidences of every log's cases under weights fitted without its profile, and without any campaign of it."""
    share = np.zeros((len(found), len(KINDS)))
    names = [case.log.split()[0] for case in found]
    for profile in sorted(set(names)):
        mine = np.array([name == profile for name in names])
        shapes = {
            case.campaign
            for case, own in zip(found, mine, strict=True)
            if own and case.kind == "distillation"
        }
        kept = [c for c, own in zip(found, mine, strict=True) if not own and c.campaign not in shapes]
        share[mine] = confidences(fitted(kept), [c for c, own in zip(found, mine, strict=True) if own])
    return share


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses, measures, prints."""
    asked = parser("kinds", __doc__, SEEDS)
    asked.add_argument("--fit", action="store_true", help="fit weights to development seeds and print them")
    given = asked.parse_args(arguments)
    if (last := last_run("kinds", given)) is not None:
        tell(last)
        return
    chosen = given.profile or (SMALL if given.scale == "small" else tuple(SCENARIOS))
    logs = given.seeds or SEEDS[given.scale]
    if given.fit:
        seeds = range(DEVELOPMENT_SEED, DEVELOPMENT_SEED + logs)
        fit([case for name in chosen for seed in seeds for case in cases(name, seed)])
        return
    found = [each for name in chosen for seed in seeds_of(name, logs) for each in judged(name, seed)]
    told("kinds", given, rows_of("all profiles", found), tell)


def fit(found: Sequence[Case]) -> None:
    """Prints new weights, and how the shipped ones and those do that did not see the shape."""
    show(rows_of("shipped weights", of_model(weights(), found)))
    show(rows_of("fitted without the shape", _judged(found, unseen(found))))
    for kind, row in zip(KINDS, np.round(fitted(found), 1), strict=True):
        told_of = {
            n: float(value) for n, value in zip((*NAMES, "bias"), row, strict=True) if abs(value) >= 0.15
        }
        print(f"{kind}: {told_of}")


if __name__ == "__main__":
    main()
