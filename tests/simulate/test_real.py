"""Real texts and arrivals: what is read from files that the tests make, and what is refused."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import zstandard

from stillhunt.errors import InputError
from stillhunt.simulate.clock import DAY, Window
from stillhunt.simulate.real import Rates, read_prompts, read_rates, real_starts
from stillhunt.simulate.simulation import simulate

_WINDOW = Window(0, 14)


def _jsonl(rows: list[dict[str, object]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """A folder with prompts of two kinds, templates and system prompts, in each packing."""
    folder = tmp_path / "prompts"
    folder.mkdir()
    maths = [{"family": "mathematics", "text": f"What is {n} times 7?", "template": None} for n in range(40)]
    (folder / "a.jsonl").write_bytes(_jsonl(maths))
    chats = [{"prompt": f"Tell me about town {n}."} for n in range(40)]
    (folder / "chat.jsonl.zst").write_bytes(zstandard.ZstdCompressor().compress(_jsonl(chats)))
    filled = [{"text": f"Label this: item {n}", "template": "label"} for n in range(30)]
    (folder / "templated_nlp.jsonl.gz").write_bytes(gzip.compress(_jsonl(filled), mtime=0))
    (folder / "system_prompts.jsonl").write_bytes(_jsonl([{"text": "You are a ferry timetable."}]))
    (folder / "README.md").write_text("not prompts")
    return folder


def test_prompts_are_sorted_by_what_they_ask_for(prompts: Path) -> None:
    read = read_prompts(prompts)
    assert {name: len(pool) for name, pool in read.pools.items()} == {
        "mathematics": 40,
        "conversation": 40,
        "data_transformation": 30,
    }
    assert [len(template) for template in read.templates] == [30]
    assert read.systems == ("You are a ferry timetable.",)
    assert len(read.pool("grading")) == 110  # nothing asks for it: any text does


def test_a_log_is_written_in_real_prompts(prompts: Path) -> None:
    read = read_prompts(prompts)
    log = simulate("honest", 1, 0.02, prompts=read)
    real = {text for pool in read.pools.values() for text in pool.to_pylist()}
    firsts = [text for text in log.requests["prompt"].to_pylist() if text in real]
    assert len(firsts) > 0.2 * log.requests.num_rows
    assert "You are a ferry timetable." in log.requests["system_prompt"].unique().to_pylist()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", b"no json\n", "line 1"),
        ("a.jsonl", b'{"text": "fine"}\n[1]\n', "line 2"),
        ("a.jsonl", b'{"words": "none of the fields"}\n', "prompt, text"),
        ("a.jsonl", b'{"text": ""}\n', "prompt, text"),
        ("a.jsonl", b'{"text": "\xff"}\n', "unpacked"),
        ("a.jsonl.zst", b"not packed", "unpacked"),
        ("a.jsonl.gz", b"not packed", "unpacked"),
        ("system_prompts.jsonl", b'{"text": "You are."}\n', "system prompts only"),
        ("a.txt", b"text", "found none"),
    ],
)
def test_prompts_that_are_not_as_expected_are_refused(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=told):
        read_prompts(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a folder"):
        read_prompts(tmp_path / "none")


def _table(clients: dict[str, list[float]]) -> str:
    lines = ["client,start_s,rate,cv"]
    lines += [
        f"{name},{600 * bin_},{rate},2.0"
        for name, rates in clients.items()
        for bin_, rate in enumerate(rates)
    ]
    return "\n".join(lines) + "\n"


def test_rates_of_a_table_are_shares_and_volumes(tmp_path: Path) -> None:
    (tmp_path / "rates.csv").write_text(
        _table({"a": [1, 3, 0, 0], "b": [2, 2, 2, 2], "silent": [0, 0, 0, 0]})
    )
    rates = read_rates(tmp_path / "rates.csv")
    assert rates.share.tolist() == [[0.25, 0.75, 0, 0], [0.25, 0.25, 0.25, 0.25]]
    assert rates.volume == pytest.approx(np.array([1.0, 2.0]) / 1.5)
    assert rates.cv.tolist() == [2.0, 2.0]


@pytest.mark.parametrize("packing", ["tar", "tar.gz", "tar.zst"])
def test_rates_of_an_archive_have_one_client_per_file(tmp_path: Path, packing: str) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in {
            "data/one-trace.csv": "0,5,1.5,Gamma,1,2\n600,15,1.5,Gamma,1,2\n",
            "data/two-trace.csv": "0,0,0,,0,0\n600,20,0.5,Gamma,1,2\n",
            "data/one-dataset.json": "{}",
        }.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content.encode()))
    raw = buffer.getvalue()
    packed = {
        "tar": raw,
        "tar.gz": gzip.compress(raw, mtime=0),
        "tar.zst": zstandard.ZstdCompressor().compress(raw),
    }
    (tmp_path / f"rates.{packing}").write_bytes(packed[packing])
    rates = read_rates(tmp_path / f"rates.{packing}")
    assert rates.share.tolist() == [[0.25, 0.75], [0.0, 1.0]]
    assert rates.cv.tolist() == [1.5, 0.5]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"time,count\n1,2\n", "start_s, rate and cv"),
        ("a.csv", b"", "start_s, rate and cv"),
        ("a.csv", b"client,start_s,rate,cv\na,0,many,1\n", "expected numbers"),
        ("a.csv", b"client,start_s,rate,cv\na,0,-1,1\n", "at least 0"),
        ("a.csv", b"client,start_s,rate,cv\na,600,1,1\na,0,1,1\n", "rising start_s"),
        ("a.csv", b"client,start_s,rate,cv\na,0,0,1\n", "found none"),
        ("a.csv", b"client,start_s,rate,cv\na,0\n", "expected numbers"),
        ("a.tar.zst", b"not packed", "expected an archive"),
        ("a.tar", b"no archive", "expected an archive"),
    ],
)
def test_rates_that_are_not_as_expected_are_refused(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=told):
        read_rates(tmp_path / name)


def test_arrivals_follow_the_client_in_time_and_burstiness() -> None:
    rates = Rates(np.array([[0.0, 1.0, 0.0, 0.0]]), np.array([1.0]), np.array([3.0]))
    account, start = real_starts(np.random.default_rng(1), rates, np.array([200.0]), _WINDOW)
    assert (account == 0).all()
    assert len(start) == pytest.approx(200 * 14, rel=0.1)
    assert start.min() >= 14 * DAY // 4
    assert start.max() <= 14 * DAY // 2
    gaps = np.diff(start)
    assert gaps.std() / gaps.mean() == pytest.approx(3.0, rel=0.25)


@pytest.mark.filterwarnings("error")
def test_arrivals_of_the_burstiest_clients_stay_in_the_window() -> None:
    """Of gaps this uneven, those of a whole account are often too small for a number."""
    rates = Rates(np.array([[1.0, 1.0]]) / 2, np.array([1.0]), np.array([300.0]))
    account, start = real_starts(np.random.default_rng(3), rates, np.full(200, 0.3), _WINDOW)
    assert len(account) == pytest.approx(200 * 0.3 * 14, rel=0.1)
    assert start.min() >= _WINDOW.start
    assert start.max() <= _WINDOW.start + 14 * DAY
    assert len(np.unique(start // DAY)) > 10, "bursts come at any time"


def test_organisations_follow_real_arrivals() -> None:
    """All of the clients' requests come in the first half of the window; people's do not."""
    rates = Rates(np.array([[1.0, 0.0]]), np.array([1.0]), np.array([1.0]))
    log = simulate("honest", 1, 0.03, rates=rates)
    kind = dict(zip(log.truth["account_id"].to_pylist(), log.truth["kind"].to_pylist(), strict=True))
    middle = (
        log.requests["time"][0].as_py()
        + (log.requests["time"][-1].as_py() - log.requests["time"][0].as_py()) / 2
    )
    late = {"saas": 0, "individual": 0}
    for account, time in zip(
        log.requests["account_id"].to_pylist(), log.requests["time"].to_pylist(), strict=True
    ):
        if kind[account] in late and time > middle:
            late[kind[account]] += 1
    assert late["individual"] > 100
    assert late["saas"] < 5
