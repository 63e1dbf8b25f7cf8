"""The command as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

Stillhunt = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs the command with the arguments given, in a folder of the test's own."""

COMMAND = [sys.executable, "-c", "from stillhunt.cli.main import main; main()"]


def environment(**given: str) -> dict[str, str]:
    """This process's environment without settings of Stillhunt's own."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("STILLHUNT_")}
    return plain | {"COLUMNS": "110", "NO_COLOR": "1"} | given
