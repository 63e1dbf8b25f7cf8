"""``VerificationError``: the one error for every check that fails."""

from __future__ import annotations

from dataclasses import dataclass

from stillhunt.errors import StillhuntError


@dataclass
class VerificationError(StillhuntError):
    """Something does not verify. ``step`` is the number of the failed step in spec/receipt.md."""

    step: int = 0

    def __str__(self) -> str:
        number = f"step {self.step}: " if self.step else ""
        return number + super().__str__()


def at_step(error: VerificationError, step: int, where: str = "") -> VerificationError:
    """The same failure, named by the step of the page that met it."""
    return VerificationError(error.problem, where or error.where, error.remedy, step)
