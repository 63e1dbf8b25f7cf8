"""The page that verifies receipts in a browser, as text."""

from __future__ import annotations

from importlib.resources import files


def page() -> str:
    """HTML in one piece: no script, style, font or picture from elsewhere."""
    return files("stillhunt.receipts").joinpath("verify.html").read_text(encoding="utf-8")
