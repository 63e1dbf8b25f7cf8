"""A small model server that speaks OpenAI's chat completions and responses over HTTP, for gateways under test.

What it answers follows from the request alone: the model ``slow-down`` is refused with 429 and ``broken`` with 500;
a request that offers tools is answered with a call of the first; anything else with the words of the last message
backwards. Tokens are words.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

REFUSALS = {"slow-down": (429, "rate_limit_exceeded"), "broken": (500, "server_error")}


def text_of(content: Any) -> str:
    """The text of a message, which may be a list of parts."""
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content or ())


def answer_to(messages: Sequence[Mapping[str, Any]]) -> str:
    """The text of the answer to a list of messages."""
    return " ".join(reversed(text_of(messages[-1]["content"]).split()))


def usage_of(messages: Sequence[Mapping[str, Any]], answer: str) -> dict[str, Any]:
    """What the server bills: input and output tokens, a third of the input from its cache."""
    words = sum(len(text_of(message["content"]).split()) for message in messages)
    return {
        "prompt_tokens": words,
        "completion_tokens": len(answer.split()),
        "total_tokens": words + len(answer.split()),
        "prompt_tokens_details": {"cached_tokens": words // 3},
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    numbers = count(1)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["model"] in REFUSALS:
            status, code = REFUSALS[body["model"]]
            self._send(status, {"error": {"message": f"this is a {status}", "type": code, "code": code}})
            return
        if self.path.endswith("/responses"):
            self._send(200, self._response(body))
            return
        tools = body.get("tools")
        answer = "" if tools else answer_to(body["messages"])
        whole = {
            "id": f"chatcmpl-{next(self.numbers):06d}",
            "created": 1_760_000_000,
            "model": body["model"],
            "usage": usage_of(body["messages"], answer),
        }
        if tools:
            function = {"name": tools[0]["function"]["name"], "arguments": '{"q": 1}'}
            call = {"id": "call_1", "type": "function", "function": function}
            message, finish = {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
        else:
            message, finish = {"role": "assistant", "content": answer}, "stop"
        if body.get("stream"):
            self._stream(whole, message, finish)
        else:
            choice = {"index": 0, "message": message, "finish_reason": finish}
            self._send(200, {**whole, "object": "chat.completion", "choices": [choice]})

    def _response(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """An answer of the responses API, which is never streamed here."""
        given = body["input"]
        messages = [{"content": body.get("instructions") or ""}]
        messages += [{"content": given}] if isinstance(given, str) else given
        answer = answer_to(messages)
        usage = usage_of(messages, answer)
        part = {"type": "output_text", "text": answer, "annotations": []}
        number = next(self.numbers)
        message = {
            "type": "message",
            "id": f"msg_{number}",
            "role": "assistant",
            "status": "completed",
            "content": [part],
        }
        return {
            "id": f"resp_{number:06d}",
            "object": "response",
            "created_at": 1_760_000_000,
            "status": "completed",
            "model": body["model"],
            "output": [message],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": {
                "input_tokens": usage["prompt_tokens"],
                "output_tokens": usage["completion_tokens"],
                "total_tokens": usage["total_tokens"],
                "input_tokens_details": usage["prompt_tokens_details"],
                "output_tokens_details": {"reasoning_tokens": 0},
            },
        }

    def _stream(self, whole: dict[str, Any], message: dict[str, Any], finish: str) -> None:
        usage = whole.pop("usage")
        words = (message["content"] or "").split(" ")
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": word if at == 0 else f" {word}"} for at, word in enumerate(words)]
        choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
        choices.append({"index": 0, "delta": {}, "finish_reason": finish})
        chunks: list[dict[str, Any]] = [{"choices": [choice]} for choice in choices]
        chunks.append({"choices": [], "usage": usage})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for chunk in chunks:
            data = json.dumps({**whole, "object": "chat.completion.chunk", **chunk})
            self.wfile.write(f"data: {data}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def _send(self, status: int, body: Mapping[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing."""


@contextmanager
def running_model_server() -> Iterator[str]:
    """Starts the server on a free loopback port; gives the base URL that an OpenAI client wants."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)
