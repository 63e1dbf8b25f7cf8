"""What a look-up of a data set says, in the form that reports read (spec/finding.md), and as files."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from scipy.stats import hypergeom

from stillhunt import __version__
from stillhunt.schema.digests import parquet_bytes, table_digest
from stillhunt.schema.findings import Finding
from stillhunt.trace.dataset import Screened
from stillhunt.trace.registry.files import Registry

FORMAT = "stillhunt-dataset-trace/1"
METHOD = "copies_of_issued_answers"
VERSION = "1"
MOST_CAMPAIGNS = 50
UNRELATED = (
    "The rows were written apart from the issued answers: each piece of one agrees with an issued answer only as "
    "often as that piece occurs among all of them."
)
EXCHANGEABLE = "Rows of the data set are no likelier to match than rows of the control."


def findings_of(
    found: Screened, registry: Registry, inputs_digest: str, control: Screened | None = None
) -> list[Finding]:
    """The claim about the data set, beside what speaks for another reading; about the control, where there is one; and
    about each campaign whose answers stand in it."""
    findings = [_copies(found, registry, inputs_digest)]
    if control is not None:
        findings.append(_against_control(found, control, inputs_digest))
    if found.counts.matching:
        findings.append(_same_question(found, inputs_digest))
    return findings + _campaigns(found, inputs_digest)


def excess_log10_p(found: Screened, control: Screened) -> float:
    """log10 of Fisher's one-sided p: that so many of the matching rows of both stand in the data set."""
    n, k = found.counts.counted, found.counts.matching
    m, c = control.counts.counted, control.counts.matching
    return min(0.0, float(hypergeom.logsf(k - 1, n + m, k + c, n)) / math.log(10)) if k else 0.0


def write_screened(
    folder: Path,
    found: Screened,
    registry: Registry,
    findings: Sequence[Finding],
    unusable: Sequence[Mapping[str, Any]],
    inputs_digest: str,
    control: Screened | None = None,
) -> dict[str, Any]:
    """Writes tables, ``findings.jsonl`` and ``summary.json`` into ``folder``, which exists; returns the summary."""
    for name, table in tables(found).items():
        (folder / f"{name}.parquet").write_bytes(parquet_bytes(table))
    (folder / "findings.jsonl").write_text(
        "".join(one.to_json() + "\n" for one in findings), encoding="utf-8"
    )
    summary = {
        "format": FORMAT,
        "stillhunt": __version__,
        "inputs_digest": inputs_digest,
        "registry": {
            "digest": registry.digest,
            "texts": registry.texts,
            "entries": registry.entries,
            "keys": list(registry.key_ids),
        },
        **_counts(found),
        "threshold_nats": found.threshold,
        "missing_keys": found.missing_keys,
        "control": None
        if control is None
        else {**_counts(control), "log10_p": excess_log10_p(found, control)},
        "accounts": found.accounts.num_rows,
        "campaigns": found.campaigns.num_rows,
        "left_out": list(unusable),
    }
    text = json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / "summary.json").write_text(text, encoding="utf-8")
    return summary


def tables(found: Screened) -> dict[str, pa.Table]:
    """The tables of a result, by the name of their file."""
    return {
        "rows": found.rows,
        "origins": found.origins,
        "accounts": found.accounts,
        "campaigns": found.campaigns,
        "sources": found.sources,
    }


def _counts(found: Screened) -> dict[str, Any]:
    counts = found.counts
    return {
        "records": counts.records,
        "counted": counts.counted,
        "matching": counts.matching,
        "verbatim": counts.verbatim,
        "close": counts.close,
        "edited": counts.edited,
        "short_matches": counts.short_matches,
        "not_read_to_the_end": counts.cut,
        "expected_false": found.expected_false,
        "false_match_rate": found.false_match_rate,
    }


def _copies(found: Screened, registry: Registry, inputs_digest: str) -> Finding:
    counts = found.counts
    texts = registry.texts - sum(found.missing_keys.values())
    if counts.matching:
        claim = (
            f"{counts.matching:,} of {counts.counted:,} rows are copies of issued answers: "
            f"{counts.verbatim:,} verbatim, {counts.close:,} close, {counts.edited:,} edited."
        )
    else:
        claim = f"None of {counts.counted:,} rows is a copy of one of {texts:,} issued answers."
    log10_p = min(0.0, math.log10(found.expected_false / counts.matching)) if counts.matching else 0.0
    return Finding(
        subject={"dataset": inputs_digest},
        claim=claim,
        statistic="rows with a near copy in the registry",
        null=UNRELATED if counts.matching else "",
        value=float(counts.matching),
        n=counts.counted,
        method=METHOD,
        version=VERSION,
        inputs_digest=inputs_digest,
        evidence={
            "rung": "C",
            "direction": "not shown: a copy does not say which text came first",
            "log10_p": log10_p,
            "bound": "Markov",
            "registry": registry.digest,
            "texts": texts,
            "not_searched": sum(found.missing_keys.values()),
            "keys": [each for each in registry.key_ids if each not in found.missing_keys],
            **_counts(found),
            "table": "rows.parquet",
            "digest": table_digest(found.rows),
        },
        role="inferred" if counts.matching else "observed",
        channel="copies",
    )


def _against_control(found: Screened, control: Screened, inputs_digest: str) -> Finding:
    k, n = found.counts.matching, found.counts.counted
    c, m = control.counts.matching, control.counts.counted
    return Finding(
        subject={"dataset": inputs_digest},
        claim=f"{k:,} of {n:,} rows are copies of issued answers, against {c:,} of {m:,} of the control.",
        statistic="rows with a near copy in the registry",
        null=EXCHANGEABLE,
        value=float(k),
        n=n,
        method=METHOD,
        version=VERSION,
        inputs_digest=inputs_digest,
        evidence={
            "rung": "C",
            "log10_p": excess_log10_p(found, control),
            "test": "Fisher, one-sided",
            "control_matching": c,
            "control_counted": m,
        },
        role="inferred",
        channel="copies",
    )


def _same_question(found: Screened, inputs_digest: str) -> Finding:
    return Finding(
        subject={"dataset": inputs_digest},
        claim=(
            f"{found.counts.edited:,} of the {found.counts.matching:,} matching rows are alike only as edited copies "
            "are, and as answers of different authors to one question sometimes are."
        ),
        statistic="rows whose best match is an edited copy",
        null="",
        value=float(found.counts.edited),
        n=found.counts.matching,
        method=METHOD,
        version=VERSION,
        inputs_digest=inputs_digest,
        evidence={"remedy": "a control: rows of the same kind by authors who cannot have seen the answers"},
        role="reading",
        channel="copies",
    )


def _campaigns(found: Screened, inputs_digest: str) -> list[Finding]:
    digest = table_digest(found.campaigns)
    return [
        Finding(
            subject={"dataset": inputs_digest, "campaign": one["campaign_id"]},
            claim=(
                f"{one['rows']:,} of {found.counts.matching:,} matching rows are copies of answers that were issued to "
                f"{one['accounts']:,} accounts of this campaign, among others."
            ),
            statistic="matching rows that this campaign was issued",
            null="",
            value=float(one["rows"]),
            n=found.counts.matching,
            method=METHOD,
            version=VERSION,
            inputs_digest=inputs_digest,
            evidence={
                "first": one["first"].isoformat(),
                "last": one["last"].isoformat(),
                "table": "campaigns.parquet",
                "digest": digest,
            },
            role="observed",
            channel="copies",
        )
        for one in found.campaigns.slice(0, MOST_CAMPAIGNS).to_pylist()
    ]
