"""``audit.html``: one file that asks nothing of any network and runs no script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from stillhunt.audit.checks import Seen

ROWS = 25
"""Rows of a table that stand in the page; the Parquet files hold all."""


def render(told: Mapping[str, Any], seen: Seen) -> str:
    """The page, from what ``audit.json`` holds and the tables' rows. The same input gives the same bytes."""
    style = files("stillhunt.audit").joinpath("templates", "audit.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment = Environment(
        loader=PackageLoader("stillhunt.audit", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=_number, share=_share, words=lambda name: name.replace("_", " "))
    held = seen.reconciliation
    differences = sorted(held.found if held else (), key=lambda one: (one.level != "total", -abs(one.excess)))
    return environment.get_template("audit.html").render(
        told=told,
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        style=Markup(style),
        rows=ROWS,
        differences=differences,
        models=seen.models,
        missing=seen.missing,
        faults=seen.verdicts.faults if seen.verdicts else [],
        departures=sorted(seen.baselines.departures, key=lambda one: one.p_value),
        stray=seen.stray,
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:,.2f}"


def _share(value: float) -> str:
    return f"{value:.2%}"
