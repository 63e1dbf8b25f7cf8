"""What people see: tables on standard output, progress and errors on standard error."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from stillhunt.errors import StillhuntError

_PAPER_COLUMNS = 110
"""Width where output goes to a file or a pipe."""


def _console(stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else _PAPER_COLUMNS)


out = _console(stderr=False)
err = _console(stderr=True)


def helped(about: str, *, examples: Sequence[str], statuses: str) -> str:
    """A command's help: what it does, ready to be copied examples, and what its exit status says."""
    lines = "\n".join(f"  {example}" for example in examples)
    return f"{about}\n\n[bold]Examples[/]\n\n{lines}\n\n[bold]Exit status[/]\n\n  {statuses}"


def show_error(error: StillhuntError) -> None:
    """Prints an error as problem, place and remedy."""
    err.print(Text.assemble(("error: ", "bold red"), error.problem), soft_wrap=True)
    if error.where:
        err.print(Text.assemble(("  where: ", "dim"), error.where), soft_wrap=True)
    if error.remedy:
        err.print(Text.assemble(("  to do: ", "dim"), error.remedy), soft_wrap=True)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
            if speed >= size:
                return Text(f"{speed / size:.1f} {unit} {task.fields['unit']}/s", style="dim")
        return Text(f"{speed:.0f} {task.fields['unit']}/s", style="dim")


class _Clock(ProgressColumn):
    """Time left where a stage says how much there is to do, else the time that it has taken."""

    def render(self, task: Task) -> Text:
        if task.total is not None and task.time_remaining is not None:
            return Text(f"{_duration(task.time_remaining)} left", style="cyan")
        return Text(_duration(task.elapsed or 0.0), style="dim")


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class TerminalProgress:
    """Progress with rate and time left, shown once work has lasted ``patience_s`` seconds. Without a terminal
    nothing is drawn."""

    def __init__(self, patience_s: float = 2.0, quiet: bool = False) -> None:
        self._visible = sys.stderr.isatty() and not quiet
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            _Rate(),
            _Clock(),
            console=err,
            transient=True,
        )
        self._late = threading.Timer(patience_s, self._bars.start)
        self._late.daemon = True

    def __enter__(self) -> TerminalProgress:
        if self._visible:
            self._late.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._visible:
            self._late.cancel()
            self._late.join()
            self._bars.stop()

    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        for task in self._bars.task_ids:
            self._bars.remove_task(task)
        self._bars.add_task(name, total=total, unit=unit)

    def advance(self, amount: int) -> None:
        for task in self._bars.task_ids:
            self._bars.advance(task, amount)
