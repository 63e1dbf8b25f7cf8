"""A small OTLP/HTTP receiver as a Source: what OpenTelemetry exporters send becomes rows, until it is stopped.

A span that cannot be used is told to its sender as a partial success, and kept as a rejection. Whatever was
acknowledged is given before the source ends. There is no authentication: bind it to a loopback address, or put it
behind a collector or proxy that has one.
"""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from stillhunt.errors import SettingError
from stillhunt.schema.progress import Progress
from stillhunt.sources.forwarded import networks
from stillhunt.sources.otel import OTEL, Place, add_joined, take_piece
from stillhunt.sources.otel_join import Join
from stillhunt.sources.otel_pieces import Piece, json_pieces, log_pieces, trace_pieces
from stillhunt.sources.otlp_http import JSON, Limits, OtlpServer, RefusedError, Reply
from stillhunt.sources.records import Batch, RecordMapping, row_of
from stillhunt.sources.source import Parsed, Rejected

DEFAULT_HOST = "127.0.0.1"
FLUSH_S = 5.0
"""How long rows wait for a batch to fill."""
_TICK_S = 0.2
_PATIENCE_S = 10.0

Taken = tuple[list[tuple[Piece | Rejected, Place]], int]
"""The pieces of one request with their places, and how many bytes it had."""


def parse_address(text: str) -> tuple[str, int]:
    """Host and port from ``127.0.0.1:4318``, ``[::1]:4318``, ``localhost:4318`` or a port alone, which means
    loopback. Raises SettingError."""
    host, _, port = text.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        port = ""  # an IPv6 address without brackets
    if not (port.isascii() and port.isdecimal() and int(port) < 65_536):
        raise SettingError(
            f"expected an address with a port, got {text!r}",
            "--otlp-listen",
            "Such as 127.0.0.1:4318 or [::1]:4318.",
        )
    return host or DEFAULT_HOST, int(port)


class OtlpReceiver:
    """Listens from the moment it is made; :meth:`batches` gives what arrives until :meth:`stop`.

    address: see :func:`parse_address`; port 0 takes a free one. hold_s: how long a span waits for the events with
    its content. flush_s: how long rows wait for a batch to fill. Raises SettingError where it cannot listen.
    """

    def __init__(
        self,
        address: str,
        trusted_proxies: tuple[str, ...] = (),
        *,
        mapping: RecordMapping = OTEL,
        limits: Limits | None = None,
        hold_s: float = 5.0,
        flush_s: float = FLUSH_S,
    ) -> None:
        self._mapping, self._trusted = mapping, networks(trusted_proxies)
        self._limits = limits or Limits()
        self._hold_s, self._flush_s = hold_s, flush_s
        self._taken: queue.SimpleQueue[Taken] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting_bytes = 0
        self._counts: dict[str, int] = {}
        self._closed = False
        self._stopping = False
        self._done = False
        self._serving: threading.Thread | None = None
        self._batch = Batch(self._mapping, self._trusted)
        self._join: Join[Place] = Join(hold_s=self._hold_s)
        host, port = parse_address(address)
        try:
            self._server = OtlpServer((host, port), self._accept, self._limits)
        except (OSError, socket.gaierror) as error:
            raise SettingError(
                f"cannot listen on {host} port {port} ({error.strerror or error})",
                "--otlp-listen",
                "Name a free port on an address of this machine.",
            ) from error
        self.port = int(self._server.server_address[1])
        self._host = host

    @property
    def kind(self) -> str:
        return "otel_http"

    @property
    def location(self) -> str:
        return f"otlp://{f'[{self._host}]' if ':' in self._host else self._host}:{self.port}"

    @property
    def url(self) -> str:
        """The address that an exporter is given, such as ``http://127.0.0.1:4318``."""
        return self.location.replace("otlp://", "http://", 1)

    @property
    def is_local(self) -> bool:
        """Whether only programs of this machine can reach it."""
        return ip_address(str(self._server.server_address[0])).is_loopback

    @property
    def is_done(self) -> bool:
        """Whether it was stopped and everything that was acknowledged has been given."""
        return self._done

    def close(self) -> None:
        """Stops listening at once. What was acknowledged and not given is lost."""
        self._closed = True
        if self._serving is None:
            self._server.server_close()
        elif not self._server.closing:
            self._server.quiesce(0.0)

    def stop(self) -> None:
        """Ends :meth:`batches` after everything that was acknowledged; may be called from a signal handler."""
        self._stopping = True

    def batches(self, progress: Progress) -> Iterator[Parsed]:
        """What arrives until :meth:`stop`, in batches of at least one row, at the latest ``flush_s`` after its arrival
        and ``hold_s`` of waiting for its events. Can be iterated once."""
        try:
            yield from self.stretch(float("inf"), progress)
        finally:
            self.close()

    def stretch(self, seconds: float, progress: Progress) -> Iterator[Parsed]:
        """As :meth:`batches`, but ends ``seconds`` after the first batch was given, while it goes on listening; the
        next stretch takes up from there."""
        progress.stage("receiving OpenTelemetry", None, "rows")
        if self._serving is None:
            self._serving = threading.Thread(target=self._server.serve_forever, args=(_TICK_S,), daemon=True)
            self._serving.start()
        flushed, ends = time.monotonic(), float("inf")
        while not self._stopping and time.monotonic() < ends:
            with suppress(queue.Empty):
                for _ in self._next(_TICK_S):
                    ends = min(ends, time.monotonic() + seconds)
                    yield self._give(progress)
            for joined in self._join.expired(time.monotonic()):
                add_joined(self._batch, joined)
                if self._batch.is_full:
                    ends = min(ends, time.monotonic() + seconds)
                    yield self._give(progress)
            if not self._batch.is_empty and time.monotonic() - flushed >= self._flush_s:
                ends = min(ends, time.monotonic() + seconds)
                yield self._give(progress)
                flushed = time.monotonic()
        if self._stopping:
            yield from self._rest(progress)
        elif not self._batch.is_empty:
            yield self._give(progress)

    def _rest(self, progress: Progress) -> Iterator[Parsed]:
        """Stops listening, then gives everything that was acknowledged."""
        self._server.quiesce(_PATIENCE_S)
        with self._lock:
            self._closed = True
        with suppress(queue.Empty):
            while True:
                for _ in self._next(0.0):
                    yield self._give(progress)
        for joined in self._join.rest():
            add_joined(self._batch, joined)
            if self._batch.is_full:
                yield self._give(progress)
        if not self._batch.is_empty:
            yield self._give(progress)
        self._done = True

    def _give(self, progress: Progress) -> Parsed:
        parsed = self._batch.take()
        progress.advance(parsed.requests.num_rows)
        return parsed

    def _next(self, wait_s: float) -> Iterator[None]:
        """Puts the oldest request that waits into the batch; comes back whenever it is to be taken. Raises
        queue.Empty when none came within ``wait_s``."""
        items, size = self._taken.get(timeout=wait_s) if wait_s else self._taken.get_nowait()
        for item, place in items:
            if isinstance(item, Rejected):
                self._batch.reject(item)
            else:
                yield from take_piece(item, place, self._join, self._batch, time.monotonic())
            if self._batch.is_full:
                yield
        with self._lock:
            self._waiting_bytes -= size

    # --- on the threads of the server ---

    def _accept(self, path: str, content_type: str, body: bytes) -> Reply:
        """Takes one export request; the reply says how much of it can be used."""
        with self._lock:
            if self._closed:
                raise RefusedError(503, "the receiver is stopping")
            if self._waiting_bytes + len(body) > self._limits.waiting_bytes and self._waiting_bytes:
                raise RefusedError(503, "the receiver has not written yet what it was sent before")
            self._waiting_bytes += len(body)
        try:
            items, reasons = self._items(path, content_type, body)
        except RefusedError:
            with self._lock:
                self._waiting_bytes -= len(body)
            raise
        with self._lock:
            if self._closed:
                raise RefusedError(503, "the receiver is stopping")
            self._taken.put((items, len(body)))
        return _answer(path, content_type, reasons)

    def _items(
        self, path: str, content_type: str, body: bytes
    ) -> tuple[list[tuple[Piece | Rejected, Place]], list[str]]:
        items: list[tuple[Piece | Rejected, Place]] = []
        reasons: list[str] = []
        pieces = list(_pieces(path, content_type, body))
        with self._lock:
            first = self._counts.get(path, 0)
            self._counts[path] = first + len(pieces)
        for row, piece in enumerate(pieces, first + 1):
            place = (f"{self.location}{path}", row)
            fault = Rejected(*place, piece) if isinstance(piece, str) else self._fault(piece, place)
            if fault is not None:
                reasons.append(fault.reason)
                items.append((fault, place))
            elif not isinstance(piece, str):
                items.append((piece, place))
        return items, reasons

    def _fault(self, piece: Piece, place: Place) -> Rejected | None:
        """Why a span cannot be used. Of an event this cannot be said before its span has come."""
        if piece.what != "span" or self._mapping.passed_over(piece.values) is not None:
            return None
        row = row_of(piece.values, self._mapping, self._trusted)
        return Rejected(*place, row.reason, row.value) if isinstance(row, Rejected) else None


def _pieces(path: str, content_type: str, body: bytes) -> Iterator[Piece | str]:
    traces = path == "/v1/traces"
    if content_type == JSON:
        try:
            request = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise RefusedError(400, "expected JSON") from error
        if not isinstance(request, dict):
            raise RefusedError(400, "expected a JSON object")
        wanted = ("resourceSpans", "resource_spans") if traces else ("resourceLogs", "resource_logs")
        return json_pieces({name: request[name] for name in wanted if name in request})
    message: Any = ExportTraceServiceRequest() if traces else ExportLogsServiceRequest()
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise RefusedError(400, f"expected a protobuf {message.DESCRIPTOR.name}") from error
    return trace_pieces(message) if traces else log_pieces(message)


def _answer(path: str, content_type: str, reasons: list[str]) -> Reply:
    """200, with a partial success where something was rejected."""
    traces = path == "/v1/traces"
    text = f"{len(reasons)} rejected; the first: {reasons[0]}" if reasons else ""
    if content_type == JSON:
        count = "rejectedSpans" if traces else "rejectedLogRecords"
        partial = {"partialSuccess": {count: str(len(reasons)), "errorMessage": text}} if reasons else {}
        return Reply(200, json.dumps(partial).encode(), content_type)
    response: Any = ExportTraceServiceResponse() if traces else ExportLogsServiceResponse()
    if reasons:
        response.partial_success.error_message = text
        if traces:
            response.partial_success.rejected_spans = len(reasons)
        else:
            response.partial_success.rejected_log_records = len(reasons)
    return Reply(200, response.SerializeToString(), content_type)
