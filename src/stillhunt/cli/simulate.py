"""``stillhunt simulate``."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from rich.table import Table

from stillhunt.cli.show import TerminalProgress, err, out
from stillhunt.errors import SettingError
from stillhunt.simulate.files import write
from stillhunt.simulate.real import read_prompts, read_rates
from stillhunt.simulate.scenarios import SCENARIOS, scenario
from stillhunt.simulate.simulation import stream, window


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("simulate")(simulate)


def simulate(
    target: Path | None = typer.Option(
        None, "--out", help="Folder to write requests/, accounts.parquet and truth.parquet to."
    ),
    profile: str = typer.Option("demo", "--profile", help="What the log holds; --list-profiles shows them."),
    seed: int = typer.Option(1, "--seed", min=0, help="Equal seeds give equal logs."),
    scale: float = typer.Option(1.0, "--scale", help="Multiplies the accounts of every kind."),
    prompts: Path | None = typer.Option(
        None, "--prompts", help="Folder of *.jsonl[.gz|.zst] files with real prompts to draw text from."
    ),
    rates: Path | None = typer.Option(
        None,
        "--rates",
        help="CSV with start_s, rate, cv per client, or a ServeGen archive, to draw arrivals from.",
    ),
    list_profiles: bool = typer.Option(False, "--list-profiles", help="Print the profiles and exit."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace what --out holds."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Makes a labelled log: honest customers, abuse, and campaigns. Logs only, never traffic.

    [bold]Examples[/]

      stillhunt simulate --out log                         a small log with three campaigns
      stillhunt simulate --out quiet --profile honest      the same without any
      stillhunt simulate --out real --prompts prompts      with texts of your own
    """
    if list_profiles:
        _show_profiles(as_json)
        return
    if target is None:
        raise SettingError("expected a folder to write to, got none", "--out", "Add --out DIR.")
    chosen = scenario(profile)
    texts = None if prompts is None else read_prompts(prompts)
    arrivals = None if rates is None else read_rates(rates)
    with TerminalProgress(quiet=as_json) as progress:
        batches = stream(chosen, seed, scale, progress=progress, prompts=texts, rates=arrivals)
        written = write(batches, window(chosen), target, overwrite=overwrite)
    result = {
        "profile": profile,
        "seed": seed,
        "scale": scale,
        "requests": written.requests,
        "accounts": written.accounts,
        "out": str(target),
    }
    if as_json:
        typer.echo(json.dumps(result))
    else:
        err.print(
            f"{written.requests:,} requests of {written.accounts:,} accounts in {target}", highlight=False
        )


def _show_profiles(as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([{"profile": one.name, "about": one.about} for one in SCENARIOS.values()]))
        return
    table = Table("profile", "what the log holds", box=None, header_style="bold")
    for one in SCENARIOS.values():
        table.add_row(one.name, one.about)
    out.print(table)
