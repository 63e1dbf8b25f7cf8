"""Records out of every kind of file, and out of damaged ones."""

from __future__ import annotations

import collections
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from stillhunt.errors import InputError
from stillhunt.sources import record_files
from stillhunt.sources.record_files import Unreadable, read_records

A, B = {"a": 1, "text": "Grüße\n"}, {"a": [2, {"b": None}]}
LINES = f"{json.dumps(A)}\n{json.dumps(B)}\n"


def read(tmp_path: Path, name: str, content: bytes | str) -> list[Any]:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_records(path))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (LINES, [(1, A), (2, B)]),
        (LINES.rstrip(), [(1, A), (2, B)]),
        ("\n\n" + LINES, [(1, A), (2, B)]),  # empty lines before the first do not count
        (LINES.replace("\n", "\r\n"), [(1, A), (2, B)]),
        ("\ufeff" + LINES, [(1, A), (2, B)]),
        (json.dumps([A, B]), [(1, A), (1, B)]),  # one line
        (f"[{json.dumps(A)}]\n[{json.dumps(B)}]\n", [(1, A), (2, B)]),  # batches, a list per line
        (json.dumps([A, B], indent=2), [(1, A), (2, B)]),
        (f"[\n{json.dumps(A)},\n{json.dumps(B)}\n]\n", [(1, A), (2, B)]),
        (json.dumps(A, indent=1) + "\n" + json.dumps(B, indent=1), [(1, A), (2, B)]),
        ("", []),
        ("\n \n", []),
        ("[]", []),
    ],
)
def test_json(tmp_path: Path, content: str, expected: list[Any]) -> None:
    assert read(tmp_path, "x.jsonl", content) == expected


def test_compression_is_seen_in_the_bytes_not_in_the_name(tmp_path: Path) -> None:
    plain = LINES.encode()
    two_frames = zstandard.compress(plain) + zstandard.compress(plain)
    assert read(tmp_path, "x.jsonl", gzip.compress(plain)) == [(1, A), (2, B)]
    assert read(tmp_path, "x.gz", plain) == [(1, A), (2, B)]
    assert [item[1] for item in read(tmp_path, "x.zst", two_frames)] == [A, B, A, B]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (f"{{bad\n{LINES}", [Unreadable(1, "expected JSON"), (2, A), (3, B)]),
        (f'{json.dumps(A)}\n{{"a": \n{json.dumps(B)}', [(1, A), Unreadable(2, "expected JSON"), (3, B)]),
        (f'{json.dumps(A)}\n"text"\n7\nnull\n', [(1, A)] + [
            Unreadable(row, f"expected a JSON object, got {what}")
            for row, what in ((2, "a string"), (3, "a number"), (4, "null"))
        ]),
        ("nothing of the kind", [Unreadable(1, "expected JSON")]),
        ('[\n{"a": 1},\n{"a": }\n]', [(1, {"a": 1}), Unreadable(2, "expected JSON")]),
        (json.dumps(A) + "\n" + "[" * 100_000, [(1, A), Unreadable(2, "expected JSON, got objects nested too deep")]),
        (json.dumps(A) + "\n" + '{"n": ' + "9" * 5000 + "}", [(1, A), Unreadable(2, "expected JSON")]),
    ],
    ids=range(7),
)  # fmt: skip
def test_what_cannot_be_read_stands_in_its_place(tmp_path: Path, content: str, expected: list[Any]) -> None:
    assert read(tmp_path, "x.jsonl", content) == expected


def test_bytes_that_are_no_utf8_do_not_hide_a_record(tmp_path: Path) -> None:
    assert read(tmp_path, "x.jsonl", b'{"a": "\xff\xfe"}\n{"a": 1}') == [
        (1, {"a": "\ufffd\ufffd"}),
        (2, {"a": 1}),
    ]


def test_a_line_without_end_is_reported_and_memory_stays_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_files, "LONGEST_RECORD", 1000)
    long = json.dumps({"a": "x" * 5000})
    found = read(tmp_path, "x.jsonl", f"{json.dumps(A)}\n{long}\n{json.dumps(B)}\n")
    assert found == [(1, A), Unreadable(2, "expected a line of at most 1000 bytes"), (3, B)]
    (first, fault) = read(tmp_path, "y.json", '[\n{"a": 1},\n{"a": "' + "x" * 5_000_000 + '"}\n]')
    assert (first, fault) == ((1, {"a": 1}), Unreadable(2, "expected JSON"))


def test_a_long_document_is_read_in_pieces(tmp_path: Path) -> None:
    whole = [{"a": index, "text": "x" * (index % 7) * 1000} for index in range(3000)]
    found = read(tmp_path, "x.json", json.dumps(whole, indent=1))
    assert [record for _, record in found] == whole


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_file_that_ends_early_is_read_up_to_there(tmp_path: Path, compress: Any) -> None:
    lines = "".join(json.dumps({"a": index, "b": str(index) * 40}) + "\n" for index in range(20_000))
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(compress(lines.encode())[:-200])
    found: list[Any] = []
    with pytest.raises(InputError, match="cut off"):
        collections.deque(map(found.append, read_records(path)))
    assert found[0] == (1, {"a": 0, "b": "0" * 40})
    assert len(found) > 1000


def test_csv(tmp_path: Path) -> None:
    content = 'a,b\n1,"x\ny"\n\n2\n3,z\n'
    assert read(tmp_path, "x.csv", content) == [
        (1, {"a": "1", "b": "x\ny"}),
        Unreadable(3, "expected 2 fields, got 1"),
        (4, {"a": "3", "b": "z"}),
    ]
    assert read(tmp_path, "x.csv.gz", gzip.compress(b"a\n" + b"x" * 300_000)) == [(1, {"a": "x" * 300_000})]
    assert read(tmp_path, "y.csv", "") == []


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(
        pa.table({"a": [1, None], "m": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64()))}), path
    )
    assert list(read_records(path)) == [(1, {"a": 1, "m": {"k": 1}}), (2, {"a": None, "m": {}})]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="expected a whole Parquet file"):
        list(read_records(path))


def test_progress_adds_up_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(LINES * 5000)
    steps: list[int] = []
    assert sum(1 for _ in read_records(path, steps.append)) == 10_000
    assert sum(steps) == path.stat().st_size
    assert steps


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.jsonl.*No such file"):
        list(read_records(tmp_path / "gone.jsonl"))
