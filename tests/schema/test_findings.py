"""Findings as lines of JSON."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillhunt.schema.findings import Finding, Role

TEXT = st.text(max_size=20)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
FINDINGS = st.builds(
    Finding,
    subject=st.dictionaries(TEXT, TEXT, max_size=2),
    claim=TEXT,
    statistic=TEXT,
    null=TEXT,
    value=st.floats(allow_nan=False, allow_infinity=False),
    n=st.integers(0),
    method=TEXT,
    version=TEXT,
    inputs_digest=TEXT,
    evidence=st.dictionaries(TEXT, JSON_VALUES, max_size=3),
    role=st.sampled_from(get_args(Role)),
    channel=TEXT,
)
CONTRACT_FIELDS = [
    "subject",
    "claim",
    "statistic",
    "null",
    "value",
    "n",
    "method",
    "version",
    "inputs_digest",
    "evidence",
]


@given(FINDINGS)
def test_round_trip_on_one_line(finding: Finding) -> None:
    line = finding.to_json()
    assert "\n" not in line
    assert Finding.from_json(line) == finding
    assert Finding.from_json(line).to_json() == line


@given(FINDINGS)
def test_fields_are_the_contracts_and_sorted(finding: Finding) -> None:
    fields = json.loads(finding.to_json())
    assert set(CONTRACT_FIELDS) <= set(fields)
    assert list(fields) == sorted(fields)


@given(
    FINDINGS,
    st.dictionaries(st.from_regex(r"later_[a-z]{1,5}", fullmatch=True), JSON_VALUES, min_size=1, max_size=2),
)
def test_fields_of_a_later_version_are_ignored(finding: Finding, later: dict[str, Any]) -> None:
    assert Finding.from_json(json.dumps({**json.loads(finding.to_json()), **later})) == finding


def test_no_nan_is_written() -> None:
    finding = Finding({}, "", "", "", float("nan"), 0, "", "", "")
    with pytest.raises(ValueError, match="JSON compliant"):
        finding.to_json()
