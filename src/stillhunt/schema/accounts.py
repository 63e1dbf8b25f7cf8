"""``accounts`` and ``truth``: one row per account (contract, sections 1 and 4)."""

from __future__ import annotations

import pyarrow as pa

from stillhunt.schema.requests import TIMESTAMP

ACCOUNTS = pa.schema(
    [
        ("account_id", pa.string()),
        ("org_id", pa.string()),
        ("created_at", TIMESTAMP),
        ("closed_at", TIMESTAMP),
        ("email_domain", pa.string()),
        ("payment_fingerprint", pa.string()),
        ("payment_issuer", pa.string()),
        ("payment_country", pa.string()),
        ("authorised_use", pa.string()),
        ("signup_ip", pa.string()),
        ("country", pa.string()),
        ("verification", pa.string()),
        ("plan", pa.string()),
    ]
)

TRUTH = pa.schema([("account_id", pa.string()), ("campaign", pa.string()), ("kind", pa.string())])
"""What a simulated account really is; ``campaign`` is null for honest accounts."""
