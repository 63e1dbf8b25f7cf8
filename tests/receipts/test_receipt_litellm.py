"""LiteLLM's real proxy gives receipts: the middleware mounted on its application, in its own environment."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from servers.litellm.proxy import ENVIRONMENT, needs_litellm
from servers.model import answer_to, running_model_server
from stillhunt.receipts.chain import verify_chain
from stillhunt.receipts.document import read_document
from stillhunt.receipts.keys import new_keys, read_keys, write_keys
from stillhunt.receipts.trust import Trust, read_trust
from stillhunt.receipts.verify import split_stream, verify

pytestmark = [needs_litellm, pytest.mark.xdist_group("receipt-litellm")]

SOURCE = Path(__file__).parents[2] / "src"
KEY = "sk-master-of-the-gateway-under-test"
MOUNTED = """
from litellm.proxy.proxy_server import app
from stillhunt.receipts.asgi import Receipts

app = Receipts(app, store="store", keys="issuer.json")
"""
WORDS = "one two three four"
ASKED = [{"role": "user", "content": WORDS}]


@dataclass
class Proxy:
    """The running proxy and the trust in its issuer."""

    port: int
    trust: Trust

    def ask(self, path: str, body: dict[str, Any] | None = None) -> tuple[bytes, bytes, dict[str, str]]:
        """Request bytes, response bytes and response headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        connection.request("GET" if body is None else "POST", path, content, headers)
        got = connection.getresponse()
        try:
            answer = got.read()
            assert got.status == 200, answer
            return content, answer, {name.lower(): value for name, value in got.getheaders()}
        finally:
            connection.close()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    home = tmp_path_factory.mktemp("litellm")
    write_keys(new_keys("gateway.example/receipts", datetime(2026, 1, 1, tzinfo=UTC)), home / "issuer.json")
    (home / "mounted.py").write_text(MOUNTED)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with running_model_server() as model_url, (home / "log").open("wb") as log:
        served = {"model": "openai/plain", "api_base": model_url, "api_key": "x"}
        config = {
            "model_list": [{"model_name": "small", "litellm_params": served}],
            "litellm_settings": {"num_retries": 0, "telemetry": False},
            "general_settings": {"master_key": KEY},
        }
        (home / "config.yaml").write_text(json.dumps(config))  # YAML holds JSON
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": f"{home}:{SOURCE}",
            "CONFIG_FILE_PATH": str(home / "config.yaml"),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "DISABLE_ADMIN_UI": "True",
        }
        command = [ENVIRONMENT / "bin" / "uvicorn", "mounted:app", "--host", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=home, env=environment)
        try:
            wait_until_it_answers(port, process, home / "log")
            yield Proxy(port, read_trust(read_keys(home / "issuer.json").trust()))
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)


def wait_until_it_answers(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 120
    while True:
        assert process.poll() is None, log.read_text()[-4000:]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < end, log.read_text()[-4000:]
            time.sleep(0.1)


PLAIN = [
    ("/v1/chat/completions", {"model": "small", "messages": ASKED}),
    ("/v1/messages", {"model": "small", "max_tokens": 50, "messages": ASKED}),
    ("/v1/responses", {"model": "small", "input": WORDS}),
]
STREAMED = [
    ("/v1/chat/completions", {**PLAIN[0][1], "stream": True, "stream_options": {"include_usage": True}}),
    ("/v1/messages", {**PLAIN[1][1], "stream": True}),
]


@pytest.mark.parametrize(("path", "body"), PLAIN, ids=[path for path, _ in PLAIN])
def test_plain_answers_have_receipts(path: str, body: dict[str, Any], proxy: Proxy) -> None:
    request, response, headers = proxy.ask(path, body)
    assert answer_to(ASKED).encode() in response
    end = time.monotonic() + 20
    while True:
        _, document, _ = proxy.ask(f"/receipts/{headers['receipt-id']}")
        if read_document(document).proof is not None:
            break
        assert time.monotonic() < end
        time.sleep(0.05)
    found = verify(document, proxy.trust, request=request, response=response)
    cached = 1 if path == "/v1/messages" else 0  # which counts what came from the cache apart
    assert (found.receipt.input_tokens, found.receipt.output_tokens) == (4 - cached, 4)
    assert found.receipt.model in ("small", "plain")


@pytest.mark.parametrize(("path", "body"), STREAMED, ids=[path for path, _ in STREAMED])
def test_streams_end_with_receipts(path: str, body: dict[str, Any], proxy: Proxy) -> None:
    request, response, _ = proxy.ask(path, body)
    _, document = split_stream(response)
    assert document is not None, response
    found = verify(document, proxy.trust, request=request, response=response, promise=True)
    assert (found.receipt.stream, found.receipt.complete) == (True, True)
    said = 4 if b'"completion_tokens":4' in response else 0  # the proxy's stream of messages states no usage
    assert found.receipt.output_tokens == said
    assert (said == 4) == (path == "/v1/chat/completions")


def test_all_of_them_make_a_chain(proxy: Proxy) -> None:
    proxy.ask(*PLAIN[0])
    _, listed, _ = proxy.ask("/receipts")
    documents = [read_document(line) for line in listed.splitlines()]
    found = verify_chain(documents, proxy.trust, ordered=True)
    assert (found.first, found.receipts) == (1, len(documents))
