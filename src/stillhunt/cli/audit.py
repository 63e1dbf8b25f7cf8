"""``stillhunt audit``."""

from __future__ import annotations

import glob
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from stillhunt.audit.checks import Given, check
from stillhunt.audit.exchanges import read_gateway
from stillhunt.audit.holdings import read_holdings
from stillhunt.audit.invoice import Invoice, read_invoice
from stillhunt.audit.substitution import read_pairs
from stillhunt.audit.terms import Terms, read_terms
from stillhunt.audit.write import Audit, digest, write_audit
from stillhunt.cli.apart import apart
from stillhunt.cli.options import AsJson, LogKind, LogMapping, Overwrite, file_text, trust_file
from stillhunt.cli.show import TerminalProgress, err, helped, out
from stillhunt.cli.status import DONE, FOUND, PARTIAL
from stillhunt.engines.output import whole_directory
from stillhunt.errors import InputError, SettingError
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.notes import Note, read_note

_HELP = helped(
    "Holds an AI vendor's receipts and invoice against your own gateway's log.\n\n"
    "Finds missing receipts, altered answers, another model than the one asked for, token counts and money that do not "
    "add up, and hours of unusual usage; lists what went where. Every part but the log may be left out, and only "
    "switches its checks off. Writes audit.html for people, and audit.json, findings.jsonl and tables/ for programs.",
    examples=(
        "stillhunt audit gateway/ --receipts r.jsonl --trust trust.txt --invoice focus.csv --out audit",
        "stillhunt audit gateway/ --receipts receipts/ --trust trust.txt --log log/ --out audit",
        "stillhunt audit litellm.jsonl --invoice usage.csv --terms terms.toml --out audit --json",
    ),
    statuses="0 nothing was found; 1 something does not hold; 2 nothing could be used; 3 some input was left out, and "
    "the run says which.",
)
_LISTED = 8


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("audit", help=_HELP)(run)


def run(
    logs: Annotated[list[str], typer.Argument(help="Your gateway's log: files, folders, globs.")],
    to: Annotated[Path, typer.Option("--out", help="Folder for the result.")],
    receipts: Annotated[
        Path | None, typer.Option(help="The vendor's receipts: a file, one JSON object a line, or a folder.")
    ] = None,
    trust: Annotated[Path | None, typer.Option("--trust", help="Keys to trust: a trust file.")] = None,
    log: Annotated[Path | None, typer.Option(help="A copy of the vendor's log: a folder.")] = None,
    since: Annotated[list[Path] | None, typer.Option(help="An older checkpoint; may be repeated.")] = None,
    promise: Annotated[bool, typer.Option("--promise", help="Accept receipts without a proof.")] = False,
    bodies: Annotated[
        Path | None, typer.Option(help="Folder of kept bodies, REQUEST_ID.request and REQUEST_ID.response.")
    ] = None,
    invoice: Annotated[
        list[Path] | None, typer.Option(help="FOCUS 1.3 or a usage export; may be repeated.")
    ] = None,
    invoice_map: Annotated[
        Path | None, typer.Option(help="Mapping file (TOML) for the invoice's columns.")
    ] = None,
    terms: Annotated[
        Path | None, typer.Option(help="What was agreed (TOML): models, prices, data classes, tolerances.")
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="Paired answers of the named model and the service: named, service.")
    ] = None,
    kind: LogKind = None,
    mapping: LogMapping = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Parses, calls, shows."""
    if (receipts is None) != (trust is None):
        raise SettingError("expected --receipts and --trust together", "arguments")
    if (log is not None or since) and receipts is None:
        raise SettingError("--log and --since need --receipts and --trust", "arguments")
    files = [
        receipts,
        trust,
        log,
        *(since or ()),
        bodies,
        *(invoice or ()),
        invoice_map,
        terms,
        pairs,
        mapping,
    ]
    apart([*logs, *files], to)
    agreed = Terms() if terms is None else read_terms(terms)
    trusted = None if trust is None else trust_file(trust)
    with TerminalProgress(quiet=as_json) as progress, whole_directory(to, overwrite=overwrite) as aside:
        gateway = read_gateway(logs, progress, kind=kind, mapping=mapping, bodies=bodies)
        given = Given(
            gateway,
            agreed,
            None if receipts is None or trusted is None else read_holdings(receipts, trusted),
            trusted,
            log,
            [_checkpoint(one) for one in since or ()],
            promise,
            _invoice(
                invoice or [],
                sorted({one.model for one in gateway.exchanges}),
                sorted({one.key for one in gateway.exchanges if one.key}),
                invoice_map,
            ),
            None if pairs is None else read_pairs(pairs),
        )
        seen = check(given, progress)
        inputs = [*_files(logs), *(one for one in files if one is not None)]
        audit = write_audit(given, seen, digest(inputs), aside)
    if as_json:
        typer.echo(json.dumps({"out": str(to), **audit.told}, indent=2, ensure_ascii=False))
    else:
        _show(audit, to)
    raise typer.Exit(PARTIAL if audit.partial else FOUND if audit.findings else DONE)


def _invoice(paths: list[Path], models: list[str], keys: list[str], mapping: Path | None) -> Invoice | None:
    if not paths:
        return None
    parts = [read_invoice(path, models, keys, mapping) for path in paths]
    other: dict[str, float] = {}
    for part in parts:
        for name, amount in part.other.items():
            other[name] = other.get(name, 0.0) + amount
    lines = tuple(line for part in parts for line in part.lines)
    return Invoice(lines, other, tuple(skip for part in parts for skip in part.skipped))


def _files(logs: list[str]) -> list[Path]:
    """What the names stand for; patterns are spelt out."""
    found = [sorted(glob.glob(one, recursive=True)) or [one] for one in logs]  # noqa: PTH207 - patterns may be absolute
    return [Path(path) for paths in found for path in paths]


def _checkpoint(path: Path) -> Note:
    try:
        return read_note(file_text(path))
    except VerificationError as error:
        raise InputError(f"expected a checkpoint; {error.problem}", str(path)) from error


def _show(audit: Audit, to: Path) -> None:
    left_out = audit.told["left_out"]
    for one in left_out[:_LISTED]:
        err.print(
            Text.assemble(("left out: ", "bold yellow"), f"{one['where']}: {one['reason']}"), soft_wrap=True
        )
    if len(left_out) > _LISTED:
        err.print(f"and {len(left_out) - _LISTED} more; {to / 'audit.json'} names them", soft_wrap=True)
    for finding in audit.findings:
        out.print(Text.assemble((f"{finding.method}: ", "bold red"), finding.claim), soft_wrap=True)
    counts = audit.told["counts"]
    matched = sum(counts[f"matched_by_{how}"] for how in ("id", "commitment", "time"))
    out.print(
        f"{len(audit.findings):,} finding{'' if len(audit.findings) == 1 else 's'}; {counts['exchanges']:,} exchanges, "
        f"{matched:,} with a receipt, {counts['answers_compared']:,} answers compared",
        soft_wrap=True,
    )
    out.print(f"report: {to / 'audit.html'}", soft_wrap=True, markup=False)
