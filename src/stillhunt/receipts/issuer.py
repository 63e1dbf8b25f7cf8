"""The issuer: a signed promise at once, then the log (spec/receipt.md).

``promise`` writes the journal and signs, in well under a millisecond; ``flush`` makes a batch durable, appends it to
the log and publishes a checkpoint. ``open_issuer`` starts a thread that does so every ``batch_ms``.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stillhunt.errors import InputError, OutputError, StillhuntError
from stillhunt.receipts.checkpoints import Checkpoint
from stillhunt.receipts.commitments import entry_of
from stillhunt.receipts.disk import Disk
from stillhunt.receipts.document import Document, Void, time_text
from stillhunt.receipts.journal import Journal, Recovery
from stillhunt.receipts.keys import IssuerKeys
from stillhunt.receipts.log import LogWriter
from stillhunt.receipts.records import MOST_VOID, NO_RECORD, UNKNOWN, Record, pack
from stillhunt.receipts.stored import LOG, StoredReceipts
from stillhunt.receipts.tables import Policy, Tables
from stillhunt.receipts.tiles import TileReader

_DURABLE_EVERY = 16384
_REBUILD = 4096


@dataclass(frozen=True)
class Answer:
    """An answer to give a receipt for. ``account`` is the provider's own id of the account; ``request`` and
    ``response`` are commitments under ``nonce``, 32 bytes each."""

    account: str
    request: bytes
    response: bytes
    nonce: bytes
    model: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    status: int = 200
    stream: bool = False
    complete: bool = True


@dataclass(frozen=True)
class IssuerSettings:
    """``batch_ms``: wait between batches; 0 makes every promise durable before it is given. ``logged_within_s``: the
    promised time to inclusion. ``most_unsynced``: promises that may wait for one sync."""

    batch_ms: int = 200
    logged_within_s: int = 60
    most_unsynced: int = 4096


@dataclass
class _Last:
    index: int
    sequence: int
    entry: bytes | None


class Issuer:
    """An open store. Safe to use from several threads; only one process can have it open."""

    def __init__(
        self,
        folder: Path,
        keys: IssuerKeys,
        settings: IssuerSettings | None = None,
        *,
        disk: Disk | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.folder = folder
        self.log_folder = folder / LOG
        self.keys = keys
        self._settings = settings or IssuerSettings()
        self._disk = disk or Disk()
        self._now_ms = now_ms
        self._guard = threading.RLock()
        self._flushing = threading.Lock()
        self._failed: str | None = None
        self._pending: list[bytes] = []
        self._pending_from = self._durable = self._last_ms = 0
        self._last: dict[bytes, _Last] = {}
        self._log = LogWriter(self.log_folder, keys.log, self._disk)
        self._settling: threading.Thread | None = None
        signed = self._log.signed()
        self._journal = Journal(
            folder,
            self._disk,
            kept=max((one.size for one in signed), default=0),
            most_unsynced=self._settings.most_unsynced,
        )
        try:
            self._stored = StoredReceipts(self._journal, Tables(folder, self._disk), keys, self._entry)
            self._start(signed)
        except BaseException:
            self._journal.abandon()
            raise

    @property
    def recovery(self) -> Recovery:
        """What opening the store found."""
        return self._journal.recovery

    @property
    def size(self) -> int:
        """How many receipts were promised, since the store began."""
        return self._journal.size

    def promise(self, answer: Answer) -> Document:
        """A signed receipt, written to the journal. Raises OutputError where it cannot be written."""
        tag = self._stored.secrets.tag(answer.account)
        with self._guard:
            if self._failed is not None:
                raise OutputError(
                    f"receipts have stopped: {self._failed}", str(self.folder), "Mend that, open anew."
                )
            if self._journal.size - self._durable >= self._settings.most_unsynced:
                self._sync()
            index = self._journal.size
            record = self._record(tag, answer)
            receipt = self._stored.receipt(index, record)
            signed = receipt.signed_bytes()
            signature = self.keys.current.sign(signed)
            try:
                self._journal.append(pack(record, signature), answer.nonce)
                if self._settings.batch_ms == 0:
                    self._sync()
            except OSError as error:
                raise self._fail(error) from error
            salt = self._stored.secrets.salt(bytes.fromhex(receipt.id))
            entry = entry_of(salt, signed, signature)
            self._pending.append(entry)
            self._last[tag] = _Last(index, record.sequence, entry)
            self._last_ms = record.time_ms
            return Document(receipt, signature, self._stored.opening(receipt.id, answer.nonce, salt))

    def flush(self) -> int:
        """Makes all promises so far durable, logs them, and publishes a checkpoint; how many there were."""
        with self._flushing:
            with self._guard:
                batch = list(self._pending)
                size = self._journal.size
            if not batch:
                return 0
            try:
                self._journal.sync()
                with self._guard:
                    self._durable = max(self._durable, size)
                self._log.append(batch)
                self._log.publish()
                if self._log.size - self._log.durable() >= _DURABLE_EVERY:
                    self._settle()
            except (OSError, StillhuntError) as error:
                raise self._fail(error) from error
            with self._guard:
                del self._pending[: len(batch)]
                self._pending_from += len(batch)
            return len(batch)

    def document(self, receipt_id: str, account: str | None = None) -> Document | None:
        """The document of a receipt, with its proof once it is logged; None where this store never gave that id, or
        where ``account`` is given and the receipt is not that account's. Raises LookupError for a void id."""
        with self._guard:
            index = self._stored.find(receipt_id)
        if index is None:
            return None
        if account is not None and self._journal.record(index).tag != self._stored.secrets.tag(account):
            return None
        return self.document_at(index)

    def document_at(self, index: int) -> Document:
        """The document of the ``index``-th receipt. Raises InputError where the journal is damaged."""
        record = self._journal.record(index)
        with self._guard:
            receipt = self._stored.receipt(index, record)
        return self._stored.document(index, receipt, record.signature)

    def chain(self, account: str, after: int = 0, most: int | None = None) -> list[Document]:
        """The receipts of an account with numbers above ``after``, by number; at most the first ``most``."""
        last = self._last.get(self._stored.secrets.tag(account))
        newest = NO_RECORD if last is None else last.index
        places = deque(self._stored.chain_from(newest, after), maxlen=most)
        return [self.document_at(index) for index in reversed(places)]

    def void(self, receipt_id: str) -> str:
        """A signed statement that no receipt with this id will ever be valid. Raises InputError where there is one, or
        where this issuer never gave that id."""
        try:
            found = self.document(receipt_id)
        except LookupError:
            void = Void(
                receipt_id, self.keys.name, self.keys.current.public.id.hex(), time_text(self._now_ms())
            )
            return void.encode(self.keys.current.sign(void.signed_bytes()))
        reason = "this store never gave this id" if found is None else "the receipt with this id is valid"
        raise InputError(reason, receipt_id)

    def close(self) -> None:
        """Logs what is left and ends the run."""
        self.flush()
        with self._flushing, self._guard:
            self._settled()
            self._log.make_durable()
            self._journal.close()

    def abandon(self) -> None:
        """Lets go of the store as a crash would."""
        self._settled()
        self._journal.abandon()

    def _start(self, signed: list[Checkpoint]) -> None:
        """Brings the log level with the journal, holds it to what was ``signed``, and reads who was last."""
        self._policy = self._stored.tables.policy(
            Policy(self.keys.current.public.id.hex(), self._settings.batch_ms, self._settings.logged_within_s)
        )
        size = self._journal.size
        clean = self.recovery.clean
        durable = min(self._log.durable(), size)
        if not clean:
            self._log.forget_after(durable)
        self._log.resume(durable)
        self._pending_from = durable
        roots = [(one.size, one.root) for one in signed if one.size >= durable]
        for stop, root in [*roots, (size, None)]:
            self._log_up_to(stop)
            if root is not None and self._log.root() != root:
                raise InputError(
                    "the journal does not lead to the checkpoint that this log signed",
                    str(self.folder),
                    "Restore the journal from a copy; going on would fork the log.",
                )
        self._pending, self._pending_from = [], size
        self._durable = size
        self._log.publish()
        if not clean or durable < size:
            self._log.make_durable()
        index = 0
        places: dict[bytes, int] = {}
        for tags in self._journal.tags():
            places.update(zip(tags, range(index, index + len(tags)), strict=True))
            index += len(tags)
        self._last = {tag: _Last(place, 0, None) for tag, place in places.items()}
        self._last_ms = self._journal.record(size - 1).time_ms if size else 0

    def _log_up_to(self, stop: int) -> None:
        """Logs records of the journal up to ``stop``, without a checkpoint."""
        while self._log.size < stop:
            batch = []
            for index in range(self._log.size, min(stop, self._log.size + _REBUILD)):
                batch.append(self._stored.entry(index, self._journal.record(index)))
                self._pending.append(batch[-1])
            self._log.append(batch)
        self._log.write_partials()

    def _record(self, tag: bytes, answer: Answer) -> Record:
        last = self._last.get(tag)
        if last is not None and last.sequence == 0:
            last.sequence = self._journal.record(last.index).sequence
        skip = self._journal.run.skip - (0 if last is None else self._journal.run_of(last.index).skip)
        if skip > MOST_VOID:
            raise OutputError(
                f"{skip} numbers of this account are void, more than {MOST_VOID}", str(self.folder)
            )
        return Record(
            request=answer.request,
            response=answer.response,
            signature=b"",
            tag=tag,
            previous=NO_RECORD if last is None else last.index,
            sequence=(0 if last is None else last.sequence) + 1 + skip,
            void=skip,
            time_ms=max(self._now_ms(), self._last_ms),
            input_tokens=_tokens(answer.input_tokens),
            output_tokens=_tokens(answer.output_tokens),
            model=self._stored.tables.model(answer.model),
            status=answer.status,
            policy=self._policy,
            stream=answer.stream,
            complete=answer.complete,
        )

    def _entry(self, index: int, tag: bytes) -> bytes:
        """The log entry of record ``index``, from memory or from the log."""
        last = self._last.get(tag)
        if last is not None and last.index == index and last.entry is not None:
            return last.entry
        if index >= self._pending_from:
            return self._pending[index - self._pending_from]
        return TileReader(self.log_folder, self._pending_from).entry(index)

    def _sync(self) -> None:
        self._journal.sync()
        self._durable = self._journal.size

    def _settle(self) -> None:
        """Makes the tiles so far durable beside the next batches: hundreds of files, too long for one to wait for."""
        if self._settling is not None and self._settling.is_alive():
            return
        taken = self._log.unsettled()

        def settle() -> None:
            try:
                self._log.settle(taken)
            except OSError as error:
                self._fail(error)

        self._settling = threading.Thread(target=settle, name="stillhunt-receipts-tiles", daemon=True)
        self._settling.start()

    def _settled(self) -> None:
        if self._settling is not None:
            self._settling.join()

    def _fail(self, error: Exception) -> OutputError:
        self._failed = str(error)
        return OutputError(
            f"cannot write receipts ({error})", str(self.folder), "Mend that and open the store anew."
        )


@contextmanager
def open_issuer(folder: Path, keys: IssuerKeys, settings: IssuerSettings | None = None) -> Iterator[Issuer]:
    """An issuer whose batches a thread logs, until the block ends."""
    issuer = Issuer(folder, keys, settings)
    batches = Batches(issuer, (settings or IssuerSettings()).batch_ms)
    try:
        yield issuer
    finally:
        batches.stop()
        issuer.close()


class Batches:
    """A thread that flushes an issuer every ``batch_ms``. A failure stops the issuer, which then says so."""

    def __init__(self, issuer: Issuer, batch_ms: int) -> None:
        self._issuer = issuer
        self._wait_s = max(batch_ms, 20) / 1000
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stillhunt-receipts", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; the last batch is left to ``close``."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._wait_s):
            try:
                self._issuer.flush()
            except OutputError:
                return


def _tokens(count: int | None) -> int:
    return UNKNOWN if count is None or not 0 <= count < UNKNOWN else count
