"""Writes spec/vectors/receipts.json. Run: python tests/receipts/receipt_vectors.py"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from receipt_scene import (
    Scene,
    answer,
    fixed_keys,
    request_bytes,
    response_bytes,
    seed,
    with_witnesses,
    witness,
)

from stillhunt.receipts.canonical import canonical
from stillhunt.receipts.commitments import commit, request_commitment, response_commitment
from stillhunt.receipts.document import Document
from stillhunt.receipts.merkle import leaf_hash

VECTORS = Path(__file__).parents[2] / "spec" / "vectors" / "receipts.json"
STREAM = b'data: {"choices":[{"delta":{"content":"h\xc3\xa9"}}]}\n\ndata: [DONE]\n\n'


def text64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def edited(document: Document, *path: str, to: Any) -> str:
    """The document's JSON with one value changed; None removes it."""
    parts = json.loads(document.encode())
    *parents, last = path
    inside = parts
    for name in parents:
        inside = inside[name]
    if to is None:
        del inside[last]
    else:
        inside[last] = to
    return json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def make(folder: Path) -> dict[str, Any]:
    """All vectors."""
    scene = Scene(folder / "store")
    promises = [one.receipt.id for one in scene.promise(range(3))]
    promises += [one.receipt.id for one in scene.promise(range(3, 4), "bolt")]
    nonce = seed("nonce of the stream")
    streamed = replace(
        answer(4, "acme"),
        nonce=nonce,
        request=commit(request_commitment(nonce), request_bytes(4)),
        response=commit(response_commitment(nonce), STREAM),
        stream=True,
        model='ex\u00e9mple \U0001d11e "\\\n',
    )
    promises.append(scene.issuer.promise(streamed).receipt.id)
    scene.issuer.flush()
    scene.cosign(1, 3)
    documents = [scene.issuer.document(one) for one in promises]
    logged = [one for one in documents if one is not None]
    promise = scene.issuer.promise(answer(9, "acme"))
    trust = with_witnesses(scene.keys, 3, "2")
    chain = [logged[0], logged[1], logged[2], logged[4]]
    return {
        "about": "Vectors of spec/receipt.md. Byte strings are base64; step 0 means that it verifies.",
        "keys": {
            "receipt_seed": text64(seed("one receipt")),
            "log_seed": text64(seed("one log")),
            "witness_seeds": [text64(seed(f"witness {number}")) for number in (1, 2, 3)],
            "receipt_key": fixed_keys().current.public.encode(),
            "log_key": fixed_keys().log.public.encode(),
            "witness_keys": [witness(number).public.encode() for number in (1, 2, 3)],
        },
        "trust": trust,
        "values": [values(one) for one in logged],
        "receipts": receipts(logged, promise),
        "chains": chains(chain, logged[3]),
    }


def values(document: Document) -> dict[str, str]:
    """What follows from a document, step by step."""
    return {
        "document": document.encode(),
        "canonical": text64(canonical(document.receipt.__dict__)),
        "signed": text64(document.receipt.signed_bytes()),
        "entry": text64(document.entry()),
        "leaf": text64(leaf_hash(document.entry())),
    }


def receipts(logged: list[Document], promise: Document) -> list[dict[str, Any]]:
    """Single receipts, good and bad."""
    one, stream = logged[1], logged[4]
    proof = one.proof or ""
    rows: list[tuple[str, str, int, bytes | None, bytes | None, bool]] = [
        ("plain", one.encode(), 0, request_bytes(1), response_bytes(1), False),
        ("plain, nothing compared", one.encode(), 0, None, None, False),
        ("stream, as recorded", stream.encode(), 0, request_bytes(4), recorded(stream), False),
        ("stream, without its receipt event", stream.encode(), 0, None, STREAM, False),
        ("no nonce, nothing compared", edited(one, "opening", "nonce", to=None), 0, None, None, False),
        ("white space", json.dumps(json.loads(one.encode()), indent=2), 0, None, None, False),
        ("promise, accepted", promise.encode(), 0, None, None, True),
        ("promise, not accepted", promise.encode(), 6, None, None, False),
        ("not JSON", one.encode()[:-1], 1, None, None, False),
        ("name twice", one.encode().replace('"void":0', '"void":0,"void":0'), 1, None, None, False),
        ("fraction", one.encode().replace('"void":0', '"void":0.0'), 1, None, None, False),
        ("unknown field", edited(one, "receipt", "note", to="x"), 1, None, None, False),
        ("missing field", edited(one, "receipt", "void", to=None), 1, None, None, False),
        ("other format", edited(one, "receipt", "format", to="stillhunt-receipt/2"), 1, None, None, False),
        ("other issuer", edited(one, "receipt", "issuer", to="other.example"), 2, None, None, False),
        ("unknown key", edited(one, "receipt", "key", to="00000000"), 2, None, None, False),
        ("before the key", edited(one, "receipt", "time", to="2026-10-31T23:59:59.999Z"), 2, None, None, False),
        ("other model", edited(one, "receipt", "model", to="other"), 3, None, None, False),
        ("other number", edited(one, "receipt", "sequence", to=3), 3, None, None, False),
        ("other signature", edited(one, "signature", to=text64(bytes(64))), 3, None, None, False),
        ("other request", one.encode(), 4, request_bytes(2), None, False),
        ("other response", one.encode(), 5, None, response_bytes(2), False),
        ("stream cut", stream.encode(), 5, None, STREAM[:-1], False),
        ("stream with more after its receipt", stream.encode(), 5, None, recorded(stream) + STREAM, False),
        ("nonce gone", edited(one, "opening", "nonce", to=None), 5, None, response_bytes(1), False),
        ("other nonce", edited(one, "opening", "nonce", to=text64(bytes(32))), 5, None, response_bytes(1), False),
        ("no salt", edited(one, "opening", "salt", to=None), 6, None, None, False),
        ("malformed proof", edited(one, "proof", to=proof.replace("index 1", "index 01")), 6, None, None, False),
        ("other root", edited(one, "proof", to=proof.replace("\n5\n", "\n6\n")), 7, None, None, False),
        ("one cosignature less", edited(one, "proof", to=proof[: proof.rindex("— ")]), 7, None, None, False),
        ("other salt", edited(one, "opening", "salt", to=text64(bytes(32))), 8, None, None, False),
        ("proof of another", edited(one, "proof", to=logged[2].proof), 8, None, None, False),
        ("other index", edited(one, "proof", to=proof.replace("index 1", "index 2")), 8, None, None, False),
    ]  # fmt: skip
    return [
        {
            "name": name,
            "document": document,
            "request": None if request is None else text64(request),
            "response": None if response is None else text64(response),
            "promise": accepted,
            "step": step,
        }
        for name, document, step, request, response, accepted in rows
    ]


def recorded(document: Document) -> bytes:
    """The stream as it went over the wire: with the promise, which has no proof yet."""
    return STREAM + b"event: receipt\ndata: " + replace(document, proof=None).encode().encode() + b"\n\n"


def chains(chain: list[Document], stranger: Document) -> list[dict[str, Any]]:
    """Chains, good and bad."""
    rows: list[tuple[str, list[Document], int]] = [
        ("whole", chain, 0),
        ("from the middle", chain[1:], 0),
        ("not sorted", chain[::-1], 0),
        ("gap", [chain[0], chain[2]], 12),
        ("twice", [*chain, chain[1]], 11),
        ("another account's", [chain[0], chain[1], replace(stranger)], 11),
        (
            "places exchanged",
            [replace(chain[0], proof=chain[1].proof), replace(chain[1], proof=chain[0].proof)],
            14,
        ),
        ("no link", [chain[0], replace(chain[1], opening={"salt": chain[1].opening["salt"]})], 13),
    ]
    return [
        {"name": name, "documents": [one.encode() for one in documents], "step": step}
        for name, documents, step in rows
    ]


def written() -> str:
    """The file's text."""
    with tempfile.TemporaryDirectory() as folder:
        return json.dumps(make(Path(folder)), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    VECTORS.parent.mkdir(parents=True, exist_ok=True)
    VECTORS.write_text(written(), encoding="utf-8")
    sys.stdout.write(f"wrote {VECTORS}\n")
