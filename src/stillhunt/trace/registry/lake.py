"""The issued answers of a lake (spec/lake.md): its rows, each with the full sketch of its answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from stillhunt.engines.duckdb import DuckDB, parquet
from stillhunt.engines.engine import quoted
from stillhunt.errors import InputError
from stillhunt.trace.registry.build import ISSUED
from stillhunt.trace.registry.files import RECEIPT_BYTES

BATCH_ROWS = 16_384


def issued_answers(
    engine: DuckDB,
    requests: Sequence[Path],
    sketches: Sequence[Path],
    key_ids: Sequence[str],
    receipts: Path | None = None,
    *,
    accounts: bool = True,
) -> Iterator[tuple[str, Iterator[pa.RecordBatch]]]:
    """For each key, the answers that were issued under it: schema ISSUED, in no order.

    requests, sketches: Parquet files of a lake. receipts: a table (Parquet, CSV or JSON lines) of ``request_id`` and
    ``receipt_id``, 32 hexadecimal digits. accounts: else every account id is empty. A row is joined with every answer
    that has its digest and its length. Raises InputError where the receipts cannot be used.
    """
    if receipts is not None:
        _load_receipts(engine, receipts)
    joined = "" if receipts is None else "LEFT JOIN given_receipts AS g USING (request_id)"
    receipt = "NULL::BLOB" if receipts is None else "g.receipt_id"
    account = "r.account_id" if accounts else "''"
    for key_id in key_ids if requests and sketches else ():
        rows = engine.query(
            f"""
            SELECT s.sketch, s.chars, {account} AS account_id, r.time, {receipt} AS receipt_id
            FROM {parquet(requests)} AS r
            JOIN {parquet(sketches)} AS s
              ON s.role = 'completion' AND s.sketch_key_id = r.sketch_key_id
             AND s.code = r.completion_sketch AND s.chars = r.completion_chars
            {joined}
            WHERE r.sketch_key_id = $key_id
            """,
            batch_rows=BATCH_ROWS,
            key_id=key_id,
        )
        yield key_id, (batch.cast(ISSUED) for batch in rows)


def _load_receipts(engine: DuckDB, path: Path) -> None:
    """Makes the table ``given_receipts``."""
    reader = {".parquet": "read_parquet", ".pq": "read_parquet", ".csv": "read_csv"}.get(
        path.suffix, "read_json"
    )
    text = ", all_varchar = true" if reader == "read_csv" else ""
    try:
        engine.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE raw_receipts AS
            SELECT request_id::VARCHAR AS request_id, receipt_id::VARCHAR AS receipt_id
            FROM {reader}({quoted(str(path))}{text}) WHERE request_id IS NOT NULL AND receipt_id IS NOT NULL
            """
        )
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        raise InputError(
            f"expected a table with the columns request_id and receipt_id ({first})", str(path)
        ) from error
    pattern = f"[0-9a-fA-F]{{{2 * RECEIPT_BYTES}}}"
    wrong = engine.table(
        f"SELECT receipt_id FROM raw_receipts WHERE NOT regexp_full_match(receipt_id, '{pattern}')"
    )
    if wrong.num_rows:
        raise InputError(
            f"expected receipt ids of {2 * RECEIPT_BYTES} hexadecimal digits, found {wrong.num_rows} others, "
            f"such as {wrong['receipt_id'][0].as_py()[:40]!r}",
            str(path),
        )
    engine.execute(
        """
        CREATE OR REPLACE TEMP TABLE given_receipts AS
        SELECT DISTINCT request_id, unhex(receipt_id) AS receipt_id FROM raw_receipts;
        DROP TABLE raw_receipts
        """
    )
