"""The ``stillhunt`` command: one file per command, each parses, calls and shows."""

from __future__ import annotations

import errno
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Never

import typer

from stillhunt import __version__
from stillhunt.cli import audit, demo, ingest, mark, receipts, scan, simulate, trace
from stillhunt.cli.show import err, helped, show_error
from stillhunt.cli.status import DONE, INTERNAL, INTERRUPTED, PIPE_CLOSED, UNUSABLE
from stillhunt.engines.duckdb import mended
from stillhunt.errors import OutputError, SettingError, StillhuntError

_HELP = helped(
    "Finds, stops and proves the illicit distillation of language models.",
    examples=(
        "stillhunt demo",
        "stillhunt ingest logs/ --accounts accounts.csv --out lake",
        "stillhunt scan lake --out result",
    ),
    statuses="0 done; 1 something was found; 2 unusable input or arguments; 3 some input was skipped, and the run says "
    "which; 70 internal error; 130 interrupted.",
)

app = typer.Typer(
    name="stillhunt",
    help=_HELP,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""What arguments that cannot be parsed raise: typer's own, or click's, by typer's version."""

_DISK_TROUBLE = (
    errno.ENOSPC,
    errno.EFBIG,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.EMFILE,
)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        typer.echo(f"stillhunt {__version__}")
        raise typer.Exit()


for command in (demo, simulate, ingest, scan, mark, trace, receipts, audit):
    command.register(app)


def main() -> None:
    """Runs the command that the arguments name, and exits with its status."""
    for stop in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, _interrupt)
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs a command; turns whatever happens into an exit status of the contract."""
    try:
        status: int | None = app(list(arguments), prog_name="stillhunt", standalone_mode=False)
    except StillhuntError as error:
        show_error(error)
        return UNUSABLE
    except _UsageError as error:
        show_error(_told(error, arguments))
        return UNUSABLE
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):  # whoever read our output has gone
            return PIPE_CLOSED
        if not isinstance(stop.code, int):
            raise
        return stop.code  # the command has said what there was to say
    except OSError as error:
        if error.errno not in _DISK_TROUBLE:
            return _internal()
        show_error(
            OutputError(
                f"the system refused a file: {error.strerror}",
                str(error.filename or ""),
                "Nothing was written. Make room, or name an --out or STILLHUNT_TEMP_DIR elsewhere.",
            )
        )
        return UNUSABLE
    except Exception as error:
        if (told := mended(error)) is not None:
            show_error(told)
            return UNUSABLE
        if not _was_interrupted(error):
            return _internal()
        status = INTERRUPTED
    if status == INTERRUPTED:
        err.print("interrupted; nothing was written")
    return DONE if status is None else status


def _interrupt(number: int, frame: FrameType | None) -> Never:
    raise KeyboardInterrupt


def _was_interrupted(error: BaseException | None) -> bool:
    """Whether an interrupt is at the bottom of an error: compiled code passes it on as an error of its own."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def _internal() -> int:
    err.print(
        "[bold red]internal error[/]: this is a defect of Stillhunt, not of your input; nothing was written."
    )
    err.print(traceback.format_exc(), markup=False)
    return INTERNAL


def _told(error: Exception, arguments: Sequence[str]) -> SettingError:
    """An error of the argument parser as problem, place and remedy."""
    path = "stillhunt"
    if arguments and arguments[0] in {one.name for one in app.registered_commands}:
        path += f" {arguments[0]}"
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    return SettingError(text, path, f"See `{path} --help`.")
