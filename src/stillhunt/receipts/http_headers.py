"""The header fields of a plain answer: ``Receipt-Id``, ``Content-Digest`` (RFC 9530) and a signature (RFC 9421).

What is covered never changes, so the signature base of RFC 9421, section 2.5, is four lines.
"""

from __future__ import annotations

import base64
from hashlib import sha256

from stillhunt.receipts.document import Receipt
from stillhunt.receipts.notes import SigningKey

LABEL = "receipt"
TAG = "stillhunt-receipt"


class HeaderSigner:
    """Signs header fields with a receipt key."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key
        self._key_id = f"{key.public.name}+{key.public.id.hex()}"

    def fields(self, receipt: Receipt, body: bytes) -> dict[str, str]:
        """The fields for an answer with this receipt and this content."""
        digest = f"sha-256=:{base64.b64encode(sha256(body).digest()).decode()}:"
        created = int(receipt.when.timestamp())
        parameters = (
            f'("@status" "content-digest" "receipt-id");created={created};keyid="{self._key_id}"'
            f';alg="ed25519";tag="{TAG}"'
        )
        base = (
            f'"@status": {receipt.status}\n"content-digest": {digest}\n"receipt-id": {receipt.id}\n'
            f'"@signature-params": {parameters}'
        )
        signature = base64.b64encode(self._key.sign(base.encode())).decode()
        return {
            "Receipt-Id": receipt.id,
            "Content-Digest": digest,
            "Signature-Input": f"{LABEL}={parameters}",
            "Signature": f"{LABEL}=:{signature}:",
        }
