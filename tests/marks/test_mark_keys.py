from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillhunt.errors import InputError, OutputError, SettingError
from stillhunt.marks.keys import (
    KeyPath,
    SubKey,
    commitment_record,
    create_key,
    load_key,
    master_key,
    opening_record,
    opens,
)

MASTER = bytes(range(32))
PATH = KeyPath("answers", "2026-11", "17")
PROFILE = {"scheme": "gumbel", "prf": "philox", "width": 4, "context": "answer"}


def _hkdf(ikm: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869, in plain steps."""
    prk = hmac.digest(salt, ikm, "sha256")
    out, block, count = b"", b"", 1
    while len(out) < length:
        block = hmac.digest(prk, block + info + bytes([count]), "sha256")
        out, count = out + block, count + 1
    return out[:length]


def test_subkeys_follow_rfc_5869() -> None:
    info = b"\x00\x07answers\x00\x072026-11\x00\x0217"
    assert PATH.encoded() == info
    subkey = master_key(MASTER).subkey(PATH)
    assert subkey.secret == _hkdf(MASTER, b"stillhunt-mark-key/1", info, 32)
    assert subkey.engine_key == int.from_bytes(subkey.secret[:8], "big")
    stream, block = b"", b""
    for count in (1, 2, 3):
        block = hmac.digest(subkey.secret, block + b"synthid" + bytes([count]), "sha256")
        stream += block
    expected = tuple(int.from_bytes(stream[i : i + 8], "big") % 2**63 for i in range(0, 80, 8))
    assert subkey.synthid_keys(10) == expected


@settings(deadline=None)
@given(st.tuples(st.text(), st.text(), st.text()), st.tuples(st.text(), st.text(), st.text()))
def test_no_two_paths_share_an_encoding(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    try:
        first, second = KeyPath(*one).encoded(), KeyPath(*other).encoded()
    except UnicodeEncodeError:
        return
    assert (first == second) == (one == other)


def test_buckets_are_stable_in_range_and_change_with_the_epoch() -> None:
    key = master_key(MASTER)
    now = [key.bucket_of(f"acct-{i}", "2026-11", 16) for i in range(400)]
    later = [key.bucket_of(f"acct-{i}", "2026-12", 16) for i in range(400)]
    assert now == [key.bucket_of(f"acct-{i}", "2026-11", 16) for i in range(400)]
    assert set(now) == {str(i) for i in range(16)}
    assert sum(a == b for a, b in zip(now, later, strict=True)) < 60
    with pytest.raises(SettingError, match="at least 1 bucket"):
        key.bucket_of("a", "e", 0)


def test_a_key_file_is_made_once_for_its_owner_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "mark.key"
    made = create_key(path, now=datetime(2026, 11, 24, tzinfo=UTC))
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_key(path) == made
    assert json.loads(path.read_text())["created"] == "2026-11-24T00:00:00Z"
    with pytest.raises(OutputError, match="never replaced"):
        create_key(path)
    assert load_key(path) == made
    assert made.master.hex() not in repr(made)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"master": "00" * 31}, "32 bytes"),
        ({"master": "zz"}, "32 bytes"),
        ({"master": "00" * 32}, "expected key id"),
        ({"format": "other/1"}, "format"),
    ],
)
def test_damaged_key_files_are_refused(tmp_path: Path, change: dict[str, str], problem: str) -> None:
    path = tmp_path / "mark.key"
    create_key(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=problem):
        load_key(path)


def test_key_files_that_others_can_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mark.key"
    create_key(path)
    path.chmod(0o644)
    with pytest.raises(InputError, match="0644"):
        load_key(path)
    with pytest.raises(InputError, match="found none"):
        load_key(tmp_path / "absent")


def test_a_commitment_is_the_hash_of_its_public_form_and_the_subkey() -> None:
    key = master_key(MASTER)
    record = commitment_record(key, PATH, PROFILE)
    public = (
        '{"bucket":"17","epoch":"2026-11","format":"stillhunt-mark-commitment/1","key_id":"KEY",'
        '"profile":{"context":"answer","prf":"philox","scheme":"gumbel","width":4},"purpose":"answers"}'
    ).replace("KEY", key.key_id)
    content = b"stillhunt-mark-commitment/1\0" + public.encode() + key.subkey(PATH).secret
    assert record["commitment"] == "sha256:" + hashlib.sha256(content).hexdigest()


def test_an_opening_opens_its_commitment_and_nothing_else() -> None:
    key = master_key(MASTER)
    record = commitment_record(key, PATH, PROFILE)
    opening = opening_record(key, record)
    assert opens(opening)
    assert not opens(record)
    changes = [
        {"subkey": "00" * 32},
        {"subkey": "short"},
        {"epoch": "2026-12"},
        {"bucket": "18"},
        {"profile": {**PROFILE, "width": 3}},
        {"commitment": "sha256:" + "0" * 64},
        {"note": "added"},
    ]
    for change in changes:
        assert not opens({**opening, **change}), change
    with pytest.raises(InputError, match="not made under key"):
        opening_record(master_key(bytes(32)), record)


def test_secrets_are_32_bytes() -> None:
    with pytest.raises(SettingError, match="32 bytes"):
        master_key(b"short")
    with pytest.raises(SettingError, match="32 bytes"):
        SubKey(b"short")
    assert "00" not in repr(SubKey(bytes(32)))
