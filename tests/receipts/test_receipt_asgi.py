"""The middleware on a real server: plain answers, streams, answers that break off, receipts fetched later."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asgi_server import serving
from http_message_signatures import HTTPMessageVerifier, MappingKeyResolver, algorithms
from http_message_signatures.exceptions import HTTPMessageSignaturesException
from receipt_scene import NAME

from stillhunt.receipts import asgi
from stillhunt.receipts.asgi import Receipts, account_of_credential
from stillhunt.receipts.chain import verify_chain
from stillhunt.receipts.document import read_document
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.issuer import Issuer, IssuerSettings
from stillhunt.receipts.keys import new_keys, read_keys, write_keys
from stillhunt.receipts.trust import Trust, read_trust
from stillhunt.receipts.verify import split_stream, verify

PLAIN = b'{"model":"example-large-2","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9}}'
OPENAI = [
    b'data: {"model":"example-large-2","choices":[{"delta":{"content":"h',
    b'\xc3\xa9"}}]}\n\n',
    b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\ndata: [DONE]\n\n',
]
ANTHROPIC = [
    b'event: message_start\ndata: {"type":"message_start","message":{"model":"example-mid-1","usage":'
    b'{"input_tokens":11,"output_tokens":1}}}\n\n',
    b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":42}}\n\n',
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
]
RESPONSES = [
    b'event: response.completed\ndata: {"response":{"model":"example-large-3","usage":'
    b'{"input_tokens":5,"output_tokens":6}}}\n\n'
]


async def gateway(scope: Any, receive: Any, send: Any) -> None:
    """A gateway in small: what it answers depends on the path."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": message["type"] + ".complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body, more = b"", scope["path"] != "/unread"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message.get("body", b""), message.get("more_body", False)
    pieces, kind, status = [PLAIN], b"application/json", 200
    if scope["path"] == "/echo":
        pieces = [body[:1], body[1:]]
    elif scope["path"] == "/error":
        pieces, status = [b'{"error":"no"}'], 429
    elif scope["path"] == "/empty":
        pieces, status = [b""], 204
    elif scope["path"] == "/large":
        pieces = [b"x" * 1000] * 5
    elif scope["path"] == "/lines":
        pieces, kind = [b'{"n":1}\n', b'{"n":2}\n'], b"application/x-ndjson"
    elif scope["path"] == "/packed":
        pieces, kind = [b"packed 1", b"packed 2"], b"text/event-stream"
    elif scope["path"] != "/plain" and scope["path"] != "/unread":
        kind = b"text/event-stream; charset=utf-8"
        pieces = {"/openai": OPENAI, "/anthropic": ANTHROPIC, "/responses": RESPONSES, "/nothing": [b""]}.get(
            scope["path"], [b"data: 1\n\n", b"data: 2"]
        )
    headers = [(b"content-type", kind)]
    if scope["path"] == "/packed":
        headers.append((b"content-encoding", b"x-test"))
    elif status != 204 and scope["path"] not in ("/large", "/lines"):
        headers.append((b"content-length", str(sum(map(len, pieces))).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for number, piece in enumerate(pieces):
        if scope["path"] == "/breaks" and number == 1:
            raise RuntimeError("broke off")
        if scope["path"] == "/slow" and number == 1:
            message = await receive()
            assert message["type"] == "http.disconnect"
            raise asyncio.CancelledError
        await send({"type": "http.response.body", "body": piece, "more_body": number < len(pieces) - 1})


@dataclass
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Gateway:
    """The gateway behind the middleware, served."""

    address: str
    trust: Trust
    middleware: Receipts

    def ask(self, path: str, body: bytes = b"ask", account: str = "acme", method: str = "POST") -> Answered:
        connection = http.client.HTTPConnection(self.address.removeprefix("http://"), timeout=20)
        headers = {"Authorization": f"Bearer {account}"} if account else {}
        connection.request(method, path, body if method == "POST" else None, headers)
        got = connection.getresponse()
        try:
            return Answered(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
        finally:
            connection.close()

    def logged(self, receipt_id: str, account: str = "acme") -> str:
        """The document with its proof; waits for the batch."""
        end = time.monotonic() + 20
        while True:
            got = self.ask(f"/receipts/{receipt_id}", account=account, method="GET")
            assert got.status == 200, got
            if read_document(got.body).proof is not None:
                return got.body.decode()
            assert time.monotonic() < end
            time.sleep(0.02)


def make_keys(folder: Path) -> Path:
    path = folder / "issuer.json"
    write_keys(new_keys(NAME, datetime(2026, 1, 1, tzinfo=UTC)), path)
    return path


@pytest.fixture
def gateway_at(tmp_path: Path) -> Iterator[Gateway]:
    path = make_keys(tmp_path)
    settings = IssuerSettings(batch_ms=30)
    middleware = Receipts(gateway, store=tmp_path / "store", keys=path, settings=settings)
    with serving(middleware) as address:
        yield Gateway(address, read_trust(read_keys(path).trust()), middleware)


def test_a_plain_answer_carries_its_receipt_and_the_document_follows(gateway_at: Gateway) -> None:
    got = gateway_at.ask("/plain", b'{"ask":1}')
    assert (got.status, got.body) == (200, PLAIN)
    assert got.headers["content-length"] == str(len(PLAIN))
    document = gateway_at.logged(got.headers["receipt-id"])
    found = verify(document, gateway_at.trust, request=b'{"ask":1}', response=got.body)
    receipt = found.receipt
    assert (found.index, receipt.sequence, receipt.stream, receipt.complete) == (0, 1, False, True)
    assert (receipt.model, receipt.input_tokens, receipt.output_tokens) == ("example-large-2", 7, 9)
    assert abs(receipt.when.timestamp() - time.time()) < 60


@dataclass
class Response:
    """What an RFC 9421 verifier looks at."""

    status_code: int
    headers: dict[str, str]
    request: None = None


def test_another_library_verifies_the_header_fields(gateway_at: Gateway) -> None:
    got = gateway_at.ask("/plain")
    key = gateway_at.middleware.issuer().keys.current
    key_id = f"{NAME}+{key.public.id.hex()}"
    resolver = MappingKeyResolver(private_keys={}, public_keys={key_id: key.private.public_key()})
    verifier = HTTPMessageVerifier(signature_algorithm=algorithms.ED25519, key_resolver=resolver)

    def check(status: int, headers: dict[str, str], body: bytes) -> Any:
        return verifier.verify(Response(status, headers), body=body, expect_tag="stillhunt-receipt")

    (found,) = check(got.status, got.headers, got.body)
    assert set(found.covered_components) - {'"@signature-params"'} == {
        '"@status"',
        '"content-digest"',
        '"receipt-id"',
    }
    assert found.body == got.body
    for status, changed, body in [
        (201, {}, got.body),
        (200, {"receipt-id": "00" * 16}, got.body),
        (200, {}, got.body + b" "),
    ]:
        with pytest.raises(HTTPMessageSignaturesException):
            check(status, {**got.headers, **changed}, body)


@pytest.mark.parametrize(
    ("path", "pieces", "said"),
    [
        ("/openai", OPENAI, ("example-large-2", 3, 4)),
        ("/anthropic", ANTHROPIC, ("example-mid-1", 11, 42)),
        ("/responses", RESPONSES, ("example-large-3", 5, 6)),
        ("/nothing", [b""], ("", None, None)),
        ("/unended", [b"data: 1\n\n", b"data: 2", b"\n\n"], ("", None, None)),
    ],
)
def test_a_stream_ends_with_its_receipt(
    path: str, pieces: list[bytes], said: tuple[str, int | None, int | None], gateway_at: Gateway
) -> None:
    got = gateway_at.ask(path)
    assert "content-length" not in got.headers
    body, document = split_stream(got.body)
    assert body == b"".join(pieces)
    assert document is not None
    found = verify(document, gateway_at.trust, request=b"ask", response=got.body, promise=True)
    receipt = found.receipt
    assert (receipt.model, receipt.input_tokens, receipt.output_tokens) == said
    assert (receipt.stream, receipt.complete) == (True, True)
    for wrong in (
        b"x" + got.body,
        got.body + b"data: more\n\n",
        body + b"\n",
        got.body + got.body[len(body) :],
    ):
        with pytest.raises(VerificationError):
            verify(document, gateway_at.trust, response=wrong, promise=True)
    assert verify(gateway_at.logged(receipt.id), gateway_at.trust, response=got.body).index == 0


def test_one_accounts_answers_make_a_chain_and_are_listed(gateway_at: Gateway) -> None:
    for number in range(6):
        gateway_at.ask("/plain" if number % 2 else "/openai", b"%d" % number)
        gateway_at.ask("/plain", account="bolt")
    listed = gateway_at.ask("/receipts?after=0", method="GET").body.splitlines()
    assert (
        verify_chain([read_document(line) for line in listed], gateway_at.trust, ordered=True).receipts == 6
    )
    after = gateway_at.ask("/receipts?after=4", method="GET").body.splitlines()
    assert [read_document(line).receipt.sequence for line in after] == [5, 6]
    assert gateway_at.ask("/receipts?after=x", method="GET").status == 400


def test_receipts_are_for_their_account_alone(gateway_at: Gateway) -> None:
    receipt_id = gateway_at.ask("/plain").headers["receipt-id"]
    path = f"/receipts/{receipt_id}"
    assert gateway_at.ask(path, method="GET").status == 200
    assert gateway_at.ask(path, account="bolt", method="GET").status == 404
    assert gateway_at.ask(path, account="", method="GET").status == 401
    assert gateway_at.ask("/receipts/" + "00" * 16, method="GET").status == 404
    assert gateway_at.ask("/receipts/../x", method="GET").status == 404


def test_without_an_account_an_answer_passes_as_it_is(gateway_at: Gateway) -> None:
    for got in (gateway_at.ask("/plain", account=""), gateway_at.ask("/plain", method="GET")):
        assert (got.status, got.body) == (200, PLAIN)
        assert "receipt-id" not in got.headers
    assert gateway_at.middleware.issuer().size == 0


def test_errors_have_receipts_and_empty_answers_no_fields(gateway_at: Gateway) -> None:
    got = gateway_at.ask("/error")
    assert got.status == 429
    assert verify(gateway_at.logged(got.headers["receipt-id"]), gateway_at.trust).receipt.status == 429
    got = gateway_at.ask("/empty")
    assert (got.status, "receipt-id" in got.headers) == (204, False)
    assert gateway_at.middleware.issuer().size == 2


def test_a_request_in_pieces_is_committed_to_as_a_whole(gateway_at: Gateway) -> None:
    content = bytes(range(256)) * 2000
    got = gateway_at.ask("/echo", content)
    assert got.body == content
    document = gateway_at.logged(got.headers["receipt-id"])
    assert verify(document, gateway_at.trust, request=content, response=content).receipt.complete


def test_a_request_that_was_not_read_shows(gateway_at: Gateway) -> None:
    got = gateway_at.ask("/unread", b"ask")
    assert not read_document(gateway_at.logged(got.headers["receipt-id"])).receipt.complete


def test_an_answer_too_large_to_hold_passes_and_is_listed(
    gateway_at: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "MOST_HELD", 2500)
    got = gateway_at.ask("/large")
    assert got.body == b"x" * 5000
    assert "receipt-id" not in got.headers
    (listed,) = gateway_at.ask("/receipts", method="GET").body.splitlines()
    assert verify(listed, gateway_at.trust, response=got.body, promise=True).response


@pytest.mark.parametrize("path", ["/lines", "/packed"])
def test_what_has_no_stated_length_passes_and_is_listed(path: str, gateway_at: Gateway) -> None:
    got = gateway_at.ask(path)
    assert "receipt-id" not in got.headers
    (listed,) = gateway_at.ask("/receipts", method="GET").body.splitlines()
    found = verify(listed, gateway_at.trust, response=got.body, promise=True)
    assert (found.receipt.stream, found.receipt.complete) == (False, True)


@pytest.mark.parametrize("path", ["/breaks", "/slow"])
def test_a_stream_that_breaks_off_has_a_receipt_that_says_so(path: str, gateway_at: Gateway) -> None:
    host, port = gateway_at.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as wire:
        wire.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer acme\r\nContent-Length: 3\r\n\r\nask".encode()
        )
        got = b""
        while b"data: 1" not in got:
            got += wire.recv(4096)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_for(lambda: gateway_at.middleware.issuer().size == 1)
    (listed,) = gateway_at.ask("/receipts", method="GET").body.splitlines()
    found = verify(listed, gateway_at.trust, response=b"data: 1\n\n", promise=True)
    assert (found.receipt.complete, found.receipt.stream) == (False, True)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_store_is_closed_with_the_server(tmp_path: Path) -> None:
    path = make_keys(tmp_path)
    with serving(Receipts(gateway, store=tmp_path / "store", keys=path)) as address:
        at = Gateway(address, read_trust(read_keys(path).trust()), None)  # type: ignore[arg-type]
        receipt_id = at.ask("/plain").headers["receipt-id"]
    issuer = Issuer(tmp_path / "store", read_keys(path))
    assert issuer.recovery.clean
    found = issuer.document(receipt_id)
    assert found is not None
    assert verify(found, at.trust).index == 0
    issuer.close()


def test_a_promise_that_power_took_is_answered_with_a_void(gateway_at: Gateway) -> None:
    issuer = gateway_at.middleware.issuer()
    gateway_at.ask("/plain")
    lost = issuer._stored.secrets.receipt_id(1, 5).hex()
    got = gateway_at.ask(f"/receipts/{lost}", method="GET")
    assert (got.status, json.loads(got.body)["receipt"]["format"]) == (410, "stillhunt-void/1")


@pytest.mark.parametrize("required", [False, True])
def test_what_happens_when_no_receipt_can_be_written(
    required: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_keys(tmp_path)
    middleware = Receipts(gateway, store=tmp_path / "store", keys=path, required=required)
    middleware.issuer()._fail(OSError("No space left on device"))
    with caplog.at_level(logging.WARNING), serving(middleware) as address:
        at = Gateway(address, read_trust(read_keys(path).trust()), middleware)
        got = at.ask("/plain")
    if required:
        assert got.status == 500
        assert PLAIN not in got.body
    else:
        assert (got.status, got.body) == (200, PLAIN)
        assert "goes out without a receipt" in caplog.text
    assert "receipt-id" not in got.headers


def test_accounts_are_told_apart_by_their_credential() -> None:
    def account(*headers: tuple[bytes, bytes]) -> str | None:
        return account_of_credential({"headers": headers})

    assert account((b"authorization", b"Bearer k")) == account((b"x-api-key", b"k"))
    assert account((b"authorization", b"Bearer k")) != account((b"authorization", b"Bearer l"))
    assert account((b"accept", b"*/*")) is None


def test_with_no_batch_promises_are_durable_before_they_are_sent(tmp_path: Path) -> None:
    path = make_keys(tmp_path)
    middleware = Receipts(gateway, store=tmp_path / "store", keys=path, settings=IssuerSettings(batch_ms=0))
    with serving(middleware) as address:
        at = Gateway(address, read_trust(read_keys(path).trust()), middleware)
        got = at.ask("/plain")
        assert read_document(at.logged(got.headers["receipt-id"])).receipt.durable_within_ms == 0
