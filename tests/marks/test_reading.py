from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from stillhunt.errors import InputError, MissingExtraError
from stillhunt.marks.reading import load_tokenizer, read_answers

ROWS = [{"token_ids": [1, 2, 3], "prompt_token_ids": [9, 8]}, {"token_ids": [4]}, {"token_ids": []}]


def lines(rows: list[object]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def write(path: Path, rows: list[object]) -> Path:
    content = lines(rows)
    if path.suffix == ".gz":
        content = gzip.compress(content)
    if path.suffix == ".zst":
        content = zstandard.ZstdCompressor().compress(content)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.parquet"])
def test_token_ids_and_prompts_are_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    else:
        write(path, list(ROWS))
    read = read_answers([path])
    assert read.texts.tokens.tolist() == [1, 2, 3, 4]
    assert read.texts.offsets.tolist() == [0, 3, 4, 4]
    assert read.texts.prompts.tolist() == [9, 8]
    assert read.names == (f"{path}:1", f"{path}:2", f"{path}:3")
    assert read.skipped == ()
    inner = hashlib.sha256(path.read_bytes()).digest()
    assert read.inputs_digest == "sha256:" + hashlib.sha256(inner).hexdigest()


def test_parquet_slices_and_nulls(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    ids = pa.array([[7, 7], [1], None, [2, 3]], pa.large_list(pa.int64()))
    pq.write_table(pa.table({"token_ids": ids.slice(1)}), path)
    read = read_answers([path])
    assert read.texts.tokens.tolist() == [1, 2, 3]
    assert [(one.row, one.reason) for one in read.skipped] == [
        (2, "expected one of token_ids, completion, text, found none")
    ]


def test_text_goes_through_the_tokenizer(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", [{"completion": "ab", "prompt": "c"}, {"text": "d"}])
    (tmp_path / "b.txt").write_text("é\nf", encoding="utf-8")
    read = read_answers([tmp_path / "a.jsonl", tmp_path / "b.txt"], lambda text: [ord(one) for one in text])
    assert read.texts.tokens.tolist() == [97, 98, 100, 233, 10, 102]
    assert read.texts.prompts.tolist() == [99]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (5, "expected an object"),
        ("{", "expected an object"),
        ({"other": 1}, "expected one of token_ids"),
        ({"token_ids": [1, -1]}, "from 0 to"),
        ({"token_ids": [1, 2**32]}, "from 0 to"),
        ({"token_ids": [1.5]}, "whole numbers"),
        ({"token_ids": [True, False]}, "whole numbers"),
        ({"token_ids": ["a"]}, "whole numbers"),
        ({"token_ids": [[1], [2]]}, "whole numbers"),
        ({"token_ids": 7}, "expected token ids or text"),
        ({"token_ids": [1], "prompt_token_ids": [-3]}, "from 0 to"),
        ({"text": "no tokenizer"}, "tokenizer"),
    ],
)
def test_rows_that_cannot_be_used_are_named(tmp_path: Path, row: object, reason: str) -> None:
    path = write(tmp_path / "a.jsonl", [{"token_ids": [1]}, row, {"token_ids": [2]}])
    read = read_answers([path])
    assert read.texts.tokens.tolist() == [1, 2]
    (skip,) = read.skipped
    assert (skip.file, skip.row) == (str(path), 2)
    assert reason in skip.reason


def test_lines_that_are_no_json_and_files_without_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"token_ids": [1]}\n{"token_ids": [2\n\n\xff\xfe\n')
    assert [one.row for one in read_answers([path]).skipped] == [2, 4]
    (tmp_path / "empty.jsonl").write_bytes(b"")
    with pytest.raises(InputError, match="no answer could be used of 0 rows"):
        read_answers([tmp_path / "empty.jsonl"])


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", b"x", "expected Parquet"),
        ("a.parquet", b"PAR1 cut off", "cannot read the Parquet"),
        ("a.jsonl.gz", b"\x1f\x8b\x08 cut off", "cannot unpack"),
        ("a.jsonl.zst", b"\x28\xb5\x2f\xfd cut off", "cannot unpack"),
        ("a.txt", b"\xff", "UTF-8"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=problem):
        read_answers([tmp_path / name])


def test_absent_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_answers([tmp_path / "absent.jsonl"])


def test_a_tokenizer_needs_its_package_and_a_good_file(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises((MissingExtraError, InputError), match=r"tokenizers|tokenizer\.json"):
        load_tokenizer(tmp_path / "tokenizer.json")
