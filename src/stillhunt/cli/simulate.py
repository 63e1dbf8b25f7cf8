"""``stillhunt simulate``."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("simulate")(simulate)


def simulate() -> None:
    """Not there yet."""
    raise NotImplementedError
