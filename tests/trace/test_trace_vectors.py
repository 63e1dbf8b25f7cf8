"""spec/vectors/trace.json, which other programs may test themselves by."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stillhunt.marks.keys import SubKey
from stillhunt.marks.windows import documents
from stillhunt.trace.issuance import issuance_index
from stillhunt.trace.radioactivity import Plan, trace_answers
from stillhunt.trace.withheld import issued_choice, rank_test

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "spec" / "vectors" / "trace.json").read_text(encoding="utf-8")
)
LOW = 2**64 - 1


def _mix(h: int, x: int) -> int:
    a = (h ^ x) * 0x9E3779B97F4A7C15 & LOW
    b = (a ^ a >> 32) * 0xD6E8FEB86659FD93 & LOW
    return b ^ b >> 32


def test_the_issuance_index() -> None:
    given, (issued,) = VECTORS["index"], VECTORS["issued"]
    index = issuance_index(
        documents([issued]), VECTORS["opening"]["commitment"], given["width"], pad=2**32 - 1
    )
    assert [str(one) for one in index.contexts] == given["contexts"]
    assert index.counts.tolist() == given["counts"]
    assert index.digest == given["digest"]
    start = _mix(0x243F6A8885A308D3, 0)
    plain = {_mix(start, token) for token in [2**32 - 1, *issued[:-1]]}
    assert sorted(plain) == [int(one) for one in given["contexts"]]


def test_the_material_is_the_prompts() -> None:
    prompts = VECTORS["prompts"]
    ends = [sum(map(len, prompts[:i])) for i in range(len(prompts) + 1)]
    tokens = [token for prompt in prompts for token in prompt]
    content = b"stillhunt-material/1\0"
    for entries, size in (([], 4), ([0] * len(ends), 8), (tokens, 4), (ends, 8)):
        content += len(entries).to_bytes(8, "little") + b"".join(
            one.to_bytes(size, "little") for one in entries
        )
    assert VECTORS["closed"]["plan"]["material"] == "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("case", ["closed", "filtered"])
def test_plans_and_results(case: str) -> None:
    given = VECTORS[case]
    plan = Plan(**given["plan"])
    public = json.dumps(given["plan"], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(b"stillhunt-trace-plan/1\0" + public.encode()).hexdigest()
    assert plan.digest == given["plan_digest"] == "sha256:" + digest
    index = None
    if case == "filtered":
        index = issuance_index(documents(VECTORS["issued"]), plan.commitment, 1, pad=2**32 - 1)
    answers = documents(VECTORS["answers"], VECTORS["prompts"])
    found = asdict(trace_answers(plan, plan.digest, VECTORS["opening"], answers, index))
    for name, value in given["result"].items():
        assert found[name] == (pytest.approx(value, abs=1e-8) if isinstance(value, float) else value), name


def test_issued_versus_withheld() -> None:
    given = VECTORS["withheld"]
    subkey = SubKey(bytes.fromhex(given["subkey"]))
    assert {name: issued_choice(subkey, name, given["candidates"]) for name in given["issued"]} == given[
        "issued"
    ]
    found = rank_test(np.array(given["preferences"]), np.array(given["issued_candidates"]))
    assert found.statistic == given["statistic"]
    assert found.log10_p == pytest.approx(given["log10_p"], abs=1e-8)
