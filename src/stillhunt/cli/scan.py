"""``stillhunt scan``."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("scan")(scan)


def scan() -> None:
    """Not there yet."""
    raise NotImplementedError
