"""What ``stillhunt trace`` reads: data sets, keys, lakes, results of scans, stores of receipts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillhunt.engines.duckdb import DuckDB
from stillhunt.errors import InputError
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.keys import read_keys
from stillhunt.receipts.stored import read_store
from stillhunt.schema.campaigns import MEMBERS
from stillhunt.schema.progress import Progress
from stillhunt.sketch.keys import SketchKey, load_keys, load_retired
from stillhunt.sources.lake import Lake, Part
from stillhunt.sources.record_files import Unreadable, read_records
from stillhunt.trace.registry.lake import issued_answers
from stillhunt.trace.suspect import Suspect, Unusable

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def answers_in(suspect: Suspect, paths: Sequence[Path], progress: Progress) -> Iterator[pa.Table]:
    """Reads the records of a data set, some at a time; what cannot be read is in ``suspect.unusable``. Raises
    InputError for a file that cannot be opened, and in the end where no record could be used."""
    progress.stage("looking up answers", sum(_size(path) for path in paths), "B")
    for path in paths:
        before = suspect.records
        try:
            for item in read_records(path, progress.advance):
                if isinstance(item, Unreadable):
                    suspect.unusable.append(Unusable(str(path), item.row, item.reason))
                else:
                    suspect.add(str(path), *item)
                if suspect.is_full:
                    yield suspect.take()
        except InputError as error:
            if suspect.records == before:
                raise
            suspect.unusable.append(Unusable(str(path), 0, f"the rest of the file: {error.problem}"))
    suspect.check()
    yield suspect.take()


def everything_under(path: Path) -> list[SketchKey]:
    """Every key that the key file and the file of retired keys beside it hold. Raises InputError."""
    ring = load_keys(path, now=_LONG_AGO)
    keys = [ring.current, *([] if ring.previous is None else [ring.previous]), *load_retired(path)]
    return list({key.key_id: key for key in keys}.values())


def files_digest(paths: Sequence[Path]) -> str:
    """SHA-256 over the files' digests, in their order. Raises InputError."""
    whole = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as stream:
                whole.update(hashlib.file_digest(stream, "sha256").digest())
        except OSError as error:
            raise InputError(f"cannot read this file ({error.strerror})", str(path)) from error
    return f"sha256:{whole.hexdigest()}"


def issued_in(
    lake: Lake, parts: Sequence[Part], engine: DuckDB, receipts: Path | None, *, accounts: bool
) -> Iterator[tuple[str, Iterator[pa.RecordBatch]]]:
    """The answers of ``parts`` of a lake, by key. Raises InputError where the lake holds no sketch of an answer."""
    if not any(part.rows for part in lake.sketches):
        raise InputError(
            "expected a lake with sketches of answers, found none",
            str(lake.root),
            "Ingest a log with the column completion.",
        )
    files = [lake.root / part.path for part in parts]
    return issued_answers(engine, files, lake.sketch_files, lake.sketch_keys, receipts, accounts=accounts)


def members_of(result: Path) -> pa.Table:
    """``members.parquet`` of a scan's result. Raises InputError."""
    path = result / "members.parquet" if result.is_dir() else result
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"expected the result of a scan ({error})", str(path), "Give the --out of `stillhunt scan`."
        ) from error
    if not table.schema.equals(MEMBERS):
        raise InputError(f"expected the columns {', '.join(MEMBERS.names)}", str(path))
    return table


def receipt_documents(origins: pa.Table, store: Path, keys: Path, to: Path) -> dict[str, int]:
    """Writes the documents of the receipts that ``origins`` names, one a line; how many were written, and how many the
    store does not hold. Raises InputError."""
    try:
        stored = read_store(store, read_keys(keys))
    except VerificationError as error:
        raise InputError(error.problem, error.where or str(store), error.remedy) from error
    written = missing = 0
    with to.open("w", encoding="utf-8") as file:
        for receipt in sorted(pc.unique(origins["receipt_id"].drop_null()).to_pylist()):
            try:
                index = stored.find(receipt)
            except LookupError:
                index = None
            if index is None:
                missing += 1
                continue
            file.write(stored.document_at(index).encode() + "\n")
            written += 1
    return {"written": written, "not_in_store": missing}


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
