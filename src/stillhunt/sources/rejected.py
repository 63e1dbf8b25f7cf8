"""``rejected.jsonl``: rows that could not be used, one JSON object a line, written as they come."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from stillhunt.engines.closing import Closing
from stillhunt.sources.source import Rejected


class RejectedWriter(Closing):
    """Appends to one file, which is only made when the first row is rejected. ``reasons`` counts rows by reason."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reasons: Counter[str] = Counter()
        self._file: TextIO | None = None

    def close(self) -> None:
        """Puts every row on disk. Nothing can be written afterwards."""
        if self._file is not None:
            self._file.close()

    @property
    def count(self) -> int:
        """Rows rejected so far."""
        return self.reasons.total()

    def write(self, rejected: Iterable[Rejected]) -> None:
        """Adds rows."""
        for each in rejected:
            if self._file is None:
                self._file = self.path.open("w", encoding="utf-8")
            line = {"file": each.file, "row": each.row, "reason": each.reason, "value": each.value}
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self.reasons[each.reason] += 1
