"""The vendor's receipts as handed over, and what of them holds: every fault is listed, not only the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from stillhunt.audit.exchanges import Exchange
from stillhunt.errors import InputError
from stillhunt.receipts.chain import check_pair
from stillhunt.receipts.document import Document, read_document
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.log_audit import LogAudit, check_place, verify_log
from stillhunt.receipts.notes import Note
from stillhunt.receipts.tiles import TileReader
from stillhunt.receipts.trust import Trust
from stillhunt.receipts.verify import verify, verify_void

_VOID = '"stillhunt-void/1"'


@dataclass(frozen=True)
class Holdings:
    """Receipts by id, ids that the vendor declared void, and lines that are neither."""

    documents: Mapping[str, Document]
    void: frozenset[str] = frozenset()
    unreadable: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Fault:
    """Something that does not hold. ``step`` is that of spec/receipt.md; ``receipt`` an id, empty for the log."""

    step: int
    problem: str
    receipt: str = ""
    missing: int = 0


@dataclass
class Verdicts:
    """What was found of the receipts. ``contents``: bodies that were compared, by part."""

    faults: list[Fault] = field(default_factory=list)
    contents: dict[str, int] = field(default_factory=lambda: {"request": 0, "response": 0})
    proofs: int = 0
    chains: int = 0
    log: LogAudit | None = None


def read_holdings(path: Path, trust: Trust) -> Holdings:
    """Reads a file of receipts, one JSON object a line, or a folder of such files. Raises InputError where nothing is
    a receipt."""
    try:
        files = sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]
        texts = [(file, file.read_bytes().splitlines()) for file in files]
    except OSError as error:
        raise InputError(f"cannot read the receipts ({error.strerror})", str(path)) from error
    documents: dict[str, Document] = {}
    void: set[str] = set()
    unreadable: list[tuple[str, str]] = []
    for file, lines in texts:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                if _VOID.encode() in line:
                    void.add(verify_void(line, trust).id)
                    continue
                found = read_document(line)
            except VerificationError as error:
                unreadable.append((f"{file}, line {number}", str(error)))
                continue
            old = documents.get(found.receipt.id)
            if old is None or old.receipt == found.receipt:
                documents[found.receipt.id] = found if old is None or old.proof is None else old
            else:
                unreadable.append(
                    (f"{file}, line {number}", f"a second receipt bears the id {found.receipt.id}")
                )
    if not documents:
        reason = unreadable[0][1] if unreadable else "it holds no line"
        raise InputError(
            f"expected receipts, one JSON object a line; {reason}", str(path), "See spec/receipt.md."
        )
    return Holdings(documents, frozenset(void), tuple(unreadable))


def verify_holdings(
    holdings: Holdings,
    trust: Trust,
    matched: Mapping[str, Exchange],
    *,
    log: Path | None = None,
    older: Sequence[Note] = (),
    promises: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> Verdicts:
    """Verifies every receipt, its content where an exchange of ``matched`` (by receipt id) kept it, the chains, and
    the log."""
    verdicts = Verdicts()
    sound: list[Document] = []
    broken: set[tuple[str, int]] = set()
    for document in holdings.documents.values():
        faults = list(_of_one(document, trust, matched.get(document.receipt.id), promises, verdicts))
        verdicts.faults += faults
        if not any(fault.step <= 3 for fault in faults):
            sound.append(document)
        else:
            broken.add((document.receipt.account, document.receipt.sequence))
        advance(1)
    for chain in _chains(sound):
        verdicts.chains += 1
        verdicts.faults += _gaps(chain, broken)
    if log is not None:
        verdicts.faults += _of_log(log, trust, older, sound, verdicts)
    return verdicts


def _of_one(
    document: Document, trust: Trust, exchange: Exchange | None, promises: bool, verdicts: Verdicts
) -> Iterator[Fault]:
    request, response = (None, None) if exchange is None else (exchange.request, exchange.response)
    if "nonce" not in document.opening:  # erased: nothing to compare
        request = response = None
    for name, content in (("request", request), ("response", response)):
        verdicts.contents[name] += content is not None
    while True:
        try:
            found = verify(
                document,
                trust,
                request=request,
                response=response,
                promise=promises,
            )
        except VerificationError as error:
            yield Fault(error.step, error.problem, document.receipt.id)
            if error.step == 4:
                request = None
            elif error.step == 5:
                response = None
            else:
                return
        else:
            verdicts.proofs += found.index is not None
            return


def _chains(documents: Iterable[Document]) -> list[list[Document]]:
    """Receipts by account pseudonym, by number. A pseudonym's first receipt joins the chain that it goes on."""
    by_account: dict[str, list[Document]] = {}
    for document in documents:
        by_account.setdefault(document.receipt.account, []).append(document)
    parts = sorted(by_account.values(), key=lambda part: min(one.receipt.sequence for one in part))
    chains: list[list[Document]] = []
    for part in parts:
        part.sort(key=lambda one: one.receipt.sequence)
        for chain in chains:
            try:
                check_pair(chain[-1], part[0])
            except VerificationError:
                continue
            chain += part
            break
        else:
            chains.append(part)
    return chains


def _gaps(chain: Sequence[Document], broken: set[tuple[str, int]]) -> Iterator[Fault]:
    """What does not follow. A number that a ``broken`` receipt bears is not missing: that one is a fault already."""
    for before, after in pairwise(chain):
        try:
            check_pair(before, after)
        except VerificationError as error:
            numbers = range(before.receipt.sequence + 1, after.receipt.sequence - after.receipt.void)
            lost = [number for number in numbers if (after.receipt.account, number) not in broken]
            if error.step != 12 or lost:
                yield Fault(error.step, error.problem, after.receipt.id, len(lost) if error.step == 12 else 0)


def _of_log(
    log: Path, trust: Trust, older: Sequence[Note], documents: Sequence[Document], verdicts: Verdicts
) -> Iterator[Fault]:
    try:
        verdicts.log = verify_log(log, trust, older=older)
    except VerificationError as error:
        yield Fault(error.step, str(error))
        return
    reader = TileReader(log, verdicts.log.size)
    for document in documents:
        if document.proof is None:
            continue
        try:
            check_place(document, reader)
        except VerificationError as error:
            yield Fault(error.step, error.problem, document.receipt.id)
