"""``stillhunt simulate``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from stillhunt.cli.options import AsJson, Overwrite
from stillhunt.cli.queue import table
from stillhunt.cli.show import TerminalProgress, helped, out
from stillhunt.engines.output import whole_directory
from stillhunt.errors import SettingError
from stillhunt.schema.accounts import ACCOUNTS, TRUTH
from stillhunt.simulate.files import Written, write
from stillhunt.simulate.real import read_prompts, read_rates
from stillhunt.simulate.scenarios import PROFILES, Scenario, scenario
from stillhunt.simulate.scene import Batches
from stillhunt.simulate.simulation import stream, window
from stillhunt.sketch.keys import KeyRing, key_for
from stillhunt.sources.by_time import ByTime, write_lake

_HELP = helped(
    "Makes a labelled log: honest customers, abuse, and campaigns. Logs only, never traffic.\n\n"
    "Writes requests/, accounts.parquet and truth.parquet, which says what every account really is. The profile "
    "letter-full writes a lake of sketches, without text.",
    examples=(
        "stillhunt simulate --out log",
        "stillhunt simulate --out quiet --profile honest --seed 7",
        "stillhunt simulate --out real --prompts prompts",
        "stillhunt simulate --out large --profile letter-full --scale 0.01",
        "stillhunt simulate --list-profiles",
    ),
    statuses="0 done; 2 an argument or the output cannot be used.",
)


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("simulate", help=_HELP)(run)


def run(
    target: Annotated[Path | None, typer.Option("--out", help="Folder for the log.")] = None,
    profile: Annotated[str, typer.Option(help="What the log holds; see --list-profiles.")] = "demo",
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal logs.")] = 1,
    scale: Annotated[float, typer.Option(help="Multiplies the accounts of every kind; above 0.")] = 1.0,
    prompts: Annotated[
        Path | None,
        typer.Option(help="Folder of *.jsonl[.gz|.zst] files with real prompts to draw text from."),
    ] = None,
    rates: Annotated[
        Path | None,
        typer.Option(
            help="CSV with start_s, rate, cv per client, or a ServeGen archive, to draw arrivals from."
        ),
    ] = None,
    list_profiles: Annotated[
        bool, typer.Option("--list-profiles", help="Print the profiles and exit.")
    ] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Parses, calls, shows."""
    if list_profiles:
        _show_profiles(as_json)
        return
    if target is None:
        raise SettingError("expected a folder to write to, got none", "--out", "Add --out DIR.")
    chosen = scenario(profile)
    texts = None if prompts is None else read_prompts(prompts)
    arrivals = None if rates is None else read_rates(rates)
    keys = _keys(chosen, seed) if chosen.sketched else None
    with TerminalProgress(quiet=as_json) as progress:
        batches = stream(chosen, seed, scale, progress=progress, prompts=texts, rates=arrivals, keys=keys)
        if keys is None:
            written = write(batches, window(chosen), target, overwrite=overwrite)
        else:
            written = _write_lake(batches, target, f"{profile}, seed {seed}, scale {scale:g}", overwrite)
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
        out.print(
            f"{written.requests:,} requests of {written.accounts:,} accounts in {target}",
            soft_wrap=True,
            markup=False,
        )


def _keys(chosen: Scenario, seed: int) -> KeyRing:
    """A key that the profile and the seed fix; what it hides is made up."""
    return KeyRing(key_for(hashlib.sha256(f"stillhunt: {chosen.name} {seed}".encode()).digest()))


def _write_lake(batches: Batches, target: Path, made: str, overwrite: bool) -> Written:
    accounts, truth = [ACCOUNTS.empty_table()], [TRUTH.empty_table()]
    with whole_directory(target, overwrite=overwrite) as aside, ByTime(aside / "times") as rows:
        for batch in batches:
            accounts.append(batch.accounts)
            truth.append(batch.truth)
            rows.add(batch.requests)
        everyone = pa.concat_tables(accounts).sort_by("account_id")
        lake = write_lake(rows, everyone, aside, made)
        pq.write_table(
            pa.concat_tables(truth).sort_by("account_id"), aside / "truth.parquet", compression="zstd"
        )
    return Written(lake.written, everyone.num_rows, len(lake.requests))


def _show_profiles(as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([{"profile": one.name, "about": one.about} for one in PROFILES.values()]))
        return
    profiles = table("profile", "what the log holds")
    for one in PROFILES.values():
        profiles.add_row(one.name, one.about)
    out.print(profiles)
