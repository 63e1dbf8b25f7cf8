"""spec/sketch.md in plain Python, one step a line, to hold the kernels to. Run it to write spec/vectors/sketch.json.

Nothing here is shared with the package: it must be right by reading the page alone.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path

VECTORS = Path(__file__).parents[2] / "spec" / "vectors" / "sketch.json"
EMPTY = 2**32 - 1
WORD = 2**64 - 1


def words(secret: bytes, purpose: str, count: int) -> list[int]:
    digest = blake2b(f"stillhunt-sketch/1 {purpose}".encode(), key=secret, digest_size=8 * count).digest()
    return [int.from_bytes(digest[8 * i : 8 * i + 8], "little") for i in range(count)]


def key_id(secret: bytes) -> str:
    return "k-" + blake2b(secret, digest_size=4, person=b"stillhunt-key-id").hexdigest()


def symbols(text: bytes) -> list[int]:
    found: list[int] = []
    for byte in text:
        if byte >> 6 == 0b10:
            found[-1:] = [(symbol << 6 | byte & 0x3F) & 0xFFF for symbol in found[-1:]]
        elif byte >= 0x80:
            found.append(byte & 0x1F)
        else:
            found.append(ord(" ") if chr(byte) in "\t\n\v\f\r" else ord(chr(byte).lower()))
    return found


def sketch(text: bytes, secret: bytes) -> list[int]:
    k0, k1, k2, k3 = words(secret, "shingle", 4)
    of = symbols(text)
    slots = [EMPTY] * 64
    if 0 < len(of) < 5:
        of += [0] * (5 - len(of))
    for j in range(len(of) - 4):
        x = sum(of[j + i] << 12 * i for i in range(5))
        x = (x ^ k0) * (k1 | 1) & WORD
        x ^= x >> 32
        x = (x ^ k2) * (k3 | 1) & WORD
        slots[x >> 58] = min(slots[x >> 58], x >> 26 & EMPTY)
    return slots


def rotate(x: int, bits: int) -> int:
    return (x << bits | x >> 64 - bits) & WORD


def siphash(text: bytes, k0: int, k1: int) -> int:
    v0, v1, v2, v3 = (
        k0 ^ 0x736F6D6570736575,
        k1 ^ 0x646F72616E646F6D,
        k0 ^ 0x6C7967656E657261,
        k1 ^ 0x7465646279746573,
    )
    padded = text + bytes(7 - len(text) % 8) + bytes([len(text) % 256])
    blocks = [int.from_bytes(padded[i : i + 8], "little") for i in range(0, len(padded), 8)]
    for block, rounds in [(block, 2) for block in blocks] + [(None, 4)]:
        v3 ^= block or 0
        v2 ^= 0xFF if block is None else 0
        for _ in range(rounds):
            v0, v2 = v0 + v1 & WORD, v2 + v3 & WORD
            v1, v3 = rotate(v1, 13) ^ v0, rotate(v3, 16) ^ v2
            v0 = rotate(v0, 32)
            v2, v0 = v2 + v1 & WORD, v0 + v3 & WORD
            v1, v3 = rotate(v1, 17) ^ v2, rotate(v3, 21) ^ v0
            v2 = rotate(v2, 32)
        v0 ^= block or 0
    return v0 ^ v1 ^ v2 ^ v3


def text_id(text: bytes, secret: bytes) -> bytes:
    return siphash(text, *words(secret, "text", 2)).to_bytes(8, "little")


def band(slots: list[int], secret: bytes) -> bytes:
    key, out = words(secret, "band", 4), b""
    for part in (0, 1):
        half = range(32 * part, 32 * part + 32)
        least = min([slots[i] << 6 | i for i in half if slots[i] != EMPTY], default=WORD)
        x = (least ^ key[2 * part]) * (key[2 * part + 1] | 1) & WORD
        x = (x ^ x >> 32) * (key[2 * part + 1] | 1) & WORD
        out += (x >> 48).to_bytes(2, "little")
    return out


def vector(name: str, text: bytes, secret: bytes) -> dict[str, object]:
    slots = sketch(text, secret)
    template, identity = band(slots, secret), text_id(text, secret)
    return {
        "name": name,
        "key": secret.hex(),
        "key_id": key_id(secret),
        "text_hex": text.hex(),
        "chars": len(symbols(text)),
        "sketch": b"".join(slot.to_bytes(4, "little") for slot in slots).hex(),
        "text_id": identity.hex(),
        "prompt_sketch": (template + identity[:4]).hex() if text else None,
        "system_sketch": template.hex() if text else None,
        "completion_sketch": identity[:4].hex() if text else None,
    }


def vectors() -> list[dict[str, object]]:
    first, second = bytes(range(32)), blake2b(b"another key", digest_size=32).digest()
    prose = "Count the boats that left the harbour on day %d, and say which of them came back.\n"
    long = "".join(prose % day for day in range(40))
    texts = {
        "the example": b"What is the longest river of Peru?",
        "empty": b"",
        "one character": b"a",
        "four characters": b"Ab\tc",
        "exactly five characters": b"hello",
        "letter case and blanks are folded": b"WHAT\tIS THE\nLONGEST\rRIVER OF PERU?",
        "two-byte characters": "Größe über Straße".encode(),
        "three-byte characters": "富士山の高さは何メートルですか。".encode(),
        "four-byte characters": "🙂🙃 ok 🙂🙃".encode(),
        "over many blocks": long.encode(),
        "wide characters across blocks": ("x" + "é—🙂 " * 400).encode(),
        "half of a surrogate pair": b"before \xed\xa0\x80 after",
        "continuation bytes first": b"\x80\xbfabcdef",
        "cut within a character": b"caf\xc3",
        "a NUL byte": b"nul\x00 byte",
    }
    both = [vector(name, text, first) for name, text in texts.items()]
    return [*both, vector("the example under another key", texts["the example"], second)]


if __name__ == "__main__":
    VECTORS.parent.mkdir(exist_ok=True)
    VECTORS.write_text(json.dumps({"format": "stillhunt-sketch/1", "vectors": vectors()}, indent=1) + "\n")
