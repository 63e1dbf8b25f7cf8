"""What an answer says of its model and tokens: OpenAI chat and responses, Anthropic messages, plain or streamed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

LONGEST_LINE = 1 << 20


@dataclass
class Usage:
    """The model, empty where unknown, and token counts, None where unknown."""

    model: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None

    def take(self, said: Any) -> None:
        """Takes what one JSON object of an answer says; later words outweigh earlier ones."""
        if not isinstance(said, dict):
            return
        for one in (said, said.get("response"), said.get("message")):
            if isinstance(one, dict):
                model, usage = one.get("model"), one.get("usage")
                if isinstance(model, str) and model:
                    self.model = model
                if isinstance(usage, dict):
                    self.input_tokens = _count(usage, ("input_tokens", "prompt_tokens"), self.input_tokens)
                    self.output_tokens = _count(
                        usage, ("output_tokens", "completion_tokens"), self.output_tokens
                    )


class StreamUsage:
    """Reads usage off a raw event stream as it passes."""

    def __init__(self) -> None:
        self.usage = Usage()
        self._rest = b""

    def update(self, piece: bytes) -> None:
        """Takes the next bytes."""
        *lines, rest = (self._rest + piece).split(b"\n")
        self._rest = rest if len(rest) <= LONGEST_LINE else b""
        for line in lines:
            told = b'"usage"' in line or (not self.usage.model and b'"model"' in line)
            if told and line.startswith(b"data:"):
                self.usage.take(_parse(line[5:]))


def plain_usage(body: bytes) -> Usage:
    """Reads usage off a whole answer; nothing is known where it is not JSON."""
    usage = Usage()
    usage.take(_parse(body))
    return usage


def _parse(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _count(usage: dict[str, Any], names: tuple[str, ...], known: int | None) -> int | None:
    for name in names:
        value = usage.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return known
