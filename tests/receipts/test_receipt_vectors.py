"""The vectors of the specification: they are as the code makes them, and each verifies or fails at its step."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from receipt_vectors import VECTORS, written

from stillhunt.receipts.canonical import canonical
from stillhunt.receipts.chain import verify_chain
from stillhunt.receipts.document import read_document
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.merkle import leaf_hash
from stillhunt.receipts.notes import ED25519, RECEIPT, signing_key
from stillhunt.receipts.trust import read_trust
from stillhunt.receipts.verify import verify

ALL = json.loads(VECTORS.read_text(encoding="utf-8"))
TRUST = read_trust(ALL["trust"])


def raw(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def test_the_file_is_what_the_code_makes() -> None:
    assert VECTORS.read_text(encoding="utf-8") == written(), "run: python tests/receipts/receipt_vectors.py"


def test_keys_follow_from_their_seeds() -> None:
    keys = ALL["keys"]
    for name, kind in (("receipt", RECEIPT), ("log", ED25519)):
        key = signing_key("api.example.com/receipts", kind, raw(keys[f"{name}_seed"]) or b"")
        assert key.public.encode() == keys[f"{name}_key"]


@pytest.mark.parametrize("row", ALL["values"])
def test_values_follow_from_documents(row: dict[str, str]) -> None:
    document = read_document(row["document"])
    assert canonical(document.receipt.__dict__) == raw(row["canonical"])
    assert document.receipt.signed_bytes() == raw(row["signed"])
    assert document.entry() == raw(row["entry"])
    assert leaf_hash(document.entry()) == raw(row["leaf"])


@pytest.mark.parametrize("row", ALL["receipts"], ids=[row["name"] for row in ALL["receipts"]])
def test_receipts_verify_or_fail_at_their_step(row: dict[str, Any]) -> None:
    given = {"request": raw(row["request"]), "response": raw(row["response"]), "promise": row["promise"]}
    if row["step"] == 0:
        assert verify(row["document"], TRUST, **given).receipt.issuer == "api.example.com/receipts"
    else:
        with pytest.raises(VerificationError) as caught:
            verify(row["document"], TRUST, **given)
        assert caught.value.step == row["step"]


@pytest.mark.parametrize("row", ALL["chains"], ids=[row["name"] for row in ALL["chains"]])
def test_chains_verify_or_fail_at_their_step(row: dict[str, Any]) -> None:
    documents = [read_document(text) for text in row["documents"]]
    if row["step"] == 0:
        assert verify_chain(documents, TRUST).receipts == len(documents)
    else:
        with pytest.raises(VerificationError) as caught:
            verify_chain(documents, TRUST)
        assert caught.value.step == row["step"]
