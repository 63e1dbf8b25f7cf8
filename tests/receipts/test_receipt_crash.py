"""Stops of every kind: killed processes, lost power, torn tails, two writers. No fork, no number twice, nothing
durable lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from losing_disk import LosingDisk
from receipt_scene import Scene, answer, fixed_keys

from stillhunt.errors import InputError, OutputError
from stillhunt.receipts import merkle
from stillhunt.receipts.chain import verify_chain
from stillhunt.receipts.checkpoints import Checkpoint, read_checkpoint
from stillhunt.receipts.document import Document, read_document
from stillhunt.receipts.issuer import Issuer, IssuerSettings
from stillhunt.receipts.journal import Journal
from stillhunt.receipts.records import RECORD_BYTES
from stillhunt.receipts.tiles import TileReader, prove_consistency, read_latest
from stillhunt.receipts.trust import read_trust
from stillhunt.receipts.verify import verify, verify_void

KILLS = int(os.environ.get("STILLHUNT_KILLS", "5"))
LOAD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from receipt_scene import answer, fixed_keys
from stillhunt.receipts.issuer import Batches, Issuer, IssuerSettings

issuer = Issuer(Path(sys.argv[1]), fixed_keys(), IssuerSettings(batch_ms=20))
Batches(issuer, 20)
for number in range(10**9):
    document = issuer.promise(answer(number, f"account {number % 7}", sys.argv[2]))
    sys.stdout.write(document.encode() + "\\n")
    sys.stdout.flush()
"""


def checkpoint_of(folder: Path) -> Checkpoint:
    return read_checkpoint(read_latest(folder / "log").text)


def check_log(folder: Path, seen: list[Checkpoint]) -> None:
    """The tiles lead to the checkpoint, and every checkpoint ever seen is a beginning of it."""
    now = checkpoint_of(folder)
    reader = TileReader(folder / "log", now.size)
    leaves = [
        merkle.leaf_hash(one) for number in range(-(-now.size // 256)) for one in reader.entries(number)
    ]
    assert len(leaves) == now.size
    assert b"".join(leaves) == b"".join(reader.tile(0, number) for number in range(-(-now.size // 256)))
    assert merkle.root(now.size, reader.subtree) == now.root
    for old in seen:
        proof = prove_consistency(folder / "log", old.size, now.size)
        merkle.verify_consistency(old.size, now.size, proof, old.root, now.root)


def check_promises(issuer: Issuer, promises: list[Document], durable: int) -> int:
    """Each promise is in the log and verifies, or is void; the first ``durable`` are not. How many are void."""
    trust = read_trust(fixed_keys().trust())
    ids = [one.receipt.id for one in promises]
    assert len(set(ids)) == len(ids)
    void = 0
    for number, promise in enumerate(promises):
        try:
            found = issuer.document(promise.receipt.id)
        except LookupError:
            void += 1
            assert number >= durable, f"promise {number} was durable and is gone"
            assert verify_void(issuer.void(promise.receipt.id), trust).id == promise.receipt.id
        else:
            assert found is not None
            assert (found.receipt, found.signature) == (promise.receipt, promise.signature)
            verify(found, trust)
    return void


def check_numbers(promises: list[Document], accounts: dict[str, str]) -> None:
    """No account has one number twice, void promises included."""
    numbers = [(accounts[one.receipt.id], one.receipt.sequence) for one in promises]
    assert len(set(numbers)) == len(numbers)


def check_chains(issuer: Issuer, accounts: list[str]) -> None:
    for account in accounts:
        chain = list(issuer.chain(account))
        if chain:
            assert verify_chain(chain, read_trust(fixed_keys().trust())).receipts == len(chain)


def test_a_killed_process_loses_nothing_it_gave_out(tmp_path: Path) -> None:
    rng = random.Random(17)
    folder, seen = tmp_path / "store", []
    promises: list[Document] = []
    accounts: dict[str, str] = {}
    for kill in range(KILLS):
        command = [sys.executable, "-c", LOAD, str(folder), str(kill), str(Path(__file__).parent)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        stop = time.monotonic() + rng.uniform(0, 0.15)
        while time.monotonic() < stop:
            lines.append(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        lines += [line for line in process.stdout.read().splitlines(keepends=True) if line.endswith(b"\n")]
        assert process.wait() == -signal.SIGKILL
        given = [read_document(line) for line in lines]
        accounts |= {one.receipt.id: f"account {number % 7}" for number, one in enumerate(given)}
        promises += given
        if (folder / "log" / "checkpoint").exists():
            seen.append(checkpoint_of(folder))
    issuer = Issuer(folder, fixed_keys())
    assert not issuer.recovery.clean
    assert issuer.size >= len(promises) > KILLS
    assert check_promises(issuer, promises, len(promises)) == 0
    check_log(folder, seen)
    check_numbers(promises, accounts)
    check_chains(issuer, [f"account {number}" for number in range(7)])
    issuer.close()


@pytest.mark.parametrize("number", range(8))
def test_lost_power_takes_only_what_was_not_durable(number: int, tmp_path: Path) -> None:
    rng = random.Random(number)
    disk = LosingDisk()
    scene = Scene(tmp_path / "store", disk=disk, settings=IssuerSettings(most_unsynced=64))
    promises: list[Document] = []
    seen, accounts, durable = [], {}, 0
    kept: list[Document] = []
    lost: list[Document] = []
    for _ in range(4):
        for _ in range(rng.randint(1, 120)):
            account = f"account {rng.randint(0, 4)}"
            promise = scene.issuer.promise(answer(len(promises) + len(kept) + len(lost), account))
            promises.append(promise)
            accounts[promise.receipt.id] = account
            if rng.random() < 0.05:
                scene.issuer.flush()
                durable = len(promises)
                seen.append(checkpoint_of(scene.folder))
                if rng.random() < 0.5:
                    scene.cosign(1)
        scene.issuer.abandon()
        disk.lose(rng)
        scene.reopen()
        void = check_promises(scene.issuer, promises, durable)
        survivors = len(promises) - void
        kept += promises[:survivors]
        lost += promises[survivors:]
        promises, durable = [], 0
        check_log(scene.folder, seen)
    everything = kept + lost
    assert check_promises(scene.issuer, everything, len(kept)) == len(lost) > 0
    check_numbers(everything, accounts)
    check_chains(scene.issuer, [f"account {one}" for one in range(5)])


def test_with_no_batch_every_promise_is_durable(tmp_path: Path) -> None:
    disk = LosingDisk()
    scene = Scene(tmp_path / "store", disk=disk, settings=IssuerSettings(batch_ms=0))
    promises = scene.promise(range(20))
    scene.issuer.abandon()
    disk.lose(random.Random(1))
    scene.reopen()
    assert scene.issuer.size == 20
    assert check_promises(scene.issuer, promises, 20) == 0
    assert promises[0].receipt.durable_within_ms == 0


def test_a_torn_tail_is_cut_off_and_reported(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    scene.logged(range(3))
    torn = scene.promise(range(3, 6))
    scene.issuer.abandon()
    journal = tmp_path / "store" / "journal"
    data = bytearray(journal.read_bytes())
    data[4 * RECORD_BYTES + 50] ^= 1
    journal.write_bytes(data + b"half a record")
    recovery = scene.reopen().recovery
    assert (recovery.clean, recovery.records, recovery.torn) == (False, 2, 13)
    assert check_promises(scene.issuer, torn, 1) == 2


@pytest.mark.parametrize("clean", [True, False])
def test_a_journal_shorter_than_the_log_is_refused(clean: bool, tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    scene.logged(range(3))
    scene.issuer.close() if clean else scene.issuer.abandon()
    journal = tmp_path / "store" / "journal"
    journal.write_bytes(journal.read_bytes()[:-RECORD_BYTES])
    with pytest.raises(InputError, match="the log vouches for 3 records, the journal holds 2"):
        scene.reopen()


def test_a_changed_record_is_refused(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    scene.logged(range(3))
    scene.issuer.close()
    path = tmp_path / "store" / "journal"
    data = bytearray(path.read_bytes())
    data[RECORD_BYTES] ^= 1
    path.write_bytes(data)
    issuer = scene.reopen()
    with pytest.raises(InputError, match="record 1 is damaged"):
        issuer.document_at(1)


def test_another_history_cannot_take_the_logs_place(tmp_path: Path) -> None:
    one, two = Scene(tmp_path / "one"), Scene(tmp_path / "two")
    one.logged(range(300))
    two.logged(range(300, 600))
    one.issuer.abandon()
    two.issuer.abandon()
    (tmp_path / "one" / "journal").write_bytes((tmp_path / "two" / "journal").read_bytes())
    with pytest.raises(InputError, match="does not lead to the checkpoint that this log signed"):
        one.reopen()


def test_keys_of_another_log_are_refused(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    scene.issuer.close()
    with pytest.raises(InputError, match=r"the log is of 'api\.example\.com/receipts'"):
        Issuer(tmp_path / "store", fixed_keys("x", "other.example"))


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    with pytest.raises(OutputError, match="another process has this store open"):
        Issuer(tmp_path / "store", fixed_keys())
    scene.issuer.close()
    Issuer(tmp_path / "store", fixed_keys()).close()


def test_a_clean_end_gives_up_no_numbers(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    scene.logged(range(300))
    scene.issuer.close()
    issuer = scene.reopen()
    assert issuer.recovery.clean
    assert scene.promise(range(300, 301))[0].receipt.sequence == 301
    assert checkpoint_of(tmp_path / "store").size == 300


def test_a_full_disk_stops_the_issuer_and_says_so(tmp_path: Path) -> None:
    class FullDisk(LosingDisk):
        full = False

        def write_at(self, handle: int, data: bytes, offset: int) -> None:
            if self.full:
                raise OSError(28, "No space left on device")
            super().write_at(handle, data, offset)

    disk = FullDisk()
    scene = Scene(tmp_path / "store", disk=disk)
    before = scene.promise(range(2))
    disk.full = True
    with pytest.raises(OutputError, match="No space left on device"):
        scene.promise(range(2, 3))
    disk.full = False
    with pytest.raises(OutputError, match="receipts have stopped"):
        scene.promise(range(3, 4))
    scene.issuer.abandon()
    scene.reopen()
    assert check_promises(scene.issuer, before, 2) == 0


def test_a_torn_line_of_the_runs_is_cut_off(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    scene.promise(range(2))
    scene.issuer.abandon()
    with (tmp_path / "store" / "runs.jsonl").open("a") as file:
        file.write('{"run": 2, "sta')
    scene.reopen()
    assert scene.promise(range(2, 3))[0].receipt.void == 4096


def test_an_unknown_id_and_another_accounts_receipt_are_not_found(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    receipt_id = scene.promise(range(1))[0].receipt.id
    assert scene.issuer.document(receipt_id, "acme") is not None
    assert scene.issuer.document(receipt_id, "bolt") is None
    for wrong in ("00" * 16, "zz" * 16, "", "00"):
        assert scene.issuer.document(wrong) is None
        with pytest.raises(InputError, match="never gave this id"):
            scene.issuer.void(wrong)
    with pytest.raises(InputError, match="is valid"):
        scene.issuer.void(receipt_id)


def test_the_journal_refuses_a_folder_it_cannot_make(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot open the store"):
        Journal(tmp_path / "file" / "store", LosingDisk(), kept=0, most_unsynced=1)
