"""COSE receipts (RFC 9942): inclusion in the log, for verifiers that speak COSE and not C2SP.

The log's key signs the root of a checkpoint that it has published, so nothing is claimed anew. CBOR is written in the
deterministic form of RFC 8949, section 4.2.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stillhunt.receipts.checkpoints import read_checkpoint
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.notes import SigningKey, check_signature
from stillhunt.receipts.proofs import Proof

Cbor = int | bytes | str | None | Sequence["Cbor"] | Mapping[int, "Cbor"]

_SIGN1_TAG = b"\xd2"
_ALG, _KID, _CLAIMS, _VDS, _VDP = 1, 4, 15, 395, 396
_EDDSA, _RFC9162_SHA256, _INCLUSION = -8, 1, -1
_ISSUER, _SUBJECT = 1, 2


def cose_receipt(proof: Proof, key: SigningKey, subject: str) -> bytes:
    """The COSE receipt of an entry, given its ``proof``, the log's ``key`` and what the entry is about.

    Raises VerificationError unless this key signed the proof's checkpoint.
    """
    checkpoint = read_checkpoint(proof.checkpoint.text)
    if not check_signature(proof.checkpoint, key.public):
        raise VerificationError(f"the checkpoint of the proof is not signed by key {key.public.id.hex()}")
    protected = encode(
        {
            _ALG: _EDDSA,
            _KID: key.public.id,
            _CLAIMS: {_ISSUER: checkpoint.origin, _SUBJECT: subject},
            _VDS: _RFC9162_SHA256,
        }
    )
    signature = key.sign(encode(["Signature1", protected, b"", checkpoint.root]))
    inclusion = encode([checkpoint.size, proof.index, list(proof.path)])
    return _SIGN1_TAG + encode([protected, {_VDP: {_INCLUSION: [inclusion]}}, None, signature])


def encode(value: Cbor) -> bytes:
    """Deterministic CBOR of integers, byte and text strings, null, arrays, and maps with integer keys."""
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, Mapping):
        pairs = sorted((encode(key), encode(one)) for key, one in value.items())
        return _head(5, len(pairs)) + b"".join(key + one for key, one in pairs)
    return _head(4, len(value)) + b"".join(encode(one) for one in value)


def _head(major: int, count: int) -> bytes:
    if count < 24:
        return bytes([major << 5 | count])
    for extra, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if count < 1 << 8 * size:
            return bytes([major << 5 | extra]) + count.to_bytes(size, "big")
    raise ValueError(f"expected a number below 2^64, got {count}")
