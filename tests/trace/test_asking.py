"""A battery of prompts, put to a server on loopback that limits, fails, refuses and answers."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from stillhunt.errors import InputError, OutputError
from stillhunt.schema.progress import Silent
from stillhunt.trace.asking import ANSWERS, ATTEMPTS, REPLIES, Asked, Budget, Endpoint, ask

PROMPTS = [f"question {number}" for number in range(12)]
PLENTY = Budget(10_000, 10**9, per_second=5_000.0, at_once=4)
Reply = Callable[[str, int], tuple[int, dict[str, Any] | bytes, dict[str, str]]]


@dataclass
class Suspect:
    """A server. ``reply`` gives status, body and headers for a prompt and how often it was asked before."""

    reply: Reply
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    most_at_once: int = 0


def said(prompt: str) -> dict[str, Any]:
    return {
        "choices": [{"message": {"content": f"answer to {prompt} — ü"}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 7},
    }


@pytest.fixture
def suspect() -> Iterator[Suspect]:
    one = Suspect(lambda prompt, _: (200, said(prompt), {}))
    lock, now, before = threading.Lock(), [0], Counter[str]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt = body["messages"][0]["content"] if "messages" in body else body["prompt"]
            with lock:
                now[0] += 1
                one.most_at_once = max(one.most_at_once, now[0])
                one.asked.append({**body, "path": self.path})
                one.secrets.add(self.headers.get("Authorization", ""))
                times = before[prompt]
                before[prompt] += 1
            status, reply, headers = one.reply(prompt, times)
            content = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
            with lock:
                now[0] -= 1
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    one.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield one
    server.shutdown()
    thread.join()
    server.server_close()


def put(suspect: Suspect, folder: Path, budget: Budget = PLENTY, samples: int = 2, **settings: Any) -> Asked:
    endpoint = replace(Endpoint(suspect.url, "suspect-1", "s3cret"), **settings)
    return ask(PROMPTS, samples, endpoint, budget, folder, Silent())


def answers(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / ANSWERS).read_text(encoding="utf-8").splitlines()]


def test_every_answer_is_kept_in_its_place_with_the_digest_of_its_reply(
    suspect: Suspect, tmp_path: Path
) -> None:
    done = put(suspect, tmp_path)
    assert done == Asked(24, 0, 0, 24, 240, "")
    rows = answers(tmp_path)
    assert [row["prompt"] for row in rows] == [prompt for prompt in PROMPTS for _ in range(2)]
    assert [row["sample"] for row in rows] == [0, 1] * 12
    assert rows[5]["completion"] == "answer to question 2 — ü"
    kept = [json.loads(line) for line in (tmp_path / REPLIES).read_text().splitlines()]
    raw = {"sha256:" + hashlib.sha256(one["reply"].encode()).hexdigest() for one in kept}
    assert {row["reply"] for row in rows} == raw
    assert {(one["path"], one["model"], one["temperature"]) for one in suspect.asked} == {
        ("/v1/chat/completions", "suspect-1", 1.0)
    }
    assert suspect.secrets == {"Bearer s3cret"}
    assert "s3cret" not in (tmp_path / REPLIES).read_text() + (tmp_path / ANSWERS).read_text()
    assert suspect.most_at_once <= PLENTY.at_once


def test_a_model_that_goes_on_with_a_text(suspect: Suspect, tmp_path: Path) -> None:
    suspect.reply = lambda prompt, _: (200, {"choices": [{"text": f" and {prompt}"}]}, {})
    put(suspect, tmp_path, api="completions", samples=1)
    assert answers(tmp_path)[3]["completion"] == " and question 3"
    assert {one["path"] for one in suspect.asked} == {"/v1/completions"}


def test_limits_and_failures_are_waited_for_and_counted(
    suspect: Suspect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stillhunt.trace.asking.LONGEST_WAIT_S", 0.01)
    bad = [(429, b"slow down", {"Retry-After": "7"}), (503, b"", {}), (200, b"{}", {})]
    suspect.reply = lambda prompt, times: bad[times] if times < len(bad) else (200, said(prompt), {})
    done = put(suspect, tmp_path, samples=1)
    assert (done.answered, done.requests, done.stopped) == (12, 48, "")


def test_a_refusal_of_one_prompt_is_an_empty_answer(suspect: Suspect, tmp_path: Path) -> None:
    suspect.reply = lambda prompt, _: (
        (400, b"not that", {}) if prompt.endswith("4") else (200, said(prompt), {})
    )
    done = put(suspect, tmp_path, samples=1)
    assert (done.answered, done.refused, done.missing) == (11, 1, 0)
    assert (answers(tmp_path)[4]["completion"], answers(tmp_path)[4]["status"]) == ("", 400)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_endpoint_that_does_not_want_us_ends_the_run(
    suspect: Suspect, tmp_path: Path, status: int
) -> None:
    suspect.reply = lambda _, __: (status, b"who are you?", {})
    done = put(suspect, tmp_path)
    assert done.stopped == f"the endpoint answered {status}: who are you?"
    assert len(suspect.asked) <= PLENTY.at_once
    assert not (tmp_path / ANSWERS).exists()


def test_it_gives_up_on_an_endpoint_that_only_fails(
    suspect: Suspect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stillhunt.trace.asking.LONGEST_WAIT_S", 0.01)
    suspect.reply = lambda _, __: (500, b"", {})
    done = put(suspect, tmp_path, replace(PLENTY, at_once=1))
    assert done.stopped == f"no answer after {ATTEMPTS} attempts; the last: status 500"
    assert done.requests == ATTEMPTS
    gone = put(replace(suspect, url="http://127.0.0.1:9/v1"), tmp_path / "gone", replace(PLENTY, at_once=1))
    assert "no answer after" in gone.stopped


def test_the_budget_holds_over_runs_and_nothing_is_asked_twice(suspect: Suspect, tmp_path: Path) -> None:
    for spent, budget in ((10, 10), (10, 10), (17, 17), (24, 30), (24, 30)):
        done = put(suspect, tmp_path, replace(PLENTY, requests=budget))
        assert (done.requests, len(suspect.asked)) == (spent, spent)
        assert done.missing == 24 - spent
        assert done.stopped == ("" if spent == 24 else f"the budget of {budget} requests is spent")
        assert (tmp_path / ANSWERS).exists() == (spent == 24)
    few = put(suspect, tmp_path / "few", replace(PLENTY, tokens=45, at_once=1))
    assert (few.tokens, few.stopped) == (50, "the budget of 45 tokens is spent")


def test_the_pace_is_kept(suspect: Suspect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, slept = [100.0], []
    monkeypatch.setattr("stillhunt.trace.asking.time.monotonic", lambda: clock[0])

    def sleeps(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr("stillhunt.trace.asking.time.sleep", sleeps)
    put(suspect, tmp_path, replace(PLENTY, per_second=0.5, at_once=1), samples=1)
    assert sum(slept) == pytest.approx(11 / 0.5, rel=0.01)


def test_a_torn_last_line_is_asked_again(suspect: Suspect, tmp_path: Path) -> None:
    put(suspect, tmp_path)
    whole = (tmp_path / REPLIES).read_bytes()
    (tmp_path / REPLIES).write_bytes(whole[:-20])
    first = (tmp_path / ANSWERS).read_bytes()
    done = put(suspect, tmp_path)
    assert (done.answered, len(suspect.asked)) == (24, 25)
    strip = [{**json.loads(line), "reply": ""} for line in first.splitlines()]
    assert [{**row, "reply": ""} for row in answers(tmp_path)] == strip


def test_replies_of_another_battery_or_changed_ones_are_refused(suspect: Suspect, tmp_path: Path) -> None:
    put(suspect, tmp_path)
    with pytest.raises(InputError, match="another prompt, or was asked with other settings"):
        put(suspect, tmp_path, temperature=0.5)
    lines = (tmp_path / REPLIES).read_text().splitlines()
    (tmp_path / REPLIES).write_text("\n".join([lines[0].replace("answer to", "answer of"), *lines[1:], ""]))
    with pytest.raises(InputError, match="its digest differs") as caught:
        put(suspect, tmp_path)
    assert caught.value.where.endswith("replies.jsonl, line 1")
    (tmp_path / REPLIES).write_text("[]\n")
    with pytest.raises(InputError, match="expected a reply as it was kept"):
        put(suspect, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        put(suspect, tmp_path / "file" / "sub")
