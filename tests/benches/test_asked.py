"""What the benches answer when asked for the page of a run that never was."""

from __future__ import annotations

from pathlib import Path

import bench.asked
import pytest
from bench.asked import last_run, parser

ASKED = parser("things", None, ("small", "full"))


@pytest.fixture(autouse=True)
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bench" / "out"
    folder.mkdir(parents=True)
    monkeypatch.setattr(bench.asked, "OUT", folder)
    return folder


def test_a_page_without_a_run_says_what_to_run() -> None:
    with pytest.raises(
        SystemExit, match=r"bench/out/things\.json, found none.\nRun `python -m bench\.things`"
    ):
        last_run("things", ASKED.parse_args(["--page"]))


def test_a_page_alone_is_of_the_last_run(out: Path) -> None:
    (out / "things.json").write_text('[{"case": "a"}]', encoding="utf-8")
    assert last_run("things", ASKED.parse_args(["--page"])) == [{"case": "a"}]
    assert last_run("things", ASKED.parse_args(["--page", "--seeds", "1"])) is None
    assert last_run("things", ASKED.parse_args([])) is None
