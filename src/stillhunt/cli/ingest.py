"""``stillhunt ingest``."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("ingest")(ingest)


def ingest() -> None:
    """Not there yet."""
    raise NotImplementedError
