"""Progress on a real terminal: late, with rate and time left, and gone at the end."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_command import environment

_WORK = """
import sys, time
from stillhunt.cli.show import TerminalProgress
with TerminalProgress(patience_s=float(sys.argv[1]), quiet=sys.argv[2] == "quiet") as progress:
    progress.stage("read", 1000, "rows")
    for _ in range(10):
        progress.advance(60)
        time.sleep(0.08)
    progress.stage("judge")
    time.sleep(0.4)
print("done")
"""


def _on_a_terminal(patience_s: float, quiet: str = "") -> str:
    """What a terminal of 100 columns is sent."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _WORK, str(patience_s), quiet],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(TERM="xterm", COLUMNS="100"),
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end has closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait(timeout=60) == 0
    return shown.decode()


def test_long_work_shows_stage_rate_and_time_left() -> None:
    shown = _on_a_terminal(0.1)
    assert "read" in shown
    assert re.search(r"\d+ rows/s", shown)
    assert re.search(r"0:0\d left", shown)
    assert "judge" in shown
    assert shown.rstrip().endswith("done")


@pytest.mark.parametrize(("patience_s", "quiet"), [(60.0, ""), (0.1, "quiet")], ids=["short", "quiet"])
def test_short_or_quiet_work_shows_nothing(patience_s: float, quiet: str) -> None:
    assert _on_a_terminal(patience_s, quiet).strip() == "done"


def test_without_a_terminal_nothing_is_drawn(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WORK, "0.1", ""],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("done\n", "")
