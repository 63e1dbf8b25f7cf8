"""A copy of a log in another place: complete at every checkpoint, and never another history."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest
from receipt_scene import fixed_keys, witness
from test_log_tiles import entry, writer

from stillhunt.cli.options import place
from stillhunt.errors import InputError, MissingExtraError, OutputError
from stillhunt.receipts.checkpoints import read_checkpoint
from stillhunt.receipts.disk import Disk
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.log import LogWriter
from stillhunt.receipts.log_audit import verify_log
from stillhunt.receipts.merkle import root
from stillhunt.receipts.mirror import mirror
from stillhunt.receipts.notes import Note, cosign_note
from stillhunt.receipts.tiles import COSIGNED, TileReader, read_latest
from stillhunt.receipts.trust import read_trust


@pytest.fixture
def copy() -> str:
    """A place of its own in a store that keeps objects, not folders."""
    return f"memory://{uuid4().hex}/log"


def grown(folder: Path, *batches: int) -> LogWriter:
    log = writer(folder)
    for count in batches:
        log.append([entry(log.size + number) for number in range(count)])
        log.publish()
    return log


def test_a_copy_grows_with_the_log_and_sends_only_what_is_new(tmp_path: Path, copy: str) -> None:
    log, trust = writer(tmp_path), read_trust(fixed_keys().trust())
    sent = []
    for count in (1, 255, 1, 300, 70_000, 0, 44):
        log.append([entry(log.size + number) for number in range(count)])
        log.publish()
        before = sum(sent)
        done = mirror(tmp_path, copy)
        sent.append(done.files)
        assert (done.size, done.before > 0) == (log.size, before > 0)
        assert verify_log(place(copy), trust).size == log.size
    assert sent[5] == 0
    assert sent[6] < 10
    assert sum(sent) < 2 * 276 + 40


def test_readers_of_an_older_checkpoint_still_find_its_tiles(tmp_path: Path, copy: str) -> None:
    log = grown(tmp_path, 300)
    mirror(tmp_path, copy)
    old = read_checkpoint(read_latest(place(copy)).text)
    log.append([entry(300 + number) for number in range(1000)])
    log.publish()
    log.make_durable()
    mirror(tmp_path, copy)
    assert root(300, TileReader(place(copy), 300).subtree) == old.root


def test_the_copy_holds_what_the_cosigned_checkpoint_promises(tmp_path: Path, copy: str) -> None:
    log = grown(tmp_path, 300)
    note = read_latest(tmp_path)
    cosigned = Note(note.text, (*note.signatures, cosign_note(note.text, witness(1), 1_795_000_000)))
    (tmp_path / COSIGNED).write_text(cosigned.encode(), encoding="utf-8")
    log.append([entry(300 + number) for number in range(700)])
    log.publish()
    mirror(tmp_path, copy)
    there = read_latest(place(copy), COSIGNED)
    assert there == cosigned
    with fsspec.open(f"{copy}/tile/0/001.p/44") as file:
        assert file.read() == TileReader(tmp_path, 300).tile(0, 1)
    assert root(300, TileReader(place(copy), 300).subtree) == read_checkpoint(there.text).root


def test_a_stop_at_any_file_leaves_a_copy_that_holds(
    tmp_path: Path, copy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was sent when the sender died, each checkpoint that can be read there verifies."""
    monkeypatch.setattr("stillhunt.receipts.mirror.AT_ONCE", 1)
    trust = read_trust(fixed_keys().trust())
    log, files = grown(tmp_path, 200), fsspec.filesystem("memory")
    mirror(tmp_path, copy)
    log.append([entry(200 + number) for number in range(400)])
    log.publish()
    pipe, stops = files.pipe_file, 0
    while True:
        left = [stops]

        def dies(path: str, data: bytes, left: list[int] = left, **rest: object) -> None:
            if left[0] == 0:
                raise ConnectionResetError("the line broke")
            left[0] -= 1
            pipe(path, data, **rest)

        monkeypatch.setattr(type(files), "pipe_file", staticmethod(dies))
        died = None
        try:
            mirror(tmp_path, copy)
        except OutputError as error:
            died = str(error)
        monkeypatch.setattr(type(files), "pipe_file", staticmethod(pipe))
        if died is None:
            break
        stops += 1
        assert "the line broke" in died
        assert verify_log(place(copy), trust).size == 200
    assert stops >= 6
    assert verify_log(place(copy), trust).size == 600


def test_a_log_that_was_set_back_is_refused(tmp_path: Path, copy: str) -> None:
    grown(tmp_path / "long", 300)
    mirror(tmp_path / "long", copy)
    grown(tmp_path / "short", 200)
    with pytest.raises(VerificationError, match="the copy has 300 entries, the log only 200"):
        mirror(tmp_path / "short", copy)


def test_another_history_and_another_log_are_refused(tmp_path: Path, copy: str) -> None:
    grown(tmp_path / "one", 300)
    mirror(tmp_path / "one", copy)
    fork = writer(tmp_path / "fork")
    fork.append([entry(1000 + number) for number in range(400)])
    fork.publish()
    with pytest.raises(VerificationError, match="first 300 entries of the log are not those of the copy"):
        mirror(tmp_path / "fork", copy)
    other = LogWriter(tmp_path / "other", fixed_keys(name="other.example/log").log, Disk())
    other.append([entry(1)])
    other.publish()
    with pytest.raises(VerificationError, match=r"the copy is of 'api\.example\.com/receipts'"):
        mirror(tmp_path / "other", copy)
    assert read_checkpoint(read_latest(place(copy)).text).size == 300


def test_a_folder_is_a_place_too(tmp_path: Path) -> None:
    grown(tmp_path / "log", 600)
    mirror(tmp_path / "log", (tmp_path / "copy").as_uri())
    assert verify_log(tmp_path / "copy", read_trust(fixed_keys().trust())).size == 600


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A plain web server over ``tmp_path``."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_log_is_audited_over_the_web(tmp_path: Path, web: str) -> None:
    log, trust = grown(tmp_path / "log", 600), read_trust(fixed_keys().trust())
    assert verify_log(place(f"{web}/log"), trust).size == 600
    log.append([entry(600 + number) for number in range(500)])
    log.publish()
    shutil.rmtree(tmp_path / "log" / "tile" / "0")
    with pytest.raises(VerificationError, match="the log has no such file") as caught:
        verify_log(place(f"{web}/log"), trust)
    assert caught.value.step == 16


def test_places_that_cannot_be_used_are_named(tmp_path: Path, copy: str) -> None:
    with pytest.raises(InputError, match="expected a log with a checkpoint"):
        mirror(tmp_path, copy)
    grown(tmp_path, 1)
    with pytest.raises(OutputError, match="expected a URL that fsspec knows"):
        mirror(tmp_path, "nothing-of-the-kind://x/log")
    with pytest.raises(MissingExtraError, match="s3fs"):
        mirror(tmp_path, "s3://bucket/log")
    with pytest.raises(MissingExtraError, match="s3fs"):
        place("s3://bucket/log")
    with pytest.raises(InputError, match="URL that can be read"):
        place("nothing-of-the-kind://x/log")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot"):
        mirror(tmp_path, (tmp_path / "file" / "log").as_uri())
