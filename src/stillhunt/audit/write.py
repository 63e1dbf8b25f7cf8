"""``write_audit``: what the checks saw as ``audit.json``, ``audit.html``, ``findings.jsonl`` and ``tables/``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stillhunt import __version__
from stillhunt.audit.checklist import checklist
from stillhunt.audit.checks import Given, Seen, counts
from stillhunt.audit.findings import findings, tables
from stillhunt.audit.page import render
from stillhunt.schema.digests import parquet_bytes
from stillhunt.schema.findings import Finding
from stillhunt.sources.source import Skipped

FORMAT = "stillhunt-audit/1"


@dataclass(frozen=True)
class Audit:
    """The written audit: ``told`` is what ``audit.json`` holds."""

    findings: tuple[Finding, ...]
    told: Mapping[str, Any]

    @property
    def partial(self) -> bool:
        """Whether any input was left out."""
        return bool(self.told["left_out"])


def digest(paths: Sequence[Path]) -> str:
    """SHA-256 over the files' digests, in the order given; of a folder, its files by name."""
    whole = hashlib.sha256()
    for path in paths:
        files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        for file in files:
            if file.is_file():
                with file.open("rb") as data:
                    whole.update(hashlib.file_digest(data, "sha256").digest())
    return f"sha256:{whole.hexdigest()}"


def write_audit(given: Given, seen: Seen, inputs_digest: str, folder: Path) -> Audit:
    """Writes everything into ``folder``, which exists and is empty."""
    made = tables(seen)
    (folder / "tables").mkdir()
    for name, table in made.items():
        (folder / "tables" / f"{name}.parquet").write_bytes(parquet_bytes(table))
    found = findings(given, seen, made, inputs_digest)
    (folder / "findings.jsonl").write_text("".join(one.to_json() + "\n" for one in found), encoding="utf-8")
    told = {
        "format": FORMAT,
        "version": __version__,
        "inputs_digest": inputs_digest,
        "window": {"start": seen.window[0].isoformat(), "end": seen.window[1].isoformat()},
        "counts": dict(counts(seen)),
        "findings": [asdict(one) for one in found],
        "checklist": [asdict(one) for one in checklist(given, seen, found)],
        "bill": _bill(given, seen),
        "baselines": {name: getattr(seen.baselines, name) for name in ("series", "hours", "tests", "weeks")}
        | {"departures": len(seen.baselines.departures), "false_alarms": given.terms.false_alarms},
        "substitution": None if seen.substitution is None else asdict(seen.substitution),
        "exposure": [_plain(asdict(one)) for one in seen.exposure],
        "terms": asdict(given.terms),
        "left_out": left_out(given, seen),
    }
    (folder / "audit.json").write_text(
        json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )
    (folder / "audit.html").write_text(render(told, seen), encoding="utf-8")
    return Audit(tuple(found), told)


def _bill(given: Given, seen: Seen) -> dict[str, Any] | None:
    held = seen.reconciliation
    if held is None or given.invoice is None:
        return None
    return {
        "compared": len(held.differences),
        "differ": len(held.found),
        "lines": len(given.invoice.lines),
        "unpriced": list(held.unpriced),
        "uncounted_exchanges": held.uncounted,
        "other_charges": dict(given.invoice.other),
        "tolerance": given.terms.tolerance,
        "day_edge_s": given.terms.day_edge_s,
    }


def left_out(given: Given, seen: Seen) -> list[dict[str, Any]]:
    """What was given in and could not be used, and why."""
    out = [_skip(one) for one in given.gateway.skipped]
    out += [
        {"where": "gateway log", "reason": reason, "rows": n} for reason, n in given.gateway.rejected.items()
    ]
    for where, reason in given.holdings.unreadable if given.holdings else ():
        out.append({"where": where, "reason": reason, "rows": 1})
    if given.invoice is not None:
        out += [_skip(one) for one in given.invoice.skipped]
    if seen.reconciliation is not None and seen.reconciliation.outside:
        lines = seen.reconciliation.outside
        reason = "the invoice's lines lie on days that the gateway's log does not touch"
        out.append({"where": lines[0].where, "reason": reason, "rows": len(lines)})
    return out


def _skip(one: Skipped) -> dict[str, Any]:
    return {"where": one.file, "reason": one.reason, "rows": one.rows}


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in values.items()
    }
