"""A data set among issued answers: what counts, whom it came from, what is said about it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from issued_texts import KEY, answers, edited, issued
from scipy.stats import fisher_exact

from stillhunt.engines.duckdb import DuckDB
from stillhunt.errors import InputError
from stillhunt.schema.campaigns import MEMBERS
from stillhunt.schema.findings import Finding
from stillhunt.trace.dataset import Counts, Screened, screen
from stillhunt.trace.dataset_findings import (
    EXCHANGEABLE,
    UNRELATED,
    excess_log10_p,
    findings_of,
    write_screened,
)
from stillhunt.trace.registry.build import write_registry
from stillhunt.trace.registry.files import Registry
from stillhunt.trace.suspect import Suspect
from stillhunt.trace.suspect import answers as answers_in

TEXTS = answers(60)
STRANGERS = answers(40, seed=99)
SHORT = "I cannot help with that."
ACCOUNTS = [f"acct-{i % 6}" for i in range(60)]


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDB]:
    with DuckDB(memory="1GB", threads=2) as opened:
        yield opened


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """60 answers to six accounts; the first also went to acct-5; and a short one."""
    receipts = [bytes([i + 1]) * 16 for i in range(60)]
    batches = [
        issued(TEXTS, ACCOUNTS, receipts=receipts),
        issued([TEXTS[0], SHORT], ["acct-5", "acct-1"], first=500),
    ]
    return write_registry(tmp_path_factory.mktemp("dataset") / "r", [(KEY.key_id, batches)], ["one"])


def suspect_of(records: list[dict[str, Any]], by: str | None = None) -> Iterator[pa.Table]:
    suspect = Suspect(by=by)
    for row, record in enumerate(records, 1):
        suspect.add("s.jsonl", row, record)
        if suspect.is_full:
            yield suspect.take()
    yield suspect.take()


RECORDS = [
    *[{"output": TEXTS[i], "src": "forum"} for i in range(10)],
    *[{"output": edited(TEXTS[i], 0.03, seed=i), "src": "forum"} for i in range(10, 15)],
    *[{"output": edited(TEXTS[i], 0.12, seed=i), "src": "web"} for i in range(15, 20)],
    *[{"output": text, "src": "web"} for text in STRANGERS],
    {"output": SHORT, "src": None},
    {
        "messages": [
            {"role": "user", "content": TEXTS[30]},
            {"role": "assistant", "content": STRANGERS[0]},
            {"role": "assistant", "content": TEXTS[31]},
        ]
    },
]


@pytest.fixture(scope="module")
def screened(registry: Registry, engine: DuckDB) -> Screened:
    campaign = {"campaign_id": "c-1", "authorised_use": None}
    members = [{"account_id": f"acct-{i}", "membership": 0.9, **campaign} for i in (0, 1)]
    members.append({"account_id": "acct-2", "membership": 0.2, **campaign})
    table = pa.Table.from_pylist(members, schema=MEMBERS)
    return screen(registry, suspect_of(RECORDS, "src"), [KEY], engine, members=table)


def test_rows_are_counted_by_their_best_match(screened: Screened) -> None:
    assert screened.counts == Counts(
        records=62, counted=61, verbatim=11, close=5, edited=5, short_matches=1, cut=0
    )
    assert screened.counts.matching == 21
    assert screened.expected_false == pytest.approx(61e-6)


def test_each_matching_text_has_a_line_and_no_text_in_it(screened: Screened) -> None:
    rows = screened.rows.to_pylist()
    assert len(rows) == 22
    assert [one["copy"] for one in rows[:20]] == ["verbatim"] * 10 + ["close"] * 5 + ["edited"] * 5
    assert {(one["row"], one["part"]) for one in rows if one["row"] == 62} == {(62, 1)}
    assert [one["row"] for one in rows if one["short"]] == [61]
    assert rows[0]["issued"] == 2
    assert "text" not in screened.rows.column_names


def test_origins_name_account_time_receipt_and_campaign(screened: Screened) -> None:
    origins = screened.origins.to_pylist()
    first = [one for one in origins if one["row"] == 1]
    assert [one["account_id"] for one in first] == ["acct-0", "acct-5"]
    assert [one["campaign_id"] for one in first] == ["c-1", None]
    assert [one["receipt_id"] for one in first] == ["01" * 16, None]
    assert [one["account_id"] for one in origins if one["row"] == 9] == ["acct-2"]
    assert [one["campaign_id"] for one in origins if one["row"] == 9] == [None]  # a doubtful member


def test_accounts_and_campaigns_are_summed_up(screened: Screened) -> None:
    accounts = {one["account_id"]: one for one in screened.accounts.to_pylist()}
    assert sum(one["rows"] for one in accounts.values()) == 22  # the first row counts for two accounts
    assert sum(one["rows_alone"] for one in accounts.values()) == 20
    assert (accounts["acct-0"]["rows"], accounts["acct-0"]["rows_alone"]) == (4, 3)
    (campaign,) = screened.campaigns.to_pylist()
    assert (campaign["campaign_id"], campaign["accounts"]) == ("c-1", 2)
    assert campaign["rows"] == sum(accounts[name]["rows"] for name in ("acct-0", "acct-1"))


def test_sources_are_told_apart(screened: Screened) -> None:
    assert screened.sources.to_pylist() == [
        {"source": "forum", "rows": 15, "counted": 15, "matching": 15, "verbatim": 10},
        {"source": "web", "rows": 45, "counted": 45, "matching": 5, "verbatim": 0},
    ]


def test_findings_say_what_they_rest_on(screened: Screened, registry: Registry, tmp_path: Path) -> None:
    findings = findings_of(screened, registry, "sha256:ab")
    copies, reading, campaign = findings
    assert copies.claim == "21 of 61 rows are copies of issued answers: 11 verbatim, 5 close, 5 edited."
    assert (copies.null, copies.value, copies.n, copies.role) == (UNRELATED, 21.0, 61, "inferred")
    assert copies.evidence["log10_p"] == pytest.approx(math.log10(61e-6 / 21))
    assert copies.evidence["registry"] == registry.digest
    assert (reading.role, reading.null, reading.value) == ("reading", "", 5.0)
    assert (campaign.role, campaign.subject["campaign"]) == ("observed", "c-1")
    assert all(Finding.from_json(one.to_json()) == one for one in findings)
    summary = write_screened(tmp_path, screened, registry, findings, [], "sha256:ab")
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert (summary["matching"], summary["accounts"], summary["control"]) == (21, 6, None)
    assert pq.read_table(tmp_path / "rows.parquet").equals(screened.rows)
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert not [word for word in TEXTS[0].split(" ") if len(word) > 7 and word.encode() in written]


def test_a_clean_data_set_is_said_to_be_clean(registry: Registry, engine: DuckDB) -> None:
    clean = screen(registry, suspect_of([{"text": text} for text in STRANGERS]), [KEY], engine)
    (finding,) = findings_of(clean, registry, "sha256:ab")
    assert finding.claim == "None of 40 rows is a copy of one of 61 issued answers."
    assert (finding.value, finding.role, finding.null) == (0.0, "observed", "")


def test_a_control_makes_an_exact_test(screened: Screened, registry: Registry, engine: DuckDB) -> None:
    records = [{"output": text} for text in [*STRANGERS, TEXTS[50]]]
    control = screen(registry, suspect_of(records), [KEY], engine)
    p = fisher_exact([[21, 40], [1, 40]], alternative="greater").pvalue
    assert excess_log10_p(screened, control) == pytest.approx(math.log10(p))
    finding = findings_of(screened, registry, "sha256:ab", control)[1]
    assert (finding.null, finding.evidence["control_matching"]) == (EXCHANGEABLE, 1)
    assert finding.claim == "21 of 61 rows are copies of issued answers, against 1 of 41 of the control."
    assert excess_log10_p(control, control) <= 0.0


def test_more_rows_than_a_chunk_keep_their_places(
    registry: Registry, engine: DuckDB, monkeypatch: pytest.MonkeyPatch, screened: Screened
) -> None:
    monkeypatch.setattr("stillhunt.trace.suspect.CHUNK", 7)
    again = screen(registry, suspect_of(RECORDS, "src"), [KEY], engine)
    assert again.rows.equals(screened.rows)
    assert again.origins.drop_columns(["campaign_id"]).equals(screened.origins.drop_columns(["campaign_id"]))


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"completion": "a", "text": "b"}, ["a"]),
        ({"completion": "", "text": "b"}, ["b"]),
        ({"text": None, "response": "c"}, ["c"]),
        ({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "r"}]}, ["r"]),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "text", "text": "x"}, {"text": "y"}]}]},
            ["xy"],
        ),
        ({"chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "good"}]}, ["good"]),
        ({"messages": [{"role": "assistant", "content": None}, "noise", {"role": 3}]}, []),
        ({"number": 3, "text": 4}, []),
        ({}, []),
    ],
)
def test_answers_are_found_in_the_usual_columns(record: dict[str, Any], found: list[str]) -> None:
    assert answers_in(record) == found


def test_another_column_is_read_when_it_is_named() -> None:
    suspect = Suspect(("mine",))
    suspect.add("f", 1, {"mine": "a", "text": "b"})
    suspect.add("f", 2, {"text": "b"})
    assert suspect.take()["text"].to_pylist() == ["a"]
    assert suspect.take().num_rows == 0
    assert [(one.row, one.reason) for one in suspect.unusable] == [
        (2, "expected an answer in mine, found none")
    ]


def test_a_data_set_without_answers_is_refused() -> None:
    suspect = Suspect()
    suspect.add("f.jsonl", 1, {"foo": "bar"})
    with pytest.raises(InputError, match="no record could be used of 1") as caught:
        suspect.check()
    assert caught.value.where == "f.jsonl"
