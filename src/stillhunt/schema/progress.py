"""How long work tells how far it is, without knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Listens to long work. A stage with a known ``total`` lets the listener show the time left."""

    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        """A new stage begins; the one before it is over."""

    def advance(self, amount: int) -> None:
        """``amount`` units of the current stage are done."""


class Silent:
    """A listener that does nothing."""

    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        return None

    def advance(self, amount: int) -> None:
        return None
