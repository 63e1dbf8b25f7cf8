"""The documentation is true: its blocks, tables, links and commands are held against the program.

Where a page is outdated, `make docs` writes it anew; look at what changed before committing it.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest
import typer

from stillhunt.cli.main import app
from stillhunt.schema.campaigns import CAMPAIGNS, EVIDENCE_TABLES, MEMBERS
from stillhunt.schema.coverage import SIGNAL_NEEDS

ROOT = Path(__file__).resolve().parent.parent


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("readme", ROOT / "tools" / "readme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["readme"] = module
    spec.loader.exec_module(module)
    return module


readme: Any = _loaded()
PAGES = readme.pages()
RUNNER = readme.Runner()


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.xdist_group("readme")
@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_blocks_and_tables_are_the_program_s_own(page: Path) -> None:
    found = readme.differences(page, RUNNER)
    assert not found, "\n".join(["this page is outdated; run `make docs` and look at the change:", *found])


def test_the_check_can_fail(tmp_path: Path) -> None:
    runner = readme.Runner(root=tmp_path)
    page = tmp_path / "page.md"
    page.write_text("```console\n$ echo took 3.2 seconds; echo right\ntook 9 seconds\nright\n```\n")
    assert readme.differences(page, runner) == [], "times may differ"
    page.write_text("```console\n$ echo took 3.2 seconds; echo right\ntook 9 seconds\nwrong\n```\n")
    assert [line for line in readme.differences(page, runner) if line in ("-wrong", "+right")] == [
        "-wrong",
        "+right",
    ]
    page.write_text("<!-- made: signals -->\nold\n<!-- end -->\n")
    assert "-old" in readme.differences(page, runner)
    page.write_text("```console\n$ kill -KILL $$\n```\n")
    with pytest.raises(SystemExit, match="status"):
        readme.differences(page, runner)


def test_blocks_of_a_page_share_a_folder_that_is_empty_at_first(tmp_path: Path) -> None:
    text = "```console\n$ ls\n$ echo x > here\n```\n\n```console\n$ cat here\n```\n"
    assert readme.Runner(root=tmp_path).page(text) == text.replace("$ cat here\n", "$ cat here\nx\n")


def test_the_first_screen_of_the_readme_is_one_command_and_its_output() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# Stillhunt"
    start = lines.index("$ make demo")
    assert start < 15
    block = lines[start : lines.index("```", start)]
    assert any(line.startswith("precision ") for line in block)
    assert len(block) < 50, "the output leaves the first screen"


@pytest.mark.parametrize(
    "page", [*PAGES, *(ROOT / name for name in ("SECURITY.md", "CHANGELOG.md"))], ids=_name
)
def test_links_meet_a_file_and_a_heading(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        assert not target.startswith("http"), target
        path, _, heading = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name}: {target}"
        if heading:
            headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}, target


def test_every_page_of_docs_is_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)\s#]+)", page.read_text(encoding="utf-8"))
        ahead += [(page.parent / link).resolve() for link in links]
    assert {_name(page) for page in PAGES} <= {_name(page) for page in seen}


def _commands(page: Path) -> list[list[str]]:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    found = []
    for block in re.findall(r"^```(?:sh|console)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if re.match(r"(?:\$ )?stillhunt ", line):
                found.append(shlex.split(line.removeprefix("$ ").partition(" | ")[0], comments=True))
    return found


def _options(words: list[str]) -> set[str] | None:
    """The options of the command that ``words`` name, None where there is no such command."""
    command: Any = typer.main.get_command(app)
    for word in words[1:]:
        if not hasattr(command, "commands"):
            break
        if word.startswith("-"):
            return {*_opts(command), "--version"}
        if word not in command.commands:
            return None
        command = command.commands[word]
    return _opts(command)


def _opts(command: Any) -> set[str]:
    return {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {
        "--help",
        "-h",
    }


def test_every_command_that_the_pages_name_exists_with_its_options() -> None:
    named = [(page, words) for page in PAGES for words in _commands(page)]
    assert len(named) > 10
    for page, words in named:
        if words[1] == "scam":  # it shows an error
            continue
        options = _options(words)
        assert options is not None, (page, words)
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options, (page, words)
    registered = {one.name for one in app.registered_commands}
    assert registered <= {words[1] for page, words in named if page.name == "commands.md"}


def _told(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list<{_told(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'{one.name}: {_told(one.type)}' for one in kind)}>"
    return str(kind).replace("double", "float64")


def test_the_tables_of_a_result_are_described_as_they_are() -> None:
    page = (ROOT / "docs" / "reference" / "outputs.md").read_text(encoding="utf-8")
    schemas = {"campaigns": CAMPAIGNS, "members": MEMBERS}
    schemas |= {f"evidence/{name}": schema for name, schema in EVIDENCE_TABLES.items()}
    for name, schema in schemas.items():
        part = page.split(f"## {name}.parquet\n", 1)[1].split("\n## ", 1)[0]
        rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", part, re.MULTILINE)
        assert rows == [(one.name, _told(one.type)) for one in schema], name


def test_every_signal_is_in_the_how_to() -> None:
    page = (ROOT / "docs" / "howto" / "scan-your-own-logs.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| [\w ]+ \| `(\w+)` \|", page, re.MULTILINE) == list(SIGNAL_NEEDS)
