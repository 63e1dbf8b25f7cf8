"""The tables that come out of ``scan`` (contract, section 3), and the evidence tables that findings cite."""

from __future__ import annotations

import pyarrow as pa

from stillhunt.schema.requests import TIMESTAMP

KINDS = ("distillation", "reseller", "trial_farm", "shared_team", "evaluation", "unclear")

CHANNELS = (
    "content",
    "timing",
    "life_cycle",
    "hand_off",
    "shocks",
    "infrastructure",
    "payment",
    "parameters",
    "outcome",
)
"""Channels of evidence that an operator pays for separately. Channels meet only when groups are judged."""

HARM = pa.struct(
    [("output_tokens", pa.int64()), ("reasoning_tokens", pa.int64()), ("list_price_usd", pa.float64())]
)

CAMPAIGNS = pa.schema(
    [
        ("campaign_id", pa.string()),
        ("kind", pa.string()),
        ("accounts", pa.int64()),
        ("requests", pa.int64()),
        ("first_seen", TIMESTAMP),
        ("last_seen", TIMESTAMP),
        ("q_value", pa.float64()),
        ("kind_confidence", pa.float64()),
        ("score", pa.float64()),
        ("harm", HARM),
        ("capabilities", pa.list_(pa.string())),
    ]
)

MEMBERS = pa.schema(
    [
        ("account_id", pa.string()),
        ("campaign_id", pa.string()),
        ("membership", pa.float64()),
        ("authorised_use", pa.string()),
    ]
)
"""``authorised_use`` is set where a licence covers what the account does, so that it is listed but never flagged."""

FLAG_MEMBERSHIP = 0.5
"""An account is flagged when its membership in a campaign of kind ``distillation`` is at least this."""

TIMELINE = pa.schema(
    [
        ("campaign_id", pa.string()),
        ("time", TIMESTAMP),
        ("requests", pa.int64()),
        ("active_accounts", pa.int64()),
        ("background_requests", pa.int64()),
        ("background_accounts", pa.int64()),
    ]
)
"""Requests of a campaign per bin, beside those of every account in no campaign. Bins are equal and complete."""

ARTEFACTS = pa.schema(
    [
        ("campaign_id", pa.string()),
        ("channel", pa.string()),
        ("signal", pa.string()),
        ("artefact", pa.string()),
        ("members", pa.int64()),
        ("accounts", pa.int64()),
        ("expected", pa.float64()),
        ("log10_p", pa.float64()),
    ]
)
"""What members share: ``members`` of the campaign and ``accounts`` of the whole log carry it; ``expected`` members
if channels were independent; ``log10_p`` the base-10 logarithm of the chance of so many."""

EDGES = pa.schema(
    [
        ("campaign_id", pa.string()),
        ("account_a", pa.string()),
        ("account_b", pa.string()),
        ("weight", pa.float64()),
        ("channels", pa.list_(pa.string())),
    ]
)
"""A sample of a campaign's strongest account pairs, for the picture. ``weight`` is in nats of evidence."""

HARVEST = pa.schema(
    [
        ("campaign_id", pa.string()),
        ("capability", pa.string()),
        ("requests", pa.int64()),
        ("output_tokens", pa.int64()),
        ("share", pa.float64()),
        ("background_share", pa.float64()),
    ]
)
"""Which capability a campaign's requests ask for, beside the share of that capability in the background."""

HARM_BY_MODEL = pa.schema(
    [
        ("campaign_id", pa.string()),
        ("capability", pa.string()),
        ("model", pa.string()),
        ("requests", pa.int64()),
        ("output_tokens", pa.int64()),
        ("reasoning_tokens", pa.int64()),
        ("list_price_usd", pa.float64()),
    ]
)
"""What left through a campaign, by capability and model; null where the log names none. The rows of a campaign add up
to its ``harm``."""

TENANTS = pa.schema(
    [
        ("campaign_id", pa.string()),
        ("tenant", pa.int32()),
        ("requests", pa.int64()),
        ("share", pa.float64()),
        ("accounts", pa.int64()),
        ("output_tokens", pa.int64()),
        ("capability", pa.string()),
        ("harvested", pa.float64()),
    ]
)
"""Parts of a campaign's traffic that one text runs through which hardly anybody else sends, the largest first.
``share`` of the exchanges whose prompts have a full sketch; ``accounts`` of the campaign that carry it; ``capability``
the commonest; ``harvested`` the share of labelled exchanges that ask for what distillation is after, null without
labels."""

FAMILY_NATS = pa.struct([("family", pa.string()), ("nats", pa.float64())])

OPERATORS = pa.schema(
    [
        ("operator_id", pa.string()),
        ("campaign_id", pa.string()),
        ("with_campaign", pa.string()),
        ("nats", pa.float64()),
        ("q_value", pa.float64()),
        ("families", pa.list_(FAMILY_NATS)),
        ("reasons", pa.list_(pa.string())),
    ]
)
"""Campaigns that are probably one operator's, one row for each of the two that a pair ties. ``nats``: logarithm of the
e-value that the two draw what they use from one stock; ``families`` what each family of evidence adds to it, the
strongest first; ``reasons`` what was counted, in words. An operator is what accepted pairs connect."""

EVIDENCE_TABLES = {
    "timeline": TIMELINE,
    "artefacts": ARTEFACTS,
    "edges": EDGES,
    "harvest": HARVEST,
    "harm": HARM_BY_MODEL,
    "tenants": TENANTS,
    "operators": OPERATORS,
}
"""Written to ``evidence/<name>.parquet`` beside ``campaigns.parquet``."""
