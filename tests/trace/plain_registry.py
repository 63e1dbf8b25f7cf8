"""spec/registry.md in obvious Python, for comparison; run it to write the vectors anew."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from random import Random

EMPTY = 2**32 - 1
WORD = 2**64 - 1
VECTORS = Path(__file__).parents[2] / "spec" / "vectors" / "registry.json"


def codes(sketch: Sequence[int]) -> list[int]:
    return [63 if value == EMPTY else value % 63 for value in sketch]


def packed(sketch: Sequence[int]) -> bytes:
    out = b""
    six = codes(sketch)
    for i in range(16):
        number = sum(six[4 * i + k] << 6 * k for k in range(4))
        out += number.to_bytes(3, "little")
    return out


def slot_hash(slot: int, value: int) -> int:
    h = ((value + 1) * 0x9E3779B97F4A7C15 & WORD) ^ ((slot + 1) * 0xD6E8FEB86659FD93 & WORD)
    return ((h ^ h >> 32) * 0xD6E8FEB86659FD93 & WORD) >> 32


def posted(sketches: Sequence[Sequence[int]]) -> list[set[int]]:
    """The hashes that each text is posted under."""
    counts: dict[tuple[int, int], int] = {}
    hashes = [{s: slot_hash(s, v) for s, v in enumerate(one) if v != EMPTY} for one in sketches]
    for one in hashes:
        for s, h in one.items():
            counts[s, h >> 16] = counts.get((s, h >> 16), 0) + 1
    return [
        set([h for _, h in sorted((counts[s, h >> 16], h) for s, h in one.items())][:10]) for one in hashes
    ]


def matches(
    asked: Sequence[int], sketches: Sequence[Sequence[int]], threshold: float
) -> dict[int, tuple[float, float]]:
    """Every text that matches, with its score and its similarity."""
    n, held = len(sketches), [codes(one) for one in sketches]
    own, filled = codes(asked), [s for s, v in enumerate(asked) if v != EMPTY]
    mine = {slot_hash(s, asked[s]) for s in filled}
    found = {}
    for text, (theirs, under) in enumerate(zip(held, posted(sketches), strict=True)):
        if len(mine & under) < 2:
            continue
        score = 0.0
        for s in filled:
            p = (sum(one[s] == own[s] for one in held) + 1) / (n + 64)
            score += math.log(0.3 / p + 0.7) if theirs[s] == own[s] else math.log(0.7)
        either = sum(a != 63 or b != 63 for a, b in zip(own, theirs, strict=True))
        equal = sum(a == b != 63 for a, b in zip(own, theirs, strict=True))
        similarity = max(0.0, (equal / either - 1 / 63) / (1 - 1 / 63))
        if score >= threshold and similarity >= 0.42:
            found[text] = (score, similarity)
    return found


def vectors() -> list[dict[str, object]]:
    random = Random(5)
    made = []
    for name, full in (("every slot filled", 64), ("half of the slots filled", 32), ("one slot filled", 1)):
        filled = random.sample(range(64), full)
        sketch = [random.randrange(EMPTY) if s in filled else EMPTY for s in range(64)]
        made.append(
            {
                "name": name,
                "sketch": b"".join(value.to_bytes(4, "little") for value in sketch).hex(),
                "codes": packed(sketch).hex(),
                "hashes": [None if v == EMPTY else f"{slot_hash(s, v):08x}" for s, v in enumerate(sketch)],
            }
        )
    return made


if __name__ == "__main__":
    VECTORS.write_text(json.dumps({"format": "stillhunt-registry/1", "vectors": vectors()}, indent=1) + "\n")
