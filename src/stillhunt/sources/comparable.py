"""A lake's requests under one sketch key, so that their codes can be compared (spec/sketch.md, section 6)."""

from __future__ import annotations

from collections.abc import Sequence

from stillhunt.engines.engine import Engine, quoted
from stillhunt.sources.lake import Lake

_CODES = ("prompt_sketch", "system_sketch", "completion_sketch", "sketch_key_id")


def comparable(lake: Lake, engine: Engine) -> str:
    """The lake's requests as an SQL FROM item, schema of the lake."""
    source = engine.parquet(lake.request_files)
    return source if len(lake.sketch_keys) < 2 else under_one_key(engine, source, lake.schema.names)


def under_one_key(engine: Engine, source: str, columns: Sequence[str]) -> str:
    """A FROM item with these columns, some of LAKE_REQUESTS, in which codes can be compared.

    Across a key rotation every row that was sketched under both keys speaks the one that more rows have. Rows that
    only have another key keep their codes, which then agree among themselves alone.
    """
    counts = engine.table(
        f"""
        SELECT key, count(*) AS n FROM (
            SELECT sketch_key_id AS key FROM {source} UNION ALL SELECT old_sketch_key_id FROM {source}
        ) WHERE key IS NOT NULL GROUP BY key ORDER BY n DESC, key
        """
    )
    if counts.num_rows < 2:
        return source
    chosen = quoted(counts.column("key")[0].as_py())
    chosen_columns = ", ".join(
        f"CASE WHEN old_sketch_key_id = {chosen} THEN old_{name} ELSE {name} END AS {name}"
        if name in _CODES
        else name
        for name in columns
    )
    return f"(SELECT {chosen_columns} FROM {source})"


def sketches_of(lake: Lake, engine: Engine) -> str | None:
    """The lake's full sketches as an SQL FROM item, schema SKETCHES; None where it has none."""
    return engine.parquet(lake.sketch_files) if lake.sketches else None
