"""spec/sketch.md and its vectors, the plain reading of the page, and the kernels say the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import plain_sketch
import pyarrow as pa
import pytest

from stillhunt.schema.requests import TIMESTAMP
from stillhunt.sketch.columns import sketch_requests
from stillhunt.sketch.keys import KeyRing, SketchKey, key_words
from stillhunt.sketch.minhash import sketch_rows, sketch_texts
from stillhunt.sketch.texts import texts_of

SPEC = Path(__file__).parents[2] / "spec"
VECTORS = json.loads((SPEC / "vectors" / "sketch.json").read_text())["vectors"]


def test_the_vectors_are_those_of_the_plain_reading() -> None:
    assert plain_sketch.vectors() == VECTORS, "run: .venv/bin/python tests/sketch/plain_sketch.py"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_kernels_give_the_sketch_and_length(vector: dict[str, Any]) -> None:
    key = SketchKey(vector["key_id"], bytes.fromhex(vector["key"]))
    texts = pa.array([bytes.fromhex(vector["text_hex"])], pa.binary())
    sketch, chars = sketch_rows(texts_of(texts), np.array([0]), key_words(key).shingle)
    assert sketch.astype("<u4").tobytes().hex() == vector["sketch"]
    assert chars.tolist() == [vector["chars"]]
    assert (sketch == sketch_texts(texts, key)).all()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_requests_carry_the_codes(vector: dict[str, Any]) -> None:
    # Binary stands in for text, since some vectors are not valid UTF-8.
    text = pa.array([bytes.fromhex(vector["text_hex"])], pa.binary())
    batch = pa.RecordBatch.from_pydict(
        {"time": pa.array([0], TIMESTAMP), "prompt": text, "system_prompt": text, "completion": text}
    )
    key = SketchKey(vector["key_id"], bytes.fromhex(vector["key"]))
    sketched = sketch_requests(batch, KeyRing(key), keep_text=False)
    (row,) = sketched.requests.to_pylist()
    for role in ("prompt", "system", "completion"):
        code = row[f"{role}_sketch"]
        assert (code and code.hex()) == vector[f"{role}_sketch"]
        assert row[f"{role}_chars"] == vector["chars"]
    assert row["sketch_key_id"] == vector["key_id"]
    assert {text["text_id"].hex() for text in sketched.texts.to_pylist()} <= {vector["text_id"]}
    assert sketched.texts.num_rows == (3 if vector["text_hex"] else 0)


def test_the_example_on_the_page_is_the_first_vector() -> None:
    page = (SPEC / "sketch.md").read_text()
    example = VECTORS[0]
    text = bytes.fromhex(example["text_hex"]).decode()
    first_screen = page[: page.index("## 1.")]
    assert f"`{text}`" in first_screen
    code = example["prompt_sketch"]
    assert f"`{code[:8]} {code[8:]}`" in first_screen
    assert f"`{code}`" in first_screen
    assert f"`{example['text_id']}`" in first_screen
    slots = re.findall("........", example["sketch"])
    assert f"`{slots[0]} {slots[1]} … {slots[-1]}`" in first_screen
    assert first_screen.count(f"| {example['chars']} |") == 2
    assert first_screen.count(f"`{example['key_id']}`") == 2


def test_siphash_gives_the_value_that_its_authors_published() -> None:
    keys = [int.from_bytes(bytes(range(start, start + 8)), "little") for start in (0, 8)]
    assert plain_sketch.siphash(bytes(range(15)), *keys) == 0xA129CA6149BE45E5
