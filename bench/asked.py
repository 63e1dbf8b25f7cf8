"""What the benches that scan profile after profile are asked on the command line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench.result import OUT, Row, show, write


def parser(
    name: str,
    doc: str | None,
    scales: Collection[str],
    choices: Sequence[str] | None = None,
    which: str = "which",
) -> argparse.ArgumentParser:
    """The arguments ``--scale``, ``--profile``, ``--seeds`` and ``--page``. choices, which: of ``--profile``."""
    made = argparse.ArgumentParser(prog=f"python -m bench.{name}", description=doc)
    made.add_argument("--scale", choices=sorted(scales), default="full")
    made.add_argument(
        "--profile", action="append", choices=choices, help=f"{which}; default: those of the scale"
    )
    made.add_argument("--seeds", type=int, help="how many logs of each profile")
    made.add_argument(
        "--page", action="store_true", help="write the table into the docs; alone: of the last run"
    )
    return made


def told(
    name: str,
    given: argparse.Namespace,
    measured: Sequence[Row],
    tell: Callable[[Sequence[Mapping[str, Any]]], None],
) -> None:
    """Shows and writes the figures of a run, and puts them into the docs by ``tell`` where that was asked for."""
    show(measured)
    print(f"written to {write(name, measured)}")
    if given.page:
        tell([asdict(row) for row in measured])


def last_run(name: str, given: argparse.Namespace) -> list[dict[str, Any]] | None:
    """The figures of the last run, where ``--page`` stands alone. Ends with a word where there was none."""
    if not given.page or given.profile or given.seeds:
        return None
    path = OUT / f"{name}.json"
    if not path.is_file():
        sys.exit(
            f"expected the figures of an earlier run in {path.relative_to(OUT.parent.parent)}, found none.\n"
            f"Run `python -m bench.{name}` first, or name what to run: --page --seeds 3."
        )
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return found
