"""docs/howto/detect-a-mark.md: its commands run as they stand, and its plan prints what it says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from stillhunt.cli.main import app
from stillhunt.marks.embed import answers
from stillhunt.marks.keys import KeyPath, load_key
from stillhunt.marks.profile import PRESETS
from stillhunt.marks.schemes import scheme_of

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "detect-a-mark.md"


def test_the_howtos_commands_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # One key on every run: where a marked part begins is found only to some tokens, and those vary with the key.
    monkeypatch.setattr("stillhunt.marks.keys.secrets.token_bytes", lambda n: bytes(range(n)))
    blocks = re.findall(r"^```\n(.*?)^```", HOWTO.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    commands = [line for block in blocks for line in block.splitlines() if line.startswith("stillhunt ")]
    assert len(commands) == 7
    shown = []
    for command in commands:
        if "detect" in command and not Path("suspect.jsonl").exists():
            write_suspect()
        result = CliRunner().invoke(app, shlex.split(command)[1:])
        assert result.exit_code == 0, f"{command}: {result.output}"
        shown.append(result.output)
    first = shown[2].splitlines()[1].split()
    assert first[:2] == ["2026-11", "2"]
    assert "tokens 20" in " ".join(shown[2].split())
    assert blocks[-1].strip() == shown[-1].strip()


def write_suspect() -> None:
    """One unmarked answer, and one whose middle was marked for bucket 2."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (300, 300))
    scheme = scheme_of(PRESETS["vllm"], load_key(Path("mark.key")).subkey(KeyPath("answers", "2026-11", "2")))

    def step(made: list[list[int]]) -> np.ndarray:
        return logits[[row[-1] if row else 0 for row in made]]

    plain, marked = answers(step, 3, 400, None, rng), answers(step, 1, 300, scheme, rng)[0]
    rows = [plain[0], plain[1][:200] + marked + plain[2][:200]]
    Path("suspect.jsonl").write_text("".join(json.dumps({"token_ids": row}) + "\n" for row in rows))
