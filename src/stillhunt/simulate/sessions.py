"""Sessions: what somebody sets out to ask, before it becomes exchanges."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stillhunt.simulate.clock import F64, I64
from stillhunt.simulate.ids import U64, mint
from stillhunt.simulate.network import Endpoints, join


@dataclass(frozen=True)
class Sessions:
    """n sessions, arrays of length n.

    account: place in the roster. start: microseconds. turns: exchanges. gap_s: typical seconds between an answer
    and the next request. capability: code. family, variant, style: text of the first turn. fresh: every turn is a
    new text of that family, with ``variant`` counting up; otherwise turns are a conversation. app: place in Apps.
    model: code. where: endpoints. device, key, session: identifiers, 0 for none. origin: the session whose reasoning is
    carried on, usually the same. limited: chance of a 429 per
    exchange. refused: chance of a refusal per exchange. ``wordy`` multiplies output tokens.
    """

    account: I64
    start: I64
    turns: I64
    gap_s: F64
    capability: NDArray[np.int8]
    family: NDArray[np.int32]
    variant: U64
    style: U64
    fresh: NDArray[np.bool_]
    app: I64
    model: NDArray[np.int16]
    where: Endpoints
    device: U64
    key: U64
    session: U64
    origin: U64
    limited: F64
    refused: F64
    wordy: F64

    def take(self, index: NDArray[np.int64]) -> Sessions:
        picked = {
            field.name: getattr(self, field.name)[index] for field in fields(self) if field.name != "where"
        }
        return Sessions(where=self.where.take(index), **picked)

    def __len__(self) -> int:
        return len(self.account)


_DEFAULTS: dict[str, tuple[Any, Any]] = {
    "turns": (1, np.int64),
    "gap_s": (2.0, np.float64),
    "capability": (0, np.int8),
    "family": (-1, np.int32),
    "style": (1, np.uint64),
    "fresh": (True, np.bool_),
    "app": (0, np.int64),
    "model": (0, np.int16),
    "device": (0, np.uint64),
    "key": (0, np.uint64),
    "limited": (0.006, np.float64),
    "refused": (0.003, np.float64),
    "wordy": (1.0, np.float64),
}


def plan(rng: np.random.Generator, account: I64, start: I64, where: Endpoints, **values: Any) -> Sessions:
    """Sessions from what is special about them; a scalar holds for all, the rest takes plain values: one fresh
    text, an identifier of their own, ordinary failures."""
    n = len(account)
    columns = {
        name: np.broadcast_to(np.asarray(values.pop(name, default)), (n,)).astype(kind)
        for name, (default, kind) in _DEFAULTS.items()
    }
    variant = values.pop("variant", None)
    session = mint(rng, n)
    origin = values.pop("origin", session)
    assert not values, f"no such columns of sessions: {sorted(values)}"
    return Sessions(
        account=account.astype(np.int64),
        start=start,
        where=where,
        variant=mint(rng, n) if variant is None else np.asarray(variant).astype(np.uint64),
        session=session,
        origin=origin,
        **columns,
    )


def together(parts: list[Sessions]) -> Sessions:
    """All sessions, one list after another."""
    columns = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Sessions)
        if field.name != "where"
    }
    return Sessions(where=join([part.where for part in parts]), **columns)
