"""spec/vectors/marks.json, which other programs may test themselves by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stillhunt.marks.detect import detect
from stillhunt.marks.keys import KeyPath, SubKey, commitment_record, master_key, opens
from stillhunt.marks.profile import PRESETS, profile_from_json
from stillhunt.marks.schemes import scheme_of, word_function
from stillhunt.marks.synthid import SynthId, sampling_table
from stillhunt.marks.windows import documents

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "spec" / "vectors" / "marks.json").read_text(encoding="utf-8")
)


def test_keys() -> None:
    given = VECTORS["keys"]
    key, path = master_key(bytes.fromhex(given["master"])), KeyPath(*given["path"])
    subkey = key.subkey(path)
    assert key.key_id == given["key_id"]
    assert path.encoded().hex() == given["path_encoding"]
    assert subkey.secret.hex() == given["subkey"]
    assert str(subkey.engine_key) == given["engine_key"]
    assert str(subkey.second_engine_key) == given["second_engine_key"]
    assert [str(one) for one in subkey.synthid_keys(3)] == given["synthid_keys"]
    bucket = given["bucket"]
    assert key.bucket_of(bucket["account_id"], bucket["epoch"], bucket["buckets"]) == bucket["bucket"]


def test_commitments() -> None:
    record, key = VECTORS["commitment"], master_key(bytes.fromhex(VECTORS["keys"]["master"]))
    path = KeyPath(record["purpose"], record["epoch"], record["bucket"])
    assert commitment_record(key, path, record["profile"]) == record
    assert opens(VECTORS["opening"])
    assert not opens({**VECTORS["opening"], "epoch": "2026-12"})


@pytest.mark.parametrize("function", ["philox", "murmur3", "hmac-sha256"])
def test_words(function: str) -> None:
    given = VECTORS["words"]
    contexts, tokens = (np.array(given[name], dtype=np.uint32) for name in ("contexts", "tokens"))
    words = word_function(function, SubKey(bytes.fromhex(given["subkey"]))).paired(contexts, tokens)
    assert words.tolist() == given[function]


def test_synthid() -> None:
    given = VECTORS["synthid"]
    table = sampling_table(given["table_size"], given["table_seed"])
    assert "".join(map(str, table[:32])) == given["first_table_bits"]
    contexts, tokens = (np.array(given[name], dtype=np.uint32) for name in ("contexts", "tokens"))
    bits = SynthId(tuple(map(int, given["keys"])), 4, table).bits(contexts, tokens)
    assert bits.tolist() == given["bits"]


@pytest.mark.parametrize("test", VECTORS["detection"]["tests"], ids=lambda test: str(test["preset"]))
def test_detection(test: dict[str, Any]) -> None:
    given = VECTORS["detection"]
    profile = profile_from_json(test["profile"])
    assert profile == PRESETS[test["preset"]]
    scheme = scheme_of(profile, SubKey(bytes.fromhex(given["subkey"])))
    found = detect(documents([given["answer"]], [given["prompt"]]), scheme, context=profile.context)
    assert found.scored == test["scored"]
    assert found.statistic == pytest.approx(test["statistic"], abs=1e-8)
    assert found.log10_p == pytest.approx(test["log10_p"], abs=1e-8)
