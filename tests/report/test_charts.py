"""Charts: their specifications ask for nothing, and their rows say what the timeline says."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from stillhunt.report import charts
from stillhunt.report.document import Hours, Timeline


@pytest.fixture(scope="module")
def specs() -> dict[str, dict[str, Any]]:
    return charts.specs()


def test_a_specification_takes_its_rows_from_the_page(specs: dict[str, dict[str, Any]]) -> None:
    assert set(specs) == {"rhythm", "active", "hours"}
    for spec in specs.values():
        assert [data for data in spec["data"] if data["name"] == charts.ROWS]
        assert "url" not in json.dumps(spec)


def test_every_colour_follows_the_scheme_of_the_page(specs: dict[str, dict[str, Any]]) -> None:
    for spec in specs.values():
        fixed = re.findall(r"#[0-9a-fA-F]{3,8}\b", json.dumps(spec))
        assert not fixed
        assert spec["background"] == "transparent"


def test_times_are_drawn_in_utc(specs: dict[str, dict[str, Any]]) -> None:
    assert {scale["type"] for scale in specs["rhythm"]["scales"] if scale["name"] == "x"} == {"utc"}
    assert "timeFormat" not in json.dumps(specs)


def test_specifications_do_not_change_from_run_to_run() -> None:
    assert charts.specs() == charts.specs()


def test_the_program_is_one_script_without_an_end_tag() -> None:
    program = charts.program()
    assert "</script" not in program.lower()
    assert "<!--" not in program
    assert "drawChart" in program
    assert program == charts.program()


def test_each_side_is_a_multiple_of_its_own_average_rate() -> None:
    line = Timeline(
        start=datetime(2026, 4, 22, tzinfo=UTC),
        counted_s=3600,
        step_s=7200,
        last_step_s=3600,
        requests=(20, 60, 20),
        active_accounts=(1, 2, 3),
        background_requests=(0, 0, 0),
        background_accounts=(0, 0, 0),
    )
    rhythm, active = charts.timeline_charts(line)
    # 100 requests in five hours are 20 an hour; the last bin is one hour long.
    assert rhythm.columns["campaign"] == [0.5, 1.5, 1.0]
    assert rhythm.columns["background"] == [None, None, None]
    assert rhythm.columns["when"][1] == "22 Apr 2026, 02:00"
    assert rhythm.columns["t"][1] - rhythm.columns["t"][0] == 7_200_000
    assert active.columns["accounts"] == [1, 2, 3, 3], "the last step is drawn to its end"
    assert active.columns["t"][-1] - active.columns["t"][0] == 5 * 3_600_000
    for chart in (rhythm, active):
        assert len({len(column) for column in chart.columns.values()}) == 1


def test_hours_are_percentages_and_may_lack_a_background() -> None:
    chart = charts.hours_chart(Hours(campaign=(1 / 24,) * 24, background=None))
    assert chart.columns["campaign"][0] == 4.17
    assert chart.columns["background"] == [None] * 24
    assert chart.columns["when"][23] == "23:00 – 00:00"
