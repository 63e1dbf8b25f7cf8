"""The receipts of a store as documents: for the issuer itself, and for those who only look at its store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from stillhunt.receipts.canonical import to_base64
from stillhunt.receipts.checkpoints import read_checkpoint
from stillhunt.receipts.commitments import entry_of, previous_of
from stillhunt.receipts.document import Document, Receipt, time_text
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.journal import JournalReader, read_journal
from stillhunt.receipts.keys import IssuerKeys, Secrets
from stillhunt.receipts.records import NO_RECORD, UNKNOWN, Record
from stillhunt.receipts.tables import Tables
from stillhunt.receipts.tiles import TileReader, prove_inclusion, read_latest

LOG = "log"
EntryAt = Callable[[int, bytes], bytes]
"""The log entry at an index, whose record has this tag."""


class StoredReceipts:
    """Receipts rebuilt from a journal, its tables and the issuer's secret."""

    def __init__(self, journal: JournalReader, tables: Tables, keys: IssuerKeys, entry_at: EntryAt) -> None:
        self.journal = journal
        self.tables = tables
        self.name = keys.name
        self.secrets = Secrets(keys.secret)
        self.log_folder = journal.folder / LOG
        self._entry_at = entry_at

    def receipt(self, index: int, record: Record) -> Receipt:
        """The receipt that a record stands for."""
        receipt_id = self.secrets.receipt_id(self.journal.run_of(index).number, index)
        policy = self.tables.policies[record.policy]
        when = time_text(record.time_ms)
        previous = b""
        if record.previous != NO_RECORD:
            previous = previous_of(self.secrets.link(receipt_id), self._entry_at(record.previous, record.tag))
        return Receipt(
            account=self.secrets.pseudonym(record.tag, when[:7]),
            complete=record.complete,
            durable_within_ms=policy.durable_within_ms,
            id=receipt_id.hex(),
            input_tokens=None if record.input_tokens == UNKNOWN else record.input_tokens,
            issuer=self.name,
            key=policy.key,
            logged_within_s=policy.logged_within_s,
            model=self.tables.models[record.model],
            output_tokens=None if record.output_tokens == UNKNOWN else record.output_tokens,
            previous=to_base64(previous),
            request=to_base64(record.request),
            response=to_base64(record.response),
            sequence=record.sequence,
            status=record.status,
            stream=record.stream,
            time=when,
            void=record.void,
        )

    def entry(self, index: int, record: Record) -> bytes:
        """The log entry of a record, computed anew."""
        receipt = self.receipt(index, record)
        return entry_of(
            self.secrets.salt(bytes.fromhex(receipt.id)), receipt.signed_bytes(), record.signature
        )

    def log_entry(self, index: int) -> bytes:
        """The entry that stands at ``index`` of the log."""
        return self._entry_at(index, b"")

    def opening(self, receipt_id: str, nonce: bytes | None, salt: bytes | None = None) -> dict[str, str]:
        """What opens a receipt; without the nonce once that is erased. salt: where it is known already."""
        raw = bytes.fromhex(receipt_id)
        opening = {
            "link": to_base64(self.secrets.link(raw)),
            "salt": to_base64(self.secrets.salt(raw) if salt is None else salt),
        }
        return opening if nonce is None else {**opening, "nonce": to_base64(nonce)}

    def document(self, index: int, receipt: Receipt, signature: bytes) -> Document:
        """The document of a receipt, with its proof once it is logged."""
        proof = prove_inclusion(self.log_folder, index)
        opening = self.opening(receipt.id, self.journal.nonce(index))
        return Document(receipt, signature, opening, None if proof is None else proof.encode())

    def find(self, receipt_id: str) -> int | None:
        """The place of a receipt, None where this store never gave that id. Raises LookupError for a void id."""
        try:
            raw = bytes.fromhex(receipt_id)
        except ValueError:
            return None
        place = self.secrets.place(raw) if len(raw) == 16 else None
        if place is None or not 1 <= place[0] <= self.journal.runs[-1].number:
            return None
        run, index = place
        if index >= self.journal.size or self.journal.run_of(index).number != run:
            raise LookupError(receipt_id)
        return index

    def document_at(self, index: int) -> Document:
        """The document of the ``index``-th receipt. Raises InputError where the journal is damaged."""
        record = self.journal.record(index)
        return self.document(index, self.receipt(index, record), record.signature)

    def chain_from(self, index: int, after: int = 0) -> Iterator[int]:
        """The places of an account's receipts with numbers above ``after``, from its last one at ``index`` back."""
        while index != NO_RECORD:
            record = self.journal.record(index)
            if record.sequence <= after:
                return
            yield index
            index = record.previous

    def last_of(self, account: str) -> int:
        """The place of an account's last receipt, NO_RECORD where there is none. Reads the whole journal."""
        tag, found, at = self.secrets.tag(account), NO_RECORD, 0
        for tags in self.journal.tags():
            if tag in tags:
                found = at + len(tags) - 1 - tags[::-1].index(tag)
            at += len(tags)
        return found


def read_store(folder: Path, keys: IssuerKeys) -> StoredReceipts:
    """The logged receipts of a store, which a writer may have open. Raises InputError or VerificationError."""
    size = read_checkpoint(read_latest(folder / LOG).text).size
    reader = TileReader(folder / LOG, size)
    return StoredReceipts(
        read_journal(folder, size), Tables(folder), keys, lambda index, _: reader.entry(index)
    )


def verify_journal(stored: StoredReceipts) -> None:
    """Holds the journal to the log: every record leads to its entry, and no account has a number twice or missing.

    Raises VerificationError under the steps of spec/receipt.md, InputError where a record is damaged.
    """
    last: dict[bytes, int] = {}
    for index in range(stored.journal.size):
        record = stored.journal.record(index)
        where = f"record {index} of {stored.journal.folder / 'journal'}"
        expected = last.get(record.tag, 0) + 1 + record.void
        if record.sequence != expected:
            raise VerificationError(
                f"expected number {expected} of its account, got {record.sequence}", where, step=12
            )
        last[record.tag] = record.sequence
        if stored.entry(index, record) != stored.log_entry(index):
            raise VerificationError("another entry stands at its place in the log", where, step=19)
