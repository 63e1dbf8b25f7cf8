"""The keys that texts are sketched under, the file that holds them, and their rotation (spec/sketch.md, section 6)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import secrets
import stat
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stillhunt.errors import InputError, OutputError, SettingError

FORMAT = "stillhunt-sketch-keys/1"
SECRET_BYTES = 32
SHINGLE_WORDS = 4
TEXT_WORDS = 2
BAND_WORDS = 4


@dataclass(frozen=True)
class SketchKey:
    """One key. ``key_id`` is public and stands in every row; ``secret`` is 32 bytes and never leaves the key file."""

    key_id: str
    secret: bytes

    def __post_init__(self) -> None:
        if len(self.secret) != SECRET_BYTES:
            raise SettingError(
                f"expected a sketch key of {SECRET_BYTES} bytes, got {len(self.secret)}", self.key_id
            )

    def __repr__(self) -> str:
        return f"SketchKey(key_id={self.key_id!r}, secret=<{SECRET_BYTES} bytes>)"


@dataclass(frozen=True)
class KeyRing:
    """The key to sketch under, and, for one window after a rotation, the one before it.

    Rows whose ``time`` lies before ``previous_until`` are sketched under both, so that they join with rows from
    before the rotation. Without ``previous_until`` every row is.
    """

    current: SketchKey
    previous: SketchKey | None = None
    previous_until: datetime | None = None


@dataclass(frozen=True)
class KeyWords:
    """A key as the kernels take it: little-endian 64-bit words, each set derived for one purpose alone."""

    shingle: NDArray[np.uint64]
    text: NDArray[np.uint64]
    band: NDArray[np.uint64]


def key_words(key: SketchKey) -> KeyWords:
    """The subkeys of ``key``: keyed BLAKE2b over the purpose's name, cut into words (spec/sketch.md, section 2)."""
    return KeyWords(
        shingle=_words(key.secret, b"stillhunt-sketch/1 shingle", SHINGLE_WORDS),
        text=_words(key.secret, b"stillhunt-sketch/1 text", TEXT_WORDS),
        band=_words(key.secret, b"stillhunt-sketch/1 band", BAND_WORDS),
    )


def key_for(digest: bytes) -> SketchKey:
    """A key that depends on the inputs alone, for scanning a log that still holds its text: the same log gives the
    same codes. It protects nothing: whoever has the log has the key."""
    secret = hashlib.blake2b(digest, digest_size=SECRET_BYTES, person=b"stillhunt-input").digest()
    return SketchKey(f"d-{_fingerprint(secret)}", secret)


def create_keys(path: Path, *, now: datetime | None = None) -> KeyRing:
    """Writes a key file with one new key, readable by its owner alone, and returns it as a ring.

    Raises OutputError when the file exists or cannot be written.
    """
    made = _new_key()
    _write(path, {"format": FORMAT, "keys": [_entry(made, now or datetime.now(UTC), None)]}, fresh=True)
    return KeyRing(made)


def load_keys(path: Path, *, now: datetime | None = None) -> KeyRing:
    """The ring that a key file holds. A previous key whose window is over by ``now`` is left out.

    Raises InputError when the file is missing, readable by others, or damaged.
    """
    entries = _read(path)["keys"]
    current = _key(entries[0], path)
    if len(entries) < 2:
        return KeyRing(current)
    until = _time(entries[1].get("until"), path)
    if until <= (now or datetime.now(UTC)):
        return KeyRing(current)
    return KeyRing(current, _key(entries[1], path), until)


def retired_path(path: Path) -> Path:
    """Where the retired keys of a key file are sealed: a second file, which nothing but a registry query opens."""
    return path.with_name(path.name + ".retired")


def load_retired(path: Path) -> tuple[SketchKey, ...]:
    """The sealed keys of the key file ``path``, newest first; empty when none was ever retired."""
    sealed = retired_path(path)
    if not sealed.exists():
        return ()
    return tuple(_key(entry, sealed) for entry in _read(sealed)["keys"])


def rotate(path: Path, *, window: timedelta = timedelta(days=30), now: datetime | None = None) -> KeyRing:
    """Makes a new current key. The old one stays for one scan ``window``; the one before it is sealed.

    Raises SettingError when the last rotation's window is not over: a key lives at least as long as the scan window.
    """
    at = now or datetime.now(UTC)
    entries = _read(path)["keys"]
    if at < _time(entries[0].get("created"), path) + window:
        raise SettingError(
            f"the current sketch key is younger than the scan window of {window.days} days",
            str(path),
            "Rotate when it is older, or give the shorter window that you scan with.",
        )
    if len(entries) > 1:
        sealed = retired_path(path)
        known = _read(sealed)["keys"] if sealed.exists() else []
        gone = [
            dict(entry, retired=_stamp(at)) for entry in entries[1:] if entry not in map(_unsealed, known)
        ]
        _write(sealed, {"format": FORMAT, "keys": gone + known}, fresh=False)
    made, until = _new_key(), at + window
    before = dict(entries[0], until=_stamp(until))
    _write(path, {"format": FORMAT, "keys": [_entry(made, at, None), before]}, fresh=False)
    return KeyRing(made, _key(before, path), until)


def without_previous(ring: KeyRing) -> KeyRing:
    """The ring with its current key alone."""
    return replace(ring, previous=None, previous_until=None)


def _words(secret: bytes, purpose: bytes, count: int) -> NDArray[np.uint64]:
    digest = hashlib.blake2b(purpose, key=secret, digest_size=8 * count).digest()
    return np.frombuffer(digest, dtype="<u8").astype(np.uint64)


def _fingerprint(secret: bytes) -> str:
    return hashlib.blake2b(secret, digest_size=4, person=b"stillhunt-key-id").hexdigest()


def _new_key() -> SketchKey:
    secret = secrets.token_bytes(SECRET_BYTES)
    return SketchKey(f"k-{_fingerprint(secret)}", secret)


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _entry(key: SketchKey, created: datetime, until: datetime | None) -> dict[str, str]:
    entry = {
        "key_id": key.key_id,
        "secret": base64.b64encode(key.secret).decode("ascii"),
        "created": _stamp(created),
    }
    return entry if until is None else dict(entry, until=_stamp(until))


def _unsealed(entry: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in entry.items() if name != "retired"}


def _time(text: Any, path: Path) -> datetime:
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise InputError(f"expected a time such as 2026-04-22T00:00:00Z, got {text!r}", str(path))
    return time


def _key(entry: Any, path: Path) -> SketchKey:
    damaged = InputError(
        "expected a sketch key with key_id and a base64 secret of 32 bytes that belong together, got another",
        str(path),
        "The file is damaged; restore it from your backup.",
    )
    try:
        key_id, secret = str(entry["key_id"]), base64.b64decode(entry["secret"], validate=True)
    except (KeyError, TypeError, binascii.Error, ValueError) as error:
        raise damaged from error
    if len(secret) != SECRET_BYTES or key_id.partition("-")[2] != _fingerprint(secret):
        raise damaged
    return SketchKey(key_id, secret)


def _read(path: Path) -> dict[str, Any]:
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError("expected a sketch key file, found none", str(path)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the sketch key file ({error})", str(path)) from error
    if stat.S_IMODE(mode) & 0o077:
        raise InputError(
            f"expected a sketch key that its owner alone can read, found mode {stat.S_IMODE(mode):04o}",
            str(path),
            f"Run: chmod 600 {path}. If others may have read it, rotate the key as well.",
        )
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InputError(
            f"expected JSON ({error})", str(path), "Restore the file from your backup."
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"expected a key file of format {FORMAT}", str(path))
    keys = content.get("keys")
    if not isinstance(keys, list) or not keys or not all(isinstance(entry, dict) for entry in keys):
        raise InputError(
            "expected a list of keys, found none", str(path), "Restore the file from your backup."
        )
    return content


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(error.errno, "the folder is a file") from error


def _write(path: Path, content: dict[str, Any], *, fresh: bool) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _make_folder(path.parent)
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(json.dumps(content, indent=1) + "\n")
                file.flush()
                os.fsync(file.fileno())
            if fresh:
                os.link(aside, path)  # fails where a key file exists: a key is never overwritten by a new one
            else:
                aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except FileExistsError as error:
        raise OutputError(
            "a sketch key file exists here", str(path), "Use it, or rotate it; it is never replaced."
        ) from error
    except OSError as error:
        raise OutputError(
            f"cannot write the sketch key file ({error.strerror})",
            str(path),
            "Set STILLHUNT_SKETCH_KEY_FILE to a place that you may write to.",
        ) from error
