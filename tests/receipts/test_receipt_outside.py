"""Go's own packages for transparency logs accept our log of 70,000 entries, and nothing of it with one bit flipped."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from receipt_scene import fixed_keys

from stillhunt.receipts.disk import Disk
from stillhunt.receipts.log import LogWriter
from stillhunt.receipts.tiles import prove_inclusion, tile_path

ROOT = Path(__file__).parents[2]
SIZE, OLD, INDEX = 70_000, 65_000, 65_535


def find_go() -> Path | None:
    """The Go program whose standard library comes with the packages."""
    for found in sorted((ROOT / ".venvs" / "golang").glob("lib/python3*/site-packages/go/bin/go")):
        return found
    return None


pytestmark = [
    pytest.mark.xdist_group("receipt-outside"),
    pytest.mark.skipif(
        find_go() is None and os.environ.get("STILLHUNT_REQUIRE_ALL") != "1",
        reason="needs Go; run: tools/setup.sh golang",
    ),
]


def entry(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of outside/check.go, built with the packages that lie in Go's own tree."""
    go = find_go()
    assert go is not None, "needs Go; run: tools/setup.sh golang"
    source = tmp_path_factory.mktemp("outside")
    root = go.parents[1]
    shutil.copy(ROOT / "tests" / "receipts" / "outside" / "check.go", source)
    for name in ("note", "tlog"):
        shutil.copytree(
            root / "src/cmd/vendor/golang.org/x/mod/sumdb" / name, source / "mod" / "sumdb" / name
        )
    (source / "mod" / "go.mod").write_text("module golang.org/x/mod\n\ngo 1.25\n")
    (source / "go.mod").write_text(
        "module check\n\ngo 1.25\n\nrequire golang.org/x/mod v0.0.0\n\nreplace golang.org/x/mod => ./mod\n"
    )
    environment = {
        **os.environ,
        "GOROOT": str(root),
        "GOCACHE": str(ROOT / ".venvs" / "golang" / "cache"),
        "GOPATH": str(source / "path"),
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=mod",
        "CGO_ENABLED": "0",
    }
    subprocess.run([go, "build", "-o", "check", "."], cwd=source, env=environment, check=True)
    return source / "check"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log70000")
    log = LogWriter(folder / "log", fixed_keys().log, Disk())
    log.append([entry(number) for number in range(OLD)])
    (folder / "old").write_text(log.publish().encode(), encoding="utf-8")
    log.append([entry(number) for number in range(OLD, SIZE)])
    log.publish()
    proof = prove_inclusion(folder / "log", INDEX)
    assert proof is not None
    (folder / "proof").write_text(proof.encode(), encoding="utf-8")
    return folder


def ask(checker: Path, folder: Path, key: str | None = None, number: int = INDEX) -> tuple[int, str]:
    vkey = fixed_keys().log.public.encode() if key is None else key
    command = [checker, folder / "log", vkey, folder / "old", folder / "proof", entry(number).hex()]
    got = subprocess.run(command, capture_output=True, text=True, check=False)
    return got.returncode, got.stdout


def test_go_accepts_the_log(checker: Path, made: Path) -> None:
    root = (made / "log" / "checkpoint").read_text(encoding="utf-8").splitlines()[2]
    assert ask(checker, made) == (0, f"{SIZE} {INDEX} {root}\n")


def flip(path: str, at: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        data = bytearray((folder / path).read_bytes())
        data[at] ^= 1
        (folder / path).write_bytes(data)

    return change


def flip_in_line(path: str, number: int) -> Callable[[Path], None]:
    """One bit of the hash or signature that a line of text holds."""

    def change(folder: Path) -> None:
        lines = (folder / path).read_text(encoding="utf-8").split("\n")
        *words, last = lines[number].split(" ")
        data = bytearray(base64.b64decode(last))
        data[10] ^= 1
        lines[number] = " ".join([*words, base64.b64encode(data).decode()])
        (folder / path).write_text("\n".join(lines), encoding="utf-8")

    return change


FLIPS: list[tuple[str, Callable[[Path], None], str]] = [
    ("origin", flip("log/checkpoint", 3), "checkpoint"),
    ("root", flip_in_line("log/checkpoint", 2), "checkpoint"),
    ("signature", flip_in_line("log/checkpoint", 4), "checkpoint"),
    ("older root", flip_in_line("old", 2), "older checkpoint"),
    ("older signature", flip_in_line("old", 4), "older checkpoint"),
    ("leaf tile", flip(f"log/{tile_path(0, INDEX // 256)}", 8191), "tiles"),
    ("level-1 tile", flip(f"log/{tile_path(1, 0)}", 5), "tiles"),
    ("level-2 tile", flip(f"log/{tile_path(2, 0, 1)}", 5), "tiles"),
    ("first hash of the proof", flip_in_line("proof", 2), "inclusion"),
    ("last hash of the proof", flip_in_line("proof", 18), "inclusion"),
    ("root in the proof", flip_in_line("proof", 22), "proof's checkpoint"),
    ("signature in the proof", flip_in_line("proof", 24), "proof's checkpoint"),
]


@pytest.mark.parametrize(("change", "reason"), [row[1:] for row in FLIPS], ids=[row[0] for row in FLIPS])
def test_go_refuses_one_flipped_bit(
    change: Callable[[Path], None], reason: str, checker: Path, made: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "copy"))
    change(folder)
    code, said = ask(checker, folder)
    assert (code, said.startswith(reason + ":")) == (1, True), said


def test_go_refuses_another_entry_and_another_key(checker: Path, made: Path) -> None:
    assert ask(checker, made, number=INDEX + 1)[1].startswith("inclusion:")
    assert ask(checker, made, fixed_keys("other").log.public.encode())[1].startswith("checkpoint:")
