"""COSE receipts, read by another library, and CBOR against another encoder."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from receipt_scene import NAME, Scene, fixed_keys
from scitt_cose.receipt import verify_receipt

from stillhunt.receipts.cose import cose_receipt, encode
from stillhunt.receipts.document import Document
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.proofs import read_proof

simple = st.one_of(
    st.none(),
    st.integers(-(2**64), 2**64 - 1),
    st.binary(max_size=300),
    st.text("aé€\U0001d11e\n", max_size=40),
)
values = st.recursive(
    simple,
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.integers(0, 500), inner, max_size=30),
)


@given(values)
def test_cbor_is_as_another_encoder_writes_it(value: Any) -> None:
    assert encode(value) == cbor2.dumps(value, canonical=True)


def test_numbers_beyond_64_bits_are_refused() -> None:
    with pytest.raises(ValueError, match=r"below 2\^64"):
        encode(2**64)


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    return Scene(tmp_path_factory.mktemp("cose") / "store").logged(range(300))


def check(receipt: bytes, entry: bytes, label: str = "one") -> Any:
    key = fixed_keys(label).log.private.public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return verify_receipt(receipt, leaf_entry_hex=entry.hex(), log_public_key_pem=pem)


@pytest.mark.parametrize("index", [0, 1, 255, 256, 299])
def test_another_library_verifies_inclusion(index: int, documents: list[Document]) -> None:
    document = documents[index]
    assert document.proof is not None
    receipt = cose_receipt(read_proof(document.proof), fixed_keys().log, document.receipt.id)
    found = check(receipt, document.entry())
    assert (found.ok, found.errors) == (True, [])
    assert (found.tree_size, found.leaf_index) == (300, index)
    assert (found.issuer, found.subject) == (NAME, document.receipt.id)
    assert not check(receipt, documents[index - 1].entry()).ok
    assert not check(receipt, document.entry(), "other").ok


def test_no_byte_of_it_can_change(documents: list[Document]) -> None:
    document = documents[77]
    assert document.proof is not None
    receipt = cose_receipt(read_proof(document.proof), fixed_keys().log, document.receipt.id)
    whole = check(receipt, document.entry())
    held = []
    for at in range(len(receipt)):
        changed = receipt[:at] + bytes([receipt[at] ^ 1]) + receipt[at + 1 :]
        found = check(changed, document.entry())
        if found.ok:
            held.append(found)
    # The size of the tree is not signed in a COSE receipt, and several sizes can give one path to one root.
    assert [(one.root, one.leaf_index, one.tree_size) for one in held] == [(whole.root, 77, 301)]


def test_a_checkpoint_that_the_key_did_not_sign_is_refused(documents: list[Document]) -> None:
    document = documents[1]
    assert document.proof is not None
    proof = read_proof(document.proof)
    with pytest.raises(VerificationError, match="is not signed by key"):
        cose_receipt(proof, fixed_keys("other").log, "x")
