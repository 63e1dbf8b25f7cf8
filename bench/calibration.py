"""How often is something found where there is nothing? Logs of independent accounts, through every test and the scan.

Three tables. First, per signal and group size, how often the p-value of a group chosen at random falls to a level or
below: never more often than the level, if the null is stated rightly. Second, how many logs have any campaign at a
false discovery rate of 5 %: no more than 5 % of them, up to chance. Third, how the tests of groups fare where their
nulls do not hold: among independent accounts of which some start their sessions by a timer. Run:
``python -m bench.calibration [--scale small|full]``.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from bench.independent import independent, open_population, timers
from bench.result import Row, show, write
from numpy.typing import NDArray
from scipy.stats import beta, binom

from stillhunt.campaigns.evidence import weigh
from stillhunt.campaigns.groups import Conduct, group_evidence
from stillhunt.campaigns.moves import hands_off, prompt_moves
from stillhunt.campaigns.pipeline import ScanSettings, collect, find_campaigns
from stillhunt.campaigns.signals.model import SIGNALS_V1
from stillhunt.campaigns.stages import Stages
from stillhunt.campaigns.summarise import countries
from stillhunt.campaigns.turns import keeps_time, session_starts, takes_turns
from stillhunt.engines.duckdb import DuckDB

GROUP_TESTS: Mapping[str, Callable[[Conduct, NDArray[np.int32]], float]] = {
    "takes_turns": lambda conduct, group: takes_turns(conduct.sessions, group)[1],
    "keeps_time": lambda conduct, group: keeps_time(conduct.sessions, group)[1],
    "hands_off": lambda conduct, group: hands_off(conduct.moves, group)[2],
}
"""p-values of the tests of groups that rest on no link."""
SIZES: Mapping[int, float] = {3: 0.25, 4: 0.2, 5: 0.15, 8: 0.15, 20: 0.1, 50: 0.15}
"""Group sizes, and the share of a log's accounts that is cut into groups of each."""
LEVELS = (0.5, 0.25, 0.1, 0.05, 0.01, 0.001)
NOMINAL = 0.05
"""False discovery rate of the scans."""
CONFIDENCE = 0.95

P = dict[tuple[str, int], list[float]]
"""p-values per signal and group size."""


@dataclass(frozen=True)
class Scale:
    """scans: logs that are scanned, of ``accounts`` accounts each; their p-values count too. large: further logs, of
    ``large_accounts`` accounts, that are tested and not scanned."""

    scans: int
    accounts: int
    large: int
    large_accounts: int


SCALES = {"small": Scale(40, 400, 4, 3000), "full": Scale(200, 400, 20, 6000)}


def groups_at_random(seed: int, accounts: int) -> list[NDArray[np.int32]]:
    """Disjoint groups of every size that the data had no say in."""
    order = np.random.default_rng([0x6A, seed]).permutation(accounts).astype(np.int32)
    groups, start = [], 0
    for size, share in SIZES.items():
        for _ in range(int(share * accounts / size)):
            groups.append(np.sort(order[start : start + size]))
            start += size
    return groups


def p_values(seed: int, accounts: int) -> P:
    """p-values of every signal and group test on groups of one log of independent accounts."""
    result: P = {}
    with DuckDB(memory="1GB", threads=1) as engine:
        log, seen = open_population(engine, independent(seed, accounts))
        where, conduct = countries(log), Conduct(session_starts(log), prompt_moves(log))
        groups = groups_at_random(seed, log.accounts)
        for signal, artefacts in collect(log, seen, SIGNALS_V1):
            nats = group_evidence(weigh([(signal, artefacts)], where), conduct, groups)[:, 0]
            for group, evidence in zip(groups, nats, strict=True):
                result.setdefault((signal.name, len(group)), []).append(float(np.exp(-evidence)))
    for name, test in GROUP_TESTS.items():
        for group in groups:
            result.setdefault((name, len(group)), []).append(test(conduct, group))
    return result


def campaigns_found(seed: int, accounts: int) -> int:
    """How many campaigns a scan finds in a log of independent accounts."""
    with DuckDB(memory="1GB", threads=1) as engine:
        log, seen = open_population(engine, independent(seed, accounts))
        settings = ScanSettings(level=NOMINAL, seed=seed, threads=1)
        return find_campaigns(log, seen, settings, "sha256:independent", Stages()).campaigns.num_rows


def p_values_of_timers(seed: int, accounts: int) -> P:
    """p-values of the group tests on groups of one log in which one account in ten goes by an hourly timer."""
    result: P = {}
    with DuckDB(memory="1GB", threads=1) as engine:
        log, _ = open_population(engine, timers(seed, accounts, 0.1))
        conduct = Conduct(session_starts(log), prompt_moves(log))
    for group in groups_at_random(seed, accounts):
        for name in ("takes_turns", "keeps_time"):
            result.setdefault((name, len(group)), []).append(GROUP_TESTS[name](conduct, group))
    return result


def pooled(parts: Sequence[P]) -> dict[tuple[str, int], NDArray[np.float64]]:
    """The p-values of several logs together."""
    result: P = {}
    for part in parts:
        for key, values in part.items():
            result.setdefault(key, []).extend(values)
    return {key: np.array(values) for key, values in sorted(result.items())}


def too_small(p: Mapping[tuple[str, int], NDArray[np.float64]]) -> list[tuple[float, str, int, float, float]]:
    """One-sided tests of super-uniformity: for each signal, size and level the chance of so many p-values at the level
    or below, times the number of such tests (Bonferroni), smallest first; then signal, size, level and their share."""
    tests = len(p) * len(LEVELS)
    return sorted(
        (
            min(1.0, tests * float(binom.sf((values <= level).sum() - 1, len(values), level))),
            signal,
            size,
            level,
            float((values <= level).mean()),
        )
        for (signal, size), values in p.items()
        for level in LEVELS
    )


def interval(hits: int, n: int) -> tuple[float, float]:
    """Clopper and Pearson's (1934) confidence interval of a share."""
    tail = (1 - CONFIDENCE) / 2
    low = float(beta.ppf(tail, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, n - hits)) if hits < n else 1.0
    return low, high


def timer_rows(p: Mapping[tuple[str, int], NDArray[np.float64]]) -> list[Row]:
    """Per test and size, how often a group with some timers in it is told from independent users."""
    table = []
    for (test, size), values in p.items():
        hits = int((values <= 0.05).sum())
        where, bounds = f"{test}, a tenth on timers", interval(hits, len(values))
        metric = f"share of p ≤ 0.05, groups of {size}"
        table.append(Row(where, metric, hits / len(values), "share", "0.05", len(values), *bounds))
    return table


def rows(p: Mapping[tuple[str, int], NDArray[np.float64]], found: Sequence[int], accounts: int) -> list[Row]:
    """Every figure of both tables."""
    table = []
    for signal in dict.fromkeys(signal for signal, _ in p):
        sizes = {size: values for (name, size), values in p.items() if name == signal}
        together = np.concatenate(list(sizes.values()))
        for level in (0.1, 0.05, 0.01, 0.001):
            hits = int((together <= level).sum())
            table.append(
                Row(
                    signal,
                    f"share of p ≤ {level:g}",
                    hits / len(together),
                    "share",
                    f"{level:g}",
                    len(together),
                    *interval(hits, len(together)),
                )
            )
        worst = next(each for each in too_small({(signal, size): values for size, values in sizes.items()}))
        corrected = min(1.0, worst[0] * len(p) / len(sizes))
        table.append(
            Row(
                signal,
                "least corrected p of the uniformity tests",
                corrected,
                "probability",
                "0.01",
                len(sizes),
            )
        )
    hits = sum(count > 0 for count in found)
    table.append(
        Row(
            f"{accounts} independent accounts",
            "logs with any campaign",
            hits / len(found),
            "share",
            f"{NOMINAL:g}",
            len(found),
            *interval(hits, len(found)),
        )
    )
    table.append(
        Row(f"{accounts} independent accounts", "campaigns", float(sum(found)), "count", None, len(found))
    )
    return table


def main() -> None:
    """Runs both tables, prints and writes them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", choices=sorted(SCALES), default="full")
    scale = SCALES[parser.parse_args().scale]
    small, large = range(scale.scans), range(1000, 1000 + scale.large)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(campaigns_found, small, [scale.accounts] * scale.scans))
        parts = list(pool.map(p_values, small, [scale.accounts] * scale.scans))
        parts += pool.map(p_values, large, [scale.large_accounts] * scale.large)
        timed = list(pool.map(p_values_of_timers, large, [scale.large_accounts] * scale.large))
    table = [*rows(pooled(parts), found, scale.accounts), *timer_rows(pooled(timed))]
    show(table)
    print(f"\nwritten to {write('calibration', table)}")


if __name__ == "__main__":
    main()
