"""The installed ``stillhunt`` command as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

STILLHUNT = Path(sys.executable).with_name("stillhunt")


def run_json(*arguments: str | Path, exit_status: int = 0) -> dict[str, Any]:
    """Runs a command with ``--json`` and gives what it prints; checks how it ends."""
    done = subprocess.run([STILLHUNT, *arguments, "--json"], capture_output=True, text=True, env=os.environ)
    assert done.returncode == exit_status, f"{done.returncode}\n{done.stderr[-4000:]}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found
