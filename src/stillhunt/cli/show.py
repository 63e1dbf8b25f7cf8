"""What people see: tables on standard output, progress and errors on standard error."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from stillhunt.errors import StillhuntError

out = Console(highlight=False, soft_wrap=False)
err = Console(stderr=True, highlight=False)


def show_error(error: StillhuntError) -> None:
    """Prints an error as problem, place and remedy."""
    err.print(Text.assemble(("error: ", "bold red"), error.problem))
    if error.where:
        err.print(Text.assemble(("  where: ", "dim"), error.where))
    if error.remedy:
        err.print(Text.assemble(("  to do: ", "dim"), error.remedy))


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
            if speed >= size:
                return Text(f"{speed / size:.1f} {unit}{task.fields['unit']}/s", style="dim")
        return Text(f"{speed:.0f} {task.fields['unit']}/s", style="dim")


class TerminalProgress:
    """Progress with rate and time left, shown once work has lasted ``patience_s`` seconds. Without a terminal
    nothing is drawn."""

    def __init__(self, patience_s: float = 2.0, quiet: bool = False) -> None:
        self._visible = sys.stderr.isatty() and not quiet
        self._patience_s = patience_s
        self._started = time.monotonic()
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            _Rate(),
            TimeRemainingColumn(compact=True),
            console=err,
            transient=True,
        )
        self._task: int | None = None
        self._running = False

    def __enter__(self) -> TerminalProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running:
            self._bars.stop()

    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        if self._task is not None:
            self._bars.remove_task(self._bars.tasks[-1].id)
        self._task = self._bars.add_task(name, total=total, unit=f" {unit}")
        self._draw()

    def advance(self, amount: int) -> None:
        if self._task is not None:
            self._bars.advance(self._bars.tasks[-1].id, amount)
        self._draw()

    def _draw(self) -> None:
        late = time.monotonic() - self._started >= self._patience_s
        if self._visible and late and not self._running:
            self._running = True
            self._bars.start()
