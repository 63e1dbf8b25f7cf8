"""Reads the directory that a scan wrote (contract, section 3) into typed tables, or says what is wrong with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stillhunt.errors import InputError
from stillhunt.report.document import Stage
from stillhunt.schema.campaigns import CAMPAIGNS, EVIDENCE_TABLES, MEMBERS
from stillhunt.schema.coverage import Coverage
from stillhunt.schema.findings import Finding

_REMEDY = "Run the scan again, or name the directory that it wrote."


@dataclass(frozen=True)
class ChannelNote:
    """How one channel's p-values were made. ``tested``: groups that the channel could judge."""

    channel: str
    tested: int | None
    calibration: str


@dataclass(frozen=True)
class Run:
    """``run.json``. What a run did not write is None or empty."""

    versions: Mapping[str, str]
    settings: Mapping[str, Any]
    inputs_digest: str
    rows_read: int | None
    rows_rejected: int
    rejected_reasons: Mapping[str, int]
    accounts: int
    requests: int
    candidates_tested: int | None
    first: datetime | None
    last: datetime | None
    coverage: Coverage
    channels: tuple[ChannelNote, ...]
    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class Result:
    """A scan's whole output. ``evidence`` holds the tables of EVIDENCE_TABLES, empty where ``absent`` names them;
    ``digests`` the SHA-256 in hex of each file by its relative path."""

    run: Run
    campaigns: pa.Table
    members: pa.Table
    findings: tuple[Finding, ...]
    evidence: Mapping[str, pa.Table]
    absent: tuple[str, ...]
    digests: Mapping[str, str]


def load_result(directory: Path) -> Result:
    """Reads ``directory``. An evidence table may be missing; anything else that is missing, truncated or of
    another schema raises InputError."""
    if not directory.is_dir():
        raise InputError("expected a directory that a scan wrote", str(directory), _REMEDY)
    evidence: dict[str, pa.Table] = {}
    absent: list[str] = []
    digests: dict[str, str] = {}
    for name, schema in EVIDENCE_TABLES.items():
        relative = f"evidence/{name}.parquet"
        if (directory / relative).exists():
            evidence[name] = _table(directory / relative, schema)
            digests[relative] = _digest(directory / relative)
        else:
            evidence[name] = schema.empty_table()
            absent.append(relative)
    for name in ("campaigns.parquet", "members.parquet", "findings.jsonl", "run.json"):
        if not (directory / name).is_file():
            raise InputError(f"expected the file {name}, found none", str(directory), _REMEDY)
        digests[name] = _digest(directory / name)
    return Result(
        run=_run(directory / "run.json"),
        campaigns=_table(directory / "campaigns.parquet", CAMPAIGNS),
        members=_table(directory / "members.parquet", MEMBERS),
        findings=_findings(directory / "findings.jsonl"),
        evidence=evidence,
        absent=tuple(absent),
        digests=digests,
    )


def _table(path: Path, schema: pa.Schema) -> pa.Table:
    """The columns of ``schema``; columns that a later minor version added are left aside."""
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        raise InputError(f"cannot be read as Parquet ({error})", str(path), _REMEDY) from error
    lacking = [name for name in schema.names if name not in table.column_names]
    if lacking:
        raise InputError(f"lacks the column(s) {', '.join(lacking)}", str(path), _REMEDY)
    try:
        return table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"has another schema than expected ({error})", str(path), _REMEDY) from error


def _findings(path: Path) -> tuple[Finding, ...]:
    findings = []
    with path.open(encoding="utf-8") as lines:
        for row, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    findings.append(Finding.from_json(line))
                except (ValueError, TypeError, AttributeError) as error:
                    raise InputError(f"is not a finding ({error})", f"{path}, line {row}", _REMEDY) from error
    return tuple(findings)


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _run(path: Path) -> Run:
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        return _typed_run(run)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"is not the run.json of a scan ({error!r})", str(path), _REMEDY) from error


def _typed_run(run: Mapping[str, Any]) -> Run:
    rows = run.get("rows") or {}
    window = run.get("window") or {}
    seen = run.get("coverage") or {}
    versions = dict(run.get("versions") or {})
    if "stillhunt" in run:
        versions = {"stillhunt": run["stillhunt"], **versions}
    return Run(
        versions={str(name): str(version) for name, version in versions.items()},
        settings=dict(run.get("settings") or {}),
        inputs_digest=str(run.get("inputs_digest") or run.get("input_digest") or ""),
        rows_read=_whole(rows.get("read")),
        rows_rejected=_whole(rows.get("rejected")) or 0,
        rejected_reasons={str(reason): int(n) for reason, n in (run.get("rejected") or {}).items()},
        accounts=int(run["accounts"]),
        requests=int(run["requests"]),
        candidates_tested=_whole(run.get("candidates_tested")),
        first=_time(window.get("first")),
        last=_time(window.get("last")),
        coverage=Coverage(
            active=tuple(seen.get("active") or ()),
            missing={name: tuple(columns) for name, columns in (seen.get("missing") or {}).items()},
            filled={name: float(part) for name, part in (seen.get("filled") or {}).items()},
        ),
        channels=tuple(_channel(name, note) for name, note in (run.get("channels") or {}).items()),
        stages=tuple(
            Stage(str(stage["name"]), float(stage["seconds"]), _real(stage.get("peak_memory_mb")))
            for stage in run.get("stages") or ()
        ),
    )


def _channel(name: str, note: str | Mapping[str, Any]) -> ChannelNote:
    if isinstance(note, str):
        return ChannelNote(name, None, note)
    return ChannelNote(name, _whole(note.get("tested")), str(note.get("calibration") or ""))


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _real(value: Any) -> float | None:
    return None if value is None else float(value)


def _time(value: Any) -> datetime | None:
    if value is None:
        return None
    time = datetime.fromisoformat(str(value))
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
