"""Spans and the events with their content, brought together in bounded memory.

A span that has its content goes through at once. One that has none waits: for ``hold_s`` seconds, or until more
than ``most_pieces`` pieces or ``most_chars`` characters wait, oldest first. An event that describes a whole exchange
(``details``) waits for its span in the same way and then stands for the exchange alone; messages whose span never
came are no exchange. An exchange is given once, also when a part of it comes late: the last ``REMEMBERED`` are known.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from stillhunt.sources.otel_pieces import Piece

REMEMBERED = 65_536
Place = TypeVar("Place")


@dataclass(frozen=True)
class Joined(Generic[Place]):
    """An exchange, or what is left of one. ``place`` is where its first piece came from."""

    values: Mapping[str, Any]
    place: Place
    is_exchange: bool


@dataclass
class _Waiting(Generic[Place]):
    values: dict[str, Any]
    place: Place
    since: float
    chars: int
    has_span: bool
    stands_alone: bool


class Join(Generic[Place]):
    """Pieces in, exchanges out. Times are seconds on any clock that only goes forward."""

    def __init__(self, hold_s: float = 5.0, most_pieces: int = 50_000, most_chars: int = 64_000_000) -> None:
        self._hold_s, self._most_pieces, self._most_chars = hold_s, most_pieces, most_chars
        self._waiting: OrderedDict[tuple[str, str], _Waiting[Place]] = OrderedDict()
        self._chars = 0
        self._given: OrderedDict[tuple[str, str], None] = OrderedDict()

    def add(self, piece: Piece, place: Place, now: float) -> Iterator[Joined[Place]]:
        """What is complete with this piece, or has waited long enough."""
        name = (piece.trace_id, piece.span_id)
        if not piece.span_id:
            yield Joined(piece.values, place, piece.what != "message")
        elif name in self._given:
            if piece.what == "message":
                yield Joined(piece.values, place, is_exchange=False)
        else:
            waiting = self._merge(name, piece, place, now)
            if waiting.has_span and _has_content(waiting.values):
                yield self._release(name)
        yield from self.expired(now)

    def expired(self, now: float) -> Iterator[Joined[Place]]:
        """What has waited long enough, or must make room."""
        while self._waiting:
            name, oldest = next(iter(self._waiting.items()))
            crowded = len(self._waiting) > self._most_pieces or self._chars > self._most_chars
            if not crowded and now - oldest.since < self._hold_s:
                return
            yield self._release(name)

    def rest(self) -> Iterator[Joined[Place]]:
        """Everything that still waits."""
        while self._waiting:
            yield self._release(next(iter(self._waiting)))

    def _merge(self, name: tuple[str, str], piece: Piece, place: Place, now: float) -> _Waiting[Place]:
        waiting = self._waiting.get(name)
        if waiting is None:
            waiting = self._waiting[name] = _Waiting({}, place, now, 0, False, False)
        for key, value in piece.values.items():
            if key in ("@messages", "@choices") and key in waiting.values:
                waiting.values[key] = [*waiting.values[key], *value]
            elif piece.what == "span" or key not in waiting.values:
                waiting.values[key] = value
        waiting.has_span |= piece.what == "span"
        waiting.stands_alone |= piece.what == "details"
        added = piece.chars
        waiting.chars += added
        self._chars += added
        return waiting

    def _release(self, name: tuple[str, str]) -> Joined[Place]:
        waiting = self._waiting.pop(name)
        self._chars -= waiting.chars
        is_exchange = waiting.has_span or waiting.stands_alone
        if is_exchange:
            self._given[name] = None
            while len(self._given) > REMEMBERED:
                self._given.popitem(last=False)
        return Joined(waiting.values, waiting.place, is_exchange)


def _has_content(values: Mapping[str, Any]) -> bool:
    return Piece("span", "", "", values).has_content
