"""What a detection says, in the form that reports read (spec/finding.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stillhunt.marks.detect import Detection
from stillhunt.schema.findings import Finding

METHOD = "mark_in_text"
VERSION = "1"
RECORD_FIELDS = ("commitment", "key_id", "purpose", "epoch", "bucket", "profile")
"""What a finding repeats of a commitment or an opening: all but the subkey."""


def finding_of(
    detection: Detection, record: Mapping[str, Any], inputs_digest: str, *, tests: int = 1
) -> Finding:
    """The finding that a text carries the mark of ``record``, a commitment or an opening, whose subkey it leaves out.

    tests: how many keys were tried on the same text; log10_p_corrected is Bonferroni's over them.
    """
    corrected = min(0.0, detection.log10_p + math.log10(tests))
    return Finding(
        subject={"text": inputs_digest},
        claim=(
            f"The text was chosen with knowledge of the key that commitment {record['commitment']} fixes: "
            f"its {detection.scored} distinct windows score {detection.statistic:.1f}."
        ),
        statistic="sum of keyed scores over distinct windows",
        null="The text was chosen without knowledge of the key.",
        value=detection.statistic,
        n=detection.scored,
        method=METHOD,
        version=VERSION,
        inputs_digest=inputs_digest,
        evidence={
            "rung": "A",
            "log10_p": detection.log10_p,
            "log10_p_corrected": corrected,
            "tests": tests,
            "log10_e": None if math.isnan(detection.log10_e) else detection.log10_e,
            "seen": detection.seen,
            "repeated": detection.repeated,
            "in_prompt": detection.in_prompt,
            "without_context": detection.without_context,
            **{name: record[name] for name in RECORD_FIELDS},
        },
        role="inferred",
        channel="mark",
    )
