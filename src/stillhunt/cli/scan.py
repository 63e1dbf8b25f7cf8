"""``stillhunt scan``."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from stillhunt.cli.apart import apart
from stillhunt.cli.left_out import left_out_fields, show_left_out
from stillhunt.cli.options import AsJson, LogKind, LogMapping, Overwrite
from stillhunt.cli.queue import by_rank, flagged, queue
from stillhunt.cli.scanning import EngineName, Input, Outcome, scan
from stillhunt.cli.show import TerminalProgress, err, helped, out
from stillhunt.cli.status import DONE, FOUND, PARTIAL
from stillhunt.config import load_settings

_HELP = helped(
    "Finds accounts that act as one, says what they are after, and writes the evidence.\n\n"
    "Takes a lake that `stillhunt ingest` made, or logs as they are. Writes report.html for people, and "
    "campaigns.parquet, members.parquet, findings.jsonl, evidence/ and run.json for programs; rejected.jsonl names "
    "rows that were left out.",
    examples=(
        "stillhunt scan lake --out result",
        "stillhunt scan logs/ --accounts accounts.csv --out result",
        "stillhunt scan 'logs/2026-04-*.jsonl.gz' --out result --fdr 0.001 --json",
    ),
    statuses="0 no campaign; 1 at least one campaign; 2 nothing could be used; 3 some rows or files were left out, and "
    "the run says which.",
)


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("scan", help=_HELP)(run)


def run(
    logs: Annotated[list[str], typer.Argument(help="One lake, or logs: files, folders, globs.")],
    to: Annotated[Path, typer.Option("--out", help="Folder for the result.")],
    accounts: Annotated[
        Path | None, typer.Option(help="Accounts: Parquet, JSON lines or CSV with account_id.")
    ] = None,
    overwrite: Overwrite = False,
    engine: Annotated[EngineName, typer.Option(help="Where queries run.")] = "duckdb",
    kind: LogKind = None,
    mapping: LogMapping = None,
    fdr: Annotated[
        float | None,
        typer.Option(help="Share of the reported campaigns that may be coincidence, above 0 and below 1."),
    ] = None,
    null_runs: Annotated[
        int | None, typer.Option(help="Null logs to hold groups against, 5 or more; more is slower.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the null logs; equal seeds give equal results.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="Memory for queries before they spill, such as 4GB.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Parses, calls, shows."""
    apart([*logs, accounts, mapping], to)
    settings = load_settings(fdr=fdr, null_runs=null_runs, seed=seed, memory=memory)
    with TerminalProgress(quiet=as_json) as progress:
        outcome = scan(
            Input(logs, accounts, kind, mapping), to, settings, progress, overwrite=overwrite, engine=engine
        )
    if as_json:
        typer.echo(json.dumps(fields(outcome, to), indent=2, ensure_ascii=False))
    else:
        show(outcome, to)
    partial = outcome.ingested is not None and outcome.ingested.partial
    found = outcome.campaigns.campaigns.num_rows > 0
    raise typer.Exit(PARTIAL if partial else FOUND if found else DONE)


def fields(outcome: Outcome, to: Path) -> dict[str, Any]:
    """The outcome for machines."""
    return {
        "out": str(to),
        "report": str(to / "report.html"),
        "accounts": outcome.accounts,
        "requests": outcome.requests,
        "flagged": len(flagged(outcome)),
        "campaigns": [{name: _plain(value) for name, value in row.items()} for row in by_rank(outcome)],
        **left_out_fields(outcome.ingested),
        "missing": {signal: list(columns) for signal, columns in outcome.coverage.missing.items()},
        "stages": list(outcome.stages),
    }


def show(outcome: Outcome, to: Path) -> None:
    """The outcome for people: what was left out and could not be seen, then the queue."""
    if outcome.ingested is not None and outcome.ingested.partial:
        show_left_out(outcome.ingested)
        rejected = outcome.ingested.rejected
        named = f"; they are named in {to / 'rejected.jsonl'}" if rejected else ""
        err.print(
            Text.assemble(("partial: ", "bold yellow"), f"{rejected:,} rows were left out{named}"),
            soft_wrap=True,
        )
    for signal, columns in sorted(outcome.coverage.missing.items()):
        err.print(
            Text.assemble(("could not see: ", "dim"), f"{signal} (the log lacks {', '.join(columns)})"),
            soft_wrap=True,
        )
    rows = by_rank(outcome)
    if rows:
        harvested = {
            row["campaign_id"]: ", ".join(part.replace("_", " ") for part in row["capabilities"] or ())
            for row in rows
        }
        out.print(queue(rows, "harvested", harvested))
        out.print()
    hostile = sum(1 for row in rows if row["kind"] == "distillation")
    others = f" and {len(rows) - hostile:,} of other kinds" if len(rows) > hostile else ""
    out.print(
        f"{hostile:,} distillation campaign{'' if hostile == 1 else 's'}{others}; {len(flagged(outcome)):,} accounts "
        f"flagged, of {outcome.accounts:,} with {outcome.requests:,} requests",
        soft_wrap=True,
    )
    out.print(f"report: {to / 'report.html'}", soft_wrap=True, markup=False)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
