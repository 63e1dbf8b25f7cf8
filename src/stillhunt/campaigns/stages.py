"""Seconds and memory of each stage of a run, told to a listener as the run goes."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from stillhunt.schema.progress import Progress, Silent


@dataclass(frozen=True)
class Stage:
    """One stage: wall and CPU seconds (this process), and the process's peak memory at its end, in MB (10^6 bytes)."""

    name: str
    seconds: float
    cpu_seconds: float
    peak_memory_mb: float


@dataclass
class Stages:
    """Call it with a stage's name, as a context."""

    progress: Progress = field(default_factory=Silent)
    done: list[Stage] = field(default_factory=list)

    @contextmanager
    def __call__(self, name: str, total: int | None = None, unit: str = "rows") -> Iterator[None]:
        self.progress.stage(name, total, unit)
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        self.done.append(Stage(name, time.perf_counter() - wall, time.process_time() - cpu, peak))
