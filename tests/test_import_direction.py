"""Nothing downstream is imported upstream: the layers of the design, checked on the syntax tree."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "stillhunt"

_GROUND = {"schema", "errors"}
_ENGINES = _GROUND | {"stats"}
_MIDDLE = _ENGINES | {"engines", "sketch"}
_MIDDLES = {"sources", "campaigns", "guard", "marks", "trace", "receipts"}
_ABOVE = _MIDDLE | _MIDDLES

MAY_IMPORT: dict[str, set[str]] = {
    "schema": set(),
    "errors": set(),
    "config": {"errors"},
    "stats": _GROUND,
    "engines": _ENGINES,
    "sketch": _ENGINES,
    **dict.fromkeys(_MIDDLES, _MIDDLE),
    "trace": _MIDDLE | {"marks"},
    "simulate": _MIDDLE,
    "share": _ABOVE,
    "report": _MIDDLE,
    "audit": _ABOVE,
    "console": _ABOVE | {"share", "report", "config"},
    "cli": _ABOVE | {"share", "report", "audit", "console", "simulate", "config"},
}


def _imports(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, (
                f"{path}:{node.lineno}: imports come from the defining module, not relative"
            )
            names = [node.module or ""]
            if node.module == "stillhunt":
                names = [f"stillhunt.{alias.name}" for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("stillhunt.")}
    return rooms


FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(SOURCE)) for path in FILES])
def test_imports_go_one_way(path: Path) -> None:
    room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    if room == "__init__":
        return
    assert room in MAY_IMPORT, f"{room} has no place in the design's import direction; add it to MAY_IMPORT"
    wrong = _imports(path) - MAY_IMPORT[room] - {room, "__version__"}
    assert not wrong, f"{path.relative_to(SOURCE)} imports {sorted(wrong)}, which lie downstream of {room}"
