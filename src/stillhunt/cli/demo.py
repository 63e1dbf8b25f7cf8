"""``stillhunt demo``."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("demo")(demo)


def demo() -> None:
    """Not there yet."""
    raise NotImplementedError
