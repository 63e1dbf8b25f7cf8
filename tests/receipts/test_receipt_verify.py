"""Verification of one receipt: what holds, and every way to tamper with it, each named by its step."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from receipt_scene import (
    BEGIN,
    NAME,
    Scene,
    answer,
    fixed_keys,
    proof_index,
    request_bytes,
    response_bytes,
    with_witnesses,
)

from stillhunt.receipts.commitments import Commitment, commit, request_commitment, response_commitment
from stillhunt.receipts.document import Document
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.journal import erase
from stillhunt.receipts.trust import read_trust
from stillhunt.receipts.verify import split_stream, verify, verify_void

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scene, list[Document]]:
    scene = Scene(tmp_path_factory.mktemp("receipts") / "store")
    return scene, scene.logged(range(9))


@pytest.fixture(scope="module")
def scene(made: tuple[Scene, list[Document]]) -> Scene:
    return made[0]


@pytest.fixture(scope="module")
def documents(made: tuple[Scene, list[Document]]) -> list[Document]:
    return made[1]


def refused(document: Document | str, scene: Scene, **given: Any) -> VerificationError:
    with pytest.raises(VerificationError) as caught:
        verify(document if isinstance(document, str) else document.encode(), scene.trust, **given)
    return caught.value


def test_a_receipt_verifies_with_its_bytes_and_its_place(scene: Scene, documents: list[Document]) -> None:
    for number, document in enumerate(documents):
        found = verify(
            document.encode(), scene.trust, request=request_bytes(number), response=response_bytes(number)
        )
        assert (found.request, found.response, found.index, found.logged_by) == (True, True, number, None)
        assert found.receipt.sequence == number + 1
        assert found.receipt.input_tokens == 10 + number


def test_a_promise_is_accepted_only_where_asked_for(scene: Scene) -> None:
    (promise,) = scene.promise(range(20, 21), "other")
    assert verify(promise, scene.trust, promise=True).index is None
    error = refused(promise, scene)
    assert (error.step, "it is a promise" in error.problem) == (6, True)


def alter(document: Document, change: Change) -> str:
    parts = json.loads(document.encode())
    change(parts)
    return json.dumps(parts, ensure_ascii=False)


def other_bytes(text: str) -> str:
    data = bytearray(base64.b64decode(text))
    data[0] ^= 1
    return base64.b64encode(data).decode()


TAMPERED: list[tuple[str, int, Change]] = [
    ("account", 3, lambda d: d["receipt"].update(account="00" * 16)),
    ("complete", 3, lambda d: d["receipt"].update(complete=False)),
    ("durable_within_ms", 3, lambda d: d["receipt"].update(durable_within_ms=0)),
    ("format", 1, lambda d: d["receipt"].update(format="stillhunt-receipt/2")),
    ("id", 3, lambda d: d["receipt"].update(id="11" * 16)),
    ("input_tokens", 3, lambda d: d["receipt"].update(input_tokens=11)),
    ("issuer", 2, lambda d: d["receipt"].update(issuer="other.example/receipts")),
    ("key", 2, lambda d: d["receipt"].update(key="00000000")),
    ("logged_within_s", 3, lambda d: d["receipt"].update(logged_within_s=61)),
    ("model", 3, lambda d: d["receipt"].update(model="example-small-2")),
    ("output_tokens", 3, lambda d: d["receipt"].update(output_tokens=0)),
    ("previous", 3, lambda d: d["receipt"].update(previous=other_bytes(d["receipt"]["request"]))),
    ("request", 3, lambda d: d["receipt"].update(request=other_bytes(d["receipt"]["request"]))),
    ("response", 3, lambda d: d["receipt"].update(response=other_bytes(d["receipt"]["response"]))),
    ("sequence", 3, lambda d: d["receipt"].update(sequence=9)),
    ("status", 3, lambda d: d["receipt"].update(status=500)),
    ("stream", 3, lambda d: d["receipt"].update(stream=True)),
    ("time", 3, lambda d: d["receipt"].update(time="2026-11-25T00:00:00.000Z")),
    ("time before the key", 2, lambda d: d["receipt"].update(time="2026-10-31T23:59:59.999Z")),
    ("void", 3, lambda d: d["receipt"].update(void=1)),
    ("signature", 3, lambda d: d.update(signature=other_bytes(d["signature"]))),
    ("signature cut", 1, lambda d: d.update(signature=d["signature"][:-4])),
    ("a field added", 1, lambda d: d["receipt"].update(note="x")),
    ("a field removed", 1, lambda d: d["receipt"].pop("void")),
    ("a part added", 1, lambda d: d.update(extra={})),
    ("number as text", 1, lambda d: d["receipt"].update(sequence="5")),
    ("truth as number", 1, lambda d: d["receipt"].update(complete=1)),
    ("number as truth", 1, lambda d: d["receipt"].update(void=False)),
    ("a fraction", 1, lambda d: d["receipt"].update(sequence=5.0)),
    ("a huge number", 1, lambda d: d["receipt"].update(sequence=2**53)),
    ("no such day", 1, lambda d: d["receipt"].update(time="2026-02-30T00:00:00.000Z")),
    ("surrogate", 1, lambda d: d["receipt"].update(model="\ud800")),
    ("nonce", 4, lambda d: d["opening"].update(nonce=other_bytes(d["opening"]["nonce"]))),
    ("no nonce", 4, lambda d: d["opening"].pop("nonce")),
    ("salt", 8, lambda d: d["opening"].update(salt=other_bytes(d["opening"]["salt"]))),
    ("no salt", 6, lambda d: d["opening"].pop("salt")),
    ("short salt", 1, lambda d: d["opening"].update(salt="AAAA")),
    ("no proof", 6, lambda d: d.pop("proof")),
    ("proof of something else", 6, lambda d: d.update(proof="index 4\n")),
    ("index", 8, lambda d: d.update(proof=d["proof"].replace("index 4", "index 5"))),
    ("index beyond", 8, lambda d: d.update(proof=d["proof"].replace("index 4", "index 9"))),
    ("size", 7, lambda d: d.update(proof=d["proof"].replace("\n9\n", "\n8\n"))),
    ("extra data", 6, lambda d: d.update(proof=d["proof"].replace("index", "extra AAAA\nindex"))),
    ("path cut", 8, lambda d: d.update(proof=without_line(d["proof"], 2))),
    ("checkpoint unsigned", 6, lambda d: d.update(proof=d["proof"].split("— ")[0])),
]  # fmt: skip


def without_line(text: str, number: int) -> str:
    lines = text.split("\n")
    return "\n".join(lines[:number] + lines[number + 1 :])


@pytest.mark.parametrize(("step", "change"), [row[1:] for row in TAMPERED], ids=[row[0] for row in TAMPERED])
def test_tampering_is_named_by_its_step(
    step: int, change: Change, scene: Scene, documents: list[Document]
) -> None:
    error = refused(alter(documents[4], change), scene, request=request_bytes(4), response=response_bytes(4))
    assert error.step == step, error


def test_every_field_of_a_receipt_is_in_the_table(documents: list[Document]) -> None:
    assert set(json.loads(documents[0].encode())["receipt"]) <= {row[0] for row in TAMPERED}


def test_no_byte_of_a_document_can_change(scene: Scene, documents: list[Document]) -> None:
    """Each byte in turn, with its lowest bit and then its sixth flipped. Only the link is for a chain to check."""
    data = documents[4].encode().encode()
    link = data.index(documents[4].opening["link"].encode())
    for at in (at for at in range(len(data)) if not link <= at < link + 44):
        for bit in (0x01, 0x20):
            changed = data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
            with pytest.raises(VerificationError):
                verify(changed, scene.trust, request=request_bytes(4), response=response_bytes(4))


@pytest.mark.parametrize(("given", "step"), [("request", 4), ("response", 5)])
def test_other_bytes_are_refused(given: str, step: int, scene: Scene, documents: list[Document]) -> None:
    content = {"request": request_bytes, "response": response_bytes}[given]
    for wrong in (b"", content(5), content(4)[:-1], content(4) + b" "):
        error = refused(documents[4], scene, **{given: wrong})
        assert (error.step, given in error.problem) == (step, True)


def test_a_nonce_of_another_receipt_opens_nothing(scene: Scene, documents: list[Document]) -> None:
    swapped = replace(documents[4], opening={**documents[4].opening, "nonce": documents[5].opening["nonce"]})
    assert refused(swapped, scene, response=response_bytes(5)).step == 5


def test_a_proof_of_another_receipt_proves_nothing(scene: Scene, documents: list[Document]) -> None:
    assert refused(replace(documents[4], proof=documents[5].proof), scene).step == 8


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "nonsense", '{"receipt":{},"receipt":{}}', "[" * 100_000, "\xff"]
)
def test_what_is_no_document_is_refused(text: str, scene: Scene) -> None:
    assert refused(text, scene).step == 1


def test_a_name_that_comes_twice_is_refused(scene: Scene, documents: list[Document]) -> None:
    twice = documents[4].encode().replace('"void":0', '"void":0,"void":0')
    assert "a name comes twice" in refused(twice, scene).problem


def test_another_issuers_key_or_log_is_refused(
    tmp_path: Path, scene: Scene, documents: list[Document]
) -> None:
    stranger = fixed_keys("stranger")
    with pytest.raises(VerificationError, match=r"no receipt key .* of api\.example"):
        verify(documents[0], read_trust(stranger.trust()))
    mixed = "\n".join([fixed_keys().trust().splitlines()[0], *stranger.trust().splitlines()[1:]])
    with pytest.raises(VerificationError) as caught:
        verify(documents[0], read_trust(mixed))
    assert (caught.value.step, "no trusted key of the log" in caught.value.problem) == (7, True)
    other = Scene(tmp_path / "other", fixed_keys("other", "other.example/receipts"))
    foreign = other.logged(range(9))[4]
    both = read_trust(fixed_keys().trust().replace("quorum none", "") + other.keys.trust())
    with pytest.raises(VerificationError, match="the checkpoint is of 'other"):
        verify(replace(documents[4], proof=foreign.proof), both)


def test_an_old_key_counts_for_its_own_time_alone(tmp_path: Path) -> None:
    first = Scene(tmp_path / "store")
    old = first.logged(range(2))
    first.issuer.close()
    first.clock.ms += 3_600_000
    first.keys = first.keys.rotated(BEGIN + timedelta(hours=1))
    first.reopen()
    new = first.logged(range(2, 4))
    assert old[0].receipt.key != new[0].receipt.key
    for document in (*old, *new):
        verify(document, first.trust)
    forged = replace(old[0], receipt=replace(new[0].receipt, key=old[0].receipt.key))
    key = fixed_keys().current
    forged = replace(forged, signature=key.sign(forged.receipt.signed_bytes()))
    error = refused(forged, first)
    assert (error.step, "does not count at" in error.problem) == (2, True)


def test_witnesses_of_the_quorum_must_have_cosigned(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    receipt_id = scene.logged(range(3))[1].receipt.id
    needs_two = read_trust(with_witnesses(scene.keys, 3, "2"))
    for cosigners in ((), (1,), (4, 5)):
        scene.cosign(*cosigners)
        document = scene.issuer.document(receipt_id)
        assert document is not None
        with pytest.raises(VerificationError, match="quorum 'all-of-them'") as caught:
            verify(document, needs_two)
        assert caught.value.step == 7
    for cosigners in ((1, 3), (1, 2, 3)):
        scene.cosign(*cosigners)
        document = scene.issuer.document(receipt_id)
        assert document is not None
        seen = verify(document, needs_two).logged_by
        assert seen is not None
        assert seen.timestamp() == scene.clock.ms // 1000 + 1


def test_a_wrong_cosignature_of_a_known_witness_spoils_the_checkpoint(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    receipt_id = scene.logged(range(3))[1].receipt.id
    scene.cosign(1, 2)
    document = scene.issuer.document(receipt_id)
    assert document is not None
    assert document.proof is not None
    head, line = document.proof.rsplit("— ", 1)
    name, data = line.split()
    spoilt = replace(document, proof=f"{head}— {name} {data[:20]}AAAA{data[24:]}\n")
    one_of = read_trust(with_witnesses(scene.keys, 2, "any"))
    verify(document, one_of)
    assert verify(document, scene.trust).logged_by is None
    with pytest.raises(VerificationError, match=r"the cosignature of witness2\.example"):
        verify(spoilt, one_of)


def test_a_receipt_cannot_be_younger_than_its_place_in_the_log(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    receipt_id = scene.logged(range(3))[1].receipt.id
    scene.cosign(1, late_s=-302)
    document = scene.issuer.document(receipt_id)
    assert document is not None
    with pytest.raises(VerificationError) as caught:
        verify(document, read_trust(with_witnesses(scene.keys, 1, "any")))
    assert (caught.value.step, "before its own time" in caught.value.problem) == (9, True)


def test_erasing_the_nonce_leaves_the_receipt_and_takes_the_content(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    receipt_id = scene.logged(range(3))[1].receipt.id
    erase(tmp_path / "store", 1)
    document = scene.issuer.document(receipt_id)
    assert document is not None
    assert "nonce" not in document.opening
    assert verify(document, scene.trust).index == 1
    assert refused(document, scene, response=response_bytes(1)).step == 5


def test_of_a_stream_the_bytes_before_the_receipt_event_count(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    body = b'data: {"text":"event: receipt"}\n\ndata: [DONE]\n\n'
    nonce = bytes(range(32))

    def whole(make: Callable[[bytes], Commitment], content: bytes) -> bytes:
        return commit(make(nonce), content)

    given = replace(answer(1, "acme"), nonce=nonce, stream=True)
    given = replace(
        given, request=whole(request_commitment, b"ask"), response=whole(response_commitment, body)
    )
    document = scene.issuer.promise(given)
    wire = body + b"event: receipt\ndata: " + document.encode().encode() + b"\n\n"
    assert split_stream(wire) == (body, document.encode())
    assert split_stream(body) == (body, None)
    for received in (wire, body):
        assert verify(document, scene.trust, response=received, promise=True).response
    assert refused(document, scene, response=body[:-1], promise=True).step == 5
    lone = b"event: receipt\ndata: {}\n\n"
    assert split_stream(lone) == (b"", "{}")


def test_a_void_is_verified_and_is_no_receipt(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    lost = scene.promise(range(2))[1]
    scene.issuer.abandon()
    journal = tmp_path / "store" / "journal"
    journal.write_bytes(journal.read_bytes()[:183])
    scene.reopen()
    text = scene.issuer.void(lost.receipt.id)
    void = verify_void(text, scene.trust)
    assert (void.id, void.issuer) == (lost.receipt.id, NAME)
    assert refused(text, scene).step == 1
    with pytest.raises(VerificationError):
        verify_void(lost.encode(), scene.trust)
    for old, new, step in [
        (lost.receipt.id, "11" * 16, 3),
        (void.key, "00000000", 2),
        (void.time, "2026-10-01T00:00:00.000Z", 2),
        (void.time, "2026-11-25T00:00:00.000Z", 3),
        ("stillhunt-void/1", "stillhunt-receipt/1", 1),
        ('"time"', '"when"', 1),
        (lost.receipt.id, "11", 1),
        ('"signature"', '"signed"', 1),
    ]:
        with pytest.raises(VerificationError) as caught:
            verify_void(text.replace(old, new), scene.trust)
        assert caught.value.step == step


def test_indexes_of_proofs_are_places_in_the_log(documents: list[Document]) -> None:
    assert [proof_index(one) for one in documents] == list(range(9))
    assert documents[0].receipt.issuer == NAME


def test_verifying_needs_few_modules() -> None:
    code = "import stillhunt.receipts.chain, sys; print(*sorted(m.split('.')[0] for m in sys.modules))"
    loaded = set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )
    assert "cryptography" in loaded
    assert not loaded & {
        "numpy",
        "pyarrow",
        "duckdb",
        "pydantic",
        "rich",
        "typer",
        "http_message_signatures",
        "numba",
    }
