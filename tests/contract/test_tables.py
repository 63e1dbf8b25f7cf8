"""The schemas are those of the outside contract: names, order and types are written out here, once more, by hand."""

from __future__ import annotations

import pyarrow as pa
import pytest

from stillhunt.cli import status
from stillhunt.schema.accounts import ACCOUNTS, TRUTH
from stillhunt.schema.campaigns import CAMPAIGNS, FLAG_MEMBERSHIP, KINDS, MEMBERS
from stillhunt.schema.requests import (
    HARVESTED_CAPABILITIES,
    LAKE_REQUESTS,
    LAKE_REQUESTS_WITH_TEXT,
    REQUESTS,
    REQUIRED_COLUMNS,
    TEXT_COLUMNS,
)
from stillhunt.sources.columns import REQUEST_ALIASES

CONTRACT_REQUESTS = """
time                 timestamp[us, tz=UTC]
request_id           string
account_id           string
org_id               string
api_key_id           string
session_id           string
channel              string
model                string
input_tokens         int32
output_tokens        int32
cached_input_tokens  int32
max_tokens           int32
temperature          float
stream               bool
reasoning            bool
tools                int16
status               int16
finish_reason        string
latency_ms           int32
client_ip            string
asn                  int32
country              string
user_agent           string
tls_fingerprint      string
device_id            string
reasoning_signature  string
system_prompt        string
prompt               string
completion           string
"""

CONTRACT_ACCOUNTS = """
account_id           string
org_id               string
created_at           timestamp[us, tz=UTC]
closed_at            timestamp[us, tz=UTC]
email_domain         string
payment_fingerprint  string
payment_issuer       string
payment_country      string
authorised_use       string
signup_ip            string
country              string
verification         string
plan                 string
"""

CONTRACT_CAMPAIGNS = """
campaign_id      string
kind             string
accounts         int64
requests         int64
first_seen       timestamp[us, tz=UTC]
last_seen        timestamp[us, tz=UTC]
q_value          double
kind_confidence  double
score            double
harm             struct<output_tokens: int64, reasoning_tokens: int64, list_price_usd: double>
capabilities     list<string>
"""

CONTRACT_MEMBERS = """
account_id   string
campaign_id  string
membership   double
"""

CONTRACT_TRUTH = """
account_id  string
campaign    string
kind        string
"""


def written(schema: pa.Schema) -> list[tuple[str, str]]:
    """Names and types; the name that Arrow gives the values of a list says nothing."""
    return [(field.name, str(field.type).replace("item: ", "").replace("element: ", "")) for field in schema]


def expected(page: str) -> list[tuple[str, str]]:
    return [
        (name, kind.strip()) for name, kind in (line.split(None, 1) for line in page.strip().splitlines())
    ]


@pytest.mark.parametrize(
    ("schema", "page"),
    [
        (REQUESTS, CONTRACT_REQUESTS),
        (ACCOUNTS, CONTRACT_ACCOUNTS),
        (CAMPAIGNS, CONTRACT_CAMPAIGNS),
        (TRUTH, CONTRACT_TRUTH),
    ],
    ids=["requests", "accounts", "campaigns", "truth"],
)
def test_table(schema: pa.Schema, page: str) -> None:
    assert written(schema)[: len(expected(page))] == expected(page)


def test_members_begin_with_the_contracts_columns() -> None:
    """What is optional may be added behind them."""
    assert written(MEMBERS)[:3] == expected(CONTRACT_MEMBERS)


def test_only_time_and_account_are_required() -> None:
    assert REQUIRED_COLUMNS == ("time", "account_id")


def test_a_lake_has_the_facts_of_a_log_and_text_only_where_it_is_kept() -> None:
    facts = [field for field in REQUESTS if field.name not in TEXT_COLUMNS]
    for schema in (LAKE_REQUESTS, LAKE_REQUESTS_WITH_TEXT):
        assert all(schema.field(field.name).equals(field) for field in facts)
    assert not set(TEXT_COLUMNS) & set(LAKE_REQUESTS.names)
    assert set(TEXT_COLUMNS) <= set(LAKE_REQUESTS_WITH_TEXT.names)


def test_sketches_take_at_most_sixteen_bytes_of_a_row() -> None:
    widths = [
        LAKE_REQUESTS.field(f"{role}_sketch").type.byte_width for role in ("prompt", "system", "completion")
    ]
    assert sum(widths) <= 16


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("request_id", "gen_ai.response.id"),
        ("account_id", "enduser.id"),
        ("session_id", "gen_ai.conversation.id"),
        ("model", "gen_ai.request.model"),
        ("input_tokens", "gen_ai.usage.input_tokens"),
        ("output_tokens", "gen_ai.usage.output_tokens"),
        ("max_tokens", "gen_ai.request.max_tokens"),
        ("status", "http.response.status_code"),
        ("finish_reason", "gen_ai.response.finish_reasons"),
        ("client_ip", "client.address"),
        ("user_agent", "user_agent.original"),
        ("system_prompt", "gen_ai.system_instructions"),
        ("prompt", "gen_ai.input.messages"),
        ("completion", "gen_ai.output.messages"),
    ],
)
def test_alias(ours: str, theirs: str) -> None:
    assert theirs in REQUEST_ALIASES[ours]


def test_words_and_exit_statuses() -> None:
    assert KINDS == ("distillation", "reseller", "trial_farm", "shared_team", "evaluation", "unclear")
    assert HARVESTED_CAPABILITIES == (
        "agentic_reasoning",
        "software_engineering",
        "long_horizon_planning",
        "mathematics",
        "reasoning_traces",
        "grading",
    )
    assert FLAG_MEMBERSHIP == 0.5
    assert (status.DONE, status.FOUND, status.UNUSABLE, status.PARTIAL, status.INTERNAL) == (0, 1, 2, 3, 70)
