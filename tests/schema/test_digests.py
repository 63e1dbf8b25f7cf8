"""The bytes that a table stands in a file as."""

from __future__ import annotations

import hashlib
import io

import pyarrow as pa
import pyarrow.parquet as pq

from stillhunt.schema.campaigns import EVIDENCE_TABLES
from stillhunt.schema.digests import parquet_bytes, table_digest


def test_same_table_same_bytes_and_they_read_back() -> None:
    for schema in EVIDENCE_TABLES.values():
        assert pq.read_table(io.BytesIO(parquet_bytes(schema.empty_table()))).schema.equals(schema)
    rows = pa.table({"a": [1, 2, None], "b": ["x", "", None]})
    again = pa.table({"a": [1, 2, None], "b": ["x", "", None]})
    assert parquet_bytes(rows) == parquet_bytes(again)
    assert pq.read_table(io.BytesIO(parquet_bytes(rows))).equals(rows)


def test_digest_is_of_those_bytes_and_tells_tables_apart() -> None:
    rows = pa.table({"a": [1, 2]})
    assert table_digest(rows) == "sha256:" + hashlib.sha256(parquet_bytes(rows)).hexdigest()
    others = (pa.table({"a": [2, 1]}), pa.table({"b": [1, 2]}), pa.table({"a": pa.array([1, 2], pa.int32())}))
    assert len({table_digest(each) for each in (rows, *others)}) == 4
