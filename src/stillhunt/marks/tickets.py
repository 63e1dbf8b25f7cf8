"""Tickets by which a gateway tells an engine an account's bucket, and which a client cannot make."""

from __future__ import annotations

import hmac
import re

from stillhunt.marks.keys import KeyPath, MasterKey

TICKET = re.compile(r"(\d{1,10})\.([0-9a-f]{32})")


def bucket_ticket(key: MasterKey, account_id: str, epoch: str, buckets: int) -> str:
    """``bucket.tag``: the account's bucket and its authentication tag, 128 bits."""
    bucket = key.bucket_of(account_id, epoch, buckets)
    return f"{bucket}.{_tag(key, epoch, bucket)}"


def bucket_of_ticket(key: MasterKey, epoch: str, ticket: object) -> str:
    """The bucket that a valid ticket names, ``""`` otherwise: a request without one is marked all the same."""
    match = TICKET.fullmatch(ticket) if isinstance(ticket, str) else None
    if match is None or not hmac.compare_digest(_tag(key, epoch, match[1]), match[2]):
        return ""
    return match[1]


def _tag(key: MasterKey, epoch: str, bucket: str) -> str:
    secret = key.subkey(KeyPath("bucket-ticket", epoch)).secret
    return hmac.digest(secret, bucket.encode(), "sha256")[:16].hex()
