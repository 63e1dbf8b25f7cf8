"""Puts a battery of prompts to a suspect behind an OpenAI-compatible endpoint, within a budget, and keeps every reply.

Replies lie in ``replies.jsonl``, one a line as they come, each with the SHA-256 of its raw bytes; a run that stops goes
on where it stopped. ``answers.jsonl`` is written once none is missing: in the order of the prompts, every sample in its
place, an empty one where the suspect gave none, so that nobody can leave out what does not fit.
"""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from stillhunt.engines.output import whole_file
from stillhunt.errors import InputError, OutputError
from stillhunt.schema.progress import Progress

REPLIES = "replies.jsonl"
ANSWERS = "answers.jsonl"
ATTEMPTS = 6
"""Times that one question is put before the run stops."""
LONGEST_WAIT_S = 60.0
_REFUSED = (400, 422, 451)
"""Statuses that answer this prompt with nothing; any other below 500, but 408 and 429, ends the run."""


@dataclass(frozen=True)
class Endpoint:
    """Where the suspect answers. url: up to and without ``/chat/completions``. secret: the bearer token, or empty.
    api: ``chat``, or ``completions`` for models that go on with a text. timeout_s: of one request."""

    url: str
    model: str
    secret: str = ""
    api: Literal["chat", "completions"] = "chat"
    temperature: float = 1.0
    max_tokens: int = 512
    timeout_s: float = 120.0

    def request(self, prompt: str) -> dict[str, Any]:
        """The body of a request, which names all that the answer depends on."""
        asked: dict[str, Any] = {"model": self.model}
        if self.api == "chat":
            asked["messages"] = [{"role": "user", "content": prompt}]
        else:
            asked["prompt"] = prompt
        return {**asked, "temperature": self.temperature, "max_tokens": self.max_tokens}


@dataclass(frozen=True)
class Budget:
    """What may be spent: requests, repeated ones included, and tokens in and out, over all runs of a battery; requests
    per second, and how many at once."""

    requests: int
    tokens: int
    per_second: float = 1.0
    at_once: int = 2


@dataclass(frozen=True)
class Asked:
    """How far a battery is. answered, refused, missing: of all samples. requests, tokens: spent by all runs.
    stopped: why it is not complete, or empty."""

    answered: int
    refused: int
    missing: int
    requests: int
    tokens: int
    stopped: str


def ask(
    prompts: Sequence[str], samples: int, endpoint: Endpoint, budget: Budget, folder: Path, progress: Progress
) -> Asked:
    """Asks what ``folder`` does not hold yet. Raises InputError where its replies are of other prompts or
    settings, or are damaged, OutputError where it cannot be written to."""
    wanted = [
        (number, sample, _digest(endpoint, prompt, sample))
        for number, prompt in enumerate(prompts)
        for sample in range(samples)
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write here ({error.strerror})", str(folder)) from error
    book = _Book(folder / REPLIES, {digest for _, _, digest in wanted})
    run = _Run(endpoint, budget, book, progress)
    progress.stage("asking", len(wanted), "answers")
    progress.advance(len(wanted) - sum(digest not in book.replies for _, _, digest in wanted))
    with book, ThreadPoolExecutor(budget.at_once) as pool:
        todo = [(prompts[number], digest) for number, _, digest in wanted if digest not in book.replies]
        for done in [pool.submit(run.put, prompt, digest) for prompt, digest in todo]:
            done.result()
    got = [book.replies.get(digest) for _, _, digest in wanted]
    missing = sum(one is None for one in got)
    if not missing:
        _write_answers(folder / ANSWERS, prompts, samples, [one for one in got if one is not None])
    refused = sum(one is not None and one["status"] != 200 for one in got)
    return Asked(len(got) - missing - refused, refused, missing, book.requests, book.tokens, run.stopped)


class _Run:
    """Workers that share a budget, a pace and a reason to stop."""

    def __init__(self, endpoint: Endpoint, budget: Budget, book: _Book, progress: Progress) -> None:
        self.stopped = ""
        self._endpoint, self._budget, self._book, self._progress = endpoint, budget, book, progress
        self._next = 0.0
        self._lock = book.lock

    def put(self, prompt: str, digest: str) -> None:
        """Puts one question until it is answered, or the run stops."""
        body = json.dumps(self._endpoint.request(prompt), ensure_ascii=False).encode()
        for attempt in range(ATTEMPTS):
            if not self._may_go():
                return
            status, raw, wait = self._send(body)
            if status == 200 or status in _REFUSED:
                self._book.keep(digest, status, raw)
                self._progress.advance(1)
                return
            self._book.spend()
            if 0 < status < 500 and status not in (408, 429):
                self._stop(f"the endpoint answered {status}: {raw[:200].decode('utf-8', 'replace')}")
                return
            reason = f"status {status}" if status else raw.decode()
            if attempt + 1 == ATTEMPTS:
                self._stop(f"no answer after {ATTEMPTS} attempts; the last: {reason}")
                return
            self._sleep(max(wait, 0.5 * 2**attempt * (0.5 + random.random())))

    def _may_go(self) -> bool:
        with self._lock:
            if self.stopped:
                return False
            if self._book.requests + self._book.under_way >= self._budget.requests:
                self.stopped = f"the budget of {self._budget.requests:,} requests is spent"
            elif self._book.tokens >= self._budget.tokens:
                self.stopped = f"the budget of {self._budget.tokens:,} tokens is spent"
            if self.stopped:
                return False
            self._book.under_way += 1
            begin = max(self._next, time.monotonic())
            self._next = begin + 1 / self._budget.per_second
        self._sleep(begin - time.monotonic())
        return True

    def _stop(self, reason: str) -> None:
        with self._lock:
            self.stopped = self.stopped or reason

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + min(seconds, LONGEST_WAIT_S)
        while (left := end - time.monotonic()) > 0 and not self.stopped:
            time.sleep(min(left, 0.2))

    def _send(self, body: bytes) -> tuple[int, bytes, float]:
        """Status (0: none), raw reply or reason, and the seconds that the endpoint asks to wait."""
        path = "chat/completions" if self._endpoint.api == "chat" else "completions"
        headers = {"Content-Type": "application/json"}
        if self._endpoint.secret:
            headers["Authorization"] = f"Bearer {self._endpoint.secret}"
        request = urllib.request.Request(f"{self._endpoint.url.rstrip('/')}/{path}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=self._endpoint.timeout_s) as reply:
                raw = reply.read()
                return (200, raw, 0.0) if _text(raw) is not None else (0, b"a reply without an answer", 0.0)
        except urllib.error.HTTPError as error:
            after = error.headers.get("Retry-After", "")
            return error.code, error.read(), float(after) if after.isdigit() else 0.0
        except (OSError, ValueError) as error:
            return 0, str(error).encode(), 0.0


class _Book:
    """The replies so far, on disk and by request; and what they cost."""

    def __init__(self, path: Path, wanted: set[str]) -> None:
        self.replies: dict[str, Mapping[str, Any]] = {}
        self.requests = self.tokens = self.under_way = 0
        self.lock = threading.Lock()
        whole = 0
        for number, (line, end) in enumerate(_lines(path), 1):
            one = _checked(line, f"{path}, line {number}")
            self.requests += one["requests"]
            if one.get("request") is not None:
                if one["request"] not in wanted:
                    raise InputError(
                        "this reply is to another prompt, or was asked with other settings",
                        f"{path}, line {number}",
                        "Go on with the same prompts and settings, or name another folder.",
                    )
                self._take(one)
            whole = end
        try:
            self._file = path.open("ab")
            self._file.truncate(whole)
        except OSError as error:
            raise OutputError(f"cannot write here ({error.strerror})", str(path)) from error

    def __enter__(self) -> _Book:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def keep(self, request: str, status: int, raw: bytes) -> None:
        """Keeps a reply; whole on disk when it returns."""
        one = {
            "request": request,
            "status": status,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "requests": 1,
            "sha256": hashlib.sha256(raw).hexdigest(),
            "reply": raw.decode("utf-8", "surrogateescape"),
        }
        self._write(one)
        with self.lock:
            self.requests += 1
            self.under_way -= 1
            self._take(one)

    def spend(self) -> None:
        """Counts a request that brought nothing."""
        self._write({"requests": 1})
        with self.lock:
            self.requests += 1
            self.under_way -= 1

    def _take(self, one: Mapping[str, Any]) -> None:
        self.replies[one["request"]] = one
        if one["status"] == 200:
            usage = json.loads(_raw(one)).get("usage") or {}
            self.tokens += int(usage.get("prompt_tokens") or 0) + int(usage.get("completion_tokens") or 0)

    def _write(self, one: Mapping[str, Any]) -> None:
        line = json.dumps(one, ensure_ascii=True) + "\n"
        with self.lock:
            self._file.write(line.encode())
            self._file.flush()


def _digest(endpoint: Endpoint, prompt: str, sample: int) -> str:
    asked = {"url": endpoint.url, "api": endpoint.api, "sample": sample, **endpoint.request(prompt)}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _raw(one: Mapping[str, Any]) -> bytes:
    reply: str = one["reply"]
    return reply.encode("utf-8", "surrogateescape")


def _text(raw: bytes) -> str | None:
    """The answer in a reply, None where there is no such thing."""
    try:
        choice = json.loads(raw)["choices"][0]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    return "" if text is None else str(text)


def _lines(path: Path) -> Iterator[tuple[bytes, int]]:
    """Whole lines of a file and where each ends; what a stop left of the last is passed over."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"cannot read the replies ({error.strerror})", str(path)) from error
    at = 0
    while (end := content.find(b"\n", at)) >= 0:
        yield content[at:end], end + 1
        at = end + 1


def _checked(line: bytes, where: str) -> dict[str, Any]:
    try:
        one = json.loads(line)
        good = "request" not in one or hashlib.sha256(_raw(one)).hexdigest() == one["sha256"]
        int(one["requests"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"expected a reply as it was kept ({error})", where) from error
    if not good:
        raise InputError("the reply is not the one that was kept: its digest differs", where)
    return dict(one)


def _write_answers(
    path: Path, prompts: Sequence[str], samples: int, replies: Sequence[Mapping[str, Any]]
) -> None:
    with whole_file(path) as aside, aside.open("w", encoding="utf-8") as file:
        for place, one in enumerate(replies):
            row = {
                "prompt": prompts[place // samples],
                "completion": (_text(_raw(one)) or "") if one["status"] == 200 else "",
                "sample": place % samples,
                "status": one["status"],
                "reply": "sha256:" + one["sha256"],
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
