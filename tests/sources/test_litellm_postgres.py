"""``LiteLLM_SpendLogs`` in a real PostgreSQL. Columns as ``litellm/proxy/schema.prisma`` of 1.106.2 names them; the
rows that LiteLLM itself writes are in tests/e2e/test_litellm_gateway.py."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from servers.postgres import PASSWORD, Postgres, needs_postgres, running_postgres
from stillhunt.engines.duckdb import DuckDB
from stillhunt.errors import InputError
from stillhunt.schema.progress import Silent
from stillhunt.sketch.keys import KeyRing, create_keys
from stillhunt.sources.detect import SourceSettings, open_source
from stillhunt.sources.ingest import Destination, Log, ingest
from stillhunt.sources.lake import Lake, check_digests, open_lake
from stillhunt.sources.source import IngestReport, Parsed

pytestmark = needs_postgres

START = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
TABLE = """
CREATE TABLE "LiteLLM_SpendLogs" (
    request_id text PRIMARY KEY, call_type text NOT NULL, api_key text NOT NULL DEFAULT '',
    prompt_tokens integer NOT NULL DEFAULT 0, completion_tokens integer NOT NULL DEFAULT 0,
    "startTime" timestamp(3) NOT NULL, "endTime" timestamp(3) NOT NULL, request_duration_ms integer,
    model text NOT NULL DEFAULT '', model_group text DEFAULT '', "user" text DEFAULT '', metadata jsonb DEFAULT '{}',
    team_id text, organization_id text, end_user text, requester_ip_address text, messages jsonb DEFAULT '{}',
    response jsonb DEFAULT '{}', session_id text, status text, proxy_server_request jsonb DEFAULT '{}');
CREATE INDEX ON "LiteLLM_SpendLogs" ("startTime", request_id);
"""
BODY = {
    "model": "m-1",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "the question"}],
    "max_tokens": 256,
    "temperature": 0.25,
    "stream": True,
    "reasoning_effort": "high",
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "litellm_session_id": "s-1",
    "metadata": {"headers": {"x-forwarded-for": "198.51.100.4, 10.0.0.1"}, "user_api_key_spend": 0.0},
}
RESPONSE = {
    "id": "r-1",
    "choices": [{"finish_reason": "tool_calls", "message": {"role": "assistant", "content": "the answer"}}],
}
METADATA = {
    "status": None,
    "user_agent": "OpenAI/Python 2.1",
    "requester_ip_address": "10.0.0.9",
    "usage_object": {"prompt_tokens_details": {"cached_tokens": 4}},
    "error_information": None,
    "model_map_information": {"model_map_value": {"max_tokens": 1}},
}


def refused(code: str, name: str) -> dict[str, Any]:
    """The metadata of a failed request."""
    return {**METADATA, "status": "failure", "error_information": {"error_code": code, "error_class": name}}


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as postgres:
        yield postgres


@pytest.fixture
def url(server: Postgres) -> str:
    """A database with the empty table."""
    found = server.new_database()
    with psycopg.connect(found, autocommit=True) as connection:
        connection.execute(TABLE)
    return found


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    return create_keys(tmp_path_factory.mktemp("keys") / "sketch.key")


def insert(url: str, request_id: str, start: datetime = START, **columns: Any) -> None:
    """One row, with what every row has."""
    row = {
        "request_id": request_id,
        "call_type": "acompletion",
        "startTime": start.replace(tzinfo=None),
        "endTime": (start + timedelta(seconds=1.5)).replace(tzinfo=None),
        "user": "user-1",
        "status": "success",
        **columns,
    }
    values = [json.dumps(value) if isinstance(value, dict | list) else value for value in row.values()]
    names = ", ".join(f'"{name}"' for name in row)
    with psycopg.connect(url, autocommit=True) as connection:
        statement = f'INSERT INTO "LiteLLM_SpendLogs" ({names}) VALUES ({", ".join("%s" for _ in row)})'
        connection.execute(statement.encode(), values)


def run(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def read(url: str, **settings: Any) -> list[Parsed]:
    return list(open_source(url, None, SourceSettings(**settings)).batches(Silent()))


def rows(batches: list[Parsed]) -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.requests.to_pylist()]


class Pulls:
    """A lake that one table is pulled into again and again, as ``ingest --append`` does it."""

    def __init__(self, url: str, out: Path, keys: KeyRing, **settings: Any) -> None:
        self.url, self.out, self.keys, self.settings = url, out, keys, settings
        (out.parent / "spill").mkdir()

    def pull(self) -> IngestReport:
        settings = SourceSettings(**self.settings)
        if self.out.exists():
            taken = open_lake(self.out).sources
            cursors = {(each.kind, each.location): each.cursor for each in taken if each.cursor is not None}
            settings = SourceSettings(cursors=cursors, lake=self.out, **self.settings)
        log = Log((open_source(self.url, None, settings),))
        with DuckDB(temp_dir=self.out.parent / "spill") as engine:
            return ingest(
                log,
                Destination(self.out, "append"),
                self.keys,
                engine,
                now=datetime.now(UTC),
                progress=Silent(),
            )

    @property
    def lake(self) -> Lake:
        return open_lake(self.out)

    def ids(self) -> list[str]:
        with DuckDB(temp_dir=self.out.parent / "spill") as engine:
            files = [str(path) for path in self.lake.request_files]
            table = engine.table(f"SELECT request_id FROM read_parquet({files}) ORDER BY request_id")
            return [str(each) for each in table["request_id"].to_pylist()]

    def cursor(self) -> Mapping[str, Any]:
        (taken,) = self.lake.sources
        assert taken.cursor is not None
        return taken.cursor


@pytest.fixture
def pulls(url: str, tmp_path: Path, keys: KeyRing) -> Pulls:
    return Pulls(url, tmp_path / "lake", keys)


# --- rows -----------------------------------------------------------------------------------------------------


def test_a_row_with_everything(url: str) -> None:
    insert(url, "r-1", api_key="88dc", model="openai/m-1", model_group="m-1", prompt_tokens=12, completion_tokens=34,
           team_id="team-1", organization_id="org-1", session_id="0b5e3a34-5a86-4c0c-9d0e-6f3e0c2f7a11",
           requester_ip_address="10.0.0.9", metadata=METADATA, response=RESPONSE, proxy_server_request=BODY,
           request_duration_ms=1234)  # fmt: skip
    (row,) = rows(read(url, trusted_proxies=("10.0.0.0/8",)))
    assert {name: value for name, value in row.items() if value is not None} == {
        "time": START,
        "request_id": "r-1",
        "account_id": "user-1",
        "org_id": "org-1",
        "api_key_id": "88dc",
        "session_id": "s-1",
        "model": "m-1",
        "input_tokens": 12,
        "output_tokens": 34,
        "cached_input_tokens": 4,
        "max_tokens": 256,
        "temperature": 0.25,
        "stream": True,
        "reasoning": True,
        "tools": 1,
        "status": 200,
        "finish_reason": "tool_use",
        "latency_ms": 1234,
        "client_ip": "198.51.100.4",
        "user_agent": "OpenAI/Python 2.1",
        "system_prompt": "Be brief.",
        "prompt": "the question",
        "completion": "the answer",
    }
    (plain,) = rows(read(url))
    assert plain["client_ip"] == "10.0.0.9"  # behind no declared proxy the header says nothing


def test_rows_without_texts_of_other_owners_and_failures(url: str) -> None:
    uuid = "c1d5a7de-4f0b-4f55-8a0e-3f1c7b9a2e22"
    at = iter(START + timedelta(seconds=number) for number in range(20))
    insert(url, "bare", next(at), session_id=uuid)
    insert(url, "named-session", next(at), session_id="thread-7", team_id="team-1")
    insert(url, "by-key", next(at), user="", api_key="88dc", end_user="someone")
    insert(url, "by-customer", next(at), user="", end_user="customer-9")
    insert(
        url,
        "master",
        next(at),
        user="default_user_id",
        api_key="litellm_proxy_master_key",
        end_user="customer-8",
    )
    insert(url, "refused", next(at), status="failure", metadata=refused("429", "RateLimitError"))
    insert(url, "broken", next(at), status="failure", metadata=refused("server_error", "InternalServerError"))
    insert(url, "unknown", next(at), status="failure", metadata=refused("", "SomeError"))
    insert(url, "scalars", next(at), metadata="1", proxy_server_request='"x"', response="[]", messages="null")
    insert(url, "embedding", next(at), call_type="aembedding")
    batches = read(url)
    found = {row["request_id"]: row for row in rows(batches)}
    assert {name: row["account_id"] for name, row in found.items()} == {
        **dict.fromkeys(("bare", "named-session", "refused", "broken", "unknown", "scalars"), "user-1"),
        "by-key": "88dc",
        "by-customer": "customer-9",
        "master": "customer-8",
    }
    assert {name: row["status"] for name, row in found.items() if row["status"] != 200} == {
        "refused": 429,
        "broken": 500,
        "unknown": None,
    }
    assert (found["bare"]["session_id"], found["bare"]["latency_ms"], found["bare"]["prompt"]) == (
        None,
        1500,
        None,
    )
    assert (found["named-session"]["session_id"], found["named-session"]["org_id"]) == ("thread-7", "team-1")
    assert (
        sum(batch.notes.get("passed over: call_type names no exchange with a model", 0) for batch in batches)
        == 1
    )


def test_the_note_where_litellm_cut_a_text_is_no_part_of_it(url: str) -> None:
    """As 1.106.2 writes it, brackets and all."""
    note = "... (litellm_truncated skipped 1200 chars. Why it is so (OTEL, etc.). How to change it.) ..."
    messages = [{"role": "system", "content": f"a{note}b"}, {"role": "user", "content": f"c{note}d (e) ..."}]
    choices = [{"finish_reason": "stop", "message": {"role": "assistant", "content": f"f{note}g{note}h"}}]
    insert(url, "cut", proxy_server_request={"messages": messages}, response={"choices": choices})
    (row,) = rows(read(url))
    texts = (row["system_prompt"], row["prompt"], row["completion"])
    assert texts == ("a\nb", "c\nd (e) ...", "f\ng\nh")


def test_a_row_that_cannot_be_used_is_named_by_its_place(url: str) -> None:
    insert(url, "nobody", user="")
    insert(url, "somebody")
    (batch,) = read(url)
    (rejected,) = batch.rejected
    place = f"postgresql://127.0.0.1:{urlsplit(url).port}{urlsplit(url).path}#LiteLLM_SpendLogs/"
    assert rejected.file == f"{place}2026-05-01T12:00:00Z/nobody"
    assert rejected.reason == "account_id: expected a value in user, api_key or end_user, got none"
    assert [row["request_id"] for row in rows([batch])] == ["somebody"]


def test_an_older_table_and_one_in_another_schema(url: str) -> None:
    for column in ("request_duration_ms", "organization_id", "session_id", "status", "proxy_server_request"):
        run(url, f'ALTER TABLE "LiteLLM_SpendLogs" DROP COLUMN {column}')
    statement = """INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, "startTime", "endTime", "user", metadata)
        VALUES ('r', 'completion', '2026-05-01 12:00:00', '2026-05-01 12:00:02', 'u', '{"status": "success"}')"""
    run(url, statement)
    (row,) = rows(read(url))
    assert (row["account_id"], row["status"], row["latency_ms"]) == ("u", 200, 2000)
    run(url, 'CREATE SCHEMA gateway; ALTER TABLE "LiteLLM_SpendLogs" SET SCHEMA gateway')
    with pytest.raises(
        InputError, match='expected the table "LiteLLM_SpendLogs" in the schema public, found none'
    ):
        read(url)
    assert len(rows(read(f"{url}?schema=gateway"))) == 1


# --- what can go wrong ----------------------------------------------------------------------------------------


def test_it_says_what_is_wrong_and_never_the_password(server: Postgres, url: str) -> None:
    empty = server.new_database()
    name = urlsplit(url).path.strip("/")
    run(url, "CREATE ROLE reader LOGIN PASSWORD 'other-secret'")
    closed = f"postgresql://owner:{'x' * 9}@127.0.0.1:1/litellm"
    other = server.new_database()
    run(other, 'CREATE TABLE "LiteLLM_SpendLogs" (id integer)')
    for place, message in (
        (empty, 'expected the table "LiteLLM_SpendLogs" in the schema public, found none'),
        (closed, "the database cannot be reached, or went away"),
        (server.url(name, password="wrong"), "password authentication failed"),
        (server.url("nowhere"), 'database "nowhere" does not exist'),
        (server.url(name, "reader", "other-secret"), 'no permission to read "LiteLLM_SpendLogs"'),
        (
            other,
            "expected the columns request_id, startTime in LiteLLM_SpendLogs, found no request_id, startTime",
        ),
    ):
        with pytest.raises(InputError) as caught:
            read(place)
        assert message in caught.value.problem
        assert caught.value.where.startswith("postgresql://127.0.0.1:")
        assert caught.value.remedy
        assert not any(secret in str(caught.value) for secret in (PASSWORD, "other-secret", "wrong", "x" * 9))
    run(url, 'GRANT SELECT ON "LiteLLM_SpendLogs" TO reader')
    assert read(server.url(name, "reader", "other-secret")) == []  # reading is all it needs


def test_a_lost_connection_keeps_what_was_read_and_goes_on_from_there(pulls: Pulls, url: str) -> None:
    count = 30_000
    run(
        url,
        f"""INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, "user", "startTime", "endTime")
        SELECT 'r-' || lpad(i::text, 6, '0'), 'acompletion', 'u', t, t
        FROM (SELECT i, timestamp '2026-05-01' + i * interval '1 second' AS t FROM generate_series(1, {count}) i) s""",
    )
    source = open_source(url)
    batches = source.batches(Silent())
    first = next(batches)
    run(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'stillhunt'")
    taken = [first]
    with pytest.raises(InputError, match="cannot be reached, or went away"):
        taken.extend(batches)
    read_before = sum(batch.requests.num_rows for batch in taken)
    assert 0 < read_before < count
    cursor = taken[-1].cursor
    assert cursor is not None
    rest = rows(read(url, cursors={("litellm_postgres", source.location): cursor}, overlap=timedelta(0)))
    got = [*rows(taken), *rest]
    assert {row["request_id"] for row in got} == {f"r-{number:06d}" for number in range(1, count + 1)}
    assert len(got) - count <= 1  # without a lake to ask, only the row at the cursor comes twice


def test_a_spoilt_cursor(url: str) -> None:
    location = open_source(url).location
    for cursor in ({}, {"start_time": "soon", "request_id": "r"}, {"start_time": 3, "request_id": "r"}):
        with pytest.raises(InputError, match="expected a cursor with start_time and request_id"):
            open_source(url, None, SourceSettings(cursors={("litellm_postgres", location): cursor}))


# --- pulling again and again ----------------------------------------------------------------------------------


def test_a_pull_takes_what_is_new_and_what_came_late(pulls: Pulls, url: str) -> None:
    insert(url, "a", START)
    insert(url, "b", START + timedelta(minutes=10))
    assert (pulls.pull().written, pulls.cursor()) == (
        2,
        {"start_time": "2026-05-01T12:10:00Z", "request_id": "b"},
    )

    report = pulls.pull()
    assert (report.read, report.written, report.partial) == (0, 0, False)

    insert(url, "late", START - timedelta(minutes=100))  # a long request: it started first and ended last
    insert(url, "same-instant", START + timedelta(minutes=10))
    insert(url, "new", START + timedelta(minutes=20))
    report = pulls.pull()
    assert (report.read, report.written, report.partial) == (3, 3, False)
    assert pulls.cursor() == {"start_time": "2026-05-01T12:20:00Z", "request_id": "new"}

    insert(url, "too-late", START - timedelta(minutes=101))  # more than the two hours before the cursor
    assert pulls.pull().written == 0
    pulls.settings = {"overlap": timedelta(hours=3)}
    assert pulls.pull().written == 1
    assert pulls.ids() == ["a", "b", "late", "new", "same-instant", "too-late"]
    check_digests(pulls.lake)
    assert [(taken.kind, taken.rows) for taken in pulls.lake.sources] == [("litellm_postgres", 6)]


def test_a_rejected_row_is_reported_once(pulls: Pulls, url: str) -> None:
    insert(url, "good")
    insert(url, "bad", user="")
    insert(url, "embedding", call_type="aembedding")
    assert (pulls.pull().rejected, pulls.pull().rejected) == (1, 0)
    insert(url, "worse", START + timedelta(seconds=1), user="")
    report = pulls.pull()
    assert (report.read, report.rejected, report.notes) == (1, 1, {})
    assert pulls.lake.rejected == 2


def test_a_clock_gone_wrong_does_not_hide_the_rows_after_it(pulls: Pulls, url: str) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=12)
    for number in range(3):
        insert(url, f"before-{number}", START + timedelta(seconds=number))
    insert(url, "ahead", ahead)
    assert pulls.pull().written == 4
    assert datetime.fromisoformat(pulls.cursor()["start_time"]) < ahead - timedelta(hours=11)
    insert(url, "now", datetime.now(UTC) - timedelta(minutes=1))
    report = pulls.pull()
    assert (report.written, report.rejected) == (1, 0)
    assert "now" in pulls.ids()


def test_rows_that_retention_deleted_do_not_move_the_cursor_back(pulls: Pulls, url: str) -> None:
    insert(url, "old", START)
    insert(url, "young", START + timedelta(minutes=30))
    pulls.pull()
    run(url, """DELETE FROM "LiteLLM_SpendLogs" WHERE request_id = 'young'""")
    pulls.pull()
    assert pulls.cursor()["request_id"] == "young"


# --- memory ---------------------------------------------------------------------------------------------------

MEASURE = """
import resource, sys
from stillhunt.schema.progress import Silent
from stillhunt.sources.detect import open_source
source = open_source(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = sum(batch.requests.num_rows for batch in source.batches(Silent()))
print(rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_memory_stays_flat(url: str) -> None:
    """200 MB of texts are read within 130 MB: two batches, and what two fetches take as Python objects."""
    count, letters = 10_000, 20_000
    run(
        url,
        f"""INSERT INTO "LiteLLM_SpendLogs"
        (request_id, call_type, "user", "startTime", "endTime", proxy_server_request)
        SELECT i, 'acompletion', 'u', t, t, jsonb_build_object('prompt', repeat(md5(i::text), {letters // 32}))
        FROM (SELECT i, timestamp '2026-05-01' + i * interval '1 second' AS t FROM generate_series(1, {count}) i) s""",
    )
    done = subprocess.run([sys.executable, "-c", MEASURE, url], capture_output=True, text=True, check=True)
    found, grown_mb = map(int, done.stdout.split())
    assert found == count
    assert grown_mb < 130
