"""What a log loses with its text: the same simulated logs with text, as sketches only, and as metadata only.

    python -m bench.retention [--scale small|full] [--profile NAME ...] [--seeds N] [--page]

- ``text``: prompts, system prompts and answers as logged; the scan sketches them and forgets them.
- ``sketches``: ``stillhunt ingest`` has run under the customer's own key; what is handed over is its table of requests,
  with sketch columns, lengths and capability in place of text, and the accounts. The full sketches, once per distinct
  text, stay behind.
- ``metadata``: nothing that was made from text: no prompt, system prompt or answer, no sketch, no length in characters,
  no capability.

Under one key, a scan reads of a log with text exactly the rows that it reads of the same log's sketches. So what
differs between the first two modes is what another key does, which deals equal bands to other texts.

Every log is scanned as ``stillhunt scan`` does it, with its default settings.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from bench.asked import last_run, parser, told
from bench.detection import Tally, count
from bench.page import table, write_between
from bench.result import Row, share, write
from bench.simulated import ScannedLog, ingested, make, scanned, scanned_log, seeds_of

from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.requests import TEXT_COLUMNS
from stillhunt.simulate.scenarios import SCENARIOS
from stillhunt.sketch.keys import KeyRing, key_for

SEEDS = {"small": 1, "full": 3}
PROFILES = {"small": ("letter", "small"), "full": tuple(SCENARIOS)}
_CUSTOMER = KeyRing(key_for(bytes(range(100, 132))))
"""The key of whoever owns the log; a scan of a log with text sketches under another."""


def sketches_only(log: Path, to: Path) -> None:
    """The log in folder ``log``, with sketches in place of text, as one who keeps no text hands it over."""
    with tempfile.TemporaryDirectory(dir=to.parent) as folder, DuckDB(temp_dir=Path(folder)) as engine:
        parts = ingested(log, Path(folder) / "lake", engine, _CUSTOMER).request_files
        (to / "requests").mkdir(parents=True)
        for number, part in enumerate(parts):
            shutil.copyfile(part, to / "requests" / f"part-{number:06d}.parquet")
    shutil.copyfile(log / "accounts.parquet", to / "accounts.parquet")


def metadata_only(log: Path, to: Path) -> None:
    """The log in folder ``log``, without text and all that is made from it."""
    (to / "requests").mkdir(parents=True)
    for part in sorted((log / "requests").iterdir()):
        kept = [name for name in pq.read_schema(part).names if name not in TEXT_COLUMNS]
        pq.write_table(pq.read_table(part, columns=kept), to / "requests" / part.name, compression="zstd")
    shutil.copyfile(log / "accounts.parquet", to / "accounts.parquet")


MODES: Mapping[str, Callable[[Path, Path], None] | None] = {
    "text": None,
    "sketches": sketches_only,
    "metadata": metadata_only,
}
"""How the log of each mode is made from one with text."""


def measure(profile: str, seed: int, kept: Mapping[str, Tally]) -> None:
    """Simulates one log and scans it in every mode."""
    with tempfile.TemporaryDirectory(prefix="stillhunt-bench-") as name:
        folder = Path(name)
        truth = make(folder / "text", profile, seed)
        count(scanned_log(profile, seed), kept["text"])
        for mode, made in MODES.items():
            if made is None:
                continue
            made(folder / "text", folder / mode)
            started = time.perf_counter()
            found = scanned(folder / mode, folder / f"result-{mode}")
            count(ScannedLog(truth, found, time.perf_counter() - started), kept[mode])


def rows(profile: str, kept: Mapping[str, Tally]) -> list[Row]:
    """The figures of one profile, mode by mode, and what each mode costs against text."""
    found = []
    for mode, tally in kept.items():
        flagged = tally.caught + tally.honest_flagged + tally.abuse_flagged
        if tally.hostile:
            found += [
                share(profile, f"{mode}: account recall", tally.caught, tally.hostile),
                share(profile, f"{mode}: precision", tally.caught, flagged),
                share(profile, f"{mode}: hostile accounts in any campaign", tally.grouped, tally.hostile),
            ]
        found += [
            share(profile, f"{mode}: honest accounts flagged", tally.honest_flagged, tally.honest),
            share(profile, f"{mode}: resellers and trial farms flagged", tally.abuse_flagged, tally.abuse),
            Row(profile, f"{mode}: scan", sorted(tally.seconds)[len(tally.seconds) // 2], "s", n=tally.logs),
        ]
    whole = kept["text"]
    for mode in MODES:
        if mode != "text" and whole.hostile:
            lost = 100 * (whole.caught - kept[mode].caught) / whole.hostile
            found.append(Row(profile, f"{mode}: recall lost", lost, "points", "text", whole.hostile))
    return found


def tell(measured: Sequence[Mapping[str, Any]]) -> None:
    """Writes the figures into docs/explanation/benchmark.md, between its marks."""
    value = {(row["case"], row["metric"]): row for row in measured}
    head = ["profile", "mode", "hostile", "recall", "in any campaign", "precision", "honest flagged", "of"]
    lines = []
    for profile in dict.fromkeys(row["case"] for row in measured):
        for mode in MODES:
            honest = value[profile, f"{mode}: honest accounts flagged"]
            cells = [f"`{profile}`", mode]
            if (profile, f"{mode}: account recall") in value:
                recall, precision, grouped_ = (
                    value[profile, f"{mode}: {metric}"]
                    for metric in ("account recall", "precision", "hostile accounts in any campaign")
                )
                between = f"{recall['value']:.3f} ({recall['low']:.3f}–{recall['high']:.3f})"
                exact = f"{precision['value']:.3f}" if precision["n"] else "none flagged"
                cells += [f"{recall['n']}", between, f"{grouped_['value']:.3f}", exact]
            else:
                cells += ["0", "", "", ""]
            lines.append([*cells, f"{round(honest['value'] * honest['n'])}", f"{honest['n']:,}"])
    write_between("retention", table(head, lines))


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses, measures, prints."""
    given = parser("retention", __doc__, SEEDS).parse_args(arguments)
    if (last := last_run("retention", given)) is not None:
        tell(last)
        return
    measured: list[Row] = []
    for profile in given.profile or PROFILES[given.scale]:
        kept = {mode: Tally() for mode in MODES}
        for number, seed in enumerate(seeds_of(profile, given.seeds or SEEDS[given.scale])):
            measure(profile, seed, kept)
            counts = "; ".join(
                f"{mode} {each.caught} of {each.hostile} hostile accounts flagged, "
                f"{each.honest_flagged + each.abuse_flagged} others"
                for mode, each in kept.items()
            )
            print(f"{profile}, {number + 1} logs: {counts}", flush=True)
        measured += rows(profile, kept)
        write("retention", measured)
    told("retention", given, measured, tell)


if __name__ == "__main__":
    main()
