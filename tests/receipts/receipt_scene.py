"""A small issuer with fixed keys, times and nonces: the same receipts every time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from stillhunt.receipts.commitments import commit, request_commitment, response_commitment
from stillhunt.receipts.disk import Disk
from stillhunt.receipts.document import Document
from stillhunt.receipts.issuer import Answer, Issuer, IssuerSettings
from stillhunt.receipts.keys import IssuerKeys, ReceiptSigner, witness_key
from stillhunt.receipts.notes import ED25519, RECEIPT, Note, SigningKey, cosign_note, signing_key
from stillhunt.receipts.proofs import read_proof
from stillhunt.receipts.tiles import COSIGNED, read_latest
from stillhunt.receipts.trust import Trust, read_trust

NAME = "api.example.com/receipts"
BEGIN = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
BEGIN_MS = int(BEGIN.timestamp() * 1000)


def seed(label: str) -> bytes:
    """32 bytes that a label stands for."""
    return sha256(label.encode()).digest()


def fixed_keys(label: str = "one", name: str = NAME) -> IssuerKeys:
    """Keys that follow from a label."""
    receipt = ReceiptSigner(
        signing_key(name, RECEIPT, seed(f"{label} receipt")), datetime(2026, 11, 1, tzinfo=UTC)
    )
    return IssuerKeys(
        name, (receipt,), signing_key(name, ED25519, seed(f"{label} log")), seed(f"{label} secret")
    )


def witness(number: int, *, ml_dsa: bool = False) -> SigningKey:
    """The key of a witness."""
    return witness_key(f"witness{number}.example", seed(f"witness {number}"), ml_dsa=ml_dsa)


def with_witnesses(keys: IssuerKeys, count: int, quorum: str, *, ml_dsa: bool = False) -> str:
    """The trust file of an issuer and ``w1`` to ``wN``; ``quorum`` is a group's count, or ``none``."""
    lines = [line for line in keys.trust().splitlines() if not line.startswith("quorum")]
    names = [f"w{number}" for number in range(1, count + 1)]
    lines += [
        f"witness {name} {witness(number, ml_dsa=ml_dsa).public.encode()}"
        for number, name in enumerate(names, 1)
    ]
    if quorum != "none":
        lines.append(f"group all-of-them {quorum} {' '.join(names)}")
    lines.append("quorum none" if quorum == "none" else "quorum all-of-them")
    return "\n".join(lines) + "\n"


@dataclass
class Clock:
    """A clock that goes on by 7 ms at each look."""

    ms: int = BEGIN_MS

    def __call__(self) -> int:
        self.ms += 7
        return self.ms


def request_bytes(number: int) -> bytes:
    return b'{"messages":[{"role":"user","content":"question %d"}]}' % number


def response_bytes(number: int) -> bytes:
    return b'{"model":"example-large-2","choices":[{"message":{"content":"answer %d"}}]}' % number


def answer(number: int, account: str, label: str = "") -> Answer:
    """The ``number``-th exchange of a fixed conversation."""
    nonce = seed(f"nonce {label} {number}")
    return Answer(
        account=account,
        request=commit(request_commitment(nonce), request_bytes(number)),
        response=commit(response_commitment(nonce), response_bytes(number)),
        nonce=nonce,
        model="example-large-2",
        input_tokens=10 + number,
        output_tokens=None if number % 5 == 4 else 100 + number,
    )


@dataclass
class Scene:
    """An open issuer and the trust that a verifier has in it."""

    folder: Path
    keys: IssuerKeys = field(default_factory=fixed_keys)
    disk: Disk = field(default_factory=Disk)
    settings: IssuerSettings = field(default_factory=IssuerSettings)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.issuer = self.reopen()

    def reopen(self) -> Issuer:
        """Opens the store (anew)."""
        self.issuer = Issuer(self.folder, self.keys, self.settings, disk=self.disk, now_ms=self.clock)
        return self.issuer

    @property
    def trust(self) -> Trust:
        return read_trust(self.keys.trust())

    def promise(self, numbers: range, account: str = "acme") -> list[Document]:
        """Receipts for exchanges, not yet logged."""
        return [self.issuer.promise(answer(number, account)) for number in numbers]

    def logged(self, numbers: range, account: str = "acme") -> list[Document]:
        """Receipts for exchanges, with proofs."""
        ids = [one.receipt.id for one in self.promise(numbers, account)]
        self.issuer.flush()
        documents = [self.issuer.document(one) for one in ids]
        assert all(one is not None and one.proof is not None for one in documents)
        return [one for one in documents if one is not None]

    def cosign(self, *numbers: int, late_s: int = 1, ml_dsa: bool = False) -> None:
        """Witnesses cosign the newest checkpoint, and the log publishes that."""
        note = read_latest(self.issuer.log_folder)
        time_s = self.clock.ms // 1000 + late_s
        added = tuple(cosign_note(note.text, witness(one, ml_dsa=ml_dsa), time_s) for one in numbers)
        cosigned = Note(note.text, (*note.signatures, *added))
        self.disk.write_whole(self.issuer.log_folder / COSIGNED, cosigned.encode().encode(), whole=True)


def proof_index(document: Document) -> int:
    """Where in the log a document's proof points."""
    assert document.proof is not None
    return read_proof(document.proof).index
