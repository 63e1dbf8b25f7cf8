"""``accounts``: one row per account, from Parquet, JSON lines or CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillhunt.errors import InputError
from stillhunt.schema.accounts import ACCOUNTS
from stillhunt.sources.canonical import Read, converted
from stillhunt.sources.columns import ACCOUNTS_WANTED, Found
from stillhunt.sources.csv_rows import read_csv
from stillhunt.sources.detect import look
from stillhunt.sources.jsonl_rows import read_jsonl
from stillhunt.sources.parquet_rows import read_parquet

_READERS: dict[str, Read] = {"parquet": read_parquet, "jsonl": read_jsonl, "csv": read_csv}
_SHOWN = 5


def read_accounts(path: Path) -> pa.Table:
    """The whole table, schema ACCOUNTS. Raises InputError when the file cannot be read, when a row is at fault, or
    when an account stands in it twice: who an account is must not be a matter of which row counts."""
    form = look(path).format
    if form not in _READERS:
        raise InputError(
            "expected accounts in Parquet, JSON lines or CSV; found JSON over several lines",
            str(path),
            "Write one object a line, for example with `jq -c '.[]'`.",
        )
    batches: list[pa.RecordBatch] = []
    rows: list[pa.Int64Array] = []
    for found in _READERS[form](path, ACCOUNTS_WANTED, lambda _: None):
        batches.append(_accounts(found))
        rows.append(found.rows)
    table = pa.Table.from_batches(batches, ACCOUNTS)
    _check_once(table["account_id"].combine_chunks(), pa.chunked_array(rows, pa.int64()), path)
    return table


def _accounts(found: Found) -> pa.RecordBatch:
    faults = [(each.row, each.reason, each.value) for each in found.rejected]
    arrays = []
    for column in ACCOUNTS:
        values = found.columns.get(column.name)
        if values is None:
            arrays.append(pa.nulls(len(found.rows), column.type))
            continue
        made = converted(column, values)
        arrays.append(made.values)
        faults += [(found.rows[fault.index].as_py(), fault.reason, fault.value) for fault in made.faults]
    unnamed = found.rows.filter(pc.fill_null(pc.equal(pc.utf8_trim_whitespace(arrays[0]), ""), True))
    if not faults:
        faults = [(row, "account_id: expected a value, found none", "") for row in unnamed.to_pylist()]
    if faults:
        row, reason, value = min(faults)
        got = f"; got {value!r}" if value else ""
        more = f" ({len(faults)} rows are at fault)" if len(faults) > 1 else ""
        raise InputError(f"{reason}{got}{more}", f"{found.file}, row {row}", "Mend the row, or leave it out.")
    return pa.RecordBatch.from_arrays(arrays, schema=ACCOUNTS)


def _check_once(ids: pa.Array, rows: pa.ChunkedArray, path: Path) -> None:
    codes = np.asarray(ids.dictionary_encode().indices.to_numpy(zero_copy_only=False), dtype=np.int64)
    counts = np.bincount(codes) if len(codes) else np.zeros(0, dtype=np.int64)
    if (counts <= 1).all():
        return
    numbers = rows.to_numpy()
    first = int(np.argmax(counts > 1))
    places = ", ".join(str(row) for row in numbers[codes == first][:_SHOWN])
    name = ids[int(np.argmax(codes == first))].as_py()
    more = int((counts > 1).sum()) - 1
    others = f"; {more} more accounts are repeated" if more else ""
    raise InputError(
        f"expected each account once; {name!r} stands in rows {places}{others}",
        str(path),
        "Keep one row for each account, the latest.",
    )
