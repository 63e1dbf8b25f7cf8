"""``stillhunt ingest --otlp-listen`` as a process of its own, with the real OpenTelemetry SDK exporter before it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind
from typer.testing import CliRunner

from servers.command import STILLHUNT
from stillhunt.cli.main import app
from stillhunt.errors import InputError, OutputError, SettingError
from stillhunt.sources.ingest import Destination
from stillhunt.sources.lake import Lake, check_digests, is_lake, open_lake
from stillhunt.sources.receive import start_lake

SECRET = "the harbour ledger carries copper lanterns"


class Listener:
    """A running command; ``said`` is what it printed to standard error before it listened."""

    def __init__(self, lake: Path, *options: str, address: str = "127.0.0.1:0") -> None:
        command = [STILLHUNT, "ingest", "--otlp-listen", address, "--out", lake, "--json", *options,
                   "--key-file", lake.parent / "sketch.key"]  # fmt: skip
        self.lake = lake
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
        )
        assert self.process.stderr is not None
        self.said = ""
        while "listening on" not in self.said:
            line = self.process.stderr.readline()
            assert line, self.said
            self.said += line
        found = re.search(r"listening on (http://\S+) \(/v1/traces, /v1/logs\)", self.said)
        assert found is not None, self.said
        self.url = found[1]

    def post(self, *spans: dict[str, Any]) -> dict[str, Any]:
        """Sends spans as JSON; gives the reply."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=30)
        body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]})
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        reply: dict[str, Any] = json.loads(response.read())
        assert response.status == 200, reply
        connection.close()
        return reply

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, dict[str, Any]]:
        """Sends a signal; gives the exit status and the report."""
        self.process.send_signal(number)
        out, errors = self.process.communicate(timeout=60)
        assert "Traceback" not in errors, errors
        return self.process.returncode, json.loads(out)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=30)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Listener]]:
    """Listeners to be ended with the test, however it ends."""
    listeners: list[Listener] = []
    yield listeners
    for each in listeners:
        if each.process.poll() is None:
            each.kill()


def span(name: str, account: str | None = "a-1") -> dict[str, Any]:
    messages = [{"role": "user", "parts": [{"type": "text", "content": f"{SECRET} {name}"}]}]
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.response.id": name,
        "gen_ai.input.messages": json.dumps(messages),
        **({"enduser.id": account} if account else {}),
    }
    now = time.time_ns()
    return {
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
        "spanId": f"{abs(hash(name)) % 16**16:016x}",
        "startTimeUnixNano": str(now),
        "endTimeUnixNano": str(now + 1_000_000),
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()],
    }


def rows(lake: Path) -> list[dict[str, Any]]:
    found = open_lake(lake)
    check_digests(found)
    tables = [pq.read_table(path) for path in found.request_files]
    return pa.concat_tables(tables).to_pylist() if tables else []


def await_rows(lake: Path, count: int) -> Lake:
    """Waits until the lake has so many rows. Whenever it is looked at, all that it names is whole."""
    end = time.monotonic() + 60
    while True:
        found = open_lake(lake)
        check_digests(found)
        if found.written >= count:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("compression", "number"),
    [(Compression.Gzip, signal.SIGTERM), (Compression.NoCompression, signal.SIGINT)],
)
def test_what_the_real_exporter_sends_is_in_the_lake(
    compression: Compression, number: signal.Signals, tmp_path: Path, started: list[Listener]
) -> None:
    """Protobuf from opentelemetry-exporter-otlp-proto-http: content on the span, and in events of another export."""
    listener = Listener(tmp_path / "lake")
    started.append(listener)
    resource = Resource({"service.name": "gateway"})
    provider, logs = TracerProvider(resource=resource), LoggerProvider(resource=resource)
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(f"{listener.url}/v1/traces", compression=compression))
    )
    logs.add_log_record_processor(
        BatchLogRecordProcessor(OTLPLogExporter(f"{listener.url}/v1/logs", compression=compression))
    )
    tracer, logger = provider.get_tracer("test"), logs.get_logger("test")
    for index in range(120):
        with tracer.start_as_current_span("chat m", kind=SpanKind.SERVER) as current:
            current.set_attribute("gen_ai.operation.name", "chat")
            current.set_attribute("gen_ai.request.model", "m")
            current.set_attribute("gen_ai.response.id", f"r-{index}")
            current.set_attribute("enduser.id", f"account-{index % 7}")
            current.set_attribute("gen_ai.usage.output_tokens", index)
            question = f"{SECRET} number {index}"
            if index % 2:
                content = [{"role": "user", "parts": [{"type": "text", "content": question}]}]
                current.set_attribute("gen_ai.input.messages", json.dumps(content))
            else:
                logger.emit(LogRecord(event_name="gen_ai.user.message", body={"content": question}))
    provider.shutdown()
    logs.shutdown()
    status, report = listener.stop(number)
    assert (status, report["rows"]) == (0, {"read": 120, "written": 120, "rejected": 0})
    found = {row["request_id"]: row for row in rows(tmp_path / "lake")}
    assert set(found) == {f"r-{index}" for index in range(120)}
    for index in range(120):
        row = found[f"r-{index}"]
        assert (row["account_id"], row["output_tokens"]) == (f"account-{index % 7}", index)
        assert row["prompt_chars"] == len(f"{SECRET} number {index}")
        assert row["prompt_sketch"] is not None
    held = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"harbour ledger" not in held
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_it_publishes_in_parts_and_a_crash_loses_only_what_came_since(
    tmp_path: Path, started: list[Listener]
) -> None:
    lake = tmp_path / "lake"
    listener = Listener(lake, "--publish-every", "1")
    started.append(listener)
    assert open_lake(lake).written == 0  # the lake is there from the beginning
    sent = 0
    for part in range(2):
        for _ in range(20):
            listener.post(span(f"r-{sent}"))
            sent += 1
        assert len(await_rows(lake, sent).requests) == part + 1
    listener.post(span("lost"))
    listener.kill()
    assert {row["request_id"] for row in rows(lake)} == {f"r-{index}" for index in range(40)}

    again = Listener(lake, "--append")
    started.append(again)
    again.post(*(span(f"s-{index}") for index in range(5)))
    status, report = again.stop()
    assert (status, report["rows"]["written"]) == (0, 5)
    assert len(rows(lake)) == 45
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_cannot_be_used_is_told_kept_and_makes_the_run_partial(
    tmp_path: Path, started: list[Listener]
) -> None:
    listener = Listener(tmp_path / "lake", "--publish-every", "1")
    started.append(listener)
    reply = listener.post(span("nobody", account=None))  # also when nothing else has come yet
    assert reply["partialSuccess"]["rejectedSpans"] == "1"
    listener.post(span("good"))
    await_rows(tmp_path / "lake", 1)
    status, report = listener.stop()
    assert (status, report["rows"]) == (3, {"read": 2, "written": 1, "rejected": 1})
    (part,) = open_lake(tmp_path / "lake").rejections
    (line,) = map(json.loads, (tmp_path / "lake" / part.path).read_text().splitlines())
    assert line["file"] == listener.url.replace("http", "otlp", 1) + "/v1/traces"
    assert (line["row"], line["reason"].partition(":")[0]) == (1, "account_id")


def test_where_others_can_reach_it_and_stopped_before_anything_came(
    tmp_path: Path, started: list[Listener]
) -> None:
    listener = Listener(tmp_path / "lake", address="0.0.0.0:0")
    started.append(listener)
    assert listener.process.stderr is not None
    assert "can be reached from other machines" in listener.process.stderr.readline()
    assert listener.stop(signal.SIGINT)[0] == 0
    assert rows(tmp_path / "lake") == []
    result = CliRunner().invoke(app, ["scan", str(tmp_path / "lake"), "--out", str(tmp_path / "result")])
    assert isinstance(result.exception, InputError)
    assert "the lake holds no row yet" in str(result.exception)
    assert not (tmp_path / "result").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--otlp-listen", "localhost"], "expected an address with a port, got 'localhost'"),
        (["--otlp-listen", "127.0.0.1:99999"], "expected an address with a port"),
        (["--otlp-listen", "http://127.0.0.1:4318"], "expected an address with a port"),
        (["--otlp-listen", "192.0.2.1:4318"], "cannot listen on 192.0.2.1 port 4318"),
        (["log.jsonl", "--otlp-listen", "4318"], "--otlp-listen excludes LOGS"),
        (["--otlp-listen", "4318", "--kind", "otel_json"], "--otlp-listen excludes --kind"),
        (["--otlp-listen", "4318", "--map", "mapping.toml"], "--otlp-listen excludes --map"),
        ([], "expected logs to read, or an address to listen on; got neither"),
    ],
)
def test_arguments_that_make_no_sense(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["ingest", *arguments, "--out", str(tmp_path / "lake")])
    assert isinstance(result.exception, SettingError)
    assert message in str(result.exception)
    assert not (tmp_path / "lake").exists()


def test_a_place_that_is_taken(tmp_path: Path) -> None:
    key = ["--key-file", str(tmp_path / "sketch.key")]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    command = ["ingest", "--otlp-listen", "127.0.0.1:0", "--out", str(tmp_path / "full"), *key]
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, OutputError)
    assert "the output exists and is not empty" in str(result.exception)
    assert (tmp_path / "full" / "notes.txt").read_text() == "mine"

    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        command = ["ingest", "--otlp-listen", address, "--out", str(tmp_path / "lake"), *key]
        result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, SettingError)
    assert "cannot listen on 127.0.0.1" in str(result.exception)
    assert not is_lake(tmp_path / "lake")


def test_a_lake_made_otherwise_is_refused_at_once(tmp_path: Path) -> None:
    start_lake(Destination(tmp_path / "lake", keep_text=True))
    command = ["ingest", "--otlp-listen", "127.0.0.1:0", "--out", str(tmp_path / "lake"), "--append",
               "--key-file", str(tmp_path / "sketch.key")]  # fmt: skip
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, SettingError)
    assert "this lake was made with --keep-text" in str(result.exception)
    assert {number: signal.getsignal(number) for number in before} == before


def test_a_second_signal_ends_it_at_once(tmp_path: Path, started: list[Listener]) -> None:
    listener = Listener(tmp_path / "lake")
    started.append(listener)
    silent = socket.create_connection(tuple(listener.url.removeprefix("http://").split(":")), 30)  # type: ignore[arg-type]
    head = b"POST /v1/traces HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"
    with silent, suppress(OSError):
        silent.sendall(head)  # a body that never ends is waited for
        time.sleep(0.5)
        listener.process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert listener.process.poll() is None
        listener.process.send_signal(signal.SIGINT)
        listener.process.communicate(timeout=30)
    assert listener.process.returncode == 130
    assert open_lake(tmp_path / "lake").written == 0
