"""The issuer's keys: receipt keys, the log's key, and the secret that pseudonyms, ids and openings are made with."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import stat
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from stillhunt.errors import InputError, OutputError, SettingError
from stillhunt.receipts.notes import (
    COSIGNATURE,
    ED25519,
    ML_DSA_COSIGNATURE,
    RECEIPT,
    SigningKey,
    signing_key,
)

FORMAT = "stillhunt-receipt-keys/1"
SEED_BYTES = 32
TAG_BYTES = 16


@dataclass(frozen=True)
class ReceiptSigner:
    """A receipt key and when it counts: from ``since`` until ``until``, None while it is in use."""

    key: SigningKey
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True)
class IssuerKeys:
    """What an issuer signs with. The last receipt key is the one in use."""

    name: str
    receipt: tuple[ReceiptSigner, ...]
    log: SigningKey
    secret: bytes

    def __repr__(self) -> str:
        return f"IssuerKeys({self.name!r}, {len(self.receipt)} receipt keys)"

    @property
    def current(self) -> SigningKey:
        """The receipt key in use."""
        return self.receipt[-1].key

    def rotated(self, now: datetime) -> IssuerKeys:
        """The same issuer with a new receipt key from ``now`` on; the one in use stops then."""
        *old, last = self.receipt
        new = ReceiptSigner(signing_key(self.name, RECEIPT, os.urandom(SEED_BYTES)), now)
        return replace(self, receipt=(*old, replace(last, until=now), new))

    def trust(self) -> str:
        """The trust file of this issuer, without witnesses."""
        lines = []
        for signer in self.receipt:
            until = "" if signer.until is None else f" until {_time(signer.until)}"
            lines.append(f"receipt-key {signer.key.public.encode()} from {_time(signer.since)}{until}")
        return "\n".join([*lines, f"log {self.log.public.encode()}", "quorum none", ""])


class Secrets:
    """What follows from an issuer's secret."""

    def __init__(self, secret: bytes) -> None:
        self._account, self._pseudonym, self._opening = (
            hmac.digest(secret, b"stillhunt-receipt " + label, sha256)
            for label in (b"account", b"pseudonym", b"opening")
        )
        cipher = Cipher(
            AES(hmac.digest(secret, b"stillhunt-receipt id", sha256)), ECB()
        )  # one block, so a permutation
        self._seal, self._unseal = cipher.encryptor(), cipher.decryptor()

    def tag(self, account: str) -> bytes:
        """16 bytes that stand for an account inside the store, at all times."""
        return hmac.digest(self._account, account.encode(), sha256)[:TAG_BYTES]

    def pseudonym(self, tag: bytes, period: str) -> str:
        """What receipts of a period call the account; 16 bytes in hex."""
        return hmac.digest(self._pseudonym, tag + period.encode(), sha256)[:16].hex()

    def salt(self, receipt_id: bytes) -> bytes:
        """What blinds a receipt's log entry, 32 bytes."""
        return hmac.digest(self._opening, b"salt" + receipt_id, sha256)

    def link(self, receipt_id: bytes) -> bytes:
        """What blinds a receipt's tie to the one before, 32 bytes."""
        return hmac.digest(self._opening, b"link" + receipt_id, sha256)

    def receipt_id(self, run: int, index: int) -> bytes:
        """The id of the ``index``-th receipt, written in the ``run``-th opening of the store: 16 bytes."""
        return self._seal.update(run.to_bytes(4, "big") + index.to_bytes(8, "big") + bytes(4))

    def place(self, receipt_id: bytes) -> tuple[int, int] | None:
        """Run and index of an id, None where this issuer never gave it."""
        block = self._unseal.update(receipt_id)
        return (
            None
            if block[12:] != bytes(4)
            else (int.from_bytes(block[:4], "big"), int.from_bytes(block[4:12], "big"))
        )


def new_keys(name: str, now: datetime) -> IssuerKeys:
    """Keys for a new issuer. Raises SettingError where the name does not do."""
    if not name or any(c in ' +"\\' or not c.isprintable() or not c.isascii() for c in name):
        raise SettingError(
            f"expected a name of ASCII without spaces, quotes or '+', got {name!r}",
            "--name",
            "Try: api.example.com/receipts",
        )
    receipt = ReceiptSigner(signing_key(name, RECEIPT, os.urandom(SEED_BYTES)), now)
    return IssuerKeys(
        name, (receipt,), signing_key(name, ED25519, os.urandom(SEED_BYTES)), os.urandom(SEED_BYTES)
    )


def write_keys(keys: IssuerKeys, path: Path, *, replace_old: bool = False) -> None:
    """Writes the key file, readable by its owner alone. Raises OutputError."""
    fields = {
        "format": FORMAT,
        "name": keys.name,
        "receipt": [
            {
                "seed": _text(signer.key.private.private_bytes_raw()),
                "from": _time(signer.since),
                "until": None if signer.until is None else _time(signer.until),
            }
            for signer in keys.receipt
        ],
        "log": _text(keys.log.private.private_bytes_raw()),
        "secret": _text(keys.secret),
    }
    aside = path.with_name(f".{path.name}.next")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not replace_old:
            raise OutputError(
                "a key file is there already",
                str(path),
                "Name another file; a lost key cannot be made again.",
            )
        aside.unlink(missing_ok=True)
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(json.dumps(fields, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write the key file ({error.strerror})", str(path)) from error


def read_keys(path: Path) -> IssuerKeys:
    """Reads a key file. Raises InputError."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise InputError("the key file can be read by others", str(path), f"Run: chmod 600 {path}")
        fields = json.loads(path.read_text(encoding="utf-8"))
        if fields["format"] != FORMAT:
            raise InputError(f"expected format {FORMAT!r}, got {fields['format']!r}", str(path))
        name = fields["name"]
        receipt = tuple(
            ReceiptSigner(
                signing_key(name, RECEIPT, _seed(one["seed"])),
                datetime.fromisoformat(one["from"]),
                None if one["until"] is None else datetime.fromisoformat(one["until"]),
            )
            for one in fields["receipt"]
        )
        return IssuerKeys(
            name, receipt, signing_key(name, ED25519, _seed(fields["log"])), _seed(fields["secret"])
        )
    except OSError as error:
        raise InputError(
            f"cannot read the key file ({error.strerror})", str(path), "Make one: stillhunt receipts keygen"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"expected a key file of {FORMAT}, got something else ({error})", str(path)
        ) from error


def witness_key(name: str, seed: bytes, *, ml_dsa: bool = False) -> SigningKey:
    """The key pair of a witness, from a seed of 32 bytes: Ed25519, or ML-DSA-44, against quantum computers."""
    return signing_key(name, ML_DSA_COSIGNATURE if ml_dsa else COSIGNATURE, seed)


def _seed(text: Any) -> bytes:
    try:
        seed = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("a seed is not base64") from error
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed has {len(seed)} bytes, expected {SEED_BYTES}")
    return seed


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
