"""The pieces: canonical form, base64, notes and keys, trust files, proof files, records, key files."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from receipt_scene import BEGIN, NAME, Scene, fixed_keys, seed, with_witnesses, witness

from stillhunt.errors import InputError, OutputError, SettingError
from stillhunt.receipts.canonical import canonical, from_base64, read_object, to_base64
from stillhunt.receipts.checkpoints import Checkpoint, read_checkpoint
from stillhunt.receipts.document import read_document, time_text
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.keys import Secrets, new_keys, read_keys, write_keys
from stillhunt.receipts.notes import (
    COSIGNATURE,
    ED25519,
    RECEIPT,
    Note,
    check_cosignature,
    check_signature,
    cosign_note,
    read_note,
    read_public_key,
    sign_note,
)
from stillhunt.receipts.proofs import read_proof
from stillhunt.receipts.records import NO_RECORD, RECORD_BYTES, Record, pack, unpack
from stillhunt.receipts.trust import read_trust

TEXT = Checkpoint(NAME, 7, bytes(32)).text()
flat = st.dictionaries(
    st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1),
    st.one_of(
        st.text('aZ9 \u00e9\u20ac\U0001d11e\n\t\b"\\/\0\x1f\x7f\u2028'),
        st.booleans(),
        st.none(),
        st.integers(0, 2**53 - 1),
    ),
)


@given(flat)
def test_the_canonical_form_reads_back_and_does_not_depend_on_order(fields: dict[str, Any]) -> None:
    data = canonical(fields)
    assert read_object(data, "x") == fields
    assert canonical(dict(reversed(fields.items()))) == data
    assert canonical(json.loads(json.dumps(fields, indent=2))) == data


def test_the_canonical_form_escapes_as_rfc_8785_does() -> None:
    assert canonical({"b": '\u20ac$\u000f\nA\'B"\\\\"/', "a": 1}) == (
        b'{"a":1,"b":"' + "\u20ac$".encode() + b'\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


@pytest.mark.parametrize("text", ["AA", "AB==", "A A=", "AA==\n", "AA==AA==", None, 3])
def test_base64_is_read_one_way_only(text: Any) -> None:
    with pytest.raises(VerificationError, match=r"expected (base64|1 bytes)"):
        from_base64(text, 1, "x")
    assert from_base64("AA==", 1, "x") == b"\0"


def test_a_note_reads_back_and_only_its_keys_signature_counts() -> None:
    log, other = fixed_keys().log, fixed_keys("other").log
    note = read_note(Note(TEXT, (sign_note(TEXT, log),)).encode())
    assert check_signature(note, log.public)
    assert not check_signature(note, other.public)
    with pytest.raises(VerificationError, match="is not valid for this text"):
        check_signature(replace(note, text=TEXT.replace("7", "8")), log.public)
    assert read_checkpoint(note.text) == Checkpoint(NAME, 7, bytes(32))


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(max_examples=200)
def test_no_bit_of_a_cosigned_checkpoint_can_change(at: int, bit: int) -> None:
    log, cosigner = fixed_keys().log, witness(1)
    note = Note(TEXT, (sign_note(TEXT, log), cosign_note(TEXT, cosigner, 1795563000)))
    data = bytearray(note.encode().encode())
    data[at % len(data)] ^= 1 << bit
    try:
        changed = read_note(data.decode())
        read_checkpoint(changed.text)
        whole = (
            check_signature(changed, log.public) and check_cosignature(changed, cosigner.public) is not None
        )
    except (VerificationError, UnicodeDecodeError):
        return
    assert not whole


@pytest.mark.parametrize(
    "data",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\n— a AAAAAAA=",
        "text\n\na b\n",
        "te\txt\n\n— a AAAAAAA=\n",
        "x\n\n— a+b AAAAAAA=\n",
    ],
)
def test_what_is_no_note_is_refused(data: str) -> None:
    with pytest.raises(VerificationError, match=r"expected|control character"):
        read_note(data)


def test_a_cosignature_tells_its_time_and_is_no_plain_signature() -> None:
    cosigner = witness(1)
    note = Note(
        TEXT, (cosign_note(TEXT, cosigner, 1_795_563_000), cosign_note(TEXT, cosigner, 1_795_563_060))
    )
    assert check_cosignature(note, cosigner.public) == 1_795_563_060
    assert check_cosignature(note, witness(2).public) is None
    plain = replace(cosigner.public, kind=ED25519)
    assert not check_signature(note, plain)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected"),
        ("name", "expected"),
        ("name+00000000+!!", "expected name\\+id\\+base64"),
        (fixed_keys().log.public.encode()[:-8], "expected"),
        (fixed_keys().log.public.encode().replace("+", "+0", 1), "id should be"),
        (witness(1).public.encode(), "expected an Ed25519 key of type 01"),
    ],
)
def test_a_malformed_key_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_public_key(text, ED25519)


def test_public_keys_read_back() -> None:
    for key, kind in (
        (fixed_keys().log.public, ED25519),
        (witness(1).public, COSIGNATURE),
        (fixed_keys().current.public, RECEIPT),
    ):
        assert read_public_key(key.encode(), ED25519, COSIGNATURE, RECEIPT) == key
        assert read_public_key(key.encode(), kind).kind == kind


def test_quorums_nest() -> None:
    keys = fixed_keys()
    lines = with_witnesses(keys, 4, "none").replace("quorum none\n", "")
    trust = read_trust(
        lines
        + "group left any w1 w2\ngroup right all w3 w4\n# a remark\n\n group both 2 left right\nquorum both\n"
    )
    for cosigners, enough in [
        ((1, 3, 4), True),
        ((2, 3, 4), True),
        ((1, 2, 3), False),
        ((3, 4), False),
        ((), False),
    ]:
        cosigned = tuple(cosign_note(TEXT, witness(number), 9) for number in cosigners)
        note = Note(TEXT, (sign_note(TEXT, keys.log), *cosigned))
        if enough:
            assert len(trust.check_checkpoint(note)[1]) == len(cosigners)
        else:
            with pytest.raises(VerificationError, match="does not meet the quorum 'both'"):
                trust.check_checkpoint(note)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("watch x", "expected one of receipt-key, log, witness, group, quorum"),
        ("quorum w1", "a second one"),
        ("group g 2 w1", "a number from 1 to 1"),
        ("group g any w9", "a witness or group named above"),
        ("group none any w1", "a new name"),
        ("witness w1 {w2}", "a new name"),
        ("witness w2 {w1}", "stands on an earlier line"),
        ("log {log}", "stands on an earlier line"),
        ("witness w2 {log}", "Ed25519 key of type 04"),
        ("receipt-key {log}", "Ed25519 key of type ff"),
        ("receipt-key {receipt} from yesterday", "Invalid isoformat"),
        ("receipt-key {receipt} from 2026-01-01T00:00:00", "with its zone"),
        ("receipt-key {receipt} since 2026-01-01T00:00:00Z", "expected: receipt-key"),
        ("log", "incomplete|index"),
    ],
)
def test_a_wrong_line_of_a_trust_file_is_named(line: str, reason: str) -> None:
    keys = fixed_keys()
    text = with_witnesses(keys, 1, "none")
    names = {
        "w1": witness(1).public.encode(),
        "w2": witness(2).public.encode(),
        "log": keys.log.public.encode(),
        "receipt": keys.current.public.encode(),
    }
    with pytest.raises(InputError, match=reason) as caught:
        read_trust(text + line.format(**names) + "\n", "trust.txt")
    assert caught.value.where == f"trust.txt, line {len(text.splitlines()) + 1}"


def test_a_trust_file_needs_a_quorum() -> None:
    with pytest.raises(InputError, match="expected one line 'quorum NAME'"):
        read_trust("# nothing\n")


def test_a_proof_file_reads_back(tmp_path: Path) -> None:
    document = Scene(tmp_path / "store").logged(range(5))[3]
    assert document.proof is not None
    assert read_proof(document.proof).encode() == document.proof
    assert read_document(document.encode()) == document


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tlog-proof@v1", "tlog-proof@v2"),
        ("index 3", "index 03"),
        ("index 3", "index -3"),
        ("index 3", "index 99999999999999999999"),
        ("index 3", "index \u0663"),
        ("index 3\n", "index 3\n" + "A" * 43 + "=\n" * 64),
        ("\n5\n", "\n05\n"),
    ],
)
def test_a_malformed_proof_is_refused(old: str, new: str, tmp_path: Path) -> None:
    document = Scene(tmp_path / "store").logged(range(5))[3]
    assert document.proof is not None
    with pytest.raises(VerificationError, match=r"expected|below|more than 63"):
        read_checkpoint(read_proof(document.proof.replace(old, new)).checkpoint.text)


record_values = st.builds(
    Record,
    request=st.binary(min_size=32, max_size=32),
    response=st.binary(min_size=32, max_size=32),
    signature=st.binary(min_size=64, max_size=64),
    tag=st.binary(min_size=16, max_size=16),
    previous=st.integers(0, NO_RECORD),
    sequence=st.integers(1, 2**32 - 1),
    void=st.integers(0, 2**24 - 1),
    time_ms=st.integers(0, 2**48 - 1),
    input_tokens=st.integers(0, 2**32 - 1),
    output_tokens=st.integers(0, 2**32 - 1),
    model=st.integers(0, 2**32 - 1),
    status=st.integers(0, 2**16 - 1),
    policy=st.integers(0, 255),
    stream=st.booleans(),
    complete=st.booleans(),
)


@given(record_values, st.integers(0, RECORD_BYTES * 8 - 1))
def test_a_record_reads_back_and_a_flipped_bit_shows(record: Record, bit: int) -> None:
    data = pack(record)
    assert (len(data), unpack(data)) == (183, record)
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    assert unpack(bytes(changed)) is None
    assert unpack(data[:-1]) is None


@given(st.integers(1, 2**32 - 1), st.integers(0, 2**48))
def test_an_id_leads_to_its_place_for_its_issuer_alone(run: int, index: int) -> None:
    ours, theirs = Secrets(seed("ours")), Secrets(seed("theirs"))
    receipt_id = ours.receipt_id(run, index)
    assert ours.place(receipt_id) == (run, index)
    assert theirs.place(receipt_id) != (run, index)
    assert ours.receipt_id(run, index + 1)[:8] != receipt_id[:8]


def test_times_are_written_in_milliseconds() -> None:
    assert time_text(1_795_563_000_007) == "2026-11-24T23:30:00.007Z"


def test_a_key_file_reads_back_and_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "issuer.json"
    keys = new_keys(NAME, BEGIN).rotated(BEGIN + timedelta(days=1))
    write_keys(keys, path)
    read = read_keys(path)
    assert (read.trust(), read.secret) == (keys.trust(), keys.secret)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OutputError, match="there already"):
        write_keys(keys, path)
    path.chmod(0o644)
    with pytest.raises(InputError, match="can be read by others"):
        read_keys(path)
    assert seed("x").hex() not in repr(keys)


@pytest.mark.parametrize(
    "text", ["", "{}", '{"format": "x"}', '{"format": "stillhunt-receipt-keys/1", "name": 3}']
)
def test_what_is_no_key_file_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(InputError, match="expected"):
        read_keys(path)
    with pytest.raises(InputError, match="cannot read the key file"):
        read_keys(tmp_path / "none.json")


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\nb", 'a"b', "é"])
def test_a_name_that_notes_cannot_carry_is_refused(name: str) -> None:
    with pytest.raises(SettingError, match="expected a name of ASCII without"):
        new_keys(name, BEGIN)


def test_to_base64_pads() -> None:
    assert to_base64(b"\0") == "AA=="
