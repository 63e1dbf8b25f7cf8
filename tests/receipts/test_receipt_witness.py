"""Witnesses over real HTTP: cosignatures, split views, and what the log publishes."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from asgi_server import serving
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from receipt_scene import BEGIN_MS, Scene, fixed_keys, with_witnesses, witness

from stillhunt.receipts.canonical import to_base64
from stillhunt.receipts.checkpoints import Checkpoint
from stillhunt.receipts.cosigning import Cosigner, Cosigning
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.notes import (
    Note,
    check_cosignature,
    cosign_note,
    read_public_key,
    read_signature,
    sign_note,
)
from stillhunt.receipts.tiles import COSIGNED, prove_consistency, read_latest
from stillhunt.receipts.trust import Trust, read_trust
from stillhunt.receipts.verify import verify
from stillhunt.receipts.witness import MOST_BYTES, Witness, app, write_request

NOW_S = BEGIN_MS // 1000 + 60


def make_witness(folder: Path, number: int, *, ml_dsa: bool = False) -> Witness:
    key = witness(number, ml_dsa=ml_dsa)
    return Witness(folder / f"witness {number}", key, [fixed_keys().log.public], now_s=lambda: NOW_S)


def trust_at(*urls: str, quorum: str, ml_dsa: bool = False) -> Trust:
    lines = with_witnesses(fixed_keys(), len(urls), quorum, ml_dsa=ml_dsa).splitlines()
    for number, url in enumerate(urls, 1):
        lines = [f"{line} {url}" if line.startswith(f"witness w{number} ") else line for line in lines]
    return read_trust("\n".join(lines) + "\n")


def test_cosigned_proofs_show_when_a_witness_saw_them(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    with serving(app(make_witness(tmp_path, 1))) as one, serving(app(make_witness(tmp_path, 2))) as two:
        trust = trust_at(one, two, quorum="2")
        cosigner = Cosigner(scene.issuer.log_folder, trust)
        for start in (0, 300, 310):
            first = scene.logged(range(start, start + 7 if start else 300))[0]
            found = cosigner.round()
            assert (found.met, found.declined) == (True, {})
            document = scene.issuer.document(first.receipt.id)
            assert document is not None
            seen = verify(document, trust).logged_by
            assert seen is not None
            assert seen.timestamp() == NOW_S
        again = Cosigner(scene.issuer.log_folder, trust).round()  # a new process learns what the witness saw
        assert again.met


def test_a_witness_that_is_away_is_named_and_the_quorum_decides(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    scene.logged(range(3))
    with serving(app(make_witness(tmp_path, 1))) as one:
        found = Cosigner(scene.issuer.log_folder, trust_at(one, "http://127.0.0.1:9", quorum="any")).round()
        assert found.met
        assert list(found.declined) == ["w2"]
        (scene.issuer.log_folder / COSIGNED).unlink()
        found = Cosigner(scene.issuer.log_folder, trust_at(one, "http://127.0.0.1:9", quorum="all")).round()
        assert not found.met
        assert not (scene.issuer.log_folder / COSIGNED).exists()


def test_a_split_view_is_refused_by_the_witness(tmp_path: Path) -> None:
    ours = Scene(tmp_path / "ours")
    ours.logged(range(5))
    shutil.copytree(tmp_path / "ours", tmp_path / "theirs")
    theirs = Scene(tmp_path / "theirs")
    ours.logged(range(5, 9))
    theirs.logged(range(100, 104))
    with serving(app(make_witness(tmp_path, 1))) as url:
        trust = trust_at(url, quorum="all")
        assert Cosigner(ours.issuer.log_folder, trust).round().met
        found = Cosigner(theirs.issuer.log_folder, trust).round()
        assert not found.met
        assert "another history" in found.declined["w1"]
        theirs.logged(range(104, 120))
        found = Cosigner(theirs.issuer.log_folder, trust).round()
        assert not found.met
        assert "422" in found.declined["w1"]
        ours.logged(range(9, 30))
        assert Cosigner(ours.issuer.log_folder, trust).round().met


def test_a_thread_cosigns_by_itself(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    scene.logged(range(3))
    with serving(app(make_witness(tmp_path, 1))) as url:
        thread = Cosigning(Cosigner(scene.issuer.log_folder, trust_at(url, quorum="all")), every_s=0.01)
        end = time.monotonic() + 20
        while thread.last is None and time.monotonic() < end:
            time.sleep(0.01)
        thread.stop()
    assert thread.last is not None
    assert thread.last.met


def test_a_witness_may_use_ml_dsa(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    first = scene.logged(range(12))[0]
    with serving(app(make_witness(tmp_path, 1, ml_dsa=True))) as url:
        trust = trust_at(url, quorum="all", ml_dsa=True)
        assert Cosigner(scene.issuer.log_folder, trust).round().met
    document = scene.issuer.document(first.receipt.id)
    assert document is not None
    seen = verify(document, trust).logged_by
    assert seen is not None
    assert seen.timestamp() == NOW_S


def test_ml_dsa_signs_the_structure_of_the_standard() -> None:
    """Against its fields written out here, in order: label, cosigner, time, origin, start, end, hash."""
    key = witness(1, ml_dsa=True)
    root = bytes(range(32))
    text = Checkpoint("log.example", 70_000, root).text()
    signature = cosign_note(text, key, NOW_S)
    message = (
        b"subtree/v1\n\x00"
        + b"\x10witness1.example"
        + NOW_S.to_bytes(8, "big")
        + b"\x0blog.example"
        + bytes(8)
        + b"\x00\x00\x00\x00\x00\x01\x11\x70"
        + root
    )
    assert signature.data[:8] == NOW_S.to_bytes(8, "big")
    assert read_public_key(key.public.encode(), b"\x06") == key.public
    MLDSA44PublicKey.from_public_bytes(key.public.raw).verify(signature.data[8:], message)
    with_extension = Note(text + "an extension\n", (signature,))
    assert (
        check_cosignature(with_extension, key.public) == NOW_S
    )  # ML-DSA cosignatures say nothing of extensions


@pytest.mark.parametrize("spoiled", ["size", "root", "origin", "time", "name"])
def test_an_ml_dsa_cosignature_is_of_one_checkpoint(spoiled: str) -> None:
    key = witness(1, ml_dsa=True)
    signature = cosign_note(Checkpoint("log.example", 7, bytes(32)).text(), key, NOW_S)
    public = key.public
    if spoiled == "time":
        signature = replace(signature, data=(NOW_S + 1).to_bytes(8, "big") + signature.data[8:])
    if spoiled == "name":
        public = replace(public, name="witness2.example")
        signature = replace(signature, name=public.name, key_id=public.id)
    text = Checkpoint(
        "other.example" if spoiled == "origin" else "log.example",
        8 if spoiled == "size" else 7,
        bytes([1]) * 32 if spoiled == "root" else bytes(32),
    ).text()
    with pytest.raises(VerificationError, match="not valid for this text"):
        check_cosignature(Note(text, (signature,)), public)


@pytest.fixture
def judge(tmp_path: Path) -> Witness:
    return make_witness(tmp_path, 1)


def signed(size: int, root: bytes, *, name: str = "api.example.com/receipts", label: str = "one") -> Note:
    text = Checkpoint(name, size, root).text()
    return Note(text, (sign_note(text, fixed_keys(label, name).log),))


def test_the_protocols_answers(tmp_path: Path, judge: Witness) -> None:
    scene = Scene(tmp_path / "store")
    scene.logged(range(5))
    old = read_latest(scene.issuer.log_folder)
    scene.logged(range(5, 12))
    new = read_latest(scene.issuer.log_folder)
    path = prove_consistency(scene.issuer.log_folder, 5, 12)

    def status(size: int, hashes: list[bytes], note: Note) -> int:
        return judge.add_checkpoint(write_request(size, hashes, note)).status

    first = judge.add_checkpoint(write_request(0, [], old))
    assert first.status == 200
    signature = read_signature(first.body.rstrip("\n"))
    assert check_cosignature(Note(old.text, (signature,)), witness(1).public) == NOW_S
    conflict = judge.add_checkpoint(write_request(0, [], new))
    assert (conflict.status, conflict.body, conflict.content_type) == (409, "5\n", "text/x.tlog.size")
    assert status(5, [], new) == 422
    assert status(5, [path[0], *path], new) == 422
    assert status(5, [bytes(32) for _ in path], new) == 422
    assert status(5, path, signed(12, bytes(32))) == 422
    assert status(13, path, new) == 400
    assert status(5, path, signed(12, bytes(32), name="other.example")) == 404
    assert status(5, path, signed(12, bytes(32), label="other")) == 403
    forged = Note(new.text, (sign_note(old.text, fixed_keys().log),))
    assert status(5, path, forged) == 403
    assert status(5, path, new) == 200
    assert status(12, [], new) == 200
    assert status(12, [], signed(12, bytes(32))) == 409
    reborn = make_witness(tmp_path, 1)
    assert reborn.add_checkpoint(write_request(5, path, new)).status == 409


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 0",
        b"old x\n\n" + signed(1, bytes(32)).encode().encode(),
        b"new 0\n\n" + signed(1, bytes(32)).encode().encode(),
        b"old 0\nAAAA\n\n" + signed(1, bytes(32)).encode().encode(),
        b"old 0\n"
        + (to_base64(bytes(32)) + "\n").encode() * 64
        + b"\n"
        + signed(1, bytes(32)).encode().encode(),
        b"\xff\xfe",
        bytes(MOST_BYTES + 1),
    ],
)
def test_malformed_requests_are_refused(body: bytes, judge: Witness) -> None:
    assert judge.add_checkpoint(body).status == 400


def test_an_address_that_is_no_http_is_refused(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    scene.logged(range(1))
    found = Cosigner(scene.issuer.log_folder, trust_at("file:///etc", quorum="all")).round()
    assert "expected a witness at http" in found.declined["w1"]


def test_a_log_without_a_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="cannot read the log's checkpoint"):
        Cosigner(tmp_path, trust_at("http://127.0.0.1:9", quorum="all")).round()
