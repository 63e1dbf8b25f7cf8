"""Checks that need torch, run in the environment that has it."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venvs" / "marks" / "bin" / "python"

needs_torch = pytest.mark.skipif(
    not PYTHON.exists() and os.environ.get("STILLHUNT_REQUIRE_ALL") != "1",
    reason="needs torch, transformers and torch-geometric; run: tools/setup.sh marks",
)


def checked_with_torch(script: Path, *arguments: str) -> dict[str, Any]:
    """What a script of checks prints as its last line, a JSON object."""
    assert PYTHON.exists(), "run: tools/setup.sh marks"
    path = os.pathsep.join([str(ROOT / "src"), sysconfig.get_paths()["purelib"]])
    run = subprocess.run(
        [str(PYTHON), str(script), *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found
