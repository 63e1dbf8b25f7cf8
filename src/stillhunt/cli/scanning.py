"""One scan from end to end, for the commands that make one: lake or logs in, a whole result directory out."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from stillhunt import __version__
from stillhunt.campaigns.pipeline import ScanSettings, find_campaigns
from stillhunt.campaigns.result import Campaigns
from stillhunt.campaigns.stages import Stages
from stillhunt.cli.reading import Reading, is_table, read_lake, read_table
from stillhunt.config import Settings
from stillhunt.engines.duckdb import DuckDB
from stillhunt.engines.engine import Engine
from stillhunt.engines.output import whole_directory
from stillhunt.engines.scratch import scratch_folder
from stillhunt.engines.spark import Spark
from stillhunt.errors import InputError, StillhuntError
from stillhunt.report.write import write_report
from stillhunt.schema.coverage import Coverage
from stillhunt.schema.digests import parquet_bytes
from stillhunt.schema.progress import Progress
from stillhunt.sketch.keys import KeyRing, key_for
from stillhunt.sources.detect import SourceSettings
from stillhunt.sources.ingest import Destination, ingest
from stillhunt.sources.lake import Lake, check_digests, is_lake, open_lake
from stillhunt.sources.logs import open_logs
from stillhunt.sources.source import IngestReport

EngineName = Literal["duckdb", "spark"]

_PASSING_KEY = hashlib.sha256(b"stillhunt: a lake that is thrown away").digest()
"""Needs no secrecy, as the sketches go with the lake; one key for all makes equal logs give equal results, wherever
they lie."""


@dataclass(frozen=True)
class Input:
    """What to scan. kind, mapping: as for ``ingest``, for logs that are no lake."""

    logs: Sequence[str]
    accounts: Path | None = None
    kind: str | None = None
    mapping: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What a scan did. ingested: what was left out of logs that were read directly; None for a lake."""

    campaigns: Campaigns
    accounts: int
    requests: int
    coverage: Coverage
    ingested: IngestReport | None
    seconds: float
    stages: tuple[dict[str, Any], ...] = field(default=())


def scan(
    given: Input,
    out: Path,
    settings: Settings,
    progress: Progress,
    *,
    overwrite: bool = False,
    engine: EngineName = "duckdb",
) -> Outcome:
    """Scans a lake, or logs through a lake that is thrown away, and writes the result directory ``out`` whole.

    engine: where the queries of the scan run; logs come into the lake through DuckDB in any case."""
    lakes = [Path(each) for each in given.logs if is_lake(Path(each))]
    tables = [each for each in given.logs if engine == "spark" and is_table(each)]
    if (lakes or tables) and len(given.logs) > 1:
        raise InputError(
            f"expected one lake, one table or any number of logs; got {len(given.logs)} inputs, {len(lakes)} of them "
            f"lakes and {len(tables)} tables",
            ", ".join(given.logs),
            "Bring logs into one lake with `stillhunt ingest ... --append`, then scan that.",
        )
    stages = Stages(progress)
    with whole_directory(out, overwrite=overwrite) as aside:
        spill = settings.temp_dir or out.absolute().parent
        with _running(engine, settings, spill) as running:
            if tables and isinstance(running, Spark):
                with stages("open"):
                    read = read_table(tables[0], given.accounts, settings.spark_sketches, running)
                outcome = _scanned(read, None, settings, stages, aside)
            elif lakes:
                lake = open_lake(lakes[0])
                with _named_damage(lake):
                    outcome = _scan_lake(lake, given.accounts, None, running, settings, stages, aside)
            else:
                with scratch_folder(spill) as folder:
                    lake, report = _ingested(given, folder / "lake", spill, settings, stages)
                    outcome = _scan_lake(lake, None, report, running, settings, stages, aside)
                    for part in lake.rejections:
                        shutil.copyfile(lake.root / part.path, aside / part.path)
        with stages("report"):
            write_report(aside)
    return outcome


def _running(engine: EngineName, settings: Settings, spill: Path) -> DuckDB | Spark:
    if engine == "duckdb":
        return DuckDB(memory=settings.memory, threads=settings.threads, temp_dir=spill)
    return Spark(
        master=settings.spark_master, conf=settings.spark_conf, memory=settings.memory, temp_dir=spill
    )


@contextmanager
def _named_damage(lake: Lake) -> Iterator[None]:
    """Raises InputError in place of the engine's or Arrow's error where a file of the lake is not what was written."""
    try:
        yield
    except StillhuntError:
        raise
    except Exception:
        check_digests(lake)
        raise


def _ingested(
    given: Input, folder: Path, spill: Path, settings: Settings, stages: Stages
) -> tuple[Lake, IngestReport]:
    log = open_logs(
        given.logs, given.kind, SourceSettings(settings.trusted_proxies, given.mapping), given.accounts
    )
    with stages("ingest"), DuckDB(memory=settings.memory, threads=settings.threads, temp_dir=spill) as engine:
        report = ingest(
            log,
            Destination(folder),
            KeyRing(key_for(_PASSING_KEY)),
            engine,
            now=datetime.now(UTC),
            progress=stages.progress,
        )
    return open_lake(folder), report


def _scan_lake(
    lake: Lake,
    accounts: Path | None,
    report: IngestReport | None,
    engine: Engine,
    settings: Settings,
    stages: Stages,
    aside: Path,
) -> Outcome:
    with stages("open"):
        read = read_lake(lake, accounts, engine)
    return _scanned(read, report, settings, stages, aside)


def _scanned(
    read: Reading, report: IngestReport | None, settings: Settings, stages: Stages, aside: Path
) -> Outcome:
    log, seen = read.log, read.seen
    chosen = ScanSettings(
        settings.fdr, settings.null_runs, settings.seed, settings.price_usd_per_mtok, settings.threads
    )
    campaigns = find_campaigns(log, seen, chosen, read.digest, stages)
    _write_tables(aside, campaigns)
    run = _run(read, campaigns, chosen, stages)
    (aside / "run.json").write_text(json.dumps(run, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    seconds = sum(stage.seconds for stage in stages.done)
    return Outcome(campaigns, log.accounts, log.rows, seen, report, seconds, tuple(run["stages"]))


def _write_tables(aside: Path, campaigns: Campaigns) -> None:
    (aside / "evidence").mkdir()
    (aside / "campaigns.parquet").write_bytes(parquet_bytes(campaigns.campaigns))
    (aside / "members.parquet").write_bytes(parquet_bytes(campaigns.members))
    for name, table in campaigns.evidence.items():
        (aside / "evidence" / f"{name}.parquet").write_bytes(parquet_bytes(table))
    lines = "".join(finding.to_json() + "\n" for finding in campaigns.findings)
    (aside / "findings.jsonl").write_text(lines, encoding="utf-8")


def _run(read: Reading, campaigns: Campaigns, settings: ScanSettings, stages: Stages) -> dict[str, Any]:
    log, seen = read.log, read.seen
    (window,) = log.engine.table("SELECT min(time) AS first, max(time) AS last FROM exchanges").to_pylist()
    active = {signal.channel for signal in campaigns.signals if signal.name in seen.active}
    note = (
        f"Groups were held against the candidates that {campaigns.null_runs} null logs produce, in which each family "
        "of evidence is dealt anew among comparable accounts."
    )
    return {
        "versions": {
            "stillhunt": __version__,
            "python": platform.python_version(),
            "duckdb": version("duckdb"),
            **({"pyspark": version("pyspark")} if log.engine.name == "spark" else {}),
            "pyarrow": version("pyarrow"),
            "signals": campaigns.model,
        },
        "settings": asdict(settings) | {"engine": log.engine.name},
        "inputs_digest": read.digest,
        "inputs": list(read.inputs),
        "rows": dict(read.rows),
        "window": {name: time.isoformat() for name, time in window.items()},
        "accounts": log.accounts,
        "requests": log.rows,
        "candidates_tested": campaigns.candidates,
        "coverage": {
            "active": list(seen.active),
            "missing": {name: list(columns) for name, columns in seen.missing.items()},
            "filled": dict(seen.filled),
        },
        "channels": dict.fromkeys(sorted(active), note),
        "stages": [asdict(stage) for stage in stages.done],
    }
