"""What the trees are told of an account by itself: how busy it is and how it goes about it, no names and no labels."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillhunt.campaigns.neighbours import Graph
from stillhunt.campaigns.scorers.sign import HOPS, sign_features

VOLUMES = ("requests", "sessions", "input_tokens", "output_tokens", "models", "addresses", "systems")
"""Columns of ``summarise`` that are told as ``log(1 + count)``."""
PER_REQUEST = (
    "refused",
    "failed",
    "reasoning",
    "capped",
    "tooled",
    "labelled",
    "texts",
    "sessions",
)
"""Columns that are told as a share of the account's exchanges."""
DAY_S = 86_400.0

COLUMNS = (
    *(f"log {name}" for name in VOLUMES),
    *(f"{name} per exchange" for name in PER_REQUEST),
    "harvested per labelled exchange",
    "elicited per labelled exchange",
    "reasoning tokens per output token",
    "cached tokens per input token",
    "log output tokens per exchange",
    "active days per day",
    "hours per day",
    "log exchanges per active day",
)
"""Names of the columns of ``account_features``."""


def account_features(summary: pa.Table) -> NDArray[np.float64]:
    """The rows of ``summarise`` as numbers, shape (accounts, len(COLUMNS)); a share of nothing is 0."""
    count = {
        name: np.asarray(summary[name].to_numpy(), dtype=np.float64)
        for name in summary.column_names
        if pa.types.is_integer(summary.schema.field(name).type)
    }
    first, last = (summary[name].cast(pa.int64()).to_numpy() / 1e6 for name in ("first_seen", "last_seen"))
    days = np.maximum(np.ceil((last - first) / DAY_S), count["active_days"])
    columns = [np.log1p(count[name]) for name in VOLUMES]
    columns += [_share(count[name], count["requests"]) for name in PER_REQUEST]
    columns += [
        _share(count["harvested"], count["labelled"]),
        _share(count["elicited"], count["labelled"]),
        _share(count["reasoning_tokens"], count["output_tokens"]),
        _share(count["cached_input_tokens"], count["input_tokens"]),
        np.log1p(_share(count["output_tokens"], count["requests"])),
        _share(count["active_days"], days),
        count["hours"] / 24.0,
        np.log1p(_share(count["requests"], count["active_days"])),
    ]
    return np.column_stack(columns)


def scan_features(summary: pa.Table, graph: Graph, hops: int = HOPS) -> NDArray[np.float32]:
    """What a scorer is told of each account of a scan: itself and the accounts that it is tied to.

    summary: rows of ``summarise``. graph: that of ``neighbours`` for the same log. Returns the shape that
    ``sign_features`` gives, for ``len(COLUMNS)`` features.
    """
    return sign_features(account_features(summary), graph.indptr, graph.neighbour, graph.weight, hops)


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
