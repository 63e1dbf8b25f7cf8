"""``stillhunt demo``."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import pyarrow.parquet as pq
import typer
from rich.table import Table

from stillhunt.cli.scan import flagged
from stillhunt.cli.scanning import Input, Outcome, scan
from stillhunt.cli.show import TerminalProgress, out
from stillhunt.cli.status import DONE, FOUND
from stillhunt.config import Settings
from stillhunt.engines.output import whole_directory
from stillhunt.simulate.files import write
from stillhunt.simulate.scenarios import scenario
from stillhunt.simulate.simulation import stream, window

_HELP = """
Makes a small labelled log, scans it, and prints what was found beside the truth. Offline, no configuration.

Examples:

  stillhunt demo

  stillhunt demo --out demo --seed 7

Exit status: 0 the result agrees with the truth (precision at least 0.98, recall at least 0.9); 1 it does not.
"""

PRECISION = 0.98
RECALL = 0.9


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("demo", help=_HELP)(run)


def run(
    to: Annotated[Path, typer.Option("--out", help="Folder for the log and the result.")] = Path(
        "stillhunt-demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal logs.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what --out holds.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON on standard output.")
    ] = False,
) -> None:
    """Parses, calls, shows."""
    chosen = scenario("demo")
    with whole_directory(to, overwrite=overwrite) as aside, TerminalProgress(quiet=as_json) as progress:
        written = write(stream(chosen, seed, 1.0, progress=progress), window(chosen), aside / "log")
        outcome = scan(Input([str(aside / "log")]), aside / "result", Settings(), progress)
        truth = {row["account_id"]: row for row in pq.read_table(aside / "log" / "truth.parquet").to_pylist()}
    comparison = compare(outcome, truth)
    if as_json:
        typer.echo(json.dumps(comparison | {"report": str(to / "result" / "report.html")}, indent=2))
    else:
        out.print(f"simulated {written.requests:,} requests of {written.accounts:,} accounts (seed {seed})\n")
        out.print(_table(comparison))
        out.print(
            f"\nflagged for distillation: {comparison['flagged']} accounts, {comparison['right']} of them rightly, of "
            f"{comparison['hostile']} (precision {comparison['precision']:.3f}, recall {comparison['recall']:.3f})"
        )
        out.print(f"report: {to / 'result' / 'report.html'}", soft_wrap=True, markup=False)
    agrees = comparison["precision"] >= PRECISION and comparison["recall"] >= RECALL
    raise typer.Exit(DONE if agrees else FOUND)


def compare(outcome: Outcome, truth: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What was found beside what is true: per campaign the kinds of its members, and precision and recall of flags."""
    hostile = {account for account, row in truth.items() if row["kind"] == "distillation"}
    flags = flagged(outcome)
    members: dict[str, list[str]] = {}
    for row in outcome.campaigns.members.to_pylist():
        if row["membership"] >= 0.5:
            members.setdefault(row["campaign_id"], []).append(row["account_id"])
    rows = []
    for row in outcome.campaigns.campaigns.to_pylist():
        own = members.get(row["campaign_id"], [])
        really = Counter(truth[account]["campaign"] or truth[account]["kind"] for account in own)
        rows.append(
            {
                "campaign": row["campaign_id"],
                "kind": row["kind"],
                "sure": row["kind_confidence"],
                "accounts": row["accounts"],
                "requests": row["requests"],
                "q_value": row["q_value"],
                "truth": dict(really.most_common()),
            }
        )
    right = len(flags & hostile)
    return {
        "campaigns": rows,
        "flagged": len(flags),
        "right": right,
        "hostile": len(hostile),
        "precision": right / len(flags) if flags else 1.0,
        "recall": right / len(hostile) if hostile else 1.0,
    }


def _table(comparison: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    right = ("sure", "accounts", "requests", "q-value")
    for name in ("campaign", "kind", *right, "truth"):
        table.add_column(name, justify="right" if name in right else "left")
    for row in comparison["campaigns"]:
        table.add_row(
            row["campaign"],
            row["kind"],
            f"{row['sure']:.0%}",
            f"{row['accounts']:,}",
            f"{row['requests']:,}",
            f"{row['q_value']:.1e}",
            ", ".join(f"{count} {name}" for name, count in list(row["truth"].items())[:3]),
        )
    return table
