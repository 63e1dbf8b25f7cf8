"""Renders the document as JSON, for programs."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from datetime import datetime
from typing import Any

from stillhunt.report.document import Document


def render_json(document: Document) -> str:
    """One object, keys as the fields of the document; times in ISO 8601; what is not a number is null."""
    return json.dumps(_plain(asdict(document)), ensure_ascii=False, allow_nan=False, indent=1)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
