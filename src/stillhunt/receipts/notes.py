"""C2SP signed notes: text that one or more keys signed, and witnesses' cosignatures on it.

Sources: c2sp.org/signed-note and c2sp.org/tlog-cosignature (Ed25519 and ML-DSA-44).
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from stillhunt.receipts.checkpoints import read_checkpoint
from stillhunt.receipts.failure import VerificationError

ED25519 = b"\x01"
COSIGNATURE = b"\x04"
ML_DSA_COSIGNATURE = b"\x06"
RECEIPT = b"\xffstillhunt-receipt"
"""Signature types: what the key id and the key material begin with."""
COSIGNATURES = (COSIGNATURE, ML_DSA_COSIGNATURE)
"""Signature types that witnesses may use."""
MOST_SIGNATURES = 64
_DASH = "— "
_NAME = re.compile(r"[^\s+\x00-\x1f]+")


@dataclass(frozen=True)
class PublicKey:
    """A named public key for one purpose. ``kind`` is the signature type, ``raw`` the key: 1,312 bytes of ML-DSA-44 for
    ML_DSA_COSIGNATURE, 32 of Ed25519 for every other."""

    name: str
    kind: bytes
    raw: bytes

    @property
    def id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return sha256(self.name.encode() + b"\n" + self.kind + self.raw).digest()[:4]

    def encode(self) -> str:
        """The key as text: ``name+id+base64``."""
        material = base64.b64encode(self.kind + self.raw).decode()
        return f"{self.name}+{self.id.hex()}+{material}"

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is this key's over ``message``."""
        try:
            if self.kind == ML_DSA_COSIGNATURE:
                MLDSA44PublicKey.from_public_bytes(self.raw).verify(signature, message)
            else:
                Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True


def read_public_key(text: str, *kinds: bytes) -> PublicKey:
    """The key that ``text`` encodes, of one of ``kinds``. Raises ValueError with the reason."""
    name, _, rest = text.partition("+")
    key_id, _, material = rest.partition("+")
    try:
        data = base64.b64decode(material, validate=True)
    except binascii.Error as error:
        raise ValueError(f"expected name+id+base64, got {text[:80]!r} ({error})") from error
    if not _NAME.fullmatch(name):
        raise ValueError(f"expected a key name without spaces or '+', got {name!r}")
    for kind in kinds:
        if data.startswith(kind) and len(data) == len(kind) + _key_bytes(kind):
            key = PublicKey(name, kind, data[len(kind) :])
            if key.id.hex() != key_id:
                raise ValueError(f"the key's id should be {key.id.hex()}, the text says {key_id!r}")
            return key
    wanted = " or ".join(f"an {_algorithm(kind)} key of type {kind[:1].hex()}" for kind in kinds)
    raise ValueError(f"expected {wanted}, got {text[:80]!r}")


def _algorithm(kind: bytes) -> str:
    return "ML-DSA-44" if kind == ML_DSA_COSIGNATURE else "Ed25519"


def _key_bytes(kind: bytes) -> int:
    return 1312 if kind == ML_DSA_COSIGNATURE else 32


def _signature_bytes(kind: bytes) -> int:
    return 2420 if kind == ML_DSA_COSIGNATURE else 64


@dataclass(frozen=True)
class SigningKey:
    """A private key and the public one that it belongs to."""

    private: Ed25519PrivateKey | MLDSA44PrivateKey
    public: PublicKey

    def __repr__(self) -> str:
        return f"SigningKey({self.public.encode()!r})"

    def sign(self, message: bytes) -> bytes:
        """The signature: 64 bytes of Ed25519, 2,420 of ML-DSA-44."""
        return self.private.sign(message)


def signing_key(name: str, kind: bytes, seed: bytes) -> SigningKey:
    """The key pair of a 32-byte seed."""
    private = (
        MLDSA44PrivateKey.from_seed_bytes(seed)
        if kind == ML_DSA_COSIGNATURE
        else Ed25519PrivateKey.from_private_bytes(seed)
    )
    return SigningKey(private, PublicKey(name, kind, private.public_key().public_bytes_raw()))


@dataclass(frozen=True)
class Signature:
    """One signature line: who, four bytes of key id, and what the key made."""

    name: str
    key_id: bytes
    data: bytes

    def line(self) -> str:
        """The line, with its newline."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.data).decode()}\n"


@dataclass(frozen=True)
class Note:
    """A text that ends in a newline, and its signatures."""

    text: str
    signatures: tuple[Signature, ...]

    def encode(self) -> str:
        """The note as it is stored and sent."""
        return self.text + "\n" + "".join(signature.line() for signature in self.signatures)

    def by(self, key: PublicKey) -> list[Signature]:
        """The signatures that claim to be of ``key``."""
        return [s for s in self.signatures if s.name == key.name and s.key_id == key.id]


def sign_note(text: str, key: SigningKey) -> Signature:
    """A plain Ed25519 note signature."""
    return Signature(key.public.name, key.public.id, key.sign(text.encode()))


def cosign_note(text: str, key: SigningKey, time_s: int) -> Signature:
    """A witness's cosignature: it saw nothing larger of this log at ``time_s``, seconds since 1970."""
    data = time_s.to_bytes(8, "big") + key.sign(_cosigned(text, time_s, key.public))
    return Signature(key.public.name, key.public.id, data)


def check_signature(note: Note, key: PublicKey) -> bool:
    """Whether ``key`` signed the note. Raises VerificationError for a signature of this key that is not valid."""
    signatures = note.by(key)
    for signature in signatures:
        if len(signature.data) != 64 or not key.verify(note.text.encode(), signature.data):
            raise VerificationError(
                f"the signature of {key.name}, key {key.id.hex()}, is not valid for this text"
            )
    return bool(signatures)


def check_cosignature(note: Note, key: PublicKey) -> int | None:
    """When the witness cosigned, in seconds since 1970, or None if it did not. Raises as check_signature."""
    times = []
    for signature in note.by(key):
        time_s = int.from_bytes(signature.data[:8], "big")
        if (
            len(signature.data) != 8 + _signature_bytes(key.kind)
            or time_s >= 2**63
            or not key.verify(_cosigned(note.text, time_s, key), signature.data[8:])
        ):
            raise VerificationError(
                f"the cosignature of {key.name}, key {key.id.hex()}, is not valid for this text"
            )
        times.append(time_s)
    return max(times, default=None)


def read_note(data: str) -> Note:
    """Parses a signed note. Raises VerificationError."""
    if any(ord(c) < 0x20 and c != "\n" for c in data):
        raise VerificationError("the note holds a control character")
    text, blank, lines = data.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise VerificationError(
            "expected a text, an empty line and signature lines, each ending in a newline"
        )
    signatures = lines[:-1].split("\n")
    if len(signatures) > MOST_SIGNATURES:
        raise VerificationError(f"the note has {len(signatures)} signatures, more than {MOST_SIGNATURES}")
    return Note(text + "\n", tuple(read_signature(line) for line in signatures))


def read_signature(line: str) -> Signature:
    """Parses one signature line, given without its newline. Raises VerificationError."""
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        data = base64.b64decode(encoded, validate=True)
        canonical = base64.b64encode(data).decode() == encoded
    except binascii.Error:
        data, canonical = b"", False
    if not line.startswith(_DASH) or not _NAME.fullmatch(name) or len(data) < 5 or not canonical:
        raise VerificationError(f"expected a signature line, got {line[:80]!r}")
    return Signature(name, data[:4], data[4:])


def _cosigned(text: str, time_s: int, key: PublicKey) -> bytes:
    """What a cosignature signs. That of ML-DSA-44 names the witness, and leaves out a checkpoint's extension lines."""
    if key.kind != ML_DSA_COSIGNATURE:
        return f"cosignature/v1\ntime {time_s}\n{text}".encode()
    checkpoint = read_checkpoint(text)
    witness, origin = key.name.encode(), checkpoint.origin.encode()
    if max(len(witness), len(origin)) > 255:
        raise VerificationError("a name of more than 255 bytes cannot be cosigned with ML-DSA-44")
    numbers = ((0).to_bytes(8, "big"), checkpoint.size.to_bytes(8, "big"))
    return b"".join(
        (
            b"subtree/v1\n\0",
            bytes([len(witness)]),
            witness,
            time_s.to_bytes(8, "big"),
            bytes([len(origin)]),
            origin,
            *numbers,
            checkpoint.root,
        )
    )
