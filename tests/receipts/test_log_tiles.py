"""The log's files: tile layout, what is read back, and going on after a stop."""

from __future__ import annotations

import random
from hashlib import sha256
from pathlib import Path

import pytest
from receipt_scene import fixed_keys
from test_merkle import tree_hash

from stillhunt.receipts import merkle
from stillhunt.receipts.checkpoints import read_checkpoint
from stillhunt.receipts.disk import Disk
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.log import LogWriter
from stillhunt.receipts.tiles import (
    TileReader,
    prove_consistency,
    prove_inclusion,
    read_latest,
    read_tile_path,
    tile_path,
    unpack_entries,
)


def entry(number: int) -> bytes:
    return sha256(b"%d" % number).digest()


def writer(folder: Path) -> LogWriter:
    return LogWriter(folder, fixed_keys().log, Disk())


@pytest.mark.parametrize(
    ("level", "number", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 273, 112, "tile/0/273.p/112"),
        (1, 1234067, 256, "tile/1/x001/x234/067"),
        ("entries", 1000, 1, "tile/entries/x001/000.p/1"),
    ],
)
def test_paths_are_those_of_tlog_tiles(level: int | str, number: int, width: int, path: str) -> None:
    assert tile_path(level, number, width) == path
    assert read_tile_path(path) == (str(level), number, width)


def test_a_log_of_70000_entries_has_the_tiles_that_tlog_tiles_lists(tmp_path: Path) -> None:
    log = writer(tmp_path)
    log.append([entry(number) for number in range(70_000)])
    log.publish()
    found: dict[tuple[str, int], int] = {}
    for path in (tmp_path / "tile").rglob("*"):
        if path.is_file():
            level, _, width = read_tile_path(path.relative_to(tmp_path).as_posix())
            found[level, width] = found.get((level, width), 0) + 1
    assert found == {
        ("0", 256): 273, ("0", 112): 1, ("1", 256): 1, ("1", 17): 1, ("2", 1): 1, ("entries", 256): 273,
        ("entries", 112): 1,
    }  # fmt: skip
    root = read_checkpoint(read_latest(tmp_path).text).root
    for index in (0, 255, 256, 65_535, 65_536, 69_999):
        proof = prove_inclusion(tmp_path, index)
        assert proof is not None
        merkle.verify_inclusion(entry(index), index, 70_000, proof.path, root)
    old = TileReader(tmp_path, 4097)
    merkle.verify_consistency(
        4097, 70_000, prove_consistency(tmp_path, 4097, 70_000), merkle.root(4097, old.subtree), root
    )


def test_batches_and_stops_leave_no_trace_in_the_tree(tmp_path: Path) -> None:
    rng = random.Random(3)
    log, entries = writer(tmp_path), []
    for round_number in range(40):
        batch = [entry(len(entries) + number) for number in range(rng.choice([1, 2, 30, 255, 256, 300]))]
        entries += batch
        log.append(batch)
        checkpoint = read_checkpoint(log.publish().text)
        assert (checkpoint.size, checkpoint.root) == (len(entries), log.root())
        reader = TileReader(tmp_path, len(entries))
        assert merkle.root(len(entries), reader.subtree) == checkpoint.root
        if rng.random() < 0.5:
            log.make_durable()
        if round_number % 3 == 0:
            log = writer(tmp_path)
            log.resume(len(entries))
        if round_number in (4, 9):
            assert checkpoint.root == tree_hash(entries)
    assert [one for number in range(-(-len(entries) // 256)) for one in reader.entries(number)] == entries
    assert reader.entry(len(entries) - 1) == entries[-1]


def test_a_partial_tile_that_is_gone_is_read_from_the_full_one(tmp_path: Path) -> None:
    log = writer(tmp_path)
    log.append([entry(number) for number in range(200)])
    old = read_checkpoint(log.publish().text)
    log.append([entry(number) for number in range(200, 300)])
    log.publish()
    log.make_durable()
    assert not (tmp_path / tile_path(0, 0, 200)).exists()
    assert merkle.root(200, TileReader(tmp_path, 200).subtree) == old.root
    assert TileReader(tmp_path, 200).entries(0)[-1] == entry(199)


def test_missing_and_short_tiles_are_named(tmp_path: Path) -> None:
    log = writer(tmp_path)
    log.append([entry(number) for number in range(300)])
    log.publish()
    with pytest.raises(VerificationError, match="the log has no such file"):
        TileReader(tmp_path, 70_000).tile(1, 1)
    (tmp_path / tile_path(0, 1, 44)).write_bytes(bytes(31))
    with pytest.raises(VerificationError, match="expected 44 hashes, got 31 bytes"):
        TileReader(tmp_path, 300).tile(0, 1)
    with pytest.raises(VerificationError, match="ends inside an entry"):
        unpack_entries(b"\x00\x05abc")


def test_an_empty_log_has_the_empty_root(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(writer(tmp_path).publish().text)
    assert (checkpoint.size, checkpoint.root) == (0, sha256(b"").digest())
    assert prove_inclusion(tmp_path, 0) is None
