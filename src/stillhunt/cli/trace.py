"""``stillhunt trace``: suspect data sets, the registry that they are looked up in, and suspect models."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from stillhunt.cli import trace_model
from stillhunt.cli.apart import apart
from stillhunt.cli.mark import power_of_ten
from stillhunt.cli.options import AsJson, Overwrite
from stillhunt.cli.show import TerminalProgress, err, helped, out
from stillhunt.cli.status import DONE, FOUND, PARTIAL
from stillhunt.cli.tracing import (
    answers_in,
    everything_under,
    files_digest,
    issued_in,
    members_of,
    receipt_documents,
)
from stillhunt.config import load_settings
from stillhunt.engines.duckdb import DuckDB
from stillhunt.engines.output import whole_directory
from stillhunt.errors import SettingError
from stillhunt.sources.lake import open_lake
from stillhunt.trace.dataset import Screened, screen
from stillhunt.trace.dataset_findings import findings_of, write_screened
from stillhunt.trace.registry.build import write_registry
from stillhunt.trace.registry.files import MANIFEST, Registry, check_digests, open_registry, read_manifest
from stillhunt.trace.registry.lookup import FALSE_MATCH_RATE
from stillhunt.trace.suspect import ANSWER_COLUMNS, Suspect

_HELP = """
Was this data set made from our answers, or this model trained on them?

Examples:

  stillhunt trace registry build lake --out registry

  stillhunt trace dataset suspect.jsonl --registry registry --out traced

  stillhunt trace plan prompts.jsonl --commitments commitments.jsonl --out plan.json

  stillhunt trace model answers.jsonl --plan plan.json --published sha256:9f… --opening opening.json
"""
_DATASET = helped(
    "Looks up every row of a data set among the answers that were issued: which rows are copies, verbatim or edited, "
    "and of answers to whom and when.\n\n"
    "Writes summary.json, findings.jsonl, and tables of rows, origins, accounts, campaigns and sources. No text is "
    "written.",
    examples=(
        "stillhunt trace dataset suspect.jsonl --registry registry --out traced",
        "stillhunt trace dataset data/*.parquet --column output --by source --registry registry --out traced",
        "stillhunt trace dataset suspect.csv --control other.csv --scan result --registry registry --out traced",
    ),
    statuses="0 looked up, whatever came out; 2 nothing could be used; 3 some rows, or answers under a key that is not "
    "there, were left out, and the run says which.",
)
_BUILD = helped(
    "Enters the answers of a lake into a registry, by their sketches. With --append, those parts of the lake that are "
    "new.",
    examples=(
        "stillhunt trace registry build lake --out registry",
        "stillhunt trace registry build lake --out registry --append",
        "stillhunt trace registry build lake --receipts receipts.csv --out registry",
    ),
    statuses="0 done; 2 nothing could be used.",
)
_CHECK = helped(
    "Compares every file of a registry with the digest that its manifest gives.",
    examples=("stillhunt trace registry check registry",),
    statuses="0 all hold; 1 one does not; 2 it cannot be read.",
)
_LISTED = 8


def register(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    trace = typer.Typer(help=_HELP, no_args_is_help=True, rich_markup_mode="rich")
    registry = typer.Typer(
        help="The registry of issued answers.", no_args_is_help=True, rich_markup_mode="rich"
    )
    trace.command("dataset", help=_DATASET)(dataset)
    registry.command("build", help=_BUILD)(build)
    registry.command("check", help=_CHECK)(check)
    trace.add_typer(registry, name="registry")
    trace_model.register(trace)
    app.add_typer(trace, name="trace")


def dataset(
    files: Annotated[
        list[Path], typer.Argument(help="The data set: Parquet, JSON lines, JSON or CSV; .gz, .zst.")
    ],
    registry: Annotated[Path, typer.Option(help="The registry of issued answers.")],
    to: Annotated[Path, typer.Option("--out", help="Folder for the result.")],
    key_file: Annotated[
        Path | None,
        typer.Option(help="Key that the lake was sketched under; retired keys are read from beside it."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="Column of the answers, texts or messages; may be repeated, the first that is filled counts."
        ),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Column that tells sources apart, for sources.parquet.")
    ] = None,
    scan: Annotated[
        Path | None, typer.Option(help="Result of a scan, which knows accounts' campaigns.")
    ] = None,
    control: Annotated[
        list[Path] | None,
        typer.Option(
            help="Rows of the same kind by others than the suspect, to compare with; may be repeated."
        ),
    ] = None,
    false_match_rate: Annotated[
        float, typer.Option(help="Bound on the probability that an unrelated row matches.")
    ] = FALSE_MATCH_RATE,
    store: Annotated[
        Path | None, typer.Option(help="The issuer's store, to write the receipts of matching answers.")
    ] = None,
    receipt_keys: Annotated[
        Path | None, typer.Option("--keys", help="The issuer's key file, with --store.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Parses, calls, shows."""
    if (store is None) != (receipt_keys is None):
        raise SettingError("expected --store and --keys together", "arguments")
    if not 0 < false_match_rate < 1:
        raise SettingError(
            f"expected a probability between 0 and 1, got {false_match_rate}", "--false-match-rate"
        )
    settings = load_settings()
    apart([*files, registry, key_file, scan, *(control or ()), store, receipt_keys], to)
    keys = everything_under(key_file or settings.sketch_key_file)
    opened = open_registry(registry)
    members = None if scan is None else members_of(scan)
    digest = files_digest([*files, *(control or ())])
    spill = settings.temp_dir or to.absolute().parent
    with (
        TerminalProgress(quiet=as_json) as progress,
        whole_directory(to, overwrite=overwrite) as aside,
        DuckDB(memory=settings.memory, threads=settings.threads, temp_dir=spill) as engine,
    ):

        def look(paths: list[Path]) -> tuple[Screened, list[dict[str, Any]]]:
            suspect = Suspect(tuple(column) if column else ANSWER_COLUMNS, by)
            found = screen(
                opened,
                answers_in(suspect, paths, progress),
                keys,
                engine,
                members=members,
                false_match_rate=false_match_rate,
                threads=settings.threads,
            )
            return found, [asdict(one) for one in suspect.unusable]

        found, unusable = look(files)
        beside = None
        if control:
            beside, more = look(control)
            unusable += more
        findings = findings_of(found, opened, digest, beside)
        summary = write_screened(aside, found, opened, findings, unusable, digest, beside)
        if store is not None and receipt_keys is not None:
            summary["receipts"] = receipt_documents(
                found.origins, store, receipt_keys, aside / "receipts.jsonl"
            )
    if as_json:
        typer.echo(json.dumps({"out": str(to), **summary}, indent=2, ensure_ascii=False))
    else:
        _show(found, summary, findings[0].claim, to)
    raise typer.Exit(PARTIAL if unusable or found.missing_keys else DONE)


def build(
    lake: Annotated[Path, typer.Argument(help="The lake, which `stillhunt ingest` made.")],
    to: Annotated[Path, typer.Option("--out", help="The registry to make: a folder.")],
    append: Annotated[bool, typer.Option("--append", help="Add to the registry if it is there.")] = False,
    receipts: Annotated[
        Path | None,
        typer.Option(
            help="Receipts of the log's requests: Parquet, CSV or JSON lines of request_id, receipt_id."
        ),
    ] = None,
    without_accounts: Annotated[
        bool,
        typer.Option("--without-accounts", help="Enter no account, for a registry that leaves your hands."),
    ] = False,
    memory: Annotated[
        str | None, typer.Option(help="Memory for queries before they spill, such as 1GB.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Parses, calls, shows."""
    if append and overwrite:
        raise SettingError(
            "--append and --overwrite exclude each other", "--append, --overwrite", "Give one."
        )
    settings = load_settings(memory=memory)
    apart([lake, receipts], to)
    given = open_lake(lake)
    held = set(read_manifest(to).inputs) if append and (to / MANIFEST).exists() else set()
    parts = [part for part in given.requests if part.sha256 not in held]
    spill = settings.temp_dir or to.absolute().parent
    before = open_registry(to).entries if held else 0
    with (
        TerminalProgress(quiet=as_json) as progress,
        DuckDB(memory=settings.memory, threads=settings.threads, temp_dir=spill) as engine,
    ):
        made = write_registry(
            to,
            issued_in(given, parts, engine, receipts, accounts=not without_accounts),
            [part.sha256 for part in parts],
            append=append,
            overwrite=overwrite,
            progress=progress,
        )
    _show_built(made, made.entries - before, to, as_json)
    raise typer.Exit(DONE)


def check(
    registry: Annotated[Path, typer.Argument(help="The registry.")],
    as_json: AsJson = False,
) -> None:
    """Parses, calls, shows."""
    opened = open_registry(registry)
    wrong = check_digests(opened)
    if as_json:
        typer.echo(json.dumps({"verified": not wrong, "wrong": wrong}, indent=2, ensure_ascii=False))
    else:
        for one in wrong:
            err.print(Text.assemble(("does not verify: ", "bold red"), one), soft_wrap=True)
        if not wrong:
            out.print(f"{len(opened.segments):,} segments with {opened.entries:,} entries hold")
    raise typer.Exit(FOUND if wrong else DONE)


def _show_built(made: Registry, entered: int, to: Path, as_json: bool) -> None:
    fields = {
        "registry": str(to),
        "entered": entered,
        "entries": made.entries,
        "texts": made.texts,
        "segments": len(made.segments),
        "keys": list(made.key_ids),
        "bytes": made.bytes_on_disk,
    }
    if as_json:
        typer.echo(json.dumps(fields, indent=2, ensure_ascii=False))
        return
    out.print(
        f"{entered:,} issued answers entered; {made.entries:,} in all, {made.texts:,} distinct texts, in {to}",
        soft_wrap=True,
        markup=False,
    )


def _show(found: Screened, summary: dict[str, Any], claim: str, to: Path) -> None:
    for one in summary["left_out"][:_LISTED]:
        place = one["file"] + (f", row {one['row']}" if one["row"] else "")
        err.print(Text.assemble(("left out: ", "bold yellow"), f"{place}: {one['reason']}"), soft_wrap=True)
    if len(summary["left_out"]) > _LISTED:
        err.print(f"and {len(summary['left_out']) - _LISTED} more; summary.json names them")
    for key_id, texts in found.missing_keys.items():
        problem = f"{texts:,} texts of the registry are under the key {key_id}, which is not in the key file"
        err.print(Text.assemble(("not searched: ", "bold yellow"), problem), soft_wrap=True)
    counts = found.counts
    out.print(claim, soft_wrap=True, markup=False)
    short = counts.records - counts.counted
    out.print(
        f"expected by chance at most: {found.expected_false:.2g} rows; {short:,} of {counts.records:,} rows are too "
        "short to count",
        soft_wrap=True,
    )
    if summary["control"] is not None:
        control = summary["control"]
        out.print(
            f"control: {control['matching']:,} of {control['counted']:,} rows match; p = "
            f"{power_of_ten(control['log10_p'])} that the data set's rows match no more often",
            soft_wrap=True,
        )
    if "receipts" in summary:
        said = summary["receipts"]
        out.print(
            f"receipts: {said['written']:,} in receipts.jsonl, {said['not_in_store']:,} not in this store",
            soft_wrap=True,
        )
    for name, table in (("campaign", found.campaigns), ("account", found.accounts)):
        if table.num_rows:
            out.print(_top(name, table))
    out.print(f"result: {to}", soft_wrap=True, markup=False)


def _top(name: str, table: Any) -> Table:
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for heading in (f"{name} ({table.num_rows:,} in all)", "rows", "first", "last"):
        shown.add_column(heading, justify="right" if heading == "rows" else "left")
    for one in table.slice(0, 5).to_pylist():
        first, last = (_day(one[each]) for each in ("first", "last"))
        shown.add_row(one[f"{name}_id"], f"{one['rows']:,}", first, last)
    return shown


def _day(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d}"
