"""Killed at any moment, out of disk, a file lost or corrupt: nothing half-written is seen, and a rerun is whole."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from stillhunt.cli.status import DONE, FOUND, UNUSABLE
from stillhunt.simulate.files import write
from stillhunt.simulate.scenarios import scenario
from stillhunt.simulate.simulation import stream, window

KILLS = {"ingest": 7, "append": 7, "scan": 6}
"""Kills of each command, one in each equal part of the time that it takes."""

_FORKING = """
import json, os, resource, signal, sys, time
from stillhunt.cli.main import run
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        told = os.open(asked["told"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(told, 1); os.dup2(told, 2)
        if asked["largest_file"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (asked["largest_file"],) * 2)
        os._exit(run(asked["arguments"]))
    if asked["kill_after"] is not None:
        time.sleep(asked["kill_after"])
        os.kill(child, signal.SIGKILL)  # not waited for yet, so the number is still its own
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Runs the command in a fresh child each time, without the seconds that its imports take."""


@dataclass(frozen=True)
class Ran:
    """What a run ended with. ``told``: what it printed."""

    status: int
    seconds: float
    told: str


class Command:
    """The command, ready to be run and killed."""

    def __init__(self, told: Path) -> None:
        given = {name: value for name, value in os.environ.items() if not name.startswith("STILLHUNT_")}
        self._told = told
        self._process = subprocess.Popen(
            [sys.executable, "-c", _FORKING],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=given | {"COLUMNS": "200", "NO_COLOR": "1"},
        )

    def __call__(self, *arguments: str | Path, kill_after: float | None = None, largest_file: int = 0) -> Ran:
        assert self._process.stdin is not None
        asked = {
            "arguments": [str(each) for each in arguments],
            "told": str(self._told),
            "kill_after": kill_after,
            "largest_file": largest_file,
        }
        begin = time.perf_counter()
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout is not None
        status = int(self._process.stdout.readline())
        return Ran(status, time.perf_counter() - begin, self._told.read_text())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    one = Command(tmp_path_factory.mktemp("told") / "told")
    yield one
    one.close()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faults") / "log"
    chosen = scenario("small")
    write(stream(chosen, 5, 0.03), window(chosen), folder)
    return folder


@pytest.fixture(scope="module")
def lake(command: Command, log: Path) -> Path:
    """The first half of the log as a lake, and the key beside it; not to be changed."""
    made = log.parent / "lake"
    assert command(*ingest(halves(log)[0], made, log)).status == DONE
    return made


def halves(log: Path) -> tuple[list[Path], list[Path]]:
    files = sorted((log / "requests").iterdir())
    return files[: len(files) // 2], files[len(files) // 2 :]


def ingest(files: Sequence[Path], out: Path, log: Path, *more: str) -> list[str | Path]:
    accounts = log / "accounts.parquet"
    return ["ingest", *files, "--accounts", accounts, "--out", out, "--key-file", log.parent / "key", *more]


def scan(lake: Path, out: Path, *more: str) -> list[str | Path]:
    return ["scan", lake, "--out", out, "--null-runs", "5", *more]


def contents(folder: Path) -> dict[str, str]:
    """The digest of every file but those that tell how long the run took."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("run.json", "report.html")
    }


def named(lake: Path) -> dict[str, str]:
    """The digest of lake.json and of the files that it names: what a reader sees."""
    manifest = json.loads((lake / "lake.json").read_text())
    parts = [*manifest["requests"], *manifest["sketches"], manifest["accounts"]]
    return {path: contents(lake)[path] for path in ("lake.json", *(part["path"] for part in parts))}


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def moments(kind: str, seconds: float) -> Iterator[float]:
    """A random moment in each of KILLS equal parts of a run."""
    for part in range(KILLS[kind]):
        yield (part + random.random()) / KILLS[kind] * seconds


def test_at_least_twenty_kills() -> None:
    assert sum(KILLS.values()) >= 20


def test_ingest_killed_at_any_moment(command: Command, log: Path, tmp_path: Path) -> None:
    whole = halves(log)[0]
    seconds = command(*ingest(whole, tmp_path / "first", log)).seconds
    expected = contents(tmp_path / "first")
    for moment in moments("ingest", seconds):
        out = tmp_path / "lake"
        killed = command(*ingest(whole, out, log), kill_after=moment)
        assert killed.status in (-signal.SIGKILL, DONE), (moment, killed.told)
        assert not out.exists() or contents(out) == expected, moment
        again = command(*ingest(whole, out, log, "--overwrite"))
        assert again.status == DONE, (moment, again.told)
        assert contents(out) == expected, moment
        assert {path.name for path in tmp_path.iterdir()} == {"first", "lake"}, moment
        shutil.rmtree(out)


def test_append_killed_at_any_moment(command: Command, log: Path, lake: Path, tmp_path: Path) -> None:
    second = halves(log)[1]
    shutil.copytree(lake, tmp_path / "first")
    before = named(lake)
    seconds = command(*ingest(second, tmp_path / "first", log, "--append")).seconds
    after = named(tmp_path / "first")
    for number, moment in enumerate(moments("append", seconds)):
        out = tmp_path / f"lake-{number}"
        shutil.copytree(lake, out)
        killed = command(*ingest(second, out, log, "--append"), kill_after=moment)
        assert killed.status in (-signal.SIGKILL, DONE), (moment, killed.told)
        seen = named(out)
        assert seen in (before, after), moment
        if seen == before:
            assert command(*ingest(second, out, log, "--append")).status == DONE, moment
        # A file that nothing names may have taken a number, so the names of parts may differ, not what they hold.
        assert sorted(digest for path, digest in named(out).items() if path != "lake.json") == sorted(
            digest for path, digest in after.items() if path != "lake.json"
        ), moment


def test_scan_killed_at_any_moment(command: Command, lake: Path, tmp_path: Path) -> None:
    first = command(*scan(lake, tmp_path / "first"))
    assert first.status in (DONE, FOUND), first.told
    expected = contents(tmp_path / "first")
    assert {"campaigns.parquet", "members.parquet", "findings.jsonl"} <= set(expected)
    for moment in moments("scan", first.seconds):
        out = tmp_path / "result"
        killed = command(*scan(lake, out), kill_after=moment)
        assert killed.status in (-signal.SIGKILL, DONE, FOUND), (moment, killed.told)
        assert not out.exists() or contents(out) == expected, moment
        again = command(*scan(lake, out, "--overwrite"))
        assert again.status == first.status, (moment, again.told)
        assert contents(out) == expected, moment
        assert {"run.json", "report.html"} <= visible(out), moment
        assert {path.name for path in tmp_path.iterdir()} == {"first", "result"}, moment
        shutil.rmtree(out)


@pytest.mark.parametrize("largest_file", [4_000, 60_000])
def test_a_full_disk_is_told_and_leaves_nothing(
    command: Command, log: Path, lake: Path, tmp_path: Path, largest_file: int
) -> None:
    """The system refuses to let any file grow, as it does on a full disk."""
    for arguments in (ingest(halves(log)[0], tmp_path / "out", log), scan(lake, tmp_path / "out")):
        ran = command(*arguments, largest_file=largest_file)
        assert ran.status == UNUSABLE, ran.told
        assert "error:" in ran.told, ran.told
        assert "to do:" in ran.told, ran.told
        assert visible(tmp_path) == set()


def test_a_lost_or_corrupt_file_is_named(command: Command, lake: Path, tmp_path: Path) -> None:
    def cut(part: Path) -> None:
        part.write_bytes(part.read_bytes()[:-100])

    def flip(part: Path) -> None:
        sound = bytearray(part.read_bytes())
        for place in range(4, len(sound) * 3 // 4):
            sound[place] ^= 0x5A
        part.write_bytes(sound)

    damages: dict[str, Callable[[Path], None]] = {"lost": Path.unlink, "cut": cut, "flipped": flip}
    for name, damage in damages.items():
        hurt = tmp_path / name
        shutil.copytree(lake, hurt)
        part = hurt / "requests" / "part-000000.parquet"
        damage(part)
        ran = command(*scan(hurt, tmp_path / "out"))
        assert ran.status == UNUSABLE, (name, ran.told)
        assert str(part) in ran.told.replace("\n", ""), (name, ran.told)
        assert not (tmp_path / "out").exists()


def test_two_scans_into_one_output_are_refused(command: Command, lake: Path, tmp_path: Path) -> None:
    other = Command(tmp_path / "told")
    out = tmp_path / "result"
    out.mkdir()
    try:
        holding = subprocess.Popen(
            [sys.executable, "-c", _HOLDING, str(out)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert holding.stdout is not None
        assert holding.stdout.readline() == "held\n"
        refused = other(*scan(lake, out))
        assert refused.status == UNUSABLE
        assert "another run is writing this output" in refused.told
        holding.communicate("end\n", 60)
        assert other(*scan(lake, out, "--overwrite")).status in (DONE, FOUND)
    finally:
        other.close()


_HOLDING = """
import sys
from pathlib import Path
from stillhunt.engines.output import whole_directory
with whole_directory(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""
