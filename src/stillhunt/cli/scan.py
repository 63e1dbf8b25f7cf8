"""``stillhunt scan``."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table
from rich.text import Text

from stillhunt.cli.left_out import left_out_fields, show_left_out
from stillhunt.cli.scanning import Input, Outcome, scan
from stillhunt.cli.show import TerminalProgress, err, out
from stillhunt.cli.status import DONE, FOUND, PARTIAL
from stillhunt.config import Settings
from stillhunt.errors import MissingExtraError
from stillhunt.schema.campaigns import FLAG_MEMBERSHIP

_HELP = """
Finds accounts that act as one, says what they are after, and writes the evidence.

Takes a lake that `stillhunt ingest` made, or logs as they are. Writes campaigns.parquet, members.parquet,
findings.jsonl, run.json, evidence/ and report.html; rejected.jsonl where rows were left out.

Examples:

  stillhunt scan lake --out result

  stillhunt scan logs/ --accounts accounts.csv --out result

Exit status: 0 no campaign; 1 at least one campaign; 2 nothing could be used; 3 some rows or files were left out.
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("scan", help=_HELP)(run)


def run(
    logs: Annotated[list[str], typer.Argument(help="One lake, or logs: files, folders, globs.")],
    to: Annotated[Path, typer.Option("--out", help="Folder for the result.")],
    accounts: Annotated[Path | None, typer.Option(help="Accounts: Parquet, JSON lines or CSV.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what --out holds.")] = False,
    engine: Annotated[Literal["duckdb", "spark"], typer.Option(help="Where queries run.")] = "duckdb",
    kind: Annotated[str | None, typer.Option(help="Kind of the logs, where it is not recognised.")] = None,
    mapping: Annotated[
        Path | None, typer.Option("--map", help="Mapping file (TOML) for your own logs.")
    ] = None,
    fdr: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="False discovery rate, a share.")
    ] = None,
    null_runs: Annotated[int | None, typer.Option(min=5, help="Null logs to hold groups against.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the null logs.")] = None,
    memory: Annotated[
        str | None, typer.Option(help="Memory for queries before they spill, such as 4GB.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON on standard output.")
    ] = False,
) -> None:
    """Parses, calls, shows."""
    if engine == "spark":
        raise MissingExtraError(
            "this version runs its queries on DuckDB only", "--engine spark", "Leave it out."
        )
    given = {"fdr": fdr, "null_runs": null_runs, "seed": seed, "memory": memory}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    with TerminalProgress(quiet=as_json) as progress:
        outcome = scan(Input(logs, accounts, kind, mapping), to, settings, progress, overwrite=overwrite)
    if as_json:
        typer.echo(json.dumps(fields(outcome, to), indent=2, ensure_ascii=False))
    else:
        show(outcome, to)
    partial = outcome.ingested is not None and outcome.ingested.partial
    found = outcome.campaigns.campaigns.num_rows > 0
    raise typer.Exit(PARTIAL if partial else FOUND if found else DONE)


def flagged(outcome: Outcome) -> set[str]:
    """Account ids that are flagged: members of campaigns of kind ``distillation`` (contract, section 3)."""
    kinds = {row["campaign_id"]: row["kind"] for row in outcome.campaigns.campaigns.to_pylist()}
    return {
        row["account_id"]
        for row in outcome.campaigns.members.to_pylist()
        if kinds[row["campaign_id"]] == "distillation" and row["membership"] >= FLAG_MEMBERSHIP
    }


def fields(outcome: Outcome, to: Path) -> dict[str, Any]:
    """The outcome for machines."""
    return {
        "out": str(to),
        "report": str(to / "report.html"),
        "accounts": outcome.accounts,
        "requests": outcome.requests,
        "flagged": len(flagged(outcome)),
        "campaigns": [
            {name: _plain(value) for name, value in row.items()}
            for row in outcome.campaigns.campaigns.to_pylist()
        ],
        **left_out_fields(outcome.ingested),
        "stages": list(outcome.stages),
    }


def show(outcome: Outcome, to: Path) -> None:
    """The outcome for people."""
    if outcome.ingested is not None and outcome.ingested.partial:
        show_left_out(outcome.ingested)
        rejected = outcome.ingested.rejected
        named = f"; they are named in {to / 'rejected.jsonl'}" if rejected else ""
        err.print(Text.assemble(("partial: ", "bold yellow"), f"{rejected:,} rows were left out{named}"))
    off = sorted(outcome.coverage.missing)
    if off:
        err.print(Text.assemble(("could not see: ", "dim"), ", ".join(off)))
    if outcome.campaigns.campaigns.num_rows:
        out.print(campaign_table(outcome))
    out.print(
        f"{outcome.campaigns.campaigns.num_rows} campaigns, {len(flagged(outcome)):,} accounts flagged, of "
        f"{outcome.accounts:,} accounts and {outcome.requests:,} requests"
    )
    out.print(f"report: {to / 'report.html'}", soft_wrap=True, markup=False)


def campaign_table(outcome: Outcome) -> Table:
    """The queue of campaigns."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("campaign", "kind", "sure", "accounts", "requests", "q-value", "harvested"):
        table.add_column(
            name, justify="right" if name in ("sure", "accounts", "requests", "q-value") else "left"
        )
    for row in outcome.campaigns.campaigns.to_pylist():
        table.add_row(
            row["campaign_id"],
            row["kind"],
            f"{row['kind_confidence']:.0%}",
            f"{row['accounts']:,}",
            f"{row['requests']:,}",
            f"{row['q_value']:.1e}",
            ", ".join(row["capabilities"][:3]),
        )
    return table


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
