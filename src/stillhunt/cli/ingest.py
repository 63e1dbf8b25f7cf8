"""``stillhunt ingest``."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table
from rich.text import Text

from stillhunt.cli.apart import apart
from stillhunt.cli.left_out import left_out_fields, show_left_out
from stillhunt.cli.options import LogMapping
from stillhunt.cli.receiving import listening, receive_until_stopped
from stillhunt.cli.show import TerminalProgress, err, helped, out
from stillhunt.cli.status import DONE, PARTIAL
from stillhunt.config import load_settings
from stillhunt.engines.duckdb import DuckDB
from stillhunt.errors import SettingError
from stillhunt.schema.coverage import SIGNAL_NEEDS, Coverage
from stillhunt.sketch.keys import KeyRing, create_keys, load_keys
from stillhunt.sources.detect import KINDS, SourceSettings
from stillhunt.sources.ingest import Destination, Log, ingest
from stillhunt.sources.lake import is_lake, read_manifest
from stillhunt.sources.logs import open_logs
from stillhunt.sources.source import IngestReport

_HELP = helped(
    "Turns request logs into a lake, which `stillhunt scan` reads. Text becomes keyed sketches; no text stays unless "
    "you say --keep-text.",
    examples=(
        "stillhunt ingest logs/ --out lake",
        "stillhunt ingest 'logs/2026-04-*.jsonl.gz' --accounts accounts.csv --out lake",
        "stillhunt ingest today.parquet --out lake --append",
        "stillhunt ingest postgresql://stillhunt@db/litellm --out lake --append",
        "stillhunt ingest --otlp-listen 127.0.0.1:4318 --out lake",
    ),
    statuses="0 done; 2 nothing could be used; 3 some rows or files were left out, and the run says which.",
)


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("ingest", help=_HELP)(run)


def run(
    logs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders, globs (Parquet, JSON lines, CSV; .gz, .zst), or postgresql:// of a LiteLLM."
        ),
    ] = None,
    *,
    to: Annotated[Path, typer.Option("--out", help="The lake to make: a folder.")],
    append: Annotated[bool, typer.Option("--append", help="Add to the lake if it is there.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    keep_text: Annotated[
        bool, typer.Option("--keep-text", help="Keep prompts and answers in the lake, beside their sketches.")
    ] = False,
    accounts: Annotated[
        Path | None, typer.Option(help="Accounts: Parquet, JSON lines or CSV with account_id.")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help=f"Kind of the logs, where it is not recognised: {', '.join(k.name for k in KINDS)}."
        ),
    ] = None,
    mapping: LogMapping = None,
    otlp_listen: Annotated[
        str | None,
        typer.Option(
            metavar="ADDR",
            help="Receive OpenTelemetry over HTTP here until stopped, such as 127.0.0.1:4318 or a port alone, "
            "in place of LOGS. There is no authentication: keep it on a loopback address.",
        ),
    ] = None,
    publish_every: Annotated[
        float,
        typer.Option(
            min=1.0,
            metavar="SECONDS",
            help="With --otlp-listen: how often what has come is added to the lake.",
        ),
    ] = 300.0,
    key_file: Annotated[
        Path | None, typer.Option(help="Key that sketches are made under; made on first use.")
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(help="Network of your own proxies (CIDR); behind these, forwarded addresses count."),
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="Memory for queries before they spill, such as 1GB.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON on standard output.")
    ] = False,
) -> None:
    """Parses, calls, shows."""
    settings = load_settings(memory=memory)
    apart([*(logs or ()), accounts, mapping], to)
    destination = Destination(to, _mode(append, overwrite), keep_text)
    source_settings = SourceSettings(
        tuple(trusted_proxy or settings.trusted_proxies),
        mapping,
        _cursors(to) if append else {},
        to if append and is_lake(to) else None,
        timedelta(seconds=settings.database_overlap_s),
    )
    task = (
        listening(otlp_listen, logs, kind, source_settings, accounts, publish_every)
        if otlp_listen is not None
        else open_logs(_named(logs), kind, source_settings, accounts)
    )
    keys = _keys(key_file or settings.sketch_key_file)
    spill = settings.temp_dir or to.absolute().parent
    with (
        TerminalProgress(quiet=as_json) as progress,
        DuckDB(memory=settings.memory, threads=settings.threads, temp_dir=spill) as engine,
    ):
        if isinstance(task, Log):
            report = ingest(task, destination, keys, engine, now=datetime.now(UTC), progress=progress)
        else:
            report = receive_until_stopped(*task, destination, keys, engine, progress)
    if as_json:
        typer.echo(json.dumps(_report_fields(to, report), indent=2, ensure_ascii=False))
    else:
        _show(to, report)
    raise typer.Exit(PARTIAL if report.partial else DONE)


def _named(logs: list[str] | None) -> list[str]:
    if not logs:
        raise SettingError(
            "expected logs to read, or an address to listen on; got neither",
            "LOGS, --otlp-listen",
            "Name files, folders, globs or a database.",
        )
    return logs


def _mode(append: bool, overwrite: bool) -> Literal["new", "overwrite", "append"]:
    if append and overwrite:
        raise SettingError(
            "--append and --overwrite exclude each other", "--append, --overwrite", "Give one."
        )
    return "append" if append else "overwrite" if overwrite else "new"


def _keys(path: Path) -> KeyRing:
    if path.exists():
        return load_keys(path)
    ring = create_keys(path)
    err.print(f"made a new sketch key: {path} (keep it; logs under another key cannot be compared)")
    return ring


def _cursors(lake: Path) -> dict[tuple[str, str], Any]:
    if not is_lake(lake):
        return {}
    taken = read_manifest(lake).sources
    return {(each.kind, each.location): each.cursor for each in taken if each.cursor is not None}


def _report_fields(lake: Path, report: IngestReport) -> dict[str, Any]:
    coverage = report.coverage or Coverage((), {}, {})
    return {
        "lake": str(lake),
        "rows": {"read": report.read, "written": report.written, "rejected": report.rejected},
        **{name: each for name, each in left_out_fields(report).items() if name != "rejected"},
        "notes": dict(report.notes),
        "coverage": {
            "active": list(coverage.active),
            "missing": {signal: list(columns) for signal, columns in coverage.missing.items()},
            "filled": {column: round(share, 6) for column, share in coverage.filled.items()},
        },
    }


def _show(lake: Path, report: IngestReport) -> None:
    if report.coverage is not None:
        err.print(_coverage_table(report.coverage))
        err.print(_filled_line(report.coverage))
    for note, rows in report.notes.items():
        err.print(Text.assemble(("note: ", "dim"), note, f" ({rows:,} rows)" if rows else ""))
    show_left_out(report)
    written = f"{report.written:,} of {report.read:,} rows written to {lake}"
    if report.rejected:
        written += f"; {report.rejected:,} rejected, see {lake}/rejected*.jsonl"
    out.print(written, markup=False, soft_wrap=True)


def _coverage_table(coverage: Coverage) -> Table:
    table = Table(title="What this log can feed", title_justify="left", box=None, pad_edge=False)
    table.add_column("channel", style="dim")
    table.add_column("signal")
    table.add_column("")
    for signal, need in SIGNAL_NEEDS.items():
        lacking = coverage.missing.get(signal)
        state = Text("on", "green") if lacking is None else Text(f"off: needs {', '.join(lacking)}", "yellow")
        table.add_row(need.channel, signal, state)
    return table


def _filled_line(coverage: Coverage) -> Text:
    shares = [f"{column} {share:.0%}" for column, share in coverage.filled.items() if share > 0]
    return Text.assemble(("filled: ", "dim"), ", ".join(shares))
