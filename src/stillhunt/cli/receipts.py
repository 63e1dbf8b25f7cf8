"""``stillhunt receipts``: keys, verification, chains, logs, erasure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.text import Text

from stillhunt.cli.options import AsJson, Overwrite, file_bytes, file_text, place, trust_file
from stillhunt.cli.show import err, out
from stillhunt.cli.status import DONE, FOUND
from stillhunt.engines.output import whole_file
from stillhunt.errors import InputError, OutputError
from stillhunt.receipts.chain import verify_chain
from stillhunt.receipts.cose import cose_receipt
from stillhunt.receipts.document import Document, read_document
from stillhunt.receipts.failure import VerificationError, at_step
from stillhunt.receipts.journal import erase
from stillhunt.receipts.keys import IssuerKeys, new_keys, read_keys, write_keys
from stillhunt.receipts.log_audit import verify_log
from stillhunt.receipts.mirror import mirror
from stillhunt.receipts.notes import read_note
from stillhunt.receipts.page import page
from stillhunt.receipts.proofs import read_proof
from stillhunt.receipts.records import NO_RECORD
from stillhunt.receipts.stored import LOG, StoredReceipts, read_store, verify_journal
from stillhunt.receipts.timestamps import check_stamp, read_roots, stamp
from stillhunt.receipts.trust import read_trust
from stillhunt.receipts.verify import split_stream, verify, verify_void

_HELP = """
Signed receipts for answers, and the log that nobody can rewrite.

Exit status: 0 it verifies; 1 it does not, and the message names the step of spec/receipt.md; 2 unusable input.
"""
_VERIFY = """
Verifies one receipt, offline: a document, or an event stream that ends in one.

Examples:

  stillhunt receipts verify answer.receipt.json --trust trust.txt --response answer.json

  stillhunt receipts verify answer.sse --trust trust.txt --promise
"""
_CHAIN = """
Verifies the receipts of one account: none missing, none twice, each tied to the one before.

ACCOUNT is a file of receipts (one JSON object a line) or a folder of them; with --store, the provider's account id.

Examples:

  stillhunt receipts chain receipts.jsonl --trust trust.txt

  stillhunt receipts chain acct-4711 --store receipts/ --keys issuer.json
"""
_AUDIT = """
Verifies a whole log: every entry and tile, that nothing once signed is gone, and where receipts stand.

Example:

  stillhunt receipts audit log/ --trust trust.txt --since checkpoint.of.june --receipts receipts.jsonl

  stillhunt receipts audit https://log.example.com/receipts --trust trust.txt
"""
_MIRROR = """
Copies a log to where everybody can read it: what is new of it, the checkpoint last. Run it every minute or so.

TO is a URL of any kind that fsspec knows: s3://, gs://, abfs://, sftp://, file:// and more; most need a package.

Example:

  stillhunt receipts mirror receipts/log s3://our-public-log/receipts
"""
TrustFile = Annotated[Path, typer.Option("--trust", help="Keys to trust: a trust file.")]
KeyFile = Annotated[Path, typer.Option("--keys", help="The issuer's key file.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    group = typer.Typer(help=_HELP, no_args_is_help=True, rich_markup_mode="rich")
    group.command("keygen")(keygen)
    group.command("trust")(trust)
    group.command("verify", help=_VERIFY)(verify_one)
    group.command("chain", help=_CHAIN)(chain)
    group.command("audit", help=_AUDIT)(audit)
    group.command("mirror", help=_MIRROR)(mirror_log)
    group.command("void")(verify_void_one)
    group.command("cose")(write_cose)
    group.command("stamp")(stamp_log)
    group.command("stamped")(verify_stamp)
    group.command("erase")(erase_one)
    group.command("page")(write_page)
    app.add_typer(group, name="receipts")


def keygen(
    keys: Annotated[Path, typer.Option("--keys", help="Key file to write.")],
    name: Annotated[
        str | None, typer.Option(help="Name of the issuer and its log, such as api.example.com/receipts.")
    ] = None,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Add a new receipt key to the file; the old one stops now.")
    ] = False,
) -> None:
    """Makes the keys of an issuer, or a new receipt key for one; prints the trust file for verifiers."""
    now = datetime.now(UTC)
    if rotate == (name is not None):
        raise InputError("expected either --name for new keys or --rotate", "arguments")
    made = new_keys(name, now) if name is not None else read_keys(keys).rotated(now)
    write_keys(made, keys, replace_old=rotate)
    typer.echo(made.trust(), nl=False)


def trust(keys: KeyFile) -> None:
    """Prints the trust file of an issuer, to hand to verifiers; add the lines of witnesses to it."""
    typer.echo(read_keys(keys).trust(), nl=False)


def verify_one(
    file: Annotated[Path, typer.Argument(help="A receipt document, or a recorded event stream.")],
    trust: TrustFile,
    request: Annotated[Path | None, typer.Option(help="The request's raw bytes.")] = None,
    response: Annotated[Path | None, typer.Option(help="The response's raw bytes.")] = None,
    promise: Annotated[bool, typer.Option("--promise", help="Accept a receipt without a proof.")] = False,
    as_json: AsJson = False,
) -> None:
    """Parses, calls, shows."""
    trusted = trust_file(trust)
    data, sent = file_bytes(file), None if response is None else file_bytes(response)
    asked = None if request is None else file_bytes(request)
    _, inside = (data, None) if data.lstrip().startswith(b"{") else split_stream(data)
    try:
        if inside is not None and sent is None:
            sent = data
        found = verify(inside or data, trusted, request=asked, response=sent, promise=promise)
    except VerificationError as error:
        _refuse(at_step(error, error.step, error.where or str(file)), as_json)
    facts: dict[str, Any] = {
        "receipt": found.receipt.id,
        "issuer": found.receipt.issuer,
        "sequence": found.receipt.sequence,
        "time": found.receipt.time,
        "model": found.receipt.model,
        "request": found.request,
        "response": found.response,
        "index": found.index,
        "logged_by": None if found.logged_by is None else found.logged_by.isoformat(),
    }
    _accept(facts, as_json, _sentence(facts))


def verify_void_one(
    file: Annotated[Path, typer.Argument(help="What the issuer answered for an id that it calls void.")],
    trust: TrustFile,
    as_json: AsJson = False,
) -> None:
    """Verifies the issuer's word that no receipt with an id will ever be valid."""
    trusted = trust_file(trust)
    try:
        void = verify_void(file_bytes(file), trusted)
    except VerificationError as error:
        _refuse(at_step(error, error.step, str(file)), as_json)
    _accept(asdict(void), as_json, f"{void.issuer} says at {void.time} that the id {void.id} is void")


def chain(
    account: Annotated[str, typer.Argument(help="Receipts: a file or folder; with --store, an account id.")],
    trust: Annotated[Path | None, typer.Option("--trust", help="Keys to trust: a trust file.")] = None,
    store: Annotated[Path | None, typer.Option(help="The issuer's store.")] = None,
    keys: Annotated[Path | None, typer.Option("--keys", help="The issuer's key file, with --store.")] = None,
    as_json: AsJson = False,
) -> None:
    """Parses, calls, shows."""
    if store is not None and keys is not None:
        issuer = read_keys(keys)
        trusted = read_trust(issuer.trust()) if trust is None else trust_file(trust)
    elif store is None and keys is None and trust is not None:
        trusted = trust_file(trust)
    else:
        raise InputError("expected --trust, or --store and --keys", "arguments")
    try:
        documents = _documents(Path(account)) if store is None else _of_account(store, issuer, account)
        found = verify_chain(documents, trusted)
    except VerificationError as error:
        _refuse(error, as_json)
    text = f"{found.receipts:,} receipts, numbers {found.first:,} to {found.last:,}, none missing"
    _accept(asdict(found), as_json, text + (f"; {found.void:,} numbers given up" if found.void else ""))


def audit(
    log: Annotated[str, typer.Argument(help="Folder of the log, or the URL of a copy.")],
    trust: TrustFile,
    since: Annotated[list[Path] | None, typer.Option(help="An older checkpoint; may be repeated.")] = None,
    receipts: Annotated[
        Path | None, typer.Option(help="Receipts to find in the log: a file or folder.")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="The issuer's store, to hold its journal to the log.")
    ] = None,
    keys: Annotated[Path | None, typer.Option("--keys", help="The issuer's key file, with --store.")] = None,
    as_json: AsJson = False,
) -> None:
    """Parses, calls, shows."""
    trusted = trust_file(trust)
    if (store is None) != (keys is None):
        raise InputError("expected --store and --keys together", "arguments")
    try:
        older = [read_note(file_text(path)) for path in since or []]
        given = [] if receipts is None else _documents(receipts)
        found = verify_log(place(log), trusted, older=older, receipts=given)
        if store is not None and keys is not None:
            verify_journal(read_store(store, read_keys(keys)))
    except VerificationError as error:
        _refuse(error, as_json)
    text = f"{found.origin}: {found.size:,} entries hold"
    text += f"; {found.older} older checkpoints are beginnings of it" if found.older else ""
    text += f"; {found.receipts:,} receipts stand where they say" if found.receipts else ""
    _accept(asdict(found), as_json, text)


def mirror_log(
    log: Annotated[Path, typer.Argument(help="Folder of the log.")],
    to: Annotated[str, typer.Argument(help="URL of the copy.")],
    as_json: AsJson = False,
) -> None:
    """Parses, calls, shows."""
    try:
        done = mirror(log, to)
    except VerificationError as error:
        _refuse(error, as_json)
    if as_json:
        typer.echo(json.dumps(asdict(done), indent=2))
    else:
        out.print(
            f"{to}: {done.size:,} entries, {done.size - done.before:,} of them new; {done.files:,} files sent",
            soft_wrap=True,
            markup=False,
        )


def write_cose(
    receipt: Annotated[str, typer.Argument(help="Id of the receipt.")],
    store: Annotated[Path, typer.Option(help="The issuer's store.")],
    keys: KeyFile,
    to: Annotated[Path, typer.Option("--out", help="Where to write the COSE receipt.")],
) -> None:
    """Writes a COSE receipt (RFC 9942) of a logged receipt, for verifiers that speak COSE."""
    issuer = read_keys(keys)
    stored = read_store(store, issuer)
    document = stored.document_at(_place(stored, receipt))
    assert document.proof is not None  # a store is read as far as it is logged
    data = cose_receipt(read_proof(document.proof), issuer.log, receipt)
    with whole_file(to) as aside:
        aside.write_bytes(data)
    out.print(f"cose receipt: {to}", soft_wrap=True, markup=False)


def stamp_log(
    log: Annotated[Path, typer.Argument(help="Folder of the log.")],
    authority: Annotated[str, typer.Option(help="URL of a time-stamping authority (RFC 3161).")],
    roots: Annotated[Path, typer.Option(help="Root certificates of the authority (PEM).")],
) -> None:
    """Has the newest checkpoint of a log time-stamped; run it once a day."""
    try:
        path = stamp(log, authority, read_roots(roots))
    except VerificationError as error:
        _refuse(error, as_json=False)
    out.print(f"time-stamp: {path}", soft_wrap=True, markup=False)


def verify_stamp(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint, byte for byte.")],
    reply: Annotated[Path, typer.Argument(metavar="STAMP", help="Its time-stamp, a .tsr file.")],
    roots: Annotated[Path, typer.Option(help="Root certificates of the authority (PEM).")],
    as_json: AsJson = False,
) -> None:
    """Verifies the time-stamp of a checkpoint; with `audit --since` it dates what the log held."""
    try:
        when = check_stamp(file_bytes(checkpoint), file_bytes(reply), read_roots(roots))
    except VerificationError as error:
        _refuse(at_step(error, error.step, str(reply)), as_json)
    _accept(
        {"stamped": when.isoformat()}, as_json, f"the authority saw this checkpoint at {when.isoformat()}"
    )


def erase_one(
    receipt: Annotated[str, typer.Argument(help="Id of the receipt.")],
    store: Annotated[Path, typer.Option(help="The issuer's store.")],
    keys: KeyFile,
) -> None:
    """Erases the nonce of a receipt: it stays in its chain and in the log, and says nothing of its content any more."""
    erase(store, _place(read_store(store, read_keys(keys)), receipt))
    out.print(f"erased the nonce of receipt {receipt}", soft_wrap=True, markup=False)


def write_page(
    to: Annotated[Path, typer.Option("--out", help="Where to write the page.")],
    overwrite: Overwrite = False,
) -> None:
    """Writes the page that verifies receipts in a browser: one file, which asks for nothing from anywhere."""
    if to.exists() and not overwrite:
        raise OutputError("the output exists", str(to), "Name another --out, or add --overwrite.")
    with whole_file(to) as aside:
        aside.write_text(page(), encoding="utf-8")
    out.print(f"page: {to}", soft_wrap=True, markup=False)


def _place(stored: StoredReceipts, receipt: str) -> int:
    try:
        index = stored.find(receipt)
    except LookupError:
        index = None
    if index is None:
        raise InputError("expected the id of a logged receipt of this store", receipt)
    return index


def _of_account(store: Path, keys: IssuerKeys, account: str) -> list[Document]:
    stored = read_store(store, keys)
    last = stored.last_of(account)
    if last == NO_RECORD:
        raise InputError(f"expected an account with logged receipts, {account!r} has none", str(store / LOG))
    return [stored.document_at(index) for index in stored.chain_from(last)]


def _documents(path: Path) -> list[Document]:
    files = sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]
    return [document for file in files for document in _lines(file)]


def _lines(file: Path) -> Iterator[Document]:
    for number, line in enumerate(file_bytes(file).splitlines(), 1):
        if line.strip():
            try:
                yield read_document(line)
            except VerificationError as error:
                raise at_step(error, 1, f"{file}, line {number}") from error


def _sentence(facts: dict[str, Any]) -> str:
    compared = " and ".join(name for name in ("request", "response") if facts[name])
    content = f"commits to this {compared}" if compared else "its content was not compared"
    place = (
        "a promise, not in the log yet" if facts["index"] is None else f"entry {facts['index']:,} of the log"
    )
    seen = "" if facts["logged_by"] is None else f", seen there by {facts['logged_by']}"
    return f"receipt {facts['sequence']:,} of this account, {facts['time']}: {content}; {place}{seen}"


def _accept(facts: dict[str, Any], as_json: bool, text: str) -> None:
    if as_json:
        typer.echo(json.dumps({"verified": True, **facts}, indent=2, ensure_ascii=False))
    else:
        out.print(Text.assemble(("verified: ", "bold green"), text), soft_wrap=True)
    raise typer.Exit(DONE)


def _refuse(error: VerificationError, as_json: bool) -> NoReturn:
    if as_json:
        typer.echo(json.dumps({"verified": False, **asdict(error)}, indent=2, ensure_ascii=False))
    else:
        step = f"step {error.step}: " if error.step else ""
        err.print(Text.assemble(("does not verify: ", "bold red"), step, error.problem), soft_wrap=True)
        if error.where:
            err.print(Text.assemble(("  where: ", "dim"), error.where), soft_wrap=True)
        if error.remedy:
            err.print(Text.assemble(("  to do: ", "dim"), error.remedy), soft_wrap=True)
    raise typer.Exit(FOUND)
