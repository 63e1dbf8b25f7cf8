"""The main job on what a real gateway writes: LiteLLM's proxy before a model server, its log files and its database.

The proxy is the one that its makers publish, in an environment of its own (requirements/litellm.lock), as a process
of its own. Its own callback mechanism writes the StandardLoggingPayloads to a file. Its own database logger builds
the rows of ``LiteLLM_SpendLogs``, and they stand in a real PostgreSQL, in a table made from the ``schema.prisma`` that
the installed package ships. One step is not LiteLLM's: Prisma's engine, through which its rows reach the database and
its virtual keys come out of it, is fetched from a host of its own when it is first used, so that a test without
network cannot have it. ``servers/litellm/gateway_hooks.py`` inserts each finished row in its place, and answers for
the keys through the proxy's ``custom_auth``.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from servers.command import run_json
from servers.litellm.proxy import needs_litellm, running_proxy, spend_logs_ddl
from servers.model import answer_to, running_model_server, usage_of
from servers.postgres import PASSWORD, needs_postgres, running_postgres
from stillhunt.schema.requests import LAKE_REQUESTS, REQUESTS
from stillhunt.sketch.columns import sketch_requests
from stillhunt.sketch.keys import load_keys
from stillhunt.sources.lake import check_digests, open_lake

pytestmark = [*needs_postgres, needs_litellm]

REQUESTS_SENT = 240
MODELS = {"small": "plain", "busy": "slow-down", "ill": "broken"}
CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
KEYS = {
    f"sk-key-{number:02d}": {
        "user_id": f"user-{number // 2:02d}",  # two keys each
        "team_id": f"team-{number % 3}",
        **({"org_id": "org-1"} if number % 3 == 0 else {}),
    }
    for number in range(24)
}
SYSTEM = "Answer in one sentence, and say which step of the calculation carries the result."
WORDS = ("river", "stone", "ledger", "engine", "matrix", "harbour", "signal", "copper", "meadow", "lantern")
AGENTS = ("OpenAI/Python 2.1", "OpenAI/JS 6.0", "curl/8.7.1")


@dataclass(frozen=True)
class Sent:
    """One request and what came back. ``id`` is what LiteLLM calls it: the answer's id, or the call's if it failed;
    who has no key of the gateway's is told neither."""

    key: str
    path: str
    body: Mapping[str, Any]
    agent: str
    session: str | None
    id: str
    status: int
    around: tuple[float, float]

    @property
    def system(self) -> str | None:
        apart: str | None = self.body.get("system") or self.body.get("instructions")
        return apart or next(
            (m["content"] for m in self.body.get("messages", ()) if m["role"] == "system"), None
        )

    @property
    def question(self) -> str:
        """The newest user turn."""
        found: str = self.body["input"] if "input" in self.body else self.body["messages"][-1]["content"]
        return found

    @property
    def messages(self) -> list[dict[str, str]]:
        """What the model server was sent."""
        given = self.body.get("messages", [{"role": "user", "content": self.question}])
        apart = self.system if self.path != CHAT else None
        return [{"role": "system", "content": apart}, *given] if apart else list(given)

    @property
    def max_tokens(self) -> int | None:
        found: int | None = self.body.get("max_tokens", self.body.get("max_output_tokens"))
        return found

    @property
    def key_hash(self) -> str:
        return hashlib.sha256(self.key.encode()).hexdigest()

    def row_of(self, rows: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        """This request's row, by its id, or by its key where that was used once."""
        if self.id:
            return rows[self.id]
        (row,) = (row for row in rows.values() if row["api_key_id"] == self.key_hash)
        return row

    @property
    def answer(self) -> str | None:
        if self.status != 200 or "tools" in self.body:
            return None
        return answer_to(self.messages)


@dataclass(frozen=True)
class Gateway:
    """What was sent, and what the gateway wrote of it."""

    sent: tuple[Sent, ...]
    payloads: Path
    url: str
    lakes: Mapping[str, Path]
    reports: Mapping[str, Mapping[str, Any]]
    results: Mapping[str, Mapping[str, Any]]
    key_file: Path


def make_body(number: int, chance: random.Random) -> tuple[str, dict[str, Any]]:
    """Where to, and what: plain, streamed, with tools, for models that refuse and fail, and for the other two APIs."""
    question = f"Question {number}: " + " ".join(chance.choices(WORDS, k=chance.randint(12, 60)))
    if number % 20 == 2:
        asked = [{"role": "user", "content": question}]
        return MESSAGES, {"model": "small", "max_tokens": 99, "system": SYSTEM, "messages": asked}
    if number % 20 == 12:
        return RESPONSES, {
            "model": "small",
            "max_output_tokens": 77,
            "instructions": SYSTEM,
            "input": question,
        }
    messages = [{"role": "user", "content": question}]
    if number % 3 == 0:
        messages.insert(0, {"role": "system", "content": SYSTEM})
    if number % 8 == 1:  # a conversation: only its newest user turn is the prompt
        earlier = [
            {"role": "user", "content": "An earlier turn."},
            {"role": "assistant", "content": "Noted."},
        ]
        messages[-1:-1] = earlier
    model = {5: "busy", 6: "ill"}.get(number % 10, "small")
    body: dict[str, Any] = {"model": model, "messages": messages}
    if number % 2 == 0:
        body |= {"max_tokens": 64 + number % 5, "temperature": 0.5}
    if number % 4 == 3:
        body["stream"] = True
    if number % 16 == 8:
        body["tools"] = [
            {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
        ]
    return CHAT, body


def send(base: str, number: int) -> Sent:
    chance = random.Random(number)
    key = f"sk-unknown-{number}" if number % 80 == 79 else chance.choice(sorted(KEYS))
    (path, body), agent = make_body(number, chance), AGENTS[number % 3]
    session = f"session-{number % 7}" if number % 5 == 0 else None
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "User-Agent": agent}
    if session is not None:
        headers["x-litellm-session-id"] = session
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=60)
    before = time.time()
    connection.request("POST", path, json.dumps(body), headers)
    response = connection.getresponse()
    content = response.read().decode()
    after = time.time()
    connection.close()
    call_id = response.getheader("x-litellm-call-id") or ""
    if response.status == 200 and body.get("stream"):
        call_id = json.loads(content.partition("data: ")[2].partition("\n")[0])["id"]
    elif response.status == 200:
        call_id = json.loads(content)["id"]
    return Sent(key, path, body, agent, session, call_id, response.status, (before, after))


def await_rows(home: Path, url: str, count: int) -> None:
    """Waits until the gateway has logged so many requests in both ways."""
    end = time.monotonic() + 60
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            (rows,) = connection.execute('SELECT count(*) FROM "LiteLLM_SpendLogs"').fetchone() or (0,)
            payloads = (home / "payloads.jsonl").read_bytes().count(b"\n")
            if (rows, payloads) == (count, count):
                return
            assert time.monotonic() < end, (rows, payloads, (home / "log").read_text()[-4000:])
            time.sleep(0.1)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    """Sends in two halves; the database is pulled after each, the file is read at the end."""
    home, out = tmp_path_factory.mktemp("proxy"), tmp_path_factory.mktemp("out")
    lakes = {"file": out / "file", "database": out / "database"}
    key_file = out / "sketch.key"
    common = ("--key-file", key_file, "--trusted-proxy", "127.0.0.0/8")
    reports: dict[str, Mapping[str, Any]] = {}
    with running_postgres() as postgres, running_model_server() as model_url:
        url = postgres.new_database()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(spend_logs_ddl().encode())
        with (
            running_proxy(home, model_url=model_url, models=MODELS, keys=KEYS, database=url) as base,
            ThreadPoolExecutor(6) as workers,
        ):
            half = REQUESTS_SENT // 2
            sent = list(workers.map(lambda number: send(base, number), range(half)))
            await_rows(home, url, half)
            reports["first pull"] = run_json("ingest", url, "--out", lakes["database"], *common)
            sent += workers.map(lambda number: send(base, number), range(half, REQUESTS_SENT))
            await_rows(home, url, REQUESTS_SENT)
        reports["second pull"] = run_json("ingest", url, "--out", lakes["database"], "--append", *common)
    reports["file"] = run_json("ingest", home / "payloads.jsonl", "--out", lakes["file"], *common)
    results = {name: run_json("scan", lake, "--out", out / f"result-{name}") for name, lake in lakes.items()}
    return Gateway(tuple(sent), home / "payloads.jsonl", url, lakes, reports, results, key_file)


@pytest.fixture(scope="module")
def lakes(gateway: Gateway) -> dict[str, dict[str, dict[str, Any]]]:
    """Each lake's rows by request id."""
    found = {}
    for name, path in gateway.lakes.items():
        table = pa.concat_tables([pq.read_table(part) for part in open_lake(path).request_files])
        assert table.schema.equals(LAKE_REQUESTS)
        found[name] = {row["request_id"]: row for row in table.to_pylist()}
        assert len(found[name]) == table.num_rows
    return found


def test_every_request_is_there_once_in_both_ways(
    gateway: Gateway, lakes: dict[str, dict[str, dict[str, Any]]]
) -> None:
    strangers = [each for each in gateway.sent if each.key not in KEYS]
    sent = {each.id for each in gateway.sent if each.key in KEYS}
    sent |= {each.row_of(lakes["file"])["request_id"] for each in strangers}
    assert len(strangers) == REQUESTS_SENT // 80
    assert len(sent) == REQUESTS_SENT
    assert set(lakes["file"]) == set(lakes["database"]) == sent
    written = {name: report["rows"]["written"] for name, report in gateway.reports.items()}
    half = REQUESTS_SENT // 2
    assert written == {"first pull": half, "second pull": half, "file": REQUESTS_SENT}
    assert not any(report["rows"]["rejected"] or report["skipped"] for report in gateway.reports.values())
    for path in gateway.lakes.values():
        check_digests(open_lake(path))


def test_rows_say_what_was_sent(gateway: Gateway, lakes: dict[str, dict[str, dict[str, Any]]]) -> None:
    assert {each.status for each in gateway.sent} == {200, 401, 429, 500}
    assert {each.path for each in gateway.sent if each.status == 200} == {CHAT, MESSAGES, RESPONSES}
    for each in gateway.sent:
        owner = KEYS.get(each.key, {})
        for name, rows in lakes.items():
            row = each.row_of(rows)
            assert row["status"] == each.status
            assert row["account_id"] == owner.get("user_id", each.key_hash)
            assert row["api_key_id"] == each.key_hash
            assert row["org_id"] == owner.get("org_id", owner.get("team_id"))
            assert row["user_agent"] == each.agent
            assert row["client_ip"] is None  # the peer is the declared proxy, and no header says more
            assert each.around[0] - 0.002 <= row["time"].timestamp() <= each.around[1]
            assert (
                0 <= row["latency_ms"] <= 1000 * (each.around[1] - each.around[0] + 5)
            )  # logged after it is sent
            if each.key not in KEYS:
                continue  # refused before the request was read
            assert row["model"] == each.body["model"]
            assert row["session_id"] == each.session
            if each.status == 200:
                usage = usage_of(each.messages, each.answer or "")
                assert row["input_tokens"] == usage["prompt_tokens"]
                assert row["output_tokens"] == usage["completion_tokens"]
                assert row["cached_input_tokens"] == usage["prompt_tokens_details"]["cached_tokens"]
                assert row["finish_reason"] == ("tool_use" if "tools" in each.body else "stop")
            if each.status == 200 or name == "database":
                # Of a failed request LiteLLM's payload holds no parameters; the database holds the request's body.
                assert (row["max_tokens"], row["temperature"]) == (
                    each.max_tokens,
                    each.body.get("temperature"),
                )
                assert row["tools"] == (1 if "tools" in each.body else None)
                assert bool(row["stream"]) == bool(each.body.get("stream"))


def test_sketches_are_those_of_the_texts_that_were_sent(
    gateway: Gateway, lakes: dict[str, dict[str, dict[str, Any]]]
) -> None:
    known = [each for each in gateway.sent if each.key in KEYS]
    texts = [
        {
            "time": 0,
            "account_id": "a",
            "request_id": each.id,
            "prompt": each.question,
            "system_prompt": each.system,
            "completion": each.answer,
        }
        for each in known
    ]
    expected = sketch_requests(
        pa.RecordBatch.from_pylist(texts, schema=REQUESTS), load_keys(gateway.key_file), keep_text=False
    ).requests.to_pylist()
    columns = (
        "prompt_sketch",
        "system_sketch",
        "completion_sketch",
        "prompt_chars",
        "completion_chars",
        "capability",
    )
    for want in expected:
        for rows in lakes.values():
            row = rows[want["request_id"]]
            assert {name: row[name] for name in columns} == {name: want[name] for name in columns}
    assert len({row["prompt_sketch"] for row in expected}) > 0.9 * len(expected)


def test_no_text_and_no_password_stays(gateway: Gateway) -> None:
    question = max(
        gateway.payloads.read_text().split(), key=len
    )  # only to be sure that there is something to find
    assert question
    for path in gateway.lakes.values():
        held = b"".join(file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file())
        for secret in (b"Question 1", b"which step of the calculation", PASSWORD.encode(), b"pass%2Fword"):
            assert secret not in held


def test_both_lakes_are_scanned_and_agree(gateway: Gateway) -> None:
    file, database = gateway.results["file"], gateway.results["database"]
    accounts = {KEYS[each.key]["user_id"] if each.key in KEYS else each.key for each in gateway.sent}
    for result in (file, database):
        assert (result["requests"], result["accounts"]) == (REQUESTS_SENT, len(accounts))
        assert Path(result["report"]).is_file()
    assert [row["accounts"] for row in file["campaigns"]] == [
        row["accounts"] for row in database["campaigns"]
    ]
