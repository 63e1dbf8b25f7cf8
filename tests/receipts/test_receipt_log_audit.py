"""A whole log, and what is held against it: each damage is named by its step."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from receipt_scene import Scene, fixed_keys, with_witnesses

from stillhunt.receipts.checkpoints import Checkpoint
from stillhunt.receipts.disk import Disk
from stillhunt.receipts.document import Document
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.log import LogWriter
from stillhunt.receipts.log_audit import verify_log
from stillhunt.receipts.notes import Note, sign_note
from stillhunt.receipts.stored import read_store, verify_journal
from stillhunt.receipts.tiles import TileReader, pack_entries, read_latest, tile_path
from stillhunt.receipts.trust import read_trust

SIZE = 600


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scene, list[Document], list[Note]]:
    scene = Scene(tmp_path_factory.mktemp("audit") / "store")
    documents, notes = [], []
    for start, stop in ((0, 1), (1, 256), (256, 300), (300, SIZE)):
        documents += scene.logged(range(start, stop))
        notes.append(read_latest(scene.issuer.log_folder))
    return scene, documents, notes


@pytest.fixture
def log(made: tuple[Scene, list[Document], list[Note]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[0].issuer.log_folder, tmp_path / "log"))


TRUST = read_trust(fixed_keys().trust())


def test_an_honest_log_holds(made: tuple[Scene, list[Document], list[Note]], log: Path) -> None:
    _, documents, notes = made
    found = verify_log(log, TRUST, older=notes, receipts=documents)
    assert (found.size, found.older, found.receipts) == (SIZE, 4, SIZE)


def test_an_empty_log_holds(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    assert verify_log(scene.issuer.log_folder, TRUST).size == 0


def flip(path: str, at: int) -> Callable[[Path], None]:
    def change(log: Path) -> None:
        data = bytearray((log / path).read_bytes())
        data[at] ^= 1
        (log / path).write_bytes(data)

    return change


def twice(log: Path) -> None:
    """Entry 1 again in the place of entry 2, with all tiles and the checkpoint made to fit."""
    reader = TileReader(log, SIZE)
    entries = [one for number in range(3) for one in reader.entries(number)]
    entries[2] = entries[1]
    shutil.rmtree(log / "tile")
    writer = LogWriter(log, fixed_keys().log, Disk())
    writer.append(entries)
    writer.publish()


def other_root(log: Path) -> None:
    text = Checkpoint("api.example.com/receipts", SIZE, bytes(32)).text()
    (log / "checkpoint").write_text(Note(text, (sign_note(text, fixed_keys().log),)).encode())


DAMAGE: list[tuple[str, int, Callable[[Path], None]]] = [
    ("entry", 16, flip(tile_path("entries", 0), 40)),
    ("entry length", 16, flip(tile_path("entries", 0), 1)),
    ("last entry", 16, flip(tile_path("entries", 2, 88), -1)),
    ("leaf tile", 16, flip(tile_path(0, 1), 33)),
    ("upper tile", 16, flip(tile_path(1, 0, 2), 33)),
    ("tile gone", 16, lambda log: (log / tile_path(0, 1)).unlink()),
    ("upper tile gone", 16, lambda log: (log / tile_path(1, 0, 2)).unlink()),
    ("entries gone", 16, lambda log: (log / tile_path("entries", 2, 88)).unlink()),
    (
        "entries short",
        16,
        lambda log: (log / tile_path("entries", 0)).write_bytes(pack_entries([bytes(32)] * 255)),
    ),
    ("root", 16, other_root),
    ("checkpoint", 15, flip("checkpoint", 30)),
    ("signature", 15, flip("checkpoint", -10)),
    ("one entry twice", 18, twice),
]


@pytest.mark.parametrize(("step", "damage"), [row[1:] for row in DAMAGE], ids=[row[0] for row in DAMAGE])
def test_damage_is_named_by_its_step(step: int, damage: Callable[[Path], None], log: Path) -> None:
    damage(log)
    with pytest.raises(VerificationError) as caught:
        verify_log(log, TRUST)
    assert caught.value.step == step


def test_a_log_without_a_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="cannot read the log's checkpoint"):
        verify_log(tmp_path, TRUST)


def test_witnesses_count_for_the_audit_too(log: Path) -> None:
    with pytest.raises(VerificationError, match="does not meet the quorum"):
        verify_log(log, read_trust(with_witnesses(fixed_keys(), 1, "all")))


def test_a_history_that_was_signed_once_must_be_a_beginning(
    made: tuple[Scene, list[Document], list[Note]], log: Path, tmp_path: Path
) -> None:
    other = Scene(tmp_path / "other")
    other.logged(range(1000, 1300))
    fork = read_latest(other.issuer.log_folder)
    grown = Checkpoint("api.example.com/receipts", SIZE + 1, bytes(32)).text()
    foreign = Checkpoint("other.example", 1, bytes(32)).text()
    unsigned = Note(made[2][0].text, (sign_note(made[2][0].text, fixed_keys("other").log),))
    for old, problem in [
        (fork, "its first 300 entries are not those"),
        (Note(grown, (sign_note(grown, fixed_keys().log),)), "601 entries once and has 600 now"),
        (Note(foreign, (sign_note(foreign, fixed_keys().log),)), "is of 'other.example'"),
        (unsigned, "no trusted key"),
    ]:
        with pytest.raises(VerificationError, match=problem) as caught:
            verify_log(log, TRUST, older=[made[2][1], old])
        assert caught.value.step == 17


def test_receipts_must_stand_where_they_say(
    made: tuple[Scene, list[Document], list[Note]], log: Path, tmp_path: Path
) -> None:
    _, documents, _ = made
    elsewhere = Scene(tmp_path / "other")
    beyond = elsewhere.logged(range(700))[650]
    for document, problem in [
        (replace(documents[3], proof=documents[4].proof), "another entry stands at its place"),
        (replace(documents[3], proof=None), "it has no proof"),
        (beyond, "its place 650 lies beyond the log of 600"),
    ]:
        with pytest.raises(VerificationError, match=problem) as caught:
            verify_log(log, TRUST, receipts=[documents[0], document])
        assert caught.value.step == 19


def test_a_journal_is_held_to_its_log(tmp_path: Path) -> None:
    scene, other = Scene(tmp_path / "one"), Scene(tmp_path / "two")
    for number in range(20):
        scene.promise(range(number, number + 1), f"account {number % 3}")
        other.promise(range(number + (number == 13), number + 1 + (number == 13)), f"account {number % 3}")
    scene.issuer.close()
    other.issuer.close()
    verify_journal(read_store(tmp_path / "one", scene.keys))
    shutil.rmtree(tmp_path / "one" / "log")
    shutil.copytree(tmp_path / "two" / "log", tmp_path / "one" / "log")
    with pytest.raises(VerificationError, match="another entry stands") as caught:
        verify_journal(read_store(tmp_path / "one", scene.keys))
    assert (caught.value.step, "record 13" in caught.value.where) == (19, True)


def test_a_store_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    scene.logged(range(5))
    scene.promise(range(5, 7))
    stored = read_store(tmp_path / "store", scene.keys)
    verify_journal(stored)
    assert stored.journal.size == 5
    assert stored.last_of("acme") == 4
    assert list(stored.chain_from(4)) == [4, 3, 2, 1, 0]
