"""The gateway's log keeps its receipt ids and bodies, whatever file it comes in."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from stillhunt.audit.checks import body_usage
from stillhunt.audit.exchanges import read_gateway
from stillhunt.errors import InputError
from stillhunt.schema.progress import Silent

ROWS = [
    {
        "time": f"2026-11-02T10:0{n}:00+00:00",
        "account_id": "app",
        "api_key_id": "k",
        "model": "m",
        "request_id": f"r{n}",
        "input_tokens": n,
        "receipt_id": f"{n:032X}",
        "request_body": '{"q": "é, \\"quoted\\""}',
        "response_body": f'{{"a":\n{n}}}',
        "prompt": "Write a function that sorts a list in Python.",
    }
    for n in range(1, 5)
]


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_every_format_gives_the_same_exchanges(form: str, tmp_path: Path) -> None:
    file = tmp_path / f"log.{form}"
    table = pa.Table.from_pylist(ROWS)
    if form == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif form == "csv":
        pcsv.write_csv(table, file)
    else:
        pq.write_table(table, file)
    found = read_gateway([str(file)], Silent()).exchanges
    assert [one.receipt_id for one in found] == [f"{n:032x}" for n in range(1, 5)]
    assert [one.response for one in found] == [b'{"a":\n%d}' % n for n in range(1, 5)]
    assert {one.request for one in found} == {'{"q": "é, \\"quoted\\""}'.encode()}
    assert {(one.application, one.key, one.model, one.capability) for one in found} == {
        ("app", "k", "m", "software_engineering")
    }


def test_litellm_rows_keep_the_vendors_header(tmp_path: Path) -> None:
    file = tmp_path / "litellm.jsonl"
    records = [
        {
            "id": f"r{n}",
            "call_type": "acompletion",
            "startTime": 1793613600.0 + n,
            "endTime": 1793613602.5 + n,
            "model_group": "m",
            "model": "vendor/m",
            "status": "success",
            "prompt_tokens": 5,
            "completion_tokens": 6,
            "metadata": {"user_api_key_hash": "kh", "user_api_key_user_id": "team-a"},
            "hidden_params": {"additional_headers": {"llm_provider-receipt-id": f"{n:032x}"}},
        }
        for n in range(3)
    ]
    file.write_text("".join(json.dumps(one) + "\n" for one in records))
    found = read_gateway([str(file)], Silent()).exchanges
    assert [(one.receipt_id, one.latency_ms) for one in found] == [(f"{n:032x}", 2500) for n in range(3)]
    assert {(one.application, one.key, one.model) for one in found} == {("team-a", "kh", "m")}


def test_a_log_without_a_usable_row_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text('{"time": "nonsense", "account_id": "a"}\n')
    with pytest.raises(InputError, match="none of the log's rows can be used: time"):
        read_gateway([str(file)], Silent())


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "m", "usage": {"prompt_tokens": 3, "completion_tokens": 4}}',
        b'data: {"model": "m"}\n\ndata: {"usage": {"input_tokens": 3, "output_tokens": 4}}\n\ndata: [DONE]',
    ],
)
def test_counts_of_a_kept_answer(body: bytes) -> None:
    said = body_usage(body)
    assert (said.model, said.input_tokens, said.output_tokens) == ("m", 3, 4)
