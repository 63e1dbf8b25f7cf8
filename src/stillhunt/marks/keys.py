"""Mark keys: the file, what is derived from it, commitments and openings (spec/marks.md, sections 1 and 2)."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from stillhunt.errors import InputError, OutputError, SettingError

KEY_FORMAT = "stillhunt-mark-key/1"
COMMITMENT_FORMAT = "stillhunt-mark-commitment/1"
OPENING_FORMAT = "stillhunt-mark-opening/1"
MASTER_BYTES = 32
_SALT = b"stillhunt-mark-key/1"


@dataclass(frozen=True)
class KeyPath:
    """What a subkey is for: a purpose, an epoch (a rotation period), an account bucket or ``""``."""

    purpose: str
    epoch: str
    bucket: str = ""

    def encoded(self) -> bytes:
        """Section 1.2: each part with its length in front, so that no two paths share an encoding."""
        parts = [part.encode("utf-8") for part in (self.purpose, self.epoch, self.bucket)]
        if max(len(part) for part in parts) > 0xFFFF:
            raise SettingError("expected a purpose, epoch and bucket of at most 65,535 bytes each")
        return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


@dataclass(frozen=True)
class SubKey:
    """The 32 bytes that one path's mark is made under. ``repr`` hides them."""

    secret: bytes

    def __post_init__(self) -> None:
        if len(self.secret) != MASTER_BYTES:
            raise SettingError(f"expected a subkey of {MASTER_BYTES} bytes, got {len(self.secret)}")

    def __repr__(self) -> str:
        return f"SubKey(<{len(self.secret)} bytes>)"

    @property
    def engine_key(self) -> int:
        """The 64-bit key that Philox and MurmurHash3 schemes take (section 1.5)."""
        return int.from_bytes(self.secret[:8], "big")

    @property
    def second_engine_key(self) -> int:
        """Key B of SGLang's dual scheme (section 4.5)."""
        return int.from_bytes(self.secret[8:16], "big")

    def synthid_keys(self, depth: int) -> tuple[int, ...]:
        """``depth`` keys of 63 bits (section 1.5)."""
        stream = HKDFExpand(algorithm=SHA256(), length=8 * depth, info=b"synthid").derive(self.secret)
        return tuple(int.from_bytes(stream[i : i + 8], "big") & (2**63 - 1) for i in range(0, 8 * depth, 8))


@dataclass(frozen=True)
class MasterKey:
    """A master key. ``key_id`` is public; ``master`` never leaves the key file."""

    key_id: str
    master: bytes

    def __repr__(self) -> str:
        return f"MasterKey(key_id={self.key_id!r}, master=<{len(self.master)} bytes>)"

    def subkey(self, path: KeyPath) -> SubKey:
        """The subkey of ``path`` (section 1.3)."""
        derived = HKDF(algorithm=SHA256(), length=MASTER_BYTES, salt=_SALT, info=path.encoded())
        return SubKey(derived.derive(self.master))

    def bucket_of(self, account_id: str, epoch: str, buckets: int) -> str:
        """The bucket of an account among ``buckets`` in ``epoch`` (section 1.4)."""
        if buckets < 1:
            raise SettingError(f"expected at least 1 bucket, got {buckets}")
        key = self.subkey(KeyPath("bucket", epoch)).secret
        digest = hmac.digest(key, account_id.encode("utf-8"), "sha256")
        return str(int.from_bytes(digest[:8], "big") % buckets)


def master_key(master: bytes) -> MasterKey:
    """The key of 32 secret bytes, with its public id (section 1.1)."""
    if len(master) != MASTER_BYTES:
        raise SettingError(f"expected a master key of {MASTER_BYTES} bytes, got {len(master)}")
    return MasterKey("m-" + hashlib.sha256(b"stillhunt-mark-key-id/1\0" + master).hexdigest()[:8], master)


def create_key(path: Path, *, now: datetime | None = None) -> MasterKey:
    """Writes a key file with a new master, readable by its owner alone. Raises OutputError where a file exists."""
    key = master_key(secrets.token_bytes(MASTER_BYTES))
    created = (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    write_private(
        path, {"format": KEY_FORMAT, "key_id": key.key_id, "created": created, "master": key.master.hex()}
    )
    return key


def load_key(path: Path) -> MasterKey:
    """The key of a key file. Raises InputError when it is missing, readable by others, or damaged."""
    content = read_private(path, KEY_FORMAT)
    try:
        key = master_key(bytes.fromhex(content["master"]))
    except (KeyError, TypeError, ValueError, SettingError) as error:
        raise InputError("expected a master key of 32 bytes in hexadecimal", str(path)) from error
    if content.get("key_id") != key.key_id:
        raise InputError(
            f"expected key id {key.key_id} for this master key, found {content.get('key_id')!r}",
            str(path),
            "The file is damaged; restore it from your backup.",
        )
    return key


def commitment_record(key: MasterKey, path: KeyPath, profile: Mapping[str, Any]) -> dict[str, Any]:
    """The record to publish before the first answer under ``path`` is issued (section 2.1, 2.2)."""
    record = {
        "format": COMMITMENT_FORMAT,
        "key_id": key.key_id,
        "purpose": path.purpose,
        "epoch": path.epoch,
        "bucket": path.bucket,
        "profile": dict(profile),
    }
    return {**record, "commitment": _commitment(record, key.subkey(path))}


def opening_record(key: MasterKey, record: Mapping[str, Any]) -> dict[str, Any]:
    """The opening of a commitment (section 2.4). Raises InputError where it was not made under ``key``."""
    path = KeyPath(str(record.get("purpose")), str(record.get("epoch")), str(record.get("bucket")))
    opening = {**record, "format": OPENING_FORMAT, "subkey": key.subkey(path).secret.hex()}
    if not opens(opening):
        raise InputError(
            f"the commitment was not made under key {key.key_id} in this form", str(record.get("commitment"))
        )
    return opening


def opens(opening: Mapping[str, Any]) -> bool:
    """Whether an opening's subkey and public fields give its commitment (section 2.4, steps a to d)."""
    try:
        subkey = SubKey(bytes.fromhex(opening["subkey"]))
        claimed = str(opening["commitment"])
    except (KeyError, TypeError, ValueError, SettingError):
        return False
    record = {name: value for name, value in opening.items() if name not in ("subkey", "commitment")}
    return hmac.compare_digest(
        _commitment({**record, "format": COMMITMENT_FORMAT}, subkey).encode(), claimed.encode()
    )


def _commitment(record: Mapping[str, Any], subkey: SubKey) -> str:
    public = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    content = COMMITMENT_FORMAT.encode() + b"\0" + public.encode("utf-8") + subkey.secret
    return "sha256:" + hashlib.sha256(content).hexdigest()


def read_private(path: Path, expected: str) -> dict[str, Any]:
    """A JSON object of format ``expected`` from a file that its owner alone can read."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"expected a file of format {expected}, found none", str(path)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the file ({error})", str(path)) from error
    if mode & 0o077:
        raise InputError(
            f"expected a file that its owner alone can read, found mode {mode:04o}",
            str(path),
            f"Run: chmod 600 {path}. If others may have read it, commit to a new key as well.",
        )
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InputError(f"expected JSON ({error})", str(path)) from error
    if not isinstance(content, dict) or content.get("format") != expected:
        raise InputError(f"expected a file of format {expected}", str(path))
    return content


def write_private(path: Path, content: Mapping[str, Any]) -> None:
    """Writes JSON readable by its owner alone; never over an existing file."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(aside, path)
        finally:
            aside.unlink(missing_ok=True)
    except FileExistsError as error:
        raise OutputError(
            "a file exists here, and keys are never replaced", str(path), "Name another file."
        ) from error
    except OSError as error:
        raise OutputError(f"cannot write the file ({error.strerror})", str(path)) from error
