"""Bytes of a file, unpacked as they come, in blocks of whole lines."""

from __future__ import annotations

import gzip
import os
import threading
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stillhunt.errors import InputError
from stillhunt.sources import byte_stream
from stillhunt.sources.byte_stream import ByteStream, ReadableStream, line_blocks

PACK = {
    "plain": lambda data: data,
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "zstd": zstandard.compress,
    "two gzip members": lambda data: gzip.compress(data[:5], mtime=0) + gzip.compress(data[5:], mtime=0),
    "two zstd frames": lambda data: zstandard.compress(data[:5]) + zstandard.compress(data[5:]),
    "padded gzip": lambda data: gzip.compress(data, mtime=0) + bytes(64),
}


@pytest.mark.parametrize("packing", PACK)
def test_every_byte_comes_and_every_byte_of_the_file_is_told(tmp_path: Path, packing: str) -> None:
    data = b"".join(b"line %d\n" % number for number in range(30_000))
    path = tmp_path / "log"
    path.write_bytes(PACK[packing](data))
    told: list[int] = []
    stream = ByteStream(path, told.append)
    assert b"".join(stream) == data
    assert stream.fault is None
    assert sum(told) == path.stat().st_size


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_cut_off_file_gives_what_stands_before_the_cut(tmp_path: Path, packing: str, kept: float) -> None:
    data = os.urandom(200_000)
    packed = PACK[packing](data)
    path = tmp_path / "log"
    path.write_bytes(packed[: int(len(packed) * kept)])
    stream = ByteStream(path)
    found = b"".join(stream)
    assert data.startswith(found)
    assert stream.fault is not None
    assert "was cut off" in stream.fault.problem
    assert stream.fault.where == str(path)


def test_a_damaged_file_says_so(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(os.urandom(300_000), mtime=0))
    packed[100_000:100_400] = bytes(400)
    packed[-8:] = b"\xff" * 8
    path = tmp_path / "log.gz"
    path.write_bytes(packed)
    stream = ByteStream(path)
    list(stream)
    assert stream.fault is not None
    assert "is damaged" in stream.fault.problem


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        list(ByteStream(tmp_path / "missing"))


def test_a_pipe_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    packed = gzip.compress(b"a\nb\n" * 9_000, mtime=0)
    writer = threading.Thread(target=pipe.write_bytes, args=(packed,))
    writer.start()
    assert b"".join(ByteStream(pipe)) == b"a\nb\n" * 9_000
    writer.join()


@given(
    st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line), max_size=40), st.integers(1, 60)
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_blocks_hold_whole_lines_and_lose_none(tmp_path: Path, lines: list[bytes], block_bytes: int) -> None:
    data = b"x" + b"\n".join(lines)  # not to be taken for a packed file
    path = tmp_path / "log"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(byte_stream, "_PLAIN_CHUNK", 7)
        blocks = list(line_blocks(ByteStream(path), block_bytes))
    assert b"".join(blocks) == data
    assert all(block.endswith(b"\n") for block in blocks[:-1])
    assert all(blocks)


def test_a_line_without_end_is_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byte_stream, "LONGEST_LINE", 1_000)
    monkeypatch.setattr(byte_stream, "_PLAIN_CHUNK", 100)
    path = tmp_path / "log"
    path.write_bytes(b"x" * 5_000)
    with pytest.raises(InputError, match="a line is longer than") as caught:
        list(line_blocks(ByteStream(path)))
    assert "one record on each line" in caught.value.remedy


def test_as_a_file_object(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(zstandard.compress(b"0123456789" * 1_000))
    readable = ReadableStream(ByteStream(path))
    assert readable.readable()
    assert readable.read(15) == b"012345678901234"
    assert readable.readall() == (b"0123456789" * 1_000)[15:]
