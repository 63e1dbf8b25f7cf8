"""Receipts: promises and batches a second, time to inclusion, proofs, verification, bytes; beside the floor under them.

python -m bench.receipts [--scale small|full]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from bench.result import Row, show, write

from stillhunt.receipts.commitments import commit, new_nonce, request_commitment, response_commitment
from stillhunt.receipts.disk import Disk
from stillhunt.receipts.http_headers import HeaderSigner
from stillhunt.receipts.issuer import Answer, Batches, Issuer
from stillhunt.receipts.keys import new_keys
from stillhunt.receipts.log import LogWriter
from stillhunt.receipts.stored import read_store, verify_journal
from stillhunt.receipts.tiles import prove_inclusion
from stillhunt.receipts.trust import read_trust
from stillhunt.receipts.verify import verify

ACCOUNTS = 5_000
REQUEST = b'{"model":"example-large-2","messages":[{"role":"user","content":"' + b"q" * 900 + b'"}]}'
RESPONSE = b'{"model":"example-large-2","choices":[{"message":{"content":"' + b"a" * 3800 + b'"}}]}'
KEYS = new_keys("bench.example/receipts", datetime(2026, 1, 1, tzinfo=UTC))


def main() -> None:
    """Runs all cases, prints the table, writes the file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", choices=("small", "full"), default="full")
    full = parser.parse_args().scale == "full"
    with work_folder() as folder:
        rows = floor(folder)
        rows += issuing(folder / "store", seconds=60 if full else 8)
        rows += reading(folder / "store")
        rows += proving(folder / "log", 30_000_000 if full else 1_000_000)
    show(rows)
    write("receipts", rows)


def floor(folder: Path) -> list[Row]:
    """What any such receipt costs at least: hashing the content, one signature, one sync a batch."""
    content = REQUEST + RESPONSE
    signed = bytes(550)
    path = folder / "floor"
    handle = os.open(path, os.O_RDWR | os.O_CREAT)

    def sync() -> None:
        os.write(handle, bytes(4096))
        os.fdatasync(handle)

    rows = [
        timed("floor", f"SHA-256 of {len(content)} bytes", lambda: sha256(content).digest(), 20_000),
        timed("floor", "Ed25519 signature", lambda: KEYS.current.sign(signed), 5_000),
        timed("floor", "fdatasync of 4 KiB", sync, 200),
    ]
    os.close(handle)
    return rows


def issuing(folder: Path, seconds: float) -> list[Row]:
    """One thread promises as fast as it can while batches are made durable and logged every 200 ms."""
    issuer = Issuer(folder, KEYS)
    promised: list[float] = []
    logged: list[tuple[int, float]] = []
    flush = issuer.flush

    def noted() -> int:
        count = flush()
        logged.append((count, time.perf_counter()))
        return count

    issuer.flush = noted  # type: ignore[method-assign]
    batches = Batches(issuer, 200)
    took, number = [], 0
    start, cpu = time.perf_counter(), time.process_time()
    commit_s = 0.0
    while time.perf_counter() - start < seconds:
        before = time.perf_counter()
        answer = make_answer(number)
        commit_s += time.perf_counter() - before
        promised.append(time.perf_counter())
        issuer.promise(answer)
        took.append(time.perf_counter() - promised[-1])
        number += 1
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    batches.stop()
    noted()
    waits, at = [], 0
    for count, when in logged:
        waits += [when - one for one in promised[at : at + count]]
        at += count
    issuer.close()
    signer = HeaderSigner(KEYS.current)
    receipt = read_store(folder, KEYS).document_at(0).receipt
    stored = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
    nonces = (folder / "nonces").stat().st_size
    return [
        Row("issue", "receipts a second, wall", number / wall, "1/s", None, number),
        Row("issue", "receipts a CPU second, commitments included", number / cpu, "1/s", None, number),
        quantiles("issue", "promise", took, 1e6, "us", number),
        Row("issue", "promise, 99th percentile", percentile(took, 99) * 1e6, "us", None, number),
        Row("issue", "commitments to request and response", commit_s / number * 1e6, "us", None, number),
        timed("issue", "header fields", lambda: signer.fields(receipt, RESPONSE), 2_000),
        quantiles("issue", "promise to inclusion", waits, 1e3, "ms", len(waits)),
        Row(
            "issue",
            "promise to inclusion, 99th percentile",
            percentile(waits, 99) * 1e3,
            "ms",
            None,
            len(waits),
        ),
        Row("issue", "bytes on disk, nonces apart", (stored - nonces) / number, "B/receipt", None, number),
        Row("issue", "bytes of nonces", nonces / number, "B/receipt", None, number),
    ]


def reading(folder: Path) -> list[Row]:
    """Documents, their verification, and a whole audit of the journal."""
    trust = read_trust(KEYS.trust())
    stored = read_store(folder, KEYS)
    size = stored.journal.size
    places = [one * 7919 % size for one in range(500)]
    documents = []
    taken = []
    for place in places:
        start = time.perf_counter()
        documents.append(stored.document_at(place).encode())
        taken.append(time.perf_counter() - start)
    checked = []
    for document in documents:
        start = time.perf_counter()
        verify(document, trust, request=REQUEST, response=RESPONSE)
        checked.append(time.perf_counter() - start)
    start = time.perf_counter()
    opened = Issuer(folder, KEYS)
    opening = time.perf_counter() - start
    opened.close()
    start = time.perf_counter()
    verify_journal(read_store(folder, KEYS))
    audit = time.perf_counter() - start
    lengths = [len(document) for document in documents]
    return [
        quantiles("read", "document with proof, from the store", taken, 1e3, "ms", len(taken)),
        quantiles("read", "verification, all steps", checked, 1e3, "ms", len(checked)),
        Row("read", "bytes of a document with proof", statistics.mean(lengths), "B", None, len(lengths)),
        Row("read", "opening a store", opening / size * 1e6, "s/million receipts", None, size),
        Row("read", "journal held to the log", audit / size * 1e6, "s/million receipts", None, size),
    ]


def proving(folder: Path, size: int) -> list[Row]:
    """Proofs from a large log, each from files that are opened anew."""
    log = LogWriter(folder, KEYS.log, Disk())
    start = time.process_time()
    for at in range(0, size, 65_536):
        log.append([number.to_bytes(32, "big") for number in range(at, min(size, at + 65_536))])
    log.publish()
    made = time.process_time() - start
    taken, lengths = [], []
    for number in range(300):
        index = number * 7_368_787 % size
        start = time.perf_counter()
        proof = prove_inclusion(folder, index)
        taken.append(time.perf_counter() - start)
        assert proof is not None
        lengths.append(len(proof.encode()))
    case = f"log of {size:,}"
    return [
        Row(case, "entries logged a CPU second", size / made, "1/s", None, size),
        quantiles(case, "proof", taken, 1e3, "ms", len(taken)),
        Row(case, "proof, 99th percentile", percentile(taken, 99) * 1e3, "ms", None, len(taken)),
        Row(case, "bytes of a proof file", statistics.mean(lengths), "B", None, len(lengths)),
    ]


def make_answer(number: int) -> Answer:
    """An exchange of about 5 KB."""
    nonce = new_nonce()
    return Answer(
        account=f"account {number * 31 % ACCOUNTS}",
        request=commit(request_commitment(nonce), REQUEST),
        response=commit(response_commitment(nonce), RESPONSE),
        nonce=nonce,
        model="example-large-2",
        input_tokens=240,
        output_tokens=960,
    )


def timed(case: str, metric: str, work: Callable[[], object], count: int) -> Row:
    """The median over ``count`` calls, in microseconds."""
    took = []
    for _ in range(count):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return quantiles(case, metric, took, 1e6, "us", count)


def quantiles(case: str, metric: str, seconds: list[float], scale: float, unit: str, count: int) -> Row:
    """The median, between the 5th and the 95th percentile."""
    low, middle, high = (percentile(seconds, share) * scale for share in (5, 50, 95))
    return Row(case, f"{metric}, median", middle, unit, None, count, low, high)


def percentile(values: list[float], share: int) -> float:
    """The ``share``-th percentile."""
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


@contextmanager
def work_folder() -> Iterator[Path]:
    """A folder beside the results, on a disk that fsync reaches; removed at the end."""
    parent = Path(__file__).parent / "out"
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="receipts-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
