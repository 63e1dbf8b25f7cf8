"""Which column of a table stands for which column of ``requests`` or ``accounts``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from stillhunt.errors import InputError
from stillhunt.schema.accounts import ACCOUNTS
from stillhunt.schema.requests import LAKE_REQUESTS_WITH_TEXT, REQUIRED_COLUMNS
from stillhunt.sources.source import Rejected

MAX_BATCH_ROWS = 65_536

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
class Wanted:
    """A table that is looked for in a file: its schema, other names of its columns, and the columns that must be
    there."""

    schema: pa.Schema
    required: tuple[str, ...]
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def match(self, found: Iterable[str]) -> Matched:
        """Finds a file's columns for ours: by name, by name in another case, then by alias. A column that would be
        a second source for one of ours is ignored."""
        names = list(found)
        exact = set(names)
        folded: dict[str, str] = {}
        for name in names:
            folded.setdefault(name.strip().lower(), name)
        taken: dict[str, str] = {}
        for ours in self.schema.names:
            if ours in exact:
                taken[ours] = ours
                continue
            theirs = next(
                (folded[each] for each in (ours, *self.aliases.get(ours, ())) if each in folded), None
            )
            if theirs is not None:
                taken[ours] = theirs
        used = set(taken.values())
        return Matched(taken, tuple(name for name in names if name not in used))

    def require(self, matched: Matched, where: str) -> None:
        """Raises InputError when a required column has no counterpart in the file."""
        lacking = [name for name in self.required if name not in matched.taken]
        if not lacking:
            return
        expected = " and ".join(
            f"`{name}`" + (f" (or {', '.join(also)})" if (also := self.aliases.get(name)) else "")
            for name in lacking
        )
        found = sorted({*matched.taken.values(), *matched.ignored})
        listed = ", ".join(found[:30]) + (f" and {len(found) - 30} more" if len(found) > 30 else "")
        raise InputError(
            f"expected a column {expected}; the columns found are: {listed or 'none'}",
            where,
            "Rename the columns, or say which is which in a mapping file and give it with --map FILE.",
        )


def require_once(names: Sequence[str], where: str) -> None:
    """Raises InputError when a table names a column twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"expected each column once, found {', '.join(twice)} more than once",
            where,
            "Rename the columns.",
        )


@dataclass(frozen=True)
class Matched:
    """``taken`` maps each column of ours to the file's own name for it; ``ignored`` are the rest."""

    taken: Mapping[str, str]
    ignored: tuple[str, ...]

    def notes(self) -> dict[str, int]:
        """A note for each column that is ignored."""
        return {f"column {name!r} is not known and was ignored": 0 for name in self.ignored}


@dataclass(frozen=True)
class Found:
    """Some rows of a file as they were found: by our column, an Arrow array or a list of Python values; the number of
    each row in the file, from 1; and rows that could not even be read."""

    file: str
    columns: Mapping[str, pa.Array | Sequence[object]]
    rows: pa.Int64Array
    rejected: tuple[Rejected, ...] = ()
    notes: Mapping[str, int] = field(default_factory=dict)


REQUESTS_WANTED = Wanted(LAKE_REQUESTS_WITH_TEXT, REQUIRED_COLUMNS, REQUEST_ALIASES)
"""A log, with text or with sketch columns in place of it."""

ACCOUNTS_WANTED = Wanted(ACCOUNTS, ("account_id",), {"account_id": ("enduser.id",)})


def numbered(first: int, count: int) -> pa.Int64Array:
    """The row numbers ``first``, ``first + 1``, ..., ``count`` of them."""
    return pa.array(np.arange(first, first + count, dtype=np.int64))
