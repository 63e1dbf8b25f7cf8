"""What a scan makes of honest traffic that arrives as real clients' does. Needs ../shared/data.

    python -m bench.servegen [--scale small|full] [--profile NAME]

Logs of the profile ``honest``, as ``stillhunt simulate --rates FILE --prompts DIR`` makes them: services, enterprises
and migrations keep the arrivals of real clients of a model cloud (ServeGen), prompts are real, and nobody distils.
Campaigns by kind, honest accounts flagged for distillation, and resellers and trial farms so flagged. Exit status 1
when there is a campaign of the kind distillation.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.exchanges import DATA
from bench.result import Row, share, show, write
from bench.simulated import flags, make, scanned

from stillhunt.simulate.real import Prompts, Rates, read_prompts, read_rates

FIRST_SEED = 301
SEEDS = {"small": 3, "full": 10}
KINDS = ("distillation", "reseller", "trial_farm", "shared_team", "evaluation", "unclear")


@dataclass
class Tally:
    """Counts over logs. clear: logs without a distillation campaign."""

    logs: int = 0
    clear: int = 0
    requests: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    honest: int = 0
    honest_flagged: int = 0
    abuse: int = 0
    abuse_flagged: int = 0


def measure(profile: str, seed: int, prompts: Prompts, rates: Rates, tally: Tally) -> None:
    """Makes one log, scans it as the command line does, and counts."""
    with tempfile.TemporaryDirectory(prefix="stillhunt-bench-") as folder:
        truth = make(Path(folder) / "log", profile, seed, prompts, rates)
        found = scanned(Path(folder) / "log", Path(folder) / "result")
    kinds = found.campaigns["kind"].to_pylist()
    flagged = flags(found)[1]
    abuse, honest = truth.abuse, truth.honest
    tally.logs += 1
    tally.clear += "distillation" not in kinds
    tally.requests += truth.requests
    tally.kinds.update(kinds)
    tally.honest, tally.honest_flagged = (
        tally.honest + len(honest),
        tally.honest_flagged + len(flagged & honest),
    )
    tally.abuse, tally.abuse_flagged = tally.abuse + len(abuse), tally.abuse_flagged + len(flagged & abuse)


def rows(case: str, tally: Tally) -> list[Row]:
    """The figures of one profile."""
    return [
        Row(case, "requests of a log", tally.requests / tally.logs, "requests", n=tally.logs),
        *(Row(case, f"campaigns: {kind}", tally.kinds[kind], "campaigns", n=tally.logs) for kind in KINDS),
        share(case, "logs without a distillation campaign", tally.clear, tally.logs),
        share(case, "honest accounts flagged", tally.honest_flagged, tally.honest),
        share(case, "resellers and trial farms flagged", tally.abuse_flagged, tally.abuse),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(prog="python -m bench.servegen", description=__doc__)
    parser.add_argument("--scale", choices=sorted(SEEDS), default="full")
    parser.add_argument("--profile", default="honest")
    given = parser.parse_args(arguments)
    prompts = read_prompts(DATA / "prompts")
    rates = read_rates(DATA / "traffic" / "servegen.tar.zst")
    tally = Tally()
    for seed in range(FIRST_SEED, FIRST_SEED + SEEDS[given.scale]):
        started = time.perf_counter()
        measure(given.profile, seed, prompts, rates, tally)
        seconds = time.perf_counter() - started
        print(f"seed {seed}: {dict(tally.kinds)} so far, {seconds:.0f} s", flush=True)
    found = rows(f"{given.profile}, real rates and prompts", tally)
    show(found)
    for row in found:
        if row.high is not None:
            print(f"{row.metric}: {row.value:.5f}, 95 % interval {row.low:.5f} to {row.high:.5f}")
    print(f"written to {write('servegen', found)}")
    return 0 if tally.kinds["distillation"] == 0 else 1


if __name__ == "__main__":
    raise SystemExit(main())
