#!/usr/bin/env python3
"""Keeps the documentation true: runs what its blocks show, and makes its tables from the program.

    python tools/readme.py            writes README.md, CONTRIBUTING.md and docs/ anew where they differ
    python tools/readme.py --check    changes nothing; says what differs, and exits with status 1

Every fenced block of the kind ``console`` holds commands, each after ``$ ``, with their output below. The blocks of a
page run one after another in a folder that is empty at its beginning. Times and sizes that differ from run to run are
not compared. What stands between ``<!-- made: NAME -->`` and ``<!-- end -->`` is made by the function NAME here; a
name that is not here is made and checked elsewhere.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = 100
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MADE = re.compile(r"(<!-- made: (\w+) -->\n).*?(^<!-- end -->$)", re.MULTILINE | re.DOTALL)
_VARIES = re.compile(r"\d+(?:\.\d+)? (?:seconds|s|MB|kB)\b|\d+(?:\.\d+)?[KMG]\b")
"""What may differ from run to run and from machine to machine: times and sizes of files."""
_MINUTES = 10


def pages(root: Path = ROOT) -> list[Path]:
    """Every page that is kept true, in the order of their names."""
    return [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").rglob("*.md"))]


@dataclass
class Runner:
    """Runs commands of pages and remembers what ``make`` said, which is the same on every page."""

    root: Path = ROOT
    made: dict[str, str] = field(default_factory=dict)

    def page(self, text: str) -> str:
        """The page as it should be."""
        with tempfile.TemporaryDirectory(prefix="stillhunt-docs-") as folder:
            text = _BLOCK.sub(lambda block: f"```console\n{self._block(block[1], Path(folder))}```", text)
        return _MADE.sub(
            lambda part: f"{part[1]}{TABLES[part[2]]()}{part[3]}" if part[2] in TABLES else part[0], text
        )

    def _block(self, block: str, folder: Path) -> str:
        commands = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
        if not commands or not block.startswith("$ "):
            raise SystemExit(f"a console block must begin with a command after '$ ': {block[:60]!r}")
        return "".join(f"$ {command}\n{self._output(command, folder)}" for command in commands)

    def _output(self, command: str, folder: Path) -> str:
        if command.startswith("make "):
            if command not in self.made:
                self.made[command] = self._run(command, folder, self.root)
            return self.made[command]
        return self._run(command, folder, folder)

    def _run(self, command: str, folder: Path, where: Path) -> str:
        ours = ("STILLHUNT_", "MAKE", "MFLAGS")  # a make around us would speak in the output
        plain = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        given = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "COLUMNS": str(COLUMNS),
            "NO_COLOR": "1",
            "OUT": str(folder / "out" / "demo"),  # where `make demo` writes
        }
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=where,
            env=plain | given,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_MINUTES * 60,
            check=False,
        )
        if done.returncode not in (0, 1, 2, 3):
            raise SystemExit(f"`{command}` ended with status {done.returncode}:\n{done.stdout[-3000:]}")
        lines = [line.rstrip() for line in done.stdout.replace(f"{folder}/", "").splitlines()]
        while lines and not lines[0]:
            del lines[0]
        while lines and not lines[-1]:
            del lines[-1]
        return "".join(f"{line}\n" for line in lines)


def settings() -> str:
    """Every setting of ``config.Settings`` as a table."""
    from stillhunt.config import PREFIX, Settings

    rows = ["| variable | default | meaning |", "|---|---|---|"]
    home = str(Path("~").expanduser())
    for name, one in Settings.model_fields.items():
        default = one.get_default(call_default_factory=True, validated_data={})
        said = "none" if default is None or default == () else str(default).replace(home, "~")
        rows.append(f"| `{PREFIX}{name.upper()}` | `{said}` | {one.description} |")
    return "\n".join(rows) + "\n"


def signals() -> str:
    """Every signal with its channel and the columns that switch it on."""
    from stillhunt.schema.coverage import SIGNAL_NEEDS

    rows = ["| channel | signal | needs |", "|---|---|---|"]
    for name, need in SIGNAL_NEEDS.items():
        columns = [f"`{column}`" for column in need.requests]
        columns += [" or ".join(f"`{column}`" for column in group) for group in need.any_of]
        columns += [f"`accounts.{column}`" for column in need.accounts]
        rows.append(f"| {need.channel.replace('_', ' ')} | `{name}` | {', '.join(columns)} |")
    return "\n".join(rows) + "\n"


TABLES: Mapping[str, Callable[[], str]] = {"settings": settings, "signals": signals}


def differences(path: Path, runner: Runner) -> list[str]:
    """How a page differs from what the program says, as lines of a diff; what varies by nature is left out."""
    text = path.read_text(encoding="utf-8")
    return compared(text, runner.page(text), str(path.relative_to(runner.root)))


def compared(text: str, wanted: str, name: str) -> list[str]:
    """Lines of a diff between two texts of a page, but for what varies by nature."""
    have, want = (_VARIES.sub("…", one).splitlines() for one in (text, wanted))
    return list(difflib.unified_diff(have, want, name, f"{name}, as the program says", lineterm="", n=1))


def main() -> int:
    """Checks, or writes anew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit with status 1 where a page differs"
    )
    parser.add_argument("pages", nargs="*", type=Path, help="only these pages")
    given = parser.parse_args()
    runner, differ = Runner(), 0
    for path in [page.resolve() for page in given.pages] or pages():
        text, name = path.read_text(encoding="utf-8"), str(path.relative_to(ROOT))
        wanted = runner.page(text)
        found = compared(text, wanted, name)
        if not found:
            continue
        differ += 1
        if given.check:
            print("\n".join(found))
        else:
            path.write_text(wanted, encoding="utf-8")
            print(f"wrote {name}")
    if given.check and differ:
        print(f"\n{differ} page(s) differ; run: make docs")
    return int(bool(given.check and differ))


if __name__ == "__main__":
    sys.exit(main())
