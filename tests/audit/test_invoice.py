"""Invoices of every shape become the same lines."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stillhunt.audit.exchanges import Exchange
from stillhunt.audit.invoice import read_invoice
from stillhunt.audit.reconcile import reconcile
from stillhunt.audit.terms import Terms, read_terms
from stillhunt.errors import InputError, SettingError

DAY = datetime(2026, 11, 2, tzinfo=UTC)
WINDOW = (DAY, DAY + timedelta(days=2))
HEADER = (
    "BilledCost,BillingCurrency,ChargeCategory,ChargePeriodStart,ChargePeriodEnd,SkuMeter,ConsumedQuantity,"
    "ConsumedUnit,ContractedUnitPrice,PricingUnit,Tags\n"
)


def focus(tmp_path: Path, *rows: str) -> Path:
    file = tmp_path / "focus.csv"
    file.write_text(HEADER + "".join(row + "\n" for row in rows))
    return file


def test_focus_rows(tmp_path: Path) -> None:
    day = "2026-11-02T00:00:00Z,2026-11-03T00:00:00Z"
    file = focus(
        tmp_path,
        f'0.0360,USD,Usage,{day},m-large output,2.40,1K Tokens,15,1M Tokens,"{{""api_key_id"": ""k1""}}"',
        f"0.01,USD,Usage,{day},m-large cached input,10,1M Tokens,,,",
        f"7.20,USD,Tax,{day},,,,,,",
    )
    found = read_invoice(file, ["m", "m-large"], ["k1"])
    output, cached = found.lines
    assert (output.start, output.end, output.model, output.key) == (
        DAY,
        DAY + timedelta(days=1),
        "m-large",
        "k1",
    )
    assert (output.measure, output.quantity, output.quantity_step) == ("output_tokens", 2400.0, 10.0)
    assert (output.cost, output.cost_step, output.unit_price) == (0.036, 0.0001, 15e-6)
    assert (cached.measure, cached.quantity, cached.key) == ("cached_input_tokens", 1e7, "")
    assert found.other == {"Tax USD": 7.2}


@pytest.mark.parametrize(
    "bucket",
    [
        {
            "start_time": int(DAY.timestamp()),
            "end_time": int(DAY.timestamp()) + 86400,
            "results": [
                {
                    "model": "m",
                    "api_key_id": "k",
                    "input_tokens": 9,
                    "output_tokens": 4,
                    "num_model_requests": 2,
                }
            ],
        },
        {
            "starting_at": "2026-11-02T00:00:00Z",
            "ending_at": "2026-11-03T00:00:00Z",
            "results": [
                {
                    "model": "m",
                    "api_key_id": "k",
                    "uncached_input_tokens": 5,
                    "cache_read_input_tokens": 4,
                    "output_tokens": 4,
                }
            ],
        },
    ],
)
def test_pages_of_a_usage_api(bucket: dict[str, object], tmp_path: Path) -> None:
    file = tmp_path / "usage.json"
    file.write_text(json.dumps({"data": [bucket]}))
    lines = read_invoice(file, ["m"], ["k"]).lines
    assert {(one.model, one.key, one.start, one.end) for one in lines} == {
        ("m", "k", DAY, DAY + timedelta(days=1))
    }
    went_in = sum(one.quantity or 0 for one in lines if "input" in one.measure)
    assert (went_in, next(one.quantity for one in lines if one.measure == "output_tokens")) == (9, 4)


def test_a_mapping_names_other_columns(tmp_path: Path) -> None:
    file, mapping = tmp_path / "usage.csv", tmp_path / "map.toml"
    file.write_text("Tag,Modell,Ein,Aus\n2026-11-02,m,9,4\n")
    mapping.write_text('start = "Tag"\nmodel = "Modell"\ninput_tokens = "Ein"\noutput_tokens = "Aus"\n')
    lines = read_invoice(file, ["m"], [], mapping).lines
    assert [(one.measure, one.quantity) for one in lines] == [("input_tokens", 9.0), ("output_tokens", 4.0)]
    with pytest.raises(InputError, match="the start of the period: expected a time, found none"):
        read_invoice(file, ["m"], [])
    mapping.write_text('nonsense = "Tag"\n')
    with pytest.raises(SettingError, match="got nonsense"):
        read_invoice(file, ["m"], [], mapping)


def exchange(seconds: float, tokens: int, status: int = 200) -> Exchange:
    return Exchange(
        DAY + timedelta(seconds=seconds),
        "app",
        "k",
        "m",
        input_tokens=tokens,
        output_tokens=1,
        status=status,
        latency_ms=1000,
    )


@pytest.mark.parametrize(
    ("billed", "excess"),
    [
        ("1000", 0.0),
        ("1001", 0.0),  # one unit in the last printed place
        ("1002", 2.0),
        ("998", -2.0),
    ],
)
def test_rounding_is_no_difference(billed: str, excess: float, tmp_path: Path) -> None:
    file = tmp_path / "usage.csv"
    file.write_text(f"date,model,api_key_id,input_tokens\n2026-11-02,m,k,{billed}\n")
    lines = read_invoice(file, ["m"], ["k"]).lines
    found = reconcile([exchange(7200, 600), exchange(9000, 400)], lines, Terms(tolerance=0.0), WINDOW)
    assert {one.excess for one in found.differences if one.level == "period"} == {excess}


def test_what_failed_and_what_lies_at_midnight_may_be_billed_or_not(tmp_path: Path) -> None:
    rows = [exchange(7200, 1000), exchange(8000, 50, status=500), exchange(86400 - 30, 70)]
    for first, second in ((1000, 70), (1050, 70), (1070, 0), (1120, 0)):
        file = tmp_path / "usage.csv"
        file.write_text(
            f"date,model,api_key_id,input_tokens\n2026-11-02,m,k,{first}\n2026-11-03,m,k,{second}\n"
        )
        lines = read_invoice(file, ["m"], ["k"]).lines
        assert not reconcile(rows, lines, Terms(), WINDOW).found, (first, second)
    file.write_text("date,model,api_key_id,input_tokens\n2026-11-02,m,k,1000\n2026-11-03,m,k,140\n")
    found = reconcile(rows, read_invoice(file, ["m"], ["k"]).lines, Terms(), WINDOW).found
    assert [(one.level, one.excess) for one in found] == [("period", 70.0), ("total", 20.0)]


def test_a_model_that_was_never_asked_for_and_a_key_that_was_not_billed_differ(tmp_path: Path) -> None:
    file = tmp_path / "usage.csv"
    file.write_text("date,model,api_key_id,output_tokens\n2026-11-02,m,k,1\n2026-11-02,other,k,500\n")
    rows = [
        exchange(7200, 5),
        Exchange(DAY + timedelta(hours=3), "app", "k2", "m", output_tokens=40, status=200),
    ]
    found = reconcile(rows, read_invoice(file, ["m"], ["k", "k2"]).lines, Terms(), WINDOW).found
    seen = {(one.model, one.key, one.measure, one.excess) for one in found}
    assert ("other", "k", "output_tokens", 500.0) in seen
    assert ("m", "k2", "output_tokens", -40.0) in seen


def test_lines_of_other_days_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "usage.csv"
    file.write_text("date,model,api_key_id,output_tokens\n2026-11-02,m,k,1\n2026-12-24,m,k,500\n")
    found = reconcile([exchange(7200, 5)], read_invoice(file, ["m"], ["k"]).lines, Terms(), WINDOW)
    assert ([one.start.month for one in found.outside], found.found) == ([12], ())


@pytest.mark.parametrize(
    ("asked", "answered", "may"),
    [
        ("m-2", "m-2", True),
        ("vendor/M-2", "m-2", True),
        ("m-2", "m-2-2026-08-01", True),
        ("m-2", "m-2-20260801", True),
        ("m-2", "m-2-mini", False),
        ("m-2", "m-20", False),
        ("house", "m-2-0801", True),
        ("house", "m-3", False),
    ],
)
def test_which_model_may_answer(asked: str, answered: str, may: bool) -> None:
    assert Terms(models={"house": ("m-2",)}).may_answer(asked, answered) is may


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nonsense = 1", "got nonsense"),
        ("tolerance = -1", "tolerance: expected a number in range"),
        ("[prices.m]\nimput_tokens = 3", "imput_tokens"),
        ("tolerance = [", "cannot read the terms"),
    ],
)
def test_terms_that_cannot_be_meant_are_refused(text: str, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "terms.toml"
    file.write_text(text)
    with pytest.raises(SettingError, match=problem):
        read_terms(file)
