"""Receipts for any Python gateway: a pure ASGI middleware, mounted in one line.

    app = Receipts(app, store="receipts", keys="issuer.json")

A plain answer is held until it is whole and then carries the header fields; an event stream passes at once and ends
with an ``event: receipt``; what is neither JSON nor of stated length passes, and its receipt waits in the list.
Account holders fetch receipts under ``/receipts`` (spec/receipt.md, sections 18 to 20).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from stillhunt.errors import OutputError
from stillhunt.receipts.commitments import new_nonce, request_commitment, response_commitment
from stillhunt.receipts.document import Document
from stillhunt.receipts.http_headers import HeaderSigner
from stillhunt.receipts.issuer import Answer, Batches, Issuer, IssuerSettings
from stillhunt.receipts.keys import read_keys
from stillhunt.receipts.usage import StreamUsage, Usage, plain_usage

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
AccountOf = Callable[[Scope], str | None]

MOST_HELD = 64 << 20
MOST_LISTED = 1000
_BYPASSES = ("http.response.pathsend", "http.response.zerocopysend", "http.response.trailers")
_NO_BODY = (204, 304)
_log = logging.getLogger("stillhunt.receipts")


def account_of_credential(scope: Scope) -> str | None:
    """The account as the SHA-256 of the credential that the request shows: ``Authorization`` or ``x-api-key``."""
    for name, value in scope["headers"]:
        if name in (b"authorization", b"x-api-key"):
            return sha256(value.removeprefix(b"Bearer ").strip()).hexdigest()
    return None


class Receipts:
    """The middleware. ``account_of`` names the account of a request, None for those that get no receipt; name accounts
    as the billing does where you can. Only ``POST`` is covered. Where a receipt cannot be written, the answer goes
    out without one and a warning is logged, unless ``required``: then it does not go out.
    """

    def __init__(
        self,
        app: App,
        *,
        store: str | Path,
        keys: str | Path,
        account_of: AccountOf = account_of_credential,
        settings: IssuerSettings | None = None,
        path: str = "/receipts",
        required: bool = False,
    ) -> None:
        self.app = app
        self.account_of = account_of
        self.path = path
        self.required = required
        self._settings = settings or IssuerSettings()
        self._store = Path(store)
        self._keys = Path(keys)
        self._opening = threading.Lock()
        self._issuer: Issuer | None = None
        self._batches: Batches | None = None
        self._signer: HeaderSigner | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["method"] == "GET" and (scope["path"] + "/").startswith(self.path + "/"):
            await self._serve(scope, send)
        elif scope["method"] != "POST" or (account := self.account_of(scope)) is None:
            await self.app(scope, receive, send)
        else:
            await _Exchange(self, account, send).run(scope, receive)

    def issuer(self) -> Issuer:
        """The open store; opened on first use."""
        with self._opening:
            if self._issuer is None:
                self._issuer = Issuer(self._store, read_keys(self._keys), self._settings)
                self._batches = Batches(self._issuer, self._settings.batch_ms)
                self._signer = HeaderSigner(self._issuer.keys.current)
                found = self._issuer.recovery
                if not found.clean:
                    _log.warning("the store %s was not closed: %s", self._store, found)
            return self._issuer

    def close(self) -> None:
        """Logs what is left and closes the store. A server that knows ``lifespan`` does this by itself."""
        if self._batches is not None and self._issuer is not None:
            self._batches.stop()
            self._issuer.close()
            self._issuer = self._batches = None

    async def promise(self, answer: Answer) -> Document | None:
        """A receipt, or None where it cannot be written and is not required."""
        try:
            issuer = self.issuer()
            if self._settings.batch_ms == 0:  # waits for the disk
                return await asyncio.to_thread(issuer.promise, answer)
            return issuer.promise(answer)
        except OutputError as error:
            if self.required:
                raise
            _log.warning("an answer goes out without a receipt: %s", error)
            return None

    def header_fields(self, document: Document, body: bytes) -> list[tuple[bytes, bytes]]:
        """The header fields of a plain answer, as ASGI has them."""
        assert self._signer is not None
        fields = self._signer.fields(document.receipt, body)
        return [(name.lower().encode(), value.encode()) for name, value in fields.items()]

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def opening() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.issuer()
            return message

        async def closing(message: Message) -> None:
            if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                await asyncio.to_thread(self.close)
            await send(message)

        await self.app(scope, opening, closing)

    async def _serve(self, scope: Scope, send: Send) -> None:
        account = self.account_of(scope)
        if account is None:
            status, body = 401, '{"error":"show the credential that the receipt was given to"}'
        elif scope["path"].rstrip("/") == self.path:
            after = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("after", ["0"])[0]
            status, body = await asyncio.to_thread(self._list, account, after)
        else:
            status, body = await asyncio.to_thread(
                self._one, account, scope["path"].removeprefix(self.path + "/")
            )
        await _reply(send, status, body)

    def _one(self, account: str, receipt_id: str) -> tuple[int, str]:
        try:
            document = self.issuer().document(receipt_id, account)
        except LookupError:
            return 410, self.issuer().void(receipt_id)
        return (404, '{"error":"no such receipt"}') if document is None else (200, document.encode())

    def _list(self, account: str, after: str) -> tuple[int, str]:
        if not (after.isascii() and after.isdigit() and len(after) < 17):
            return 400, '{"error":"expected a number for after"}'
        documents = self.issuer().chain(account, int(after), MOST_LISTED)
        return 200, "".join(document.encode() + "\n" for document in documents)


class _Exchange:
    """One request and its answer on their way through."""

    def __init__(self, receipts: Receipts, account: str, send: Send) -> None:
        self._receipts = receipts
        self._account = account
        self._send = send
        self._nonce = new_nonce()
        self._request = request_commitment(self._nonce)
        self._response = response_commitment(self._nonce)
        self._request_read = self._gone = self._done = False
        self._start: Message = {}
        self._held: list[bytes] | None = None
        self._held_bytes = 0
        self._stream: StreamUsage | None = None
        self._tail = b""

    async def run(self, scope: Scope, receive: Receive) -> None:
        async def reading() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                self._request.update(message.get("body", b""))
                self._request_read = not message.get("more_body", False)
            elif message["type"] == "http.disconnect":
                self._gone = True
            return message

        extensions = {k: v for k, v in (scope.get("extensions") or {}).items() if k not in _BYPASSES}
        try:
            await self._receipts.app({**scope, "extensions": extensions}, reading, self._sending)
        finally:
            if self._start and not self._done and self._held is None:  # part of it went out
                self._done = True
                await self._receipts.promise(self._answer(complete=False))

    async def _sending(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif message["type"] == "http.response.body" and not self._done:
            await self._body(message.get("body", b""), message.get("more_body", False))
        else:
            await self._send(message)

    async def _begin(self, message: Message) -> None:
        self._start = message
        kind = _header(message, b"content-type").partition(b";")[0].strip().lower()
        if kind == b"text/event-stream" and not _header(message, b"content-encoding"):
            self._stream = StreamUsage()
            headers = [one for one in message.get("headers", []) if one[0].lower() != b"content-length"]
            await self._send({**message, "headers": headers})
        elif (
            kind == b"application/json"
            or _header(message, b"content-length")
            or message["status"] in _NO_BODY
        ):
            self._held = []
        else:  # of unknown length: it passes, and its receipt is fetched later
            await self._send(message)

    async def _body(self, piece: bytes, more: bool) -> None:
        self._response.update(piece)
        if self._stream is not None:
            await self._streamed(piece, more)
        elif self._held is not None:
            self._held.append(piece)
            self._held_bytes += len(piece)
            if not more:
                await self._plain()
            elif self._held_bytes > MOST_HELD:  # too large to hold: it passes, its receipt is fetched later
                held, self._held = b"".join(self._held), None
                await self._send(self._start)
                await self._send({"type": "http.response.body", "body": held, "more_body": True})
        else:
            self._done = not more
            if not more:
                await self._receipts.promise(self._answer())
            await self._send({"type": "http.response.body", "body": piece, "more_body": more})

    async def _plain(self) -> None:
        assert self._held is not None
        body = b"".join(self._held)
        self._done = True
        document = await self._receipts.promise(self._answer(plain_usage(body)))
        start = dict(self._start)
        if document is not None and start["status"] not in _NO_BODY:
            start["headers"] = [*start.get("headers", []), *self._receipts.header_fields(document, body)]
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})

    async def _streamed(self, piece: bytes, more: bool) -> None:
        assert self._stream is not None
        self._stream.update(piece)
        self._tail = (self._tail + piece)[-4:]
        if more:
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            return
        if self._tail and not self._tail.endswith((b"\n\n", b"\r\n\r\n")):
            piece += b"\n\n"
            self._response.update(b"\n\n")
        self._done = True
        document = await self._receipts.promise(self._answer())
        event = b"" if document is None else b"event: receipt\ndata: " + document.encode().encode() + b"\n\n"
        await self._send({"type": "http.response.body", "body": piece + event})

    def _answer(self, usage: Usage | None = None, *, complete: bool = True) -> Answer:
        said = usage or (Usage() if self._stream is None else self._stream.usage)
        return Answer(
            account=self._account,
            request=self._request.digest(),
            response=self._response.digest(),
            nonce=self._nonce,
            model=said.model,
            input_tokens=said.input_tokens,
            output_tokens=said.output_tokens,
            status=self._start["status"],
            stream=self._stream is not None,
            complete=complete and self._request_read and not self._gone,
        )


def _header(message: Message, name: bytes) -> bytes:
    return next((bytes(value) for key, value in message.get("headers", []) if key.lower() == name), b"")


async def _reply(send: Send, status: int, body: str) -> None:
    data = body.encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
