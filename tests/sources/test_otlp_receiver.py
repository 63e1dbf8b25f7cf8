"""The receiver against the real OpenTelemetry SDK exporter, and against senders that mean it no good."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

from stillhunt.errors import SettingError
from stillhunt.schema.progress import Silent
from stillhunt.sources.otlp_http import Limits
from stillhunt.sources.otlp_receiver import OtlpReceiver, parse_address
from stillhunt.sources.source import Parsed


class Running:
    """A receiver whose batches are collected on a thread."""

    def __init__(self, **options: Any) -> None:
        self.receiver = OtlpReceiver("127.0.0.1:0", **{"hold_s": 0.5, "flush_s": 0.1, **options})
        self.port = self.receiver.port
        self.batches: list[Parsed] = []
        self._thread = threading.Thread(target=self._collect)
        self._thread.start()

    def _collect(self) -> None:
        self.batches.extend(self.receiver.batches(Silent()))

    def stop(self) -> list[dict[str, Any]]:
        self.receiver.stop()
        self._thread.join(30)
        assert not self._thread.is_alive()
        return [row for batch in self.batches for row in batch.requests.to_pylist()]

    def post(self, path: str, body: bytes, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", path, body, {"Content-Type": "application/json", **named})
        response = connection.getresponse()
        found = response.status, response.read(), dict(response.getheaders())
        connection.close()
        return found


@pytest.fixture
def running() -> Iterator[Running]:
    receiver = Running()
    yield receiver
    receiver.stop()


def span(span_id: str = "00f067aa0ba902b7", account: str | None = "a-1") -> dict[str, Any]:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "enduser.id": account}
    return {
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
        "spanId": span_id,
        "startTimeUnixNano": "1760000000000000000",
        "endTimeUnixNano": "1760000001000000000",
        "attributes": [
            {"key": key, "value": {"stringValue": value}} for key, value in attributes.items() if value
        ],
    }


def traces(*spans: dict[str, Any]) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}).encode()


# --- the real exporter ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_what_the_real_sdk_exporter_sends_becomes_rows(running: Running, compression: Compression) -> None:
    """opentelemetry-sdk with opentelemetry-exporter-otlp-proto-http: spans with content of nested lists as JSON
    strings (span attributes hold no nested values), log events with structured bodies, old and new names, errors."""
    endpoint = f"http://127.0.0.1:{running.port}/v1"
    resource = Resource({"service.name": "gateway"})
    provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/traces", compression=compression)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=50))
    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(
        BatchLogRecordProcessor(OTLPLogExporter(endpoint=f"{endpoint}/logs", compression=compression))
    )
    tracer, logger = provider.get_tracer("test"), logs.get_logger("test")
    for number in range(200):
        with tracer.start_as_current_span("chat m", kind=SpanKind.CLIENT) as current:
            current.set_attribute("gen_ai.operation.name", "chat")
            current.set_attribute("gen_ai.request.model", "m")
            current.set_attribute("enduser.id", f"account-{number % 7}")
            current.set_attribute("gen_ai.response.id", f"r-{number}")
            if number % 4 == 0:  # new: content on the span
                current.set_attribute("gen_ai.usage.input_tokens", number)
                content = [{"role": "user", "parts": [{"type": "text", "content": f"question {number}"}]}]
                current.set_attribute("gen_ai.input.messages", json.dumps(content))
            elif number % 4 == 1:  # old: an event per message, in another export
                current.set_attribute("gen_ai.usage.prompt_tokens", number)
                logger.emit(
                    LogRecord(event_name="gen_ai.user.message", body={"content": f"question {number}"})
                )
                logger.emit(
                    LogRecord(
                        event_name="gen_ai.choice",
                        body={
                            "index": 0,
                            "finish_reason": "stop",
                            "message": {"content": f"answer {number}"},
                        },
                    )
                )
            elif number % 4 == 2:  # new: the whole exchange in one event, structured
                content_ = [{"role": "user", "parts": [{"type": "text", "content": f"question {number}"}]}]
                logger.emit(
                    LogRecord(
                        event_name="gen_ai.client.inference.operation.details",
                        attributes={"gen_ai.input.messages": content_, "gen_ai.usage.input_tokens": number},
                    )
                )
            else:  # refused
                current.set_attribute("error.type", "429")
                current.set_status(Status(StatusCode.ERROR))
                current.set_attribute("gen_ai.usage.input_tokens", number)
        with tracer.start_as_current_span("GET /health"):
            pass
    provider.shutdown()
    logs.shutdown()
    rows = running.stop()
    assert sorted(row["request_id"] for row in rows) == sorted(f"r-{number}" for number in range(200))
    for row in rows:
        number = int(row["request_id"][2:])
        refused = number % 4 == 3
        assert row["account_id"] == f"account-{number % 7}"
        assert row["input_tokens"] == number
        assert row["status"] == (429 if refused else 200)
        assert row["prompt"] == (None if refused else f"question {number}")
        assert row["completion"] == (f"answer {number}" if number % 4 == 1 else None)
        assert abs(row["time"].timestamp() - time.time()) < 300
        assert 0 <= row["latency_ms"] < 60_000
    assert sum(sum(batch.notes.values()) for batch in running.batches) == 200  # the spans of something else
    assert not any(batch.rejected for batch in running.batches)


# --- replies --------------------------------------------------------------------------------------------------


def test_replies_are_in_the_format_of_the_request(running: Running) -> None:
    status, body, headers = running.post("/v1/traces", traces(span()))
    assert (status, json.loads(body), headers["Content-Type"]) == (200, {}, "application/json")

    request = ExportTraceServiceRequest()
    one = request.resource_spans.add().scope_spans.add().spans.add()
    one.trace_id, one.span_id, one.start_time_unix_nano = b"t" * 16, b"s" * 8, 1_760_000_000_000_000_000
    one.attributes.add(key="gen_ai.request.model").value.string_value = "m"
    status, body, headers = running.post(
        "/v1/traces", request.SerializeToString(), Content_Type="application/x-protobuf"
    )
    response = ExportTraceServiceResponse.FromString(body)
    assert (status, headers["Content-Type"]) == (200, "application/x-protobuf")
    assert response.partial_success.rejected_spans == 1
    assert "account_id: expected a value in" in response.partial_success.error_message
    assert [row["account_id"] for row in running.stop()] == ["a-1"]


def test_what_is_rejected_is_said_to_the_sender_and_kept(running: Running) -> None:
    bad = {**span("02"), "startTimeUnixNano": "soon"}
    status, body, _ = running.post("/v1/traces", traces(span("01"), bad, span("03", account=None)))
    partial = json.loads(body)["partialSuccess"]
    assert status == 200
    assert partial["rejectedSpans"] == "2"
    assert partial["errorMessage"].startswith("2 rejected; the first: time: expected a time")
    assert [row["request_id"] for row in running.stop()] == ["01"]
    rejected = [each for batch in running.batches for each in batch.rejected]
    assert [(each.row, each.value) for each in rejected] == [(2, "soon"), (3, "")]
    assert {each.file for each in rejected} == {f"otlp://127.0.0.1:{running.port}/v1/traces"}


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "message"),
    [
        ("/v1/metrics", b"{}", {}, 404, "expected one of /v1/traces, /v1/logs"),
        ("/v1/traces", b"{}", {"Content_Type": "text/plain"}, 415, "expected the content type"),
        ("/v1/traces", b"{}", {"Content_Encoding": "br"}, 415, "expected the content encoding gzip"),
        ("/v1/traces", b"{", {}, 400, "expected JSON"),
        ("/v1/traces", b"[" * 100_000, {}, 400, "expected JSON"),
        ("/v1/traces", b"[]", {}, 400, "expected a JSON object"),
        ("/v1/traces", b"\xff\xff", {"Content_Type": "application/x-protobuf"}, 400, "ExportTraceServiceRequest"),
        ("/v1/logs", b"\xff\xff", {"Content_Type": "application/x-protobuf"}, 400, "ExportLogsServiceRequest"),
        ("/v1/traces", b"no gzip", {"Content_Encoding": "gzip"}, 400, "expected a body in gzip"),
        ("/v1/traces", gzip.compress(b"{}" * 99, mtime=0)[:-9], {"Content_Encoding": "gzip"}, 400, "whole body"),
        ("/v1/traces", b"", {"Content_Length": "x"}, 400, "expected a number in Content-Length"),
    ],
)  # fmt: skip
def test_what_is_no_otlp_is_refused(
    running: Running, path: str, body: bytes, headers: dict[str, str], status: int, message: str
) -> None:
    found, reply, kind = running.post(path, body, **headers)
    assert found == status
    assert message.encode() in reply
    if kind["Content-Type"] == "application/json":
        assert message in json.loads(reply)["message"]
    else:
        assert reply[:3] == b"\x08\x03\x12"  # google.rpc.Status: code INVALID_ARGUMENT, then the message


def test_other_methods_and_an_empty_export(running: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    connection.request("GET", "/v1/traces")
    response = connection.getresponse()
    assert (response.status, response.getheader("Allow")) == (405, "POST")
    assert running.post("/v1/logs", b"{}")[0] == 200
    assert running.stop() == []


def test_sizes_are_bounded_as_sent_and_unpacked() -> None:
    running = Running(limits=Limits(body_bytes=10_000))
    bomb = gzip.compress(b" " * 10_000_000, mtime=0)
    assert len(bomb) < 10_000
    assert running.post("/v1/traces", bomb, Content_Encoding="gzip")[0] == 413
    assert running.post("/v1/traces", b" " * 10_001)[0] == 413
    assert running.post("/v1/traces", b"", Content_Length="9" * 30)[0] == 413
    assert running.post("/v1/traces", traces(span()))[0] == 200
    assert len(running.stop()) == 1


def test_chunks(running: Running) -> None:
    def send(body: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", running.port), 30) as sender:
            head = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
            sender.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + body)
            sender.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: sender.recv(65_536), b""))

    body = traces(span())
    cut = len(body) // 2
    chunks = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(part), part) for part in (body[:cut], body[cut:]))
    assert b" 200 OK" in send(chunks + b"0\r\nTrailer: x\r\n\r\n")
    assert b" 400 " in send(b"zz\r\n")
    assert b" 400 " in send(b"5\r\nabc")
    assert b" 413 " in send(b"fffffffff\r\n")
    assert [row["request_id"] for row in running.stop()] == ["00f067aa0ba902b7"]


def test_a_full_receiver_says_to_come_again() -> None:
    """Nobody takes the batches, so what is acknowledged waits; beyond the limit the sender must wait too."""
    receiver = OtlpReceiver("127.0.0.1:0", limits=Limits(waiting_bytes=100_000), flush_s=0.0, hold_s=0.0)
    batches = receiver.batches(Silent())
    first: list[Parsed] = []
    taker = threading.Thread(target=lambda: first.append(next(batches)))
    taker.start()
    body = traces(*(span(f"{number:04x}") for number in range(100)))
    sent = {200: 0, 503: 0}
    for _ in range(8):
        connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=30)
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        sent[response.status] += 1
        if response.status == 503:
            assert response.getheader("Retry-After") == "1"
        connection.close()
        taker.join(5)  # one batch was taken; the rest stays
    assert sent[503] >= 2
    receiver.stop()
    rows = first[0].requests.num_rows + sum(batch.requests.num_rows for batch in batches)
    assert sent[200] >= 1
    assert rows == 100  # the same ids again are no new exchange


# --- stopping -------------------------------------------------------------------------------------------------


def test_everything_acknowledged_is_given_when_it_stops() -> None:
    running = Running(hold_s=60.0, flush_s=60.0)
    acknowledged: list[str] = []
    stopped = threading.Event()

    def send(worker: int) -> None:
        number = 0
        while not stopped.is_set():
            name = f"{worker:02x}{number:014x}"
            number += 1
            try:
                if running.post("/v1/traces", traces(span(name)))[0] == 200:
                    acknowledged.append(name)
            except OSError:
                return  # it no longer listens

    senders = [threading.Thread(target=send, args=(worker,)) for worker in range(4)]
    for sender in senders:
        sender.start()
    while len(acknowledged) < 50:
        time.sleep(0.01)
    rows = running.stop()
    stopped.set()
    for sender in senders:
        sender.join(30)
    assert sorted(row["request_id"] for row in rows) == sorted(acknowledged)


PROGRAM = """
import json, signal, sys
from stillhunt.schema.progress import Silent
from stillhunt.sources.otlp_receiver import OtlpReceiver
receiver = OtlpReceiver("127.0.0.1:0", hold_s=60.0, flush_s=60.0)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: receiver.stop())
print(receiver.port, flush=True)
print(sum(batch.requests.num_rows for batch in receiver.batches(Silent())), flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_with_everything_given(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stdout is not None
    port = int(process.stdout.readline())
    for index in range(20):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request(
            "POST", "/v1/traces", traces(span(f"{index:04x}")), {"Content-Type": "application/json"}
        )
        assert connection.getresponse().status == 200
        connection.close()
    process.send_signal(number)
    assert process.stdout.read() == "20\n"
    assert process.wait(30) == 0


def test_a_silent_sender_does_not_keep_it_from_stopping() -> None:
    running = Running(limits=Limits(idle_s=1.0))
    with socket.create_connection(("127.0.0.1", running.port), 30) as silent:
        silent.sendall(
            b"POST /v1/traces HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"
        )
        time.sleep(0.2)
        assert running.stop() == []


# --- where it listens -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:4318", ("127.0.0.1", 4318)),
        ("[::1]:4318", ("::1", 4318)),
        ("localhost:0", ("localhost", 0)),
        ("4318", ("127.0.0.1", 4318)),
        (":4318", ("127.0.0.1", 4318)),
    ],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize("text", ["", "localhost", "127.0.0.1:http", "::1:4318", "x:70000", "x:-1"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(SettingError, match=r"--otlp-listen: expected an address with a port"):
        parse_address(text)


def test_a_port_in_use_and_an_address_of_another_machine() -> None:
    running = Running()
    for address in (f"127.0.0.1:{running.port}", "192.0.2.1:0", "no.such.host.invalid:1"):
        with pytest.raises(SettingError, match=r"--otlp-listen: cannot listen on"):
            OtlpReceiver(address)
    running.stop()


def test_ipv6() -> None:
    receiver = OtlpReceiver("[::1]:0")
    assert receiver.location == f"otlp://[::1]:{receiver.port}"
    receiver.close()


# --- in stretches ---------------------------------------------------------------------------------------------


def test_stretches_follow_each_other_and_lose_nothing() -> None:
    receiver = OtlpReceiver("127.0.0.1:0", hold_s=0.1, flush_s=0.05)
    stretches: list[list[str]] = []

    def collect() -> None:
        while not receiver.is_done:
            batches = list(receiver.stretch(0.3, Silent()))
            stretches.append([row["request_id"] for batch in batches for row in batch.requests.to_pylist()])

    collector = threading.Thread(target=collect)
    collector.start()
    names = [f"{number:04x}" for number in range(1, 41)]
    for name in names:
        connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=30)
        connection.request("POST", "/v1/traces", traces(span(name)), {"Content-Type": "application/json"})
        assert connection.getresponse().status == 200
        connection.close()
        time.sleep(0.03)
    receiver.stop()
    collector.join(30)
    assert receiver.is_done
    assert sorted(name for stretch in stretches for name in stretch) == names
    assert len(stretches) > 2
    assert all(stretches[:-1])  # a stretch begins with its first row, so that only the last may be empty


def test_closed_before_it_was_stopped_it_no_longer_listens() -> None:
    receiver = OtlpReceiver("127.0.0.1:0", flush_s=0.05, hold_s=0.0)
    first: list[Parsed] = []
    taker = threading.Thread(target=lambda: first.append(next(receiver.stretch(60.0, Silent()))))
    taker.start()
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=30)
    connection.request("POST", "/v1/traces", traces(span()), {"Content-Type": "application/json"})
    assert connection.getresponse().status == 200
    connection.close()
    taker.join(30)
    assert first[0].requests.num_rows == 1
    assert receiver.is_local
    receiver.close()
    receiver.close()  # twice is no harm
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", receiver.port), 5).close()
