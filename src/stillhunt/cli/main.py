"""The ``stillhunt`` command: one file per command, each parses, calls and shows."""

from __future__ import annotations

import sys
import traceback

import typer

from stillhunt import __version__
from stillhunt.cli import demo, ingest, mark, scan, simulate
from stillhunt.cli.show import err, show_error
from stillhunt.cli.status import INTERNAL, INTERRUPTED, UNUSABLE
from stillhunt.errors import StillhuntError

app = typer.Typer(
    name="stillhunt",
    help="Finds, stops and proves the illicit distillation of language models.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        typer.echo(f"stillhunt {__version__}")
        raise typer.Exit()


for command in (demo, simulate, ingest, scan, mark):
    command.register(app)


def main() -> None:
    """Runs a command; turns errors into the exit statuses of the contract."""
    try:
        app()
    except StillhuntError as error:
        show_error(error)
        sys.exit(UNUSABLE)
    except KeyboardInterrupt:
        err.print("interrupted; nothing was written")
        sys.exit(INTERRUPTED)
    except Exception:
        err.print("[bold red]internal error[/]: this is a defect of Stillhunt, not of your input.")
        err.print(traceback.format_exc(), markup=False)
        sys.exit(INTERNAL)
