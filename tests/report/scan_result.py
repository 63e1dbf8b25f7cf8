"""Writes a result directory as ``scan`` does: three campaigns, seeded, with strings that try to break the page.

The distillation (60 accounts and one licensed) works round the clock through one template; the trial farm signs up
together and shares cards; the evaluation runs a benchmark from one office.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillhunt.schema.campaigns import (
    ARTEFACTS,
    CAMPAIGNS,
    EDGES,
    HARM_BY_MODEL,
    HARVEST,
    MEMBERS,
    OPERATORS,
    TENANTS,
    TIMELINE,
)
from stillhunt.schema.coverage import SIGNAL_NEEDS, coverage
from stillhunt.schema.findings import Finding, Role

START = datetime(2026, 4, 22, tzinfo=UTC)
DAYS = 9
ACCOUNTS = 5_204

SCRIPT = "<script>window.pwned=1</script>"
HOSTILE = (
    SCRIPT,
    '"><img src=x onerror="window.pwned=2">',
    "</script><script>window.pwned=3</script>",
    "{{ 7 * 7 }} ${window.pwned=4} javascript:window.pwned=5",
    "acct-\u202egnp.exe\u2066\u200b",
    "long-" + "x" * 400,
)


@dataclass(frozen=True)
class Shape:
    """What one campaign looks like. ``daily`` is how much its hours of the day differ, in [0, 1]."""

    campaign_id: str
    kind: str
    accounts: int
    per_day: float
    daily: float
    q_value: float
    confidence: float
    score: float
    harvest: dict[str, tuple[float, float]]
    edge_channels: tuple[tuple[tuple[str, ...], float], ...]


SHAPES = (
    Shape(
        "c-5d1f0a77", "distillation", 61, 148.0, 0.05, 3.2e-31, 0.94, 118.4,
        {
            "agentic_reasoning": (0.46, 0.07), "software_engineering": (0.31, 0.22), "reasoning_traces": (0.14, 0.004),
            "grading": (0.06, 0.01), "conversation": (0.03, 0.39),
        },
        ((("content", "timing"), 0.45), (("content",), 0.3), (("timing",), 0.1), (("payment",), 0.1),
         (("content", "timing", "payment"), 0.05)),
    ),
    Shape(
        "c-90b2e4c1", "trial_farm", 34, 11.0, 0.5, 4.1e-12, 0.88, 41.2,
        {"conversation": (0.52, 0.39), "writing": (0.33, 0.18), "knowledge": (0.15, 0.13)},
        ((("payment", "life_cycle"), 0.5), (("life_cycle",), 0.3), (("infrastructure",), 0.2)),
    ),
    Shape(
        "c-1b7733fe", "evaluation", 8, 610.0, 0.2, 0.011, 0.71, 9.7,
        {"mathematics": (0.58, 0.05), "software_engineering": (0.42, 0.22)},
        ((("infrastructure",), 0.6), (("content", "infrastructure"), 0.4)),
    ),
)  # fmt: skip

BACKGROUND = {
    "conversation": 0.39,
    "software_engineering": 0.22,
    "writing": 0.18,
    "knowledge": 0.13,
    "other": 0.08,
}


def write_scan_result(
    directory: Path,
    *,
    shapes: tuple[Shape, ...] = SHAPES,
    rejected: int = 0,
    hostile: bool = True,
    seed: int = 7,
    step: timedelta = timedelta(hours=1),
) -> Path:
    """Fills ``directory`` and returns it."""
    rng = np.random.default_rng(seed)
    times = [START + step * at for at in range(int(timedelta(days=DAYS) / step))]
    background = _arrivals(rng, times, 4_900.0 * DAYS * 16, 0.75)
    rows: dict[str, list[dict[str, Any]]] = {
        name: []
        for name in (
            *("campaigns", "members", "timeline", "artefacts", "edges", "harvest", "harm"),
            *("tenants", "operators"),
        )
    }
    findings: list[Finding] = []
    for shape in shapes:
        _add_campaign(rng, shape, times, background, rows, hostile and shape.kind == "distillation")
    (directory / "evidence").mkdir(parents=True)
    for name, schema in (
        ("timeline", TIMELINE),
        ("artefacts", ARTEFACTS),
        ("edges", EDGES),
        ("harvest", HARVEST),
        ("harm", HARM_BY_MODEL),
        ("tenants", TENANTS),
        ("operators", OPERATORS),
    ):
        pq.write_table(pa.Table.from_pylist(rows[name], schema), directory / "evidence" / f"{name}.parquet")
    pq.write_table(pa.Table.from_pylist(rows["campaigns"], CAMPAIGNS), directory / "campaigns.parquet")
    pq.write_table(pa.Table.from_pylist(rows["members"], MEMBERS), directory / "members.parquet")
    digest = hashlib.sha256((directory / "evidence" / "artefacts.parquet").read_bytes()).hexdigest()
    for shape in shapes:
        findings += _findings(shape, f"sha256:{digest}", hostile)
    lines = "".join(finding.to_json() + "\n" for finding in findings)
    (directory / "findings.jsonl").write_text(lines, encoding="utf-8")
    requests = sum(row["requests"] for row in rows["campaigns"]) + int(background.sum())
    (directory / "run.json").write_text(json.dumps(_run(requests, rejected), indent=1), encoding="utf-8")
    return directory


def _arrivals(
    rng: np.random.Generator, times: list[datetime], total: float, daily: float
) -> np.ndarray[Any, Any]:
    hours = np.array([time.hour + time.minute / 60 for time in times])
    rate = 1 + daily * np.cos((hours - 15) / 24 * 2 * np.pi)
    return rng.poisson(rate / rate.sum() * total)


def _add_campaign(
    rng: np.random.Generator,
    shape: Shape,
    times: list[datetime],
    background: np.ndarray[Any, Any],
    rows: dict[str, list[dict[str, Any]]],
    hostile: bool,
) -> None:
    ids = [f"acct-{value:012x}" for value in rng.integers(1 << 47, size=shape.accounts)]
    if hostile:
        ids[: len(HOSTILE)] = HOSTILE
    membership = np.clip(rng.beta(9, 0.4, shape.accounts), 0.02, 1.0)
    membership[-3:] = (0.31, 0.42, 0.66)
    counts = _arrivals(rng, times, shape.per_day * shape.accounts * DAYS, shape.daily)
    if shape.kind == "evaluation":
        counts[: len(times) // 3] = 0
        counts[2 * len(times) // 3 :] = 0
    total = int(counts.sum())
    campaign = {"campaign_id": shape.campaign_id}
    for at, time in enumerate(times):
        rows["timeline"].append(
            campaign
            | {
                "time": time,
                "requests": int(counts[at]),
                "active_accounts": int(min(shape.accounts, round(counts[at] * 0.8))),
                "background_requests": int(background[at]),
                "background_accounts": int(background[at] // 4),
            }
        )
    output = int(total * 1_850)
    rows["campaigns"].append(
        campaign
        | {
            "kind": shape.kind,
            "accounts": shape.accounts,
            "requests": total,
            "first_seen": times[int(np.flatnonzero(counts)[0])],
            "last_seen": times[int(np.flatnonzero(counts)[-1])] + timedelta(minutes=41),
            "q_value": shape.q_value,
            "kind_confidence": shape.confidence,
            "score": shape.score,
            "harm": {
                "output_tokens": output,
                "reasoning_tokens": output // 3,
                "list_price_usd": output * 1.5e-5,
            },
            "capabilities": list(shape.harvest)[:3],
        }
    )
    for at, account in enumerate(ids):
        licence = "synthetic_data" if shape.kind == "distillation" and at == shape.accounts - 4 else None
        rows["members"].append(
            {"account_id": account, "membership": float(membership[at]), "authorised_use": licence} | campaign
        )
    for capability, (part, usual) in shape.harvest.items():
        rows["harvest"].append(
            campaign
            | {
                "capability": capability,
                "requests": round(total * part),
                "output_tokens": round(output * part),
                "share": part,
                "background_share": usual,
            }
        )
    for capability, (part, _) in shape.harvest.items():
        for model, weight in (("large-2", 0.7), (SCRIPT if hostile else "small-2", 0.3)):
            tokens = round(output * part * weight)
            rows["harm"].append(
                campaign
                | {
                    "capability": capability,
                    "model": model,
                    "requests": round(total * part * weight),
                    "output_tokens": tokens,
                    "reasoning_tokens": tokens // 3,
                    "list_price_usd": tokens * 1.5e-5,
                }
            )
    for number, (part, capability) in enumerate(zip((0.33, 0.08), shape.harvest, strict=False), 1):
        rows["tenants"].append(
            campaign
            | {
                "tenant": number,
                "requests": round(total * part),
                "share": part,
                "accounts": max(shape.accounts - number, 1),
                "output_tokens": round(output * part),
                "capability": SCRIPT if hostile else capability,
                "harvested": 0.9 if number == 1 else None,
            }
        )
    rows["edges"] += [campaign | edge for edge in _edges(rng, shape, ids)]
    rows["artefacts"] += [campaign | artefact for artefact in _artefacts(shape, hostile)]


def _edges(rng: np.random.Generator, shape: Shape, ids: list[str]) -> list[dict[str, Any]]:
    kinds = [channels for channels, _ in shape.edge_channels]
    odds = [part for _, part in shape.edge_channels]
    pairs = set()
    while len(pairs) < min(shape.accounts * 6, shape.accounts * (shape.accounts - 1) // 2):
        # Neighbours on a ring, some far: groups that overlap, as the links of a template and a card do.
        a = int(rng.integers(shape.accounts))
        b = (
            int((a + rng.integers(1, 9)) if rng.random() < 0.8 else rng.integers(shape.accounts))
            % shape.accounts
        )
        if a != b:
            pairs.add((min(a, b), max(a, b)))
    return [
        {
            "account_a": ids[a],
            "account_b": ids[b],
            "weight": float(rng.gamma(4, 3)),
            "channels": list(kinds[int(rng.choice(len(kinds), p=odds))]),
        }
        for a, b in sorted(pairs)
    ]


def _artefacts(shape: Shape, hostile: bool) -> list[dict[str, Any]]:
    by_kind = {
        "distillation": [
            ("content", "prompts_share_template", "template 8f21c09a", 57, 60, 0.9, -311.2),
            ("content", "shares_system_prompt", "system prompt 41d7aa02", 49, 58, 1.1, -201.7),
            ("payment", "shares_payment", "card fp_9a71…03", 14, 14, 0.16, -24.6),
            ("timing", "takes_turns", "turn-taking of session starts", 58, 58, 12.0, -31.0),
        ],
        "trial_farm": [
            ("payment", "shares_payment", "issuer 412345", 22, 31, 1.4, -18.2),
            ("life_cycle", "signs_up_together", "sign-ups within 40 min on 21 Apr", 29, 35, 2.2, -21.9),
            ("infrastructure", "shares_address", "203.0.113.77", 9, 10, 0.3, -9.6),
        ],
        "evaluation": [
            ("infrastructure", "shares_address", "2001:db8::beef", 8, 9, 0.02, -14.8),
            ("content", "prompts_share_template", "template 00b7e1ff", 8, 412, 0.7, -3.9),
        ],
    }
    rows = by_kind.get(shape.kind, [])
    if hostile:
        rows = [
            *rows,
            *(("infrastructure", "shares_client_stack", text, 5, 7, 0.4, -4.2) for text in HOSTILE),
        ]
    names = ("channel", "signal", "artefact", "members", "accounts", "expected", "log10_p")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _findings(shape: Shape, digest: str, hostile: bool) -> list[Finding]:
    findings = _FINDINGS.get(shape.kind, [])
    if hostile and shape.kind == "distillation":
        seen = _found("observed", "infrastructure", f"5 accounts sent the user agent {SCRIPT}.", 5, 61)
        findings = [*findings, replace(seen, evidence={SCRIPT: SCRIPT})]
    return [
        replace(
            finding,
            subject={"campaign": shape.campaign_id},
            evidence={**finding.evidence, "digest": digest}
            if "table" in finding.evidence
            else finding.evidence,
        )
        for finding in findings
    ]


def _found(
    role: Role, channel: str, claim: str, value: float, n: int, null: str = "", **evidence: Any
) -> Finding:
    return Finding(
        subject={},
        claim=claim,
        statistic=evidence.pop("statistic", "members_with_artefact"),
        null=null,
        value=float(value),
        n=n,
        method=evidence.pop("method", "readings"),
        version="1",
        inputs_digest="sha256:" + "9f" * 32,
        evidence=evidence,
        role=role,
        channel=channel,
    )


_TABLE = "evidence/artefacts.parquet"
_FINDINGS = {
    "distillation": [
        _found(
            *("observed", "content"),
            "57 of 61 accounts sent prompts filled from one template that 3 other accounts of the log used.",
            *(57, 61),
            method="prompts_share_template",
            table=_TABLE,
        ),
        _found("observed", "timing", "58 of 61 accounts sent requests in every hour of the window.", 58, 61),
        _found("observed", "payment", "14 accounts were paid for with one card.", 14, 61),
        _found(
            *("inferred", "timing"),
            "Session starts are spread over the accounts more evenly than independent people would spread them.",
            *(0.0021, 58),
            "Each account starts sessions independently of the others, at its own rate and in its own hours.",
            method="takes_turns",
            statistic="variance_to_mean",
            sessions=41022,
            expected=1.05,
            log10_p=-31.0,
        ),
        _found(
            *("inferred", "content"),
            "The accounts fill one rare template far more often than accounts of their activity do.",
            *(57, 61),
            "Accounts of equal activity take up a template of this popularity independently of one another.",
            method="prompts_share_template",
            expected=0.9,
            log10_p=-311.2,
            table=_TABLE,
        ),
        _found(
            *("inferred", "payment"),
            "14 accounts share a card that no other account of the log uses.",
            *(14, 61),
            "Cards are spread over accounts as they are over the whole log.",
            method="shares_payment",
            expected=0.16,
            log10_p=-24.6,
        ),
        _found(
            "counter", "infrastructure", "No two accounts of the campaign used one network address.", 0, 61
        ),
        _found(
            *("counter", "life_cycle"),
            "The accounts were made over 14 months, without a burst of sign-ups.",
            *(14, 61),
            "Accounts are made at the rate of the whole log.",
            method="signs_up_together",
            statistic="months",
            log10_p=-0.2,
        ),
        _found(
            *("reading", ""),
            "One-template product on many keys: ruled out, as the accounts belong to 49 organisations and 38 payment "
            "instruments.",
            *(49, 61),
        ),
        _found(
            *("reading", ""),
            "Popular agent used by strangers: the template is carried by 3 accounts outside the campaign; a popular "
            "agent's would be carried by thousands.",
            *(3, 5204),
        ),
        _found(
            *("reading", ""),
            "Licensed producer of synthetic data: applies to 1 account, which is listed and not flagged.",
            *(1, 61),
        ),
    ],
    "trial_farm": [
        _found("observed", "life_cycle", "29 of 34 accounts were made within 40 minutes.", 29, 34),
        _found(
            *("inferred", "life_cycle"),
            "So many sign-ups in one burst are not chance.",
            *(29, 34),
            "Accounts sign up independently at the log's own rate for that hour of the week.",
            method="signs_up_together",
            expected=2.2,
            log10_p=-21.9,
        ),
        _found(
            *("inferred", "payment"),
            "22 accounts were paid for with cards of one rare issuer.",
            *(22, 34),
            "Issuers are spread over accounts as they are over the whole log.",
            method="shares_payment",
            expected=1.4,
            log10_p=-18.2,
        ),
        _found("counter", "content", "The prompts differ as much as those of strangers do.", 0.97, 34),
        _found("reading", "", "A class or workshop: possible for 6 accounts of one university.", 6, 34),
    ],
    "evaluation": [
        _found("observed", "infrastructure", "All 8 accounts used one network address.", 8, 8),
        _found(
            *("inferred", "infrastructure"),
            "One address for all is not chance.",
            *(8, 8),
            "Addresses are taken up independently, each by its popularity.",
            method="shares_address",
            expected=0.02,
            log10_p=-1.96,
        ),
        _found(
            "reading",
            "",
            "Evaluation on release day: fits, as 412 accounts ran the same public test.",
            412,
            5204,
        ),
    ],
}


def _run(requests: int, rejected: int) -> dict[str, Any]:
    full = ("time", "account_id", "prompt_sketch", "system_sketch", "status", "user_agent", "tls_fingerprint")
    sparse = {"client_ip": 0.981, "finish_reason": 0.9997, "temperature": 0.412, "device_id": 0.0}
    filled = dict.fromkeys((*full, "max_tokens"), 1.0) | sparse
    seen = coverage(filled, ("created_at", "payment_fingerprint"))
    return {
        "versions": {"stillhunt": "0.1.0", "python": "3.11.7", "duckdb": "2.0.0", "signals": "v1"},
        "settings": {"engine": "duckdb", "memory": "4GB", "seed": 7},
        "inputs_digest": "sha256:" + "9f" * 32,
        "rows": {"read": requests + rejected, "written": requests, "rejected": rejected},
        "rejected": {"account_id is null": rejected - rejected // 3, "time cannot be read": rejected // 3}
        if rejected
        else {},
        "window": {"first": "2026-04-22T00:00:03Z", "last": "2026-04-30T23:59:58Z"},
        "accounts": ACCOUNTS,
        "requests": requests,
        "candidates_tested": 1244,
        "coverage": {"active": list(seen.active), "missing": dict(seen.missing), "filled": filled},
        "channels": {
            channel: {"tested": 200 + at * 31, "calibration": "p-values from 200 reshuffled logs."}
            for at, channel in enumerate(dict.fromkeys(SIGNAL_NEEDS[name].channel for name in seen.active))
        },
        "stages": [
            {"name": name, "seconds": seconds, "peak_memory_mb": memory}
            for name, seconds, memory in (
                ("summarise", 2.1, 412.0), ("candidates", 1.4, 640.2), ("weigh", 3.9, 655.0), ("cluster", 0.6, 655.0),
                ("judge", 4.4, 702.9), ("explain", 0.8, 702.9),
            )
        ],
    }  # fmt: skip
