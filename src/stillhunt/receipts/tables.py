"""What records refer to by number: models, and policies with the key that signed under them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from stillhunt.errors import SettingError
from stillhunt.receipts.disk import Disk
from stillhunt.receipts.journal import read_lines

MOST_POLICIES = 255
MOST_MODELS = 1 << 20
LONGEST_MODEL = 200


@dataclass(frozen=True)
class Policy:
    """What receipts say of the key that signed them and of when they last."""

    key: str
    durable_within_ms: int
    logged_within_s: int


class Tables:
    """The numbered models and policies of a store; grows durably. Without a ``disk`` it is only read."""

    def __init__(self, folder: Path, disk: Disk | None = None) -> None:
        self._path = folder / "tables.jsonl"
        self._disk = disk
        self.models: list[str] = [""]
        self.policies: list[Policy] = []
        for line in read_lines(self._path, disk):
            if "model" in line:
                self.models.append(line["model"])
            else:
                self.policies.append(Policy(**line["policy"]))
        self._numbers = {name: number for number, name in enumerate(self.models)}

    def model(self, name: str) -> int:
        """The number of a model. Names beyond what the table may hold count as unknown, number 0."""
        name = name.encode("utf-8", "replace").decode()[:LONGEST_MODEL]
        if name not in self._numbers:
            if len(self.models) >= MOST_MODELS:
                return 0
            self._add({"model": name})
            self._numbers[name] = len(self.models)
            self.models.append(name)
        return self._numbers[name]

    def policy(self, policy: Policy) -> int:
        """The number of a policy. Raises SettingError where a store has had too many."""
        if policy not in self.policies:
            if len(self.policies) >= MOST_POLICIES:
                raise SettingError(
                    f"a store can have {MOST_POLICIES} keys and policies, all used", str(self._path)
                )
            self._add({"policy": asdict(policy)})
            self.policies.append(policy)
        return self.policies.index(policy)

    def _add(self, line: dict[str, object]) -> None:
        assert self._disk is not None, "these tables are only read"
        self._disk.append_durably(self._path, json.dumps(line).encode() + b"\n")
