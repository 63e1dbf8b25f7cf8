"""A small witness: cosigns a log's checkpoints, each only if it contains the one before (c2sp.org/tlog-witness).

``Witness.add_checkpoint`` is the whole protocol; ``app`` serves it to any ASGI server.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from stillhunt.receipts.canonical import from_base64, to_base64
from stillhunt.receipts.checkpoints import Checkpoint, read_checkpoint, read_count
from stillhunt.receipts.disk import Disk
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.merkle import EMPTY_ROOT, HASH_BYTES, verify_consistency
from stillhunt.receipts.notes import Note, PublicKey, SigningKey, check_signature, cosign_note, read_note

MOST_BYTES = 1 << 20
MOST_HASHES = 63
_SIZE = "text/x.tlog.size"
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Reply:
    """What the witness answers: an HTTP status, a content type and a body."""

    status: int
    body: str
    content_type: str = _TEXT


class Witness:
    """A witness of ``logs`` that keeps what it has cosigned in ``folder``."""

    def __init__(
        self,
        folder: Path,
        key: SigningKey,
        logs: Sequence[PublicKey],
        now_s: Callable[[], int] = lambda: int(time.time()),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = key
        self._logs = tuple(logs)
        self._now_s = now_s
        self._guard = threading.Lock()
        self._disk = Disk()

    def add_checkpoint(self, body: bytes) -> Reply:
        """Judges one request and remembers what it cosigns before it answers."""
        try:
            old, path, note = _read_request(body)
            checkpoint = read_checkpoint(note.text)
        except (VerificationError, UnicodeDecodeError) as error:
            return Reply(400, f"{error}\n")
        known = [key for key in self._logs if key.name == checkpoint.origin]
        if not known:
            return Reply(404, f"this witness does not know the log {checkpoint.origin}\n")
        try:
            signed = [check_signature(note, key) for key in known]
        except VerificationError as error:
            return Reply(403, f"{error}\n")
        if True not in signed:
            return Reply(403, "no known key of the log signed this checkpoint\n")
        if old > checkpoint.size:
            return Reply(400, f"the old size {old} is above the size {checkpoint.size}\n")
        with self._guard:
            return self._cosign(old, path, note, checkpoint)

    def _cosign(self, old: int, path: list[bytes], note: Note, checkpoint: Checkpoint) -> Reply:
        latest = self._latest(checkpoint.origin)
        if old != latest.size or (old == checkpoint.size and checkpoint.root != latest.root):
            return Reply(409, f"{latest.size}\n", _SIZE)
        try:
            verify_consistency(old, checkpoint.size, path, latest.root, checkpoint.root)
        except VerificationError as error:
            return Reply(422, f"{error}\n")
        state = {"origin": checkpoint.origin, "size": checkpoint.size, "root": to_base64(checkpoint.root)}
        where = self._where(checkpoint.origin)
        self._disk.write_whole(where, json.dumps(state).encode(), whole=True)
        self._disk.sync_files([where.parent])
        return Reply(200, cosign_note(note.text, self._key, self._now_s()).line())

    def _latest(self, origin: str) -> Checkpoint:
        try:
            state = json.loads(self._where(origin).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Checkpoint(origin, 0, EMPTY_ROOT)
        return Checkpoint(origin, state["size"], from_base64(state["root"], HASH_BYTES, "root"))

    def _where(self, origin: str) -> Path:
        return self._folder / f"{sha256(origin.encode()).hexdigest()}.json"


def app(witness: Witness) -> Callable[..., Awaitable[None]]:
    """An ASGI application with ``POST /add-checkpoint``."""

    async def serve(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more and len(body) <= MOST_BYTES:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        if scope["method"] != "POST" or scope["path"] != "/add-checkpoint":
            reply = Reply(404, "expected POST /add-checkpoint\n")
        else:
            reply = witness.add_checkpoint(body)
        headers = [(b"content-type", reply.content_type.encode())]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body.encode()})

    return serve


def write_request(old: int, path: Sequence[bytes], note: Note) -> bytes:
    """The body that asks a witness to cosign."""
    lines = [f"old {old}", *(to_base64(one) for one in path)]
    return ("\n".join(lines) + "\n\n" + note.encode()).encode()


def _read_request(body: bytes) -> tuple[int, list[bytes], Note]:
    if len(body) > MOST_BYTES:
        raise VerificationError(f"the request has more than {MOST_BYTES} bytes")
    head, blank, note = body.decode().partition("\n\n")
    first, *hashes = head.split("\n")
    if not blank or not first.startswith("old ") or len(hashes) > MOST_HASHES:
        raise VerificationError("expected 'old SIZE', at most 63 hashes, an empty line and a checkpoint")
    path = [from_base64(one, HASH_BYTES, f"hash {number}") for number, one in enumerate(hashes, 1)]
    return read_count(first.removeprefix("old "), "old size"), path, read_note(note)
