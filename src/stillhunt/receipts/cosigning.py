"""Asks witnesses to cosign the log's checkpoints, and publishes those that meet the quorum (c2sp.org/tlog-witness)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from stillhunt.receipts.checkpoints import read_checkpoint, read_count
from stillhunt.receipts.disk import Disk
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.notes import Note, PublicKey, Signature, check_cosignature, read_signature
from stillhunt.receipts.tiles import COSIGNED, prove_consistency, read_latest
from stillhunt.receipts.trust import Trust
from stillhunt.receipts.witness import write_request

TIMEOUT_S = 10.0
_LONGEST_REPLY = 1 << 16


@dataclass(frozen=True)
class Cosigned:
    """What a round brought: whether the quorum was ``met``, for how many entries, and why witnesses ``declined``."""

    met: bool
    size: int
    declined: Mapping[str, str]


class Cosigner:
    """Collects cosignatures for one log; remembers what each witness saw last."""

    def __init__(self, log: Path, trust: Trust, disk: Disk | None = None) -> None:
        self._log = log
        self._trust = trust
        self._disk = disk or Disk()
        self._seen: dict[str, int] = {}

    def round(self) -> Cosigned:
        """Asks every witness that has an address to cosign the newest checkpoint; publishes it where the quorum is
        met. Raises VerificationError where the log's own files cannot be read."""
        note = read_latest(self._log)
        size = read_checkpoint(note.text).size
        signatures = list(note.signatures)
        declined = {}
        for name, url in self._trust.urls.items():
            key = self._trust.witnesses[name]
            try:
                signatures.append(self._ask(name, url, key, note, size))
            except (VerificationError, OSError, HTTPException, ValueError) as error:
                declined[name] = str(error)
        cosigned = Note(note.text, tuple(signatures))
        try:
            self._trust.check_checkpoint(cosigned)
        except VerificationError as error:
            return Cosigned(False, size, declined or {"quorum": str(error)})
        self._disk.write_whole(self._log / COSIGNED, cosigned.encode().encode(), whole=True)
        return Cosigned(True, size, declined)

    def _ask(self, name: str, url: str, key: PublicKey, note: Note, size: int) -> Signature:
        for _ in range(2):
            old = self._seen.get(name, 0)
            status, reply = _post(url, write_request(old, prove_consistency(self._log, old, size), note))
            if status == 409:
                latest = read_count(reply.rstrip("\n"), "size that the witness saw")
                if latest > size or latest == old:
                    raise VerificationError(
                        f"it has cosigned another history of this log, of {latest} entries"
                    )
                self._seen[name] = latest
            elif status != 200:
                raise VerificationError(f"it answered {status}: {reply[:200].strip()}")
            else:
                signature = read_signature(reply.split("\n", 1)[0])
                if check_cosignature(Note(note.text, (signature,)), key) is None:
                    raise VerificationError("its cosignature is of another key than the trust names")
                self._seen[name] = size
                return signature
        raise VerificationError("it keeps answering that it saw another size")


class Cosigning:
    """A thread that runs a round every ``every_s`` seconds. ``last`` is what the last one brought."""

    def __init__(self, cosigner: Cosigner, every_s: float) -> None:
        self.last: Cosigned | None = None
        self._cosigner = cosigner
        self._every_s = every_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stillhunt-cosigning", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after its present round."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._every_s):
            try:
                self.last = self._cosigner.round()
            except (VerificationError, OSError) as error:
                self.last = Cosigned(False, 0, {"log": str(error)})


def _post(url: str, body: bytes) -> tuple[int, str]:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"expected a witness at http:// or https://, got {url!r}")
    request = Request(url.rstrip("/") + "/add-checkpoint", data=body, method="POST")
    try:
        with urlopen(request, timeout=TIMEOUT_S) as answer:
            return answer.status, answer.read(_LONGEST_REPLY).decode()
    except HTTPError as error:
        with error:
            return error.code, error.read(_LONGEST_REPLY).decode("utf-8", "replace")
