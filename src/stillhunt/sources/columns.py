"""Which column of a table stands for which column of ``requests`` or ``accounts``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from stillhunt.errors import InputError

REQUEST_ALIASES: Mapping[str, tuple[str, ...]] = {
    "time": ("timestamp", "start_time", "@timestamp"),
    "request_id": ("gen_ai.response.id",),
    "account_id": ("enduser.id",),
    "session_id": ("gen_ai.conversation.id",),
    "model": ("gen_ai.request.model",),
    "input_tokens": ("gen_ai.usage.input_tokens",),
    "output_tokens": ("gen_ai.usage.output_tokens",),
    "cached_input_tokens": (
        "gen_ai.usage.cached_input_tokens",
        "gen_ai.usage.cache_read.input_tokens",
    ),
    "max_tokens": ("gen_ai.request.max_tokens",),
    "temperature": ("gen_ai.request.temperature",),
    "status": ("http.response.status_code",),
    "finish_reason": ("gen_ai.response.finish_reasons",),
    "client_ip": ("client.address",),
    "user_agent": ("user_agent.original",),
    "system_prompt": ("gen_ai.system_instructions",),
    "prompt": ("gen_ai.input.messages",),
    "completion": ("gen_ai.output.messages",),
}
"""Other names under which a canonical table may carry a column: the contract's third column."""


@dataclass(frozen=True)
class Matched:
    """``taken`` maps each column of ours to the table's own name for it; ``ignored`` are the rest."""

    taken: Mapping[str, str]
    ignored: tuple[str, ...]


def match_columns(
    found: Iterable[str], schema: pa.Schema, aliases: Mapping[str, Sequence[str]] | None = None
) -> Matched:
    """Finds a table's columns for the columns of ``schema``: by name, by name in another case, then by alias. A
    column that would be a second source for one of ours is ignored."""
    found = list(found)
    exact = set(found)
    folded: dict[str, str] = {}
    for name in found:
        folded.setdefault(name.strip().lower(), name)
    taken: dict[str, str] = {}
    for name in schema.names:
        if name in exact:
            taken[name] = name
            continue
        for candidate in (name, *(aliases or {}).get(name, ())):
            if candidate in folded:
                taken[name] = folded[candidate]
                break
    used = set(taken.values())
    return Matched(taken, tuple(name for name in found if name not in used))


def require(
    matched: Matched, required: Iterable[str], where: str, aliases: Mapping[str, Sequence[str]] | None = None
) -> None:
    """Raises InputError when a required column has no counterpart in the table."""
    lacking = [name for name in required if name not in matched.taken]
    if not lacking:
        return
    wanted = " and ".join(
        f"`{name}`" + (f" (or {', '.join(also)})" if (also := (aliases or {}).get(name)) else "")
        for name in lacking
    )
    found = sorted({*matched.taken.values(), *matched.ignored})
    listed = ", ".join(found[:30]) + (f" and {len(found) - 30} more" if len(found) > 30 else "")
    raise InputError(
        f"expected a column {wanted}; the columns found are: {listed or 'none'}",
        where,
        "Name the columns in a mapping file and give it with --map FILE, or rename them.",
    )
