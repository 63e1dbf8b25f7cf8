"""Plans as files (spec/trace.md, section 1)."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

from stillhunt.errors import InputError, SettingError
from stillhunt.trace.radioactivity import Plan


def write_plan(plan: Plan, path: Path) -> None:
    """Writes a plan that is not there yet. Raises SettingError where something is."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps(asdict(plan), indent=2, ensure_ascii=False) + "\n")
    except FileExistsError as error:
        raise SettingError(
            "a file exists here", "--out", "A plan is made once; name another file."
        ) from error
    except OSError as error:
        raise SettingError(f"cannot write the file ({error.strerror})", "--out") from error


def read_plan(path: Path) -> Plan:
    """A plan of :func:`write_plan`, with all of its fields and no others. Raises InputError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"cannot read the plan ({error})", str(path)) from error
    expected = {field.name: field.type for field in fields(Plan)}
    if not isinstance(content, dict) or set(content) != set(expected):
        raise InputError(f"expected a plan with the fields {', '.join(expected)}", str(path))
    for name, value in content.items():
        kind = int if expected[name] == "int" else str
        if type(value) is not kind:
            raise InputError(f"expected {name} to be of type {kind.__name__}, got {value!r}", str(path))
    return Plan(**content)
