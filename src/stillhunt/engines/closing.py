"""What ends with its ``with`` block."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Closing:
    """Something to use in a ``with`` block, which calls ``close`` at its end, whatever happened."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of what is held. Nothing can be done afterwards."""
        raise NotImplementedError
