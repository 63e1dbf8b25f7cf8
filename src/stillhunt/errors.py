"""What can go wrong, in terms a person can act on.

Libraries raise these; only the command line prints and exits. Each error says what was expected, what came,
where, and what to do next.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class StillhuntError(Exception):
    """A failure that the person who ran the command can mend.

    ``problem`` says what was expected and what came, ``where`` names the file, row or setting, ``remedy`` the
    next step.
    """

    problem: str
    where: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" {self.remedy}" if self.remedy else ""
        return f"{place}{self.problem}{advice}"


class InputError(StillhuntError):
    """An input file, table or stream that cannot be used."""


class SettingError(StillhuntError):
    """A setting or argument out of its range, or two that contradict each other."""


class OutputError(StillhuntError):
    """A place that results cannot be written to."""


class MissingExtraError(StillhuntError):
    """An optional dependency is needed and not installed."""
