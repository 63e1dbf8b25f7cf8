"""One way to turn a table into the bytes that stand in a file and the digest that findings cite."""

from __future__ import annotations

import hashlib
import io

import pyarrow as pa
import pyarrow.parquet as pq


def parquet_bytes(table: pa.Table) -> bytes:
    """The Parquet file (zstd) that a result holds for ``table``; the same table gives the same bytes."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def table_digest(table: pa.Table) -> str:
    """``sha256:<hex>`` of :func:`parquet_bytes`."""
    return "sha256:" + hashlib.sha256(parquet_bytes(table)).hexdigest()
