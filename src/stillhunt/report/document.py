"""The report as one typed value. Renderers see only this; ``compose`` makes it from a scan's tables and findings.

Everything counted is kept as a number, so that every renderer formats it for its own readers; only sentences
that argue are kept as text. Times are in UTC; shares and confidences in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

FORMAT = "stillhunt-report/1"

Standing = Literal["flagged", "below", "other_kind", "licensed"]
"""Why a member is flagged or not: flagged; membership below the threshold; a member of a campaign whose kind is
never flagged; licensed for what it does."""


@dataclass(frozen=True)
class Member:
    """An account of a campaign. ``also_in``: the other campaigns that it belongs to."""

    account_id: str
    membership: float
    standing: Standing
    authorised_use: str | None
    also_in: tuple[str, ...] = ()


@dataclass(frozen=True)
class Timeline:
    """Counts per bin of ``step_s`` seconds from ``start`` on, without gaps; the last bin is ``last_step_s`` long.
    The scan's own bins are ``counted_s`` long; where they were joined, ``active_accounts`` is the largest of the
    joined ones."""

    start: datetime
    counted_s: int
    step_s: int
    last_step_s: int
    requests: tuple[int, ...]
    active_accounts: tuple[int, ...]
    background_requests: tuple[int, ...]
    background_accounts: tuple[int, ...]


@dataclass(frozen=True)
class Hours:
    """Share of requests in each hour of the day, UTC; 24 numbers each. ``background`` is None without any."""

    campaign: tuple[float, ...]
    background: tuple[float, ...] | None


@dataclass(frozen=True)
class Day:
    """One day of the timeline, for the table behind the charts; ``active_accounts`` is the most in any one bin."""

    day: datetime
    requests: int
    active_accounts: int
    background_requests: int


@dataclass(frozen=True)
class When:
    """Everything about time. ``rhythm`` reads the charts out in plain words."""

    timeline: Timeline
    hours: Hours | None
    days: tuple[Day, ...]
    rhythm: str


@dataclass(frozen=True)
class Edge:
    """Two accounts and what ties them; ``weight`` is in nats of evidence, the strongest first."""

    account_a: str
    account_b: str
    weight: float
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Harvest:
    """One capability that a campaign's requests ask for. ``ratio``: its share over the background's; None where
    the background has none of it."""

    capability: str
    requests: int
    output_tokens: int
    share: float
    background_share: float
    ratio: float | None


@dataclass(frozen=True)
class Loss:
    """What left to one capability and model; None where the log names none. Money in US dollars at list price."""

    capability: str | None
    model: str | None
    requests: int
    output_tokens: int
    reasoning_tokens: int
    list_price_usd: float


@dataclass(frozen=True)
class Tenant:
    """Part of a campaign's traffic that one text runs through; None where prompts have no label."""

    tenant: int
    requests: int
    share: float
    accounts: int
    output_tokens: int
    capability: str | None
    harvested: float | None


@dataclass(frozen=True)
class Artefact:
    """What members share: ``members`` of the campaign and ``accounts`` of the whole log carry it."""

    channel: str
    signal: str
    artefact: str
    members: int
    accounts: int
    expected: float
    log10_p: float


@dataclass(frozen=True)
class Claim:
    """A finding, ready to be read. ``table`` is the evidence table that it cites, with ``digest``; ``intact`` is
    whether that file is still the one cited (None where none is cited)."""

    text: str
    statistic: str
    null: str
    value: float
    n: int
    expected: float | None
    log10_p: float | None
    channel: str
    method: str
    version: str
    facts: Mapping[str, Any]
    table: str | None
    digest: str | None
    intact: bool | None


@dataclass(frozen=True)
class Doubt:
    """One way in which a campaign could be wrong: how sure it is, and what the error would look like."""

    question: str
    sure: str
    error: str


@dataclass(frozen=True)
class Harm:
    """What left: tokens, and US dollars at list price; None where the log cannot tell."""

    output_tokens: int | None
    reasoning_tokens: int | None
    list_price_usd: float | None


@dataclass(frozen=True)
class Campaign:
    """One campaign; ``rank`` counts from 1. ``flagged``, ``licensed``: how many members are so."""

    rank: int
    anchor: str
    campaign_id: str
    kind: str
    kind_confidence: float
    q_value: float
    score: float
    accounts: int
    requests: int
    first_seen: datetime
    last_seen: datetime
    flagged: int
    licensed: int
    harm: Harm
    capabilities: tuple[str, ...]
    summary: str
    when: When | None
    edges: tuple[Edge, ...]
    harvest: tuple[Harvest, ...]
    losses: tuple[Loss, ...]
    tenants: tuple[Tenant, ...]
    observed: tuple[Claim, ...]
    inferred: tuple[Claim, ...]
    counter: tuple[Claim, ...]
    readings: tuple[Claim, ...]
    artefacts: tuple[Artefact, ...]
    members: tuple[Member, ...]
    doubts: tuple[Doubt, ...]


@dataclass(frozen=True)
class Signal:
    """A signal and whether the log could feed it; ``needs`` are the columns that would switch it on."""

    name: str
    active: bool
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Channel:
    """A channel of evidence and its signals; without any, this version does not watch it. ``tested``: groups that
    it could judge; ``calibration``: how its p-values were made."""

    name: str
    signals: tuple[Signal, ...]
    tested: int | None
    calibration: str


@dataclass(frozen=True)
class Stage:
    """One stage of the scan: wall-clock seconds and peak memory in MB."""

    name: str
    seconds: float
    peak_memory_mb: float | None


@dataclass(frozen=True)
class Scanned:
    """What the scan looked at. ``sparse``: columns that are not filled in every row, with the share that is."""

    accounts: int
    requests: int
    first: datetime | None
    last: datetime | None
    rows_read: int | None
    rows_rejected: int
    rejected_reasons: Mapping[str, int]
    candidates_tested: int | None
    channels: tuple[Channel, ...]
    sparse: Mapping[str, float]


@dataclass(frozen=True)
class Made:
    """How the result came about, for whoever must repeat it. ``files``: SHA-256 by path within the result."""

    versions: Mapping[str, str]
    settings: Mapping[str, Any]
    inputs_digest: str
    stages: tuple[Stage, ...]
    files: Mapping[str, str]


@dataclass(frozen=True)
class Document:
    """The whole report. ``verdict`` is its one sentence; ``notices`` say what the reader must know before
    trusting it, such as input that was left out."""

    format: str
    verdict: str
    lead: str
    notices: tuple[str, ...]
    flagged: int
    scanned: Scanned
    campaigns: tuple[Campaign, ...]
    made: Made
