"""Does the scan tell which campaigns are one operator's? Simulated logs, scanned and held against their truth.

    python -m bench.attribution [--scale small|full] [--profile NAME ...] [--seeds N] [--page]

A campaign that is found counts as the pool's from which most of its accounts are. Two campaigns are one operator's when
they are parts of one pool, or of pools that work for one laboratory, as the two of ``two_pools`` do: on a ban, the
traffic of the first moves to the second. Told are, per profile, the pairs of one operator that are joined, directly or
through others, and the pairs of different operators that are. Trial farms have no name in the truth; pairs of two such
are counted apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from bench.asked import last_run, parser
from bench.page import table, write_between
from bench.result import Row, share, show, write
from bench.simulated import Truth, scanned_log, seeds_of

from stillhunt.campaigns.attribution import COMPARED
from stillhunt.campaigns.result import Campaigns
from stillhunt.schema.campaigns import FLAG_MEMBERSHIP
from stillhunt.simulate.operators import Operator
from stillhunt.simulate.scenarios import SCENARIOS, scenario

SCALES = ("small", "full")
LOGS = {"two_pools": 4, "first_reports": 2, "demo": 2}
"""Logs of each profile at full scale; at small scale one."""
ONE, DIFFERENT, UNNAMED = "of one operator", "of different operators", "of farms without a name"
RELATIONS = (ONE, DIFFERENT, UNNAMED)
CLASSES = ("distillation", "other kinds")


@dataclass(frozen=True)
class Pair:
    """Two campaigns that were compared: both of kind distillation or not (of CLASSES), how the truth relates them (of
    RELATIONS), the pools that they are from, and whether the scan joins them."""

    kinds: str
    relation: str
    pools: tuple[str, str]
    joined: bool


def hands(operators: Sequence[Operator]) -> dict[str, str]:
    """The operator behind each pool: the first pool, in order, that works for a laboratory of it, or itself."""
    behind: dict[str, str] = {}
    for pool in operators:
        alike = (one.name for one in operators if set(one.labs) & set(pool.labs))
        behind[pool.name] = next(alike, pool.name)
    return behind


def from_pools(found: Campaigns, truth: Truth) -> dict[str, str | None]:
    """The pool of most of each compared campaign's accounts; None where the truth names none."""
    members: dict[str, list[str | None]] = {}
    for row in found.members.to_pylist():
        if row["membership"] >= FLAG_MEMBERSHIP:
            members.setdefault(row["campaign_id"], []).append(truth.rows[row["account_id"]]["campaign"])
    kinds = {row["campaign_id"]: row["kind"] for row in found.campaigns.to_pylist()}
    return {
        campaign: Counter(names).most_common(1)[0][0]
        for campaign, names in sorted(members.items())
        if kinds[campaign] in COMPARED
    }


def pairs(found: Campaigns, truth: Truth, behind: Mapping[str, str]) -> Iterator[Pair]:
    """The pairs that a scan compared."""
    operator = {row["campaign_id"]: row["operator_id"] for row in found.evidence["operators"].to_pylist()}
    kinds = {row["campaign_id"]: row["kind"] for row in found.campaigns.to_pylist()}
    for (a, one), (b, other) in combinations(from_pools(found, truth).items(), 2):
        relation = DIFFERENT
        if one is None and other is None:
            relation = UNNAMED
        elif one is not None and other is not None and behind.get(one, one) == behind.get(other, other):
            relation = ONE
        hostile = kinds[a] == kinds[b] == "distillation"
        joined = a in operator and operator[a] == operator.get(b)
        yield Pair(CLASSES[not hostile], relation, (one or "a farm", other or "a farm"), joined)


def measure(name: str, seed: int) -> list[Pair]:
    """Simulates and scans one log."""
    one = scanned_log(name, seed)
    made = list(pairs(one.found, one.truth, hands(scenario(name).operators)))
    told = [f"{' and '.join(pair.pools)} ({pair.relation})" for pair in made if pair.joined]
    missed = [" and ".join(pair.pools) for pair in made if pair.relation == ONE and not pair.joined]
    print(
        f"{name}, seed {seed}: {len(made)} pairs; joined {told or 'none'}; missed {missed or 'none'}",
        flush=True,
    )
    return made


def rows(name: str, measured: Sequence[Pair]) -> list[Row]:
    """The figures of one profile, pooled over its logs."""
    made = []
    for kinds in CLASSES:
        for relation in RELATIONS:
            mine = [pair for pair in measured if (pair.kinds, pair.relation) == (kinds, relation)]
            if mine:
                case = f"{name}: {kinds}"
                made.append(
                    share(case, f"pairs {relation} joined", sum(pair.joined for pair in mine), len(mine))
                )
    return made


def tell(measured: Sequence[Mapping[str, Any]]) -> None:
    """Writes the figures into docs/explanation/benchmark.md, between its marks."""
    value = {(row["case"], row["metric"]): row for row in measured}
    lines = []
    for case in dict.fromkeys(case for case, _ in value):
        profile, kinds = case.split(": ")
        cells = [f"`{profile}`", kinds]
        for relation in RELATIONS:
            row = value.get((case, f"pairs {relation} joined"))
            cells.append(f"{round(row['value'] * row['n'])} of {row['n']:,}" if row else "")
        lines.append(cells)
    head = ["profile", "campaigns", *(f"pairs {relation} joined" for relation in RELATIONS)]
    write_between("attribution", table(head, lines))


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses, measures, prints."""
    given = parser("attribution", __doc__, SCALES, tuple(SCENARIOS)).parse_args(arguments)
    if (last := last_run("attribution", given)) is not None:
        tell(last)
        return
    measured: list[Row] = []
    for name in given.profile or LOGS:
        logs = given.seeds or (LOGS.get(name, 1) if given.scale == "full" else 1)
        seeds = seeds_of(name, logs)
        measured += rows(name, [pair for seed in seeds for pair in measure(name, seed)])
        write("attribution", measured)
    show(measured)
    print(f"written to {write('attribution', measured)}")
    if given.page:
        tell([asdict(row) for row in measured])


if __name__ == "__main__":
    main()
