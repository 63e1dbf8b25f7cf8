"""Time-stamps of checkpoints by an authority that has no part in the log (RFC 3161), such as one a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

from cryptography.x509 import Certificate, load_pem_x509_certificates
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, VerifierBuilder, decode_timestamp_response
from rfc3161_client.errors import VerificationError as StampError

from stillhunt.errors import InputError
from stillhunt.receipts.checkpoints import read_checkpoint
from stillhunt.receipts.disk import Disk
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.notes import read_note
from stillhunt.receipts.tiles import CHECKPOINT

FOLDER = "timestamps"
TIMEOUT_S = 30.0
_LONGEST = 1 << 20


def stamp(log: Path, authority: str, roots: Sequence[Certificate], disk: Disk | None = None) -> Path:
    """Has the log's newest checkpoint stamped by ``authority`` (a URL) and keeps both: ``timestamps/<size>.checkpoint``
    and ``timestamps/<size>.tsr``, whose path is given.

    Raises InputError where the authority does not answer, VerificationError where its stamp does not verify.
    """
    disk = disk or Disk()
    note = (log / CHECKPOINT).read_bytes()
    size = read_checkpoint(read_note(note.decode()).text).size
    request = (
        TimestampRequestBuilder()
        .data(note)
        .hash_algorithm(HashAlgorithm.SHA256)
        .cert_request(cert_request=True)
        .build()
    )
    reply = _ask(authority, request.as_bytes())
    check_stamp(note, reply, roots, nonce=request.nonce)
    to = log / FOLDER / f"{size}.tsr"
    disk.write_whole(to.with_suffix(".checkpoint"), note, whole=True)
    disk.write_whole(to, reply, whole=True)
    disk.sync_files([to.parent, log])
    return to


def check_stamp(
    note: bytes, reply: bytes, roots: Sequence[Certificate], nonce: int | None = None
) -> datetime:
    """When an authority under one of ``roots`` saw these bytes, by its ``reply``. Raises VerificationError."""
    builder = VerifierBuilder() if nonce is None else VerifierBuilder().nonce(nonce)
    for root in roots:
        builder = builder.add_root_certificate(root)
    try:
        response = decode_timestamp_response(reply)
        builder.build().verify_message(response, note)
    except (StampError, ValueError) as error:
        raise VerificationError(f"the time-stamp does not verify ({error})") from error
    when: datetime = response.tst_info.gen_time
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)


def read_roots(path: Path) -> list[Certificate]:
    """The certificates of a PEM file. Raises InputError."""
    try:
        return load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"expected certificates in PEM ({error})", str(path)) from error


def _ask(authority: str, query: bytes) -> bytes:
    if not authority.startswith(("http://", "https://")):
        raise InputError(f"expected an authority at http:// or https://, got {authority!r}", "--authority")
    headers = {"Content-Type": "application/timestamp-query"}
    try:
        with urlopen(
            Request(authority, data=query, headers=headers, method="POST"), timeout=TIMEOUT_S
        ) as answer:
            reply: bytes = answer.read(_LONGEST)
            return reply
    except (OSError, HTTPException) as error:
        raise InputError(f"the authority gave no stamp ({error})", authority, "Try again later.") from error
