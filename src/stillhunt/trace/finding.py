"""What a trace says, in the form that reports read (spec/finding.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stillhunt.marks.finding import RECORD_FIELDS
from stillhunt.schema.findings import Finding
from stillhunt.trace.radioactivity import Plan, Result

METHOD = "trace_model"
VERSION = "1"
NULLS = {
    True: "The words of the windows that count played no part in anything that the suspect was shown or trained on.",
    False: "The words of a window's context are independent of whether and with which weight it counts.",
}
"""By whether nothing was filtered and no marked text read (spec/trace.md, section 4)."""


def finding_of(
    result: Result, plan: Plan, record: Mapping[str, Any], inputs_digest: str, suspect: str
) -> Finding:
    """The finding that ``suspect`` learnt from answers under the key of ``record``, an opening, whose subkey it leaves
    out. The value to quote is ``evidence["log10_error"]``: the smallest of what holds for this plan, corrected for how
    many are compared."""
    return Finding(
        subject={"model": suspect},
        claim=(
            f"The model {suspect} was trained on text that was chosen under the key that commitment "
            f"{record['commitment']} fixes: {result.windows:,} distinct windows of it score {result.statistic:.1f}."
        ),
        statistic="weighted sum of keyed scores over distinct windows",
        null=NULLS[plan.free],
        value=result.statistic,
        n=result.windows,
        method=METHOD,
        version=VERSION,
        inputs_digest=inputs_digest,
        evidence={
            "rung": "A",
            "log10_error": result.log10_error,
            "log10_p": result.log10_p,
            "log10_e": result.log10_e,
            "decoy_p": result.decoy_p,
            "decoy_floor": result.decoy_floor,
            "filtered_out": result.filtered_out,
            "kind": plan.kind,
            "plan": result.plan,
            **{name: record[name] for name in RECORD_FIELDS},
        },
        role="inferred",
        channel="mark",
    )
