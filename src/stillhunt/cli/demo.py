"""``stillhunt demo``."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import pyarrow.parquet as pq
import typer
from rich.table import Table

from stillhunt.cli.options import AsJson, Overwrite
from stillhunt.cli.queue import by_rank, flagged, named, queue, table
from stillhunt.cli.scanning import Input, Outcome, scan
from stillhunt.cli.show import TerminalProgress, helped, out
from stillhunt.cli.status import DONE, FOUND
from stillhunt.config import load_settings
from stillhunt.engines.output import whole_directory
from stillhunt.schema.campaigns import FLAG_MEMBERSHIP
from stillhunt.simulate.files import write
from stillhunt.simulate.scenarios import scenario
from stillhunt.simulate.simulation import stream, window

PRECISION = 0.98
RECALL = 0.9

_HELP = helped(
    "Makes a small labelled log, scans it, and prints what was found beside the truth. Offline, no configuration.",
    examples=("stillhunt demo", "stillhunt demo --out elsewhere --seed 7"),
    statuses=f"0 the flags agree with the truth (precision at least {PRECISION}, recall at least {RECALL}); 1 they do "
    "not; 2 the output cannot be written.",
)


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("demo", help=_HELP)(run)


def run(
    to: Annotated[Path, typer.Option("--out", help="Folder for the log and the result.")] = Path(
        "stillhunt-demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal logs.")] = 1,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Parses, calls, shows."""
    chosen = scenario("demo")
    settings = load_settings()
    with whole_directory(to, overwrite=overwrite) as aside, TerminalProgress(quiet=as_json) as progress:
        written = write(stream(chosen, seed, 1.0, progress=progress), window(chosen), aside / "log")
        outcome = scan(Input([str(aside / "log")]), aside / "result", settings, progress)
        truth = {row["account_id"]: row for row in pq.read_table(aside / "log" / "truth.parquet").to_pylist()}
    comparison = compare(outcome, truth)
    if as_json:
        typer.echo(json.dumps(comparison | {"report": str(to / "result" / "report.html")}, indent=2))
    else:
        out.print(f"simulated {written.requests:,} requests of {written.accounts:,} accounts (seed {seed})\n")
        _show(outcome, comparison)
        out.print(f"report: {to / 'result' / 'report.html'}", soft_wrap=True, markup=False)
    agrees = comparison["precision"] >= PRECISION and comparison["recall"] >= RECALL
    raise typer.Exit(DONE if agrees else FOUND)


def compare(outcome: Outcome, truth: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What was found beside what is true: who the members of each campaign really are, how many accounts of each
    planted campaign are flagged, and precision and recall of the flags."""
    hostile = {account for account, row in truth.items() if row["kind"] == "distillation"}
    flags = flagged(outcome)
    members: dict[str, list[str]] = {}
    for row in outcome.campaigns.members.to_pylist():
        if row["membership"] >= FLAG_MEMBERSHIP:
            members.setdefault(row["campaign_id"], []).append(row["account_id"])
    rows = [
        {
            "campaign": row["campaign_id"],
            "kind": row["kind"],
            "sure": row["kind_confidence"],
            "accounts": row["accounts"],
            "requests": row["requests"],
            "q_value": row["q_value"],
            "truth": _really(members.get(row["campaign_id"], []), truth),
        }
        for row in by_rank(outcome)
    ]
    right = len(flags & hostile)
    planted = _really(hostile, truth)
    caught = _really(flags & hostile, truth)
    return {
        "campaigns": rows,
        "planted": {name: {"accounts": n, "flagged": caught.get(name, 0)} for name, n in planted.items()},
        "wrongly_flagged": _really(flags - hostile, truth),
        "flagged": len(flags),
        "right": right,
        "hostile": len(hostile),
        "precision": right / len(flags) if flags else 1.0,
        "recall": right / len(hostile) if hostile else 1.0,
    }


def _really(accounts: set[str] | list[str], truth: dict[str, dict[str, Any]]) -> dict[str, int]:
    """How many accounts belong to each planted campaign or, where to none, are of each kind; the commonest first."""
    told = Counter(sorted(truth[account]["campaign"] or truth[account]["kind"] for account in accounts))
    return dict(told.most_common())


def _show(outcome: Outcome, comparison: dict[str, Any]) -> None:
    told = {row["campaign"]: named(Counter(row["truth"])) for row in comparison["campaigns"]}
    by_kind: dict[str, Counter[str]] = {}
    for row in comparison["campaigns"]:
        by_kind.setdefault(row["kind"], Counter()).update(row["truth"])
    told |= {kind: named(counts) for kind, counts in by_kind.items()}
    out.print(queue(by_rank(outcome), "truth", told))
    out.print()
    out.print(_planted(comparison))
    wrongly = named(Counter(comparison["wrongly_flagged"]))
    out.print(
        f"\nflagged for distillation: {comparison['flagged']:,} accounts, {comparison['right']:,} of them rightly"
        f"{f' (wrongly: {wrongly})' if wrongly else ''}",
        soft_wrap=True,
    )
    out.print(f"precision {comparison['precision']:.3f}, recall {comparison['recall']:.3f}")


def _planted(comparison: dict[str, Any]) -> Table:
    made = table("planted", "accounts", "flagged", right=("accounts", "flagged"))
    for name, row in comparison["planted"].items():
        made.add_row(name, f"{row['accounts']:,}", f"{row['flagged']:,}")
    return made
