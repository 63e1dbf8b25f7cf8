"""Small logs on disk, as the simulator writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stillhunt.schema.accounts import ACCOUNTS
from stillhunt.schema.requests import REQUESTS

START = datetime(2026, 4, 20, tzinfo=UTC)


def write_log(
    folder: Path, parts: Sequence[Sequence[Mapping[str, Any]]], accounts: Sequence[Mapping[str, Any]]
) -> None:
    """``requests/part-*.parquet``, one per element of ``parts``, and ``accounts.parquet``."""
    (folder / "requests").mkdir(parents=True)
    number = 0
    for place, part in enumerate(parts):
        rows = []
        for row in part:
            rows.append({"request_id": f"r{number}", **row})
            number += 1
        pq.write_table(
            pa.Table.from_pylist(rows, REQUESTS), folder / "requests" / f"part-{place:06d}.parquet"
        )
    pq.write_table(pa.Table.from_pylist(list(accounts), ACCOUNTS), folder / "accounts.parquet")


def requests_of(folder: Path) -> list[dict[str, Any]]:
    """Rows of ``requests``, part by part."""
    return [
        row for part in sorted((folder / "requests").iterdir()) for row in pq.read_table(part).to_pylist()
    ]
