"""OTLP over HTTP (opentelemetry.io/docs/specs/otlp, 1.9): requests in, replies out, with every size bounded.

What is done with the content of a request is the caller's: a function from path, format and body to a
:class:`Reply`.
"""

from __future__ import annotations

import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROTOBUF, JSON = "application/x-protobuf", "application/json"
PATHS = ("/v1/traces", "/v1/logs")

_CHUNK = 65_536
_RPC_CODES = {400: 3, 404: 5, 405: 12, 408: 4, 411: 3, 413: 8, 415: 3, 503: 14}
"""Codes of google.rpc.Status that go with the HTTP statuses given here."""


@dataclass(frozen=True)
class Limits:
    """What one receiver may take of memory and of its sender's patience."""

    body_bytes: int = 64 * 1024 * 1024
    """Largest body, both as sent and unpacked."""
    waiting_bytes: int = 256 * 1024 * 1024
    """Bodies that are taken but not written yet; more is answered with 503."""
    connections: int = 128
    requests: int = 8
    """How many bodies are read or parsed at the same time."""
    idle_s: float = 30.0
    """How long a silent connection is kept."""
    body_s: float = 60.0
    """How long one body may take to arrive."""


@dataclass(frozen=True)
class Reply:
    """An answer: ``body`` in the format of the request."""

    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """A request that cannot be taken, with the HTTP status that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def refusal(error: RefusedError, content_type: str) -> Reply:
    """The reply for a refused request: a google.rpc.Status in the format that was asked in."""
    code = _RPC_CODES.get(error.status, 2)
    headers = {"Retry-After": "1"} if error.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    if content_type == PROTOBUF:
        text = error.message.encode()[:120]  # below 128, so that its length takes one byte
        return Reply(error.status, bytes([8, code, 18, len(text)]) + text, PROTOBUF, headers)
    body = json.dumps({"code": code, "message": error.message}).encode()
    return Reply(error.status, body, JSON, headers)


def unpacked(body: bytes, encoding: str, most: int) -> bytes:
    """A body without its content encoding. Raises RefusedError for one that is unknown, damaged or too large."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise RefusedError(415, f"expected the content encoding gzip or none, got {encoding[:40]!r}")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        whole = unpacker.decompress(body, most + 1)
    except zlib.error as error:
        raise RefusedError(400, "expected a body in gzip") from error
    if len(whole) > most:
        raise RefusedError(413, f"expected a body of at most {most} bytes when unpacked")
    if not unpacker.eof:
        raise RefusedError(400, "expected a whole body in gzip")
    return whole


def content_type_of(header: str) -> str:
    """The format of a body. Raises RefusedError for one that OTLP does not have."""
    name = header.partition(";")[0].strip().lower()
    if name not in (PROTOBUF, JSON):
        raise RefusedError(415, f"expected the content type {PROTOBUF} or {JSON}, got {name[:60]!r}")
    return name


Accept = Callable[[str, str, bytes], Reply]
"""What is done with (path, content type, body); may raise RefusedError."""


class OtlpServer(ThreadingHTTPServer):
    """A listening OTLP endpoint. ``serve_forever`` runs it; ``quiesce`` refuses whatever comes from then on and
    waits for what is under way."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], accept: Accept, limits: Limits) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.accept, self.limits = accept, limits
        self.closing = False
        self._idle = threading.Condition()
        self._active = 0
        self._connections = threading.BoundedSemaphore(limits.connections)
        super().__init__(address, _Handler)

    def begin(self) -> bool:
        """Takes one of the places for requests, waiting a moment for it; False if there is none."""
        with self._idle:
            free = self._idle.wait_for(lambda: self._active < self.limits.requests, timeout=1.0)
            if not free or self.closing:
                return False
            self._active += 1
            return True

    def end(self) -> None:
        """Gives the place back."""
        with self._idle:
            self._active -= 1
            self._idle.notify_all()

    def quiesce(self, patience_s: float) -> bool:
        """Stops taking requests; whether those under way were done in time."""
        self.shutdown()
        self.server_close()
        with self._idle:
            self.closing = True
            return self._idle.wait_for(lambda: self._active == 0, timeout=patience_s)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that went away is no error of ours, and a library does not print."""


class _Handler(BaseHTTPRequestHandler):
    server: OtlpServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "stillhunt", ""

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(self.server.limits.idle_s)

    def do_POST(self) -> None:
        content_type = JSON
        try:
            if self.path.partition("?")[0] not in PATHS:
                raise RefusedError(404, f"expected one of {', '.join(PATHS)}")
            content_type = content_type_of(self.headers.get("Content-Type", ""))
            if not self.server.begin():
                raise RefusedError(503, "the receiver is busy or stopping")
            try:
                body = unpacked(
                    self._body(),
                    self.headers.get("Content-Encoding", "").strip().lower(),
                    self.server.limits.body_bytes,
                )
                reply = self.server.accept(self.path.partition("?")[0], content_type, body)
                self._send(reply)
            finally:
                self.server.end()
        except RefusedError as error:
            self.close_connection = True  # the rest of the body may still be on its way
            self._send(refusal(error, content_type))

    def do_GET(self) -> None:
        self.close_connection = True
        self._send(refusal(RefusedError(405, "expected POST"), JSON), {"Allow": "POST"})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: libraries do not print."""

    def _send(self, reply: Reply, more: Mapping[str, str] | None = None) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in {**reply.headers, **(more or {})}.items():
            self.send_header(name, value)
        if self.close_connection or self.server.closing:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(reply.body)

    def _body(self) -> bytes:
        most = self.server.limits.body_bytes
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunked(most)
        stated = self.headers.get("Content-Length")
        if stated is None:
            raise RefusedError(411, "expected Content-Length or chunks")
        if not (stated.isascii() and stated.isdecimal()):
            raise RefusedError(400, "expected a number in Content-Length")
        if len(stated) > 18 or int(stated) > most:
            raise RefusedError(413, f"expected a body of at most {most} bytes")
        return self._exactly(int(stated), time.monotonic() + self.server.limits.body_s)

    def _exactly(self, length: int, deadline: float) -> bytes:
        pieces: list[bytes] = []
        missing = length
        while missing:
            piece = self.rfile.read1(min(missing, _CHUNK))
            if not piece:
                raise RefusedError(400, "expected a whole body, got the end of the connection")
            if time.monotonic() > deadline:
                raise RefusedError(408, f"expected the whole body within {self.server.limits.body_s:g} s")
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _chunked(self, most: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        deadline = time.monotonic() + self.server.limits.body_s
        while True:
            line = self.rfile.readline(1024).partition(b";")[0].strip()
            try:
                length = int(line, 16) if line and line.isalnum() else -1
            except ValueError:
                length = -1
            if length < 0:
                raise RefusedError(400, "expected the length of a chunk")
            size += length
            if size > most:
                raise RefusedError(413, f"expected a body of at most {most} bytes")
            if length == 0:
                break
            pieces.append(self._exactly(length, deadline))
            if self.rfile.readline(8).strip():
                raise RefusedError(400, "expected the end of a chunk")
        while self.rfile.readline(_CHUNK).strip():  # trailers
            pass
        return b"".join(pieces)
