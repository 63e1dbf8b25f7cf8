"""The command as a whole: help, usage errors, exit statuses, and what an error looks like."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Never

import pytest
import typer
from typer.testing import CliRunner

from stillhunt import __version__
from stillhunt.cli import main as command
from stillhunt.cli.main import app, run
from stillhunt.errors import InputError

COMMANDS = ("demo", "simulate", "ingest", "scan", "audit")


def test_every_command_is_known_to_these_tests() -> None:
    assert {one.name for one in app.registered_commands} == set(COMMANDS)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], *[[name, "--help"] for name in COMMANDS]])
def test_help_has_examples_and_statuses(arguments: list[str]) -> None:
    got = CliRunner().invoke(app, arguments, env={"COLUMNS": "110"})
    assert got.exit_code == 0
    assert "Examples" in got.output
    name = arguments[0] if arguments[0] in COMMANDS else ""
    assert f"stillhunt {name}" in got.output.split("Examples")[1]
    assert "Exit status" in got.output


def test_the_version_is_the_package_s() -> None:
    got = CliRunner().invoke(app, ["--version"])
    assert (got.exit_code, got.output) == (0, f"stillhunt {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "said", "where"),
    [
        (["nosuch"], "nosuch", "stillhunt"),
        (["--nosuch"], "--nosuch", "stillhunt"),
        (["scan"], "Missing", "stillhunt scan"),
        (["scan", "logs"], "--out", "stillhunt scan"),
        (["scan", "logs", "--out"], "--out", "stillhunt scan"),
        (["scan", "logs", "--out", "r", "--bogus"], "--bogus", "stillhunt scan"),
        (["scan", "logs", "--out", "r", "--engine", "sqlite"], "sqlite", "stillhunt scan"),
        (["scan", "logs", "--out", "r", "--null-runs", "many"], "--null-runs", "stillhunt scan"),
        (["simulate", "--seed", "-1", "--out", "r"], "--seed", "stillhunt simulate"),
        (["demo", "surplus"], "surplus", "stillhunt demo"),
    ],
)
def test_a_usage_error_says_what_where_and_what_to_do(
    arguments: list[str], said: str, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert lines[0].startswith("error: ")
    assert said in lines[0]
    assert lines[1] == f"  where: {where}"
    assert lines[2] == f"  to do: See `{where} --help`."
    assert len(lines) == 3


def test_no_arguments_are_unusable_and_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    shown = capsys.readouterr()
    assert "Examples" in shown.out + shown.err


def _raising(error: BaseException) -> Callable[..., Never]:
    def act(*given: object, **named: object) -> Never:
        raise error

    return act


def _disk_full() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device", "/full/part.parquet")


def _passed_on() -> SystemError:
    """An interrupt, as compiled code passes it on."""
    error = SystemError("returned a result with an exception set")
    error.__cause__ = KeyboardInterrupt()
    return error


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (
            InputError("no rows", "a.csv", "Give rows."),
            2,
            "error: no rows\n  where: a.csv\n  to do: Give rows.",
        ),
        (
            _disk_full(),
            2,
            "error: the system refused a file: No space left on device\n  where: /full/part.parquet",
        ),
        (KeyboardInterrupt(), 130, "interrupted; nothing was written"),
        (_passed_on(), 130, "interrupted; nothing was written"),
        (typer.Abort(), 130, "interrupted; nothing was written"),
        (ZeroDivisionError("x"), 70, "internal error: this is a defect of Stillhunt"),
        (OSError(errno.EBADF, "Bad file descriptor"), 70, "internal error: this is a defect of Stillhunt"),
        (typer.Exit(3), 3, ""),
        (typer.Exit(0), 0, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_whatever_happens_ends_in_a_status_of_the_contract(
    raised: BaseException,
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("stillhunt.cli.simulate._show_profiles", _raising(raised))
    assert run(["simulate", "--list-profiles"]) == status
    shown = capsys.readouterr()
    assert shown.err.startswith(said) if said else shown.err == ""
    assert shown.out == ""


def test_an_internal_error_shows_its_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("stillhunt.cli.simulate._show_profiles", _raising(ZeroDivisionError("[bold]odd[/]")))
    assert run(["simulate", "--list-profiles"]) == 70
    assert "ZeroDivisionError: [bold]odd[/]" in capsys.readouterr().err


def test_a_long_error_is_not_broken_into_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = "/" + "x" * 300
    monkeypatch.setattr("stillhunt.cli.simulate._show_profiles", _raising(InputError("bad", path)))
    run(["simulate", "--list-profiles"])
    assert f"  where: {path}\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("STILLHUNT_THREADS", "many", "integer"),
        ("STILLHUNT_FDR", "2", "less than 1"),
        ("STILLHUNT_MEMORY", "lots", "a size with its unit"),
        ("STILLHUNT_TRUSTED_PROXIES", "10.0.0.0", "as JSON"),
        ("STILLHUNT_TRUSTED_PROXIES", "3", "tuple"),
    ],
)
def test_a_wrong_variable_is_named(
    name: str,
    value: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv(name, value)
    assert run(["scan", str(tmp_path), "--out", str(tmp_path / "r")]) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert f"where: {name}\n" in shown
    assert not (tmp_path / "r").exists()


def test_statuses_are_those_of_the_contract() -> None:
    from stillhunt.cli import status

    assert (status.DONE, status.FOUND, status.UNUSABLE, status.PARTIAL, status.INTERNAL) == (0, 1, 2, 3, 70)
    assert command.UNUSABLE == 2
