"""After an ingest without --keep-text no word of any text is in the lake or beside it: every byte is searched."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

WORDS = ("quetzalfeather", "marzipanlighthouse", "oboeglacier", "Größenwahnsinnig", "tundraaccordion")
"""Each stands in some text of the logs and nowhere else."""

PROMPT = "Please tell me about the quetzalfeather and why it is Größenwahnsinnig. "
SYSTEM = "You are a marzipanlighthouse."
ANSWER = "It is an oboeglacier! " * 30


def row(i: int, **changes: Any) -> dict[str, Any]:
    fields = {
        "time": f"2026-05-01T10:{i % 60:02}:00Z",
        "request_id": f"r-{i}",
        "account_id": f"a-{i % 5}",
        "prompt": PROMPT + str(i % 7),
        "system_prompt": SYSTEM,
        "completion": ANSWER,
        "notes": "a column that nobody knows: tundraaccordion",
    }
    return fields | changes


def write_canonical(folder: Path) -> None:
    lines = [json.dumps(row(i)) for i in range(100)]
    lines += [
        json.dumps(row(200, prompt={"of": [PROMPT]})),
        json.dumps(row(201, account_id=None)),
        json.dumps(row(202, time=None)),
        json.dumps(row(203, time="1999-01-01T00:00:00Z")),
        json.dumps(row(1)),
        json.dumps([PROMPT]),
        json.dumps(row(204))[:-20],
        PROMPT,
    ]
    (folder / "log.jsonl").write_bytes("\n".join(lines).encode() + b"\n\xff" + PROMPT.encode() + b"\n")
    with (folder / "log.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, row(0).keys())
        writer.writeheader()
        writer.writerows(row(300 + i) for i in range(20))
        file.write(f"2026-05-01T10:00:00Z,r-x,a-1,{PROMPT},{SYSTEM},{ANSWER},one,field,too,many: {PROMPT}\n")
    rows = [row(400 + i) for i in range(20)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "log.parquet")


def write_litellm(folder: Path) -> None:
    lines = [
        {
            "id": f"c-{i}",
            "startTime": 1777630000.0 + i,
            "call_type": "acompletion",
            "litellm_call_id": f"call-{i}",
            "model_map_information": {},
            "response_cost": 0.1,
            "status": "success",
            "model": "m",
            "metadata": {"user_api_key_hash": f"h-{i % 3}"},
            "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PROMPT}],
            "response": {"choices": [{"finish_reason": "stop", "message": {"content": ANSWER}}]},
            "error_str": "tundraaccordion",
        }
        for i in range(30)
    ]
    lines += [
        dict(lines[0], startTime="quarter past"),
        dict(lines[1], metadata={}),
        dict(lines[2], messages=7),
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


LOGS = {"canonical": write_canonical, "litellm": write_litellm}


def ingest(folder: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    command = "from stillhunt.cli.main import main; main()"
    logs = sorted(str(path) for path in (folder / "logs").iterdir())
    return subprocess.run(
        [sys.executable, "-c", command, "ingest", *logs, "--out", str(folder / "out" / "lake"), *options],
        env=os.environ
        | {"STILLHUNT_SKETCH_KEY_FILE": str(folder / "key" / "sketch.key"), "TMPDIR": str(folder / "tmp")},
        capture_output=True,
        timeout=300,
        check=False,
    )


def leaves(value: object) -> Iterator[str]:
    """Every string and bytes within a value, as text."""
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list | tuple):
        for each in value:
            yield from leaves(each)
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif value is not None:
        yield str(value)


def contents(path: Path) -> Iterator[str]:
    """The file as it lies on the disk, in the encodings that text may lie there in, and, of Parquet, what is packed:
    values, statistics and metadata."""
    raw = path.read_bytes()
    yield raw.decode("utf-8", "replace")
    yield raw.decode("utf-16-le", "replace")
    if path.suffix == ".json" or path.suffix == ".jsonl":
        for line in raw.decode().splitlines() if path.suffix == ".jsonl" else [raw.decode()]:
            yield from leaves(json.loads(line))
    if path.suffix == ".parquet":
        file = pq.ParquetFile(path)
        yield from leaves(file.read().to_pylist())
        yield from leaves(file.metadata.metadata)
        for group in range(file.metadata.num_row_groups):
            for column in range(file.metadata.num_columns):
                yield str(file.metadata.row_group(group).column(column).to_dict())


def found_in(folder: Path) -> set[str]:
    """The words that stand anywhere in or beside the lake."""
    files = [path for part in ("out", "tmp", "key") for path in (folder / part).rglob("*") if path.is_file()]
    assert any(path.name == "lake.json" for path in files)
    texts = [text.casefold() for path in files for text in contents(path)]
    return {word for word in WORDS if any(word.casefold() in text for text in texts)}


@pytest.fixture(params=LOGS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    for name in ("logs", "out", "tmp"):
        (tmp_path / name).mkdir()
    LOGS[request.param](tmp_path / "logs")
    return tmp_path


def test_no_word_is_left_anywhere(folder: Path) -> None:
    done = ingest(folder)
    assert done.returncode == 3, done.stderr.decode()
    assert (folder / "out" / "lake" / "rejected.jsonl").exists()
    assert found_in(folder) == set()
    said = (done.stdout + done.stderr).decode().casefold()
    assert not [word for word in WORDS if word.casefold() in said]


def test_the_search_finds_what_is_kept(folder: Path) -> None:
    done = ingest(folder, "--keep-text")
    assert done.returncode == 3, done.stderr.decode()
    assert found_in(folder) == set(WORDS) - {"tundraaccordion"}


def test_nothing_is_left_by_an_ingest_that_fails(tmp_path: Path) -> None:
    for name in ("logs", "out", "tmp"):
        (tmp_path / name).mkdir()
    unusable = json.dumps(row(0, account_id=None)) + "\n"
    (tmp_path / "logs" / "log.jsonl").write_text(unusable, encoding="utf-8")
    done = ingest(tmp_path)
    assert done.returncode == 2
    assert [path for part in ("out", "tmp") for path in (tmp_path / part).rglob("*") if path.is_file()] == []
    said = (done.stdout + done.stderr).decode().casefold()
    assert not [word for word in WORDS if word.casefold() in said]
