"""What was left out of the input, and why: for people and for machines."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from stillhunt.cli.show import err
from stillhunt.sources.source import IngestReport

_LISTED = 8


def show_left_out(report: IngestReport) -> None:
    """Prints which input was left out, and why."""
    for skip in report.skipped:
        taken = f"; {skip.rows:,} rows before that were taken" if skip.rows else ""
        err.print(Text.assemble(("skipped: ", "bold yellow"), f"{skip.file}: {skip.reason}{taken}"))
    for reason, rows in list(report.reasons.items())[:_LISTED]:
        err.print(Text.assemble(("rejected: ", "bold yellow"), f"{rows:,} rows: {reason}"))
    if len(report.reasons) > _LISTED:
        err.print(f"and {len(report.reasons) - _LISTED} more reasons")


def left_out_fields(report: IngestReport | None) -> dict[str, Any]:
    """The same for ``--json``; empty where nothing was ingested."""
    if report is None:
        return {"rejected": 0, "reasons": {}, "skipped": []}
    skipped = [{"file": skip.file, "reason": skip.reason, "rows": skip.rows} for skip in report.skipped]
    return {"rejected": report.rejected, "reasons": dict(report.reasons), "skipped": skipped}
