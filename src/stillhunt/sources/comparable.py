"""A lake's requests under one sketch key, so that their codes can be compared (spec/sketch.md, section 6)."""

from __future__ import annotations

from stillhunt.engines.engine import Engine, quoted
from stillhunt.sources.lake import Lake

_CODES = ("prompt_sketch", "system_sketch", "completion_sketch", "sketch_key_id")


def comparable(lake: Lake, engine: Engine) -> str:
    """The lake's requests as an SQL FROM item, schema of the lake.

    Across a key rotation every row that was sketched under both keys speaks the one that more rows of the lake have.
    Rows that only have another key keep their codes, which then agree among themselves alone.
    """
    source = engine.parquet(lake.request_files)
    if len(lake.sketch_keys) < 2:
        return source
    counts = engine.table(
        f"""
        SELECT key, count(*) AS n FROM (
            SELECT sketch_key_id AS key FROM {source} UNION ALL SELECT old_sketch_key_id FROM {source}
        ) WHERE key IS NOT NULL GROUP BY key ORDER BY n DESC, key LIMIT 1
        """
    )
    if counts.num_rows == 0:
        return source
    chosen = quoted(counts.column("key")[0].as_py())
    columns = ", ".join(
        f"CASE WHEN old_sketch_key_id = {chosen} THEN old_{name} ELSE {name} END AS {name}"
        if name in _CODES
        else name
        for name in lake.schema.names
    )
    return f"(SELECT {columns} FROM {source})"


def sketches_of(lake: Lake, engine: Engine) -> str | None:
    """The lake's full sketches as an SQL FROM item, schema SKETCHES; None where it has none."""
    return engine.parquet(lake.sketch_files) if lake.sketches else None
