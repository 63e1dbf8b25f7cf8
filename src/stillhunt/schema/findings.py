"""``Finding``: any detector's single way to speak. spec/finding.md shows one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Role = Literal["observed", "inferred", "counter", "reading"]
"""How a finding may be used: an observed fact, a scored inference, evidence against the claim, or a benign reading
that was considered."""


@dataclass(frozen=True)
class Finding:
    """One claim, with what it was tested against.

    subject: what the claim is about, such as ``{"campaign": "c-1f0a…"}``.
    claim: one sentence that could be false.
    statistic: name of the number in ``value``, with its unit.
    null: the hypothesis that the value was weighed against; empty for an observed fact without a test.
    value: the number itself. n: how many observations it rests on.
    method, version: the signal or rule that speaks. inputs_digest: SHA-256 of the input, ``sha256:<hex>``.
    evidence: small facts inline; large ones as ``{"table": path, "digest": sha256}``.
    role, channel: how it may be used, and the channel it belongs to.
    """

    subject: Mapping[str, str]
    claim: str
    statistic: str
    null: str
    value: float
    n: int
    method: str
    version: str
    inputs_digest: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    role: Role = "inferred"
    channel: str = ""

    def to_json(self) -> str:
        """One line of ``findings.jsonl``; keys sorted, no NaN."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> Finding:
        """The inverse of :meth:`to_json`; unknown fields of later minor versions are ignored."""
        known = cls.__dataclass_fields__
        return cls(**{name: value for name, value in json.loads(line).items() if name in known})
