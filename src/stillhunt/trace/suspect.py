"""The rows of a suspect data set: which text of a record is an answer, and where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from stillhunt.errors import InputError

_DIALOGUES = ("messages", "conversations")
ANSWER_COLUMNS = ("completion", "output", "response", "answer", "chosen", "text", "content", *_DIALOGUES)
"""Where an answer is looked for, in this order."""
CHUNK = 20_000
"""Answers that are looked up at a time; their text is held no longer."""
_SPEAKS = ("role", "from")
_SAYS = ("content", "value")
_MODELS = frozenset(("assistant", "gpt", "model", "bot", "chatgpt"))

SUSPECT = pa.schema(
    [
        ("number", pa.int64()),
        ("file", pa.string()),
        ("row", pa.int64()),
        ("part", pa.int32()),
        ("source", pa.string()),
        ("text", pa.large_string()),
    ]
)
"""One row for each answer. ``number``: its record's, from 0 over all files. ``row``: its record's in ``file``, from 1.
``part``: from 0, where a record holds several answers. ``source``: the value of the column that tells sources apart, or
null."""


@dataclass(frozen=True)
class Unusable:
    """A record without an answer. row: from 1, 0 for the rest of a file."""

    file: str
    row: int
    reason: str


@dataclass
class Suspect:
    """Records with answers, as they are read: ``add`` each, ``take`` when ``is_full`` and at the end."""

    columns: Sequence[str] = ANSWER_COLUMNS
    by: str | None = None
    records: int = 0
    unusable: list[Unusable] = field(default_factory=list)
    _rows: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether it is time to :meth:`take`."""
        return len(self._rows) >= CHUNK

    def add(self, file: str, row: int, record: Mapping[str, Any]) -> None:
        """Takes in the answers of one record."""
        texts = answers(record, self.columns)
        if not texts:
            wanted = " or ".join(self.columns)
            self.unusable.append(Unusable(file, row, f"expected an answer in {wanted}, found none"))
            return
        source = None if self.by is None or record.get(self.by) is None else str(record[self.by])
        for part, text in enumerate(texts):
            self._rows.append((self.records, file, row, part, source, text))
        self.records += 1

    def take(self) -> pa.Table:
        """What was added since the last time, schema SUSPECT."""
        columns = zip(*self._rows, strict=True) if self._rows else [()] * len(SUSPECT)
        arrays = [pa.array(column, one.type) for column, one in zip(columns, SUSPECT, strict=True)]
        self._rows = []
        return pa.Table.from_arrays(arrays, schema=SUSPECT)

    def check(self) -> None:
        """Raises InputError where no record could be used."""
        if not self.records:
            first = f"; the first: {self.unusable[0].reason}" if self.unusable else ""
            raise InputError(
                f"no record could be used of {len(self.unusable)}{first}",
                self.unusable[0].file if self.unusable else "the data set",
                "Name the column that holds the answers with --column.",
            )


def answers(record: Mapping[str, Any], columns: Sequence[str] = ANSWER_COLUMNS) -> list[str]:
    """The answers of a record: the first of ``columns`` that holds a text, or a list of messages of which those count
    that a model spoke; empty where there is none."""
    for name in columns:
        value = record.get(name)
        if isinstance(value, str) and value:
            return [value]
        if isinstance(value, list):
            spoken = _spoken(value)
            if spoken:
                return spoken
    return []


def _spoken(messages: Iterable[Any]) -> list[str]:
    texts = []
    for message in messages:
        if not isinstance(message, Mapping):
            continue
        speaker = next((message[name] for name in _SPEAKS if isinstance(message.get(name), str)), "")
        said = next((message[name] for name in _SAYS if message.get(name)), None)
        if isinstance(said, list):
            said = "".join(str(one.get("text") or "") for one in said if isinstance(one, Mapping))
        if speaker.lower() in _MODELS and isinstance(said, str) and said:
            texts.append(said)
    return texts
