"""A tiny log, and the command run on it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from cli_command import COMMAND, Stillhunt, environment

from stillhunt.simulate.files import write
from stillhunt.simulate.scenarios import scenario
from stillhunt.simulate.simulation import stream, window


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated log of about 500 accounts; not to be changed."""
    folder = tmp_path_factory.mktemp("cli") / "log"
    chosen = scenario("demo")
    write(stream(chosen, 3, 0.1), window(chosen), folder)
    return folder


@pytest.fixture
def stillhunt(tmp_path: Path) -> Stillhunt:
    """Runs the command in an empty folder."""

    def run(arguments: Sequence[str], **given: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=tmp_path,
            env=environment(HOME=str(tmp_path), **given),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run
