"""A log cut at a moment knows nothing of what comes later; days are searched in order and no more than needed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from bench import delay
from bench.delay import Daily, Delays, Watched, cut, days_to_scan, first_found, rows, tell, watched
from bench.simulated import Truth
from folders import START, requests_of, write_log

from stillhunt.simulate.scenarios import scenario

UNTIL = START + timedelta(days=2)


def hours(number: float) -> Any:
    return START + timedelta(hours=number)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    asked = [("early", 1.0), ("early", 40.0), ("old", 47.99), ("early", 48.0), ("late", 50.0), ("old", 70.0)]
    parts: list[list[dict[str, Any]]] = [[], [], []]
    for account, after in asked:
        parts[int(after // 24)].append({"account_id": account, "time": hours(after)})
    write_log(
        tmp_path / "log",
        parts,
        [
            {
                "account_id": "early",
                "created_at": hours(-5),
                "closed_at": hours(60),
                "email_domain": "x.test",
            },
            {"account_id": "old", "created_at": None, "closed_at": None},
            {"account_id": "late", "created_at": hours(49)},
            {"account_id": "at midnight", "created_at": hours(48)},
            {"account_id": "silent", "created_at": hours(47), "closed_at": hours(47.5)},
            {"account_id": "closed at midnight", "created_at": hours(0), "closed_at": hours(48)},
            {"account_id": "never seen, unknown since when", "created_at": None},
        ],
    )
    return tmp_path / "log"


def test_a_cut_log_holds_nothing_of_the_future(log: Path, tmp_path: Path) -> None:
    cut(log, tmp_path / "cut", UNTIL)
    whole, held = requests_of(log), requests_of(tmp_path / "cut")
    assert held == [row for row in whole if row["time"] < UNTIL]
    assert [row["account_id"] for row in held] == ["early", "early", "old"]
    files = [path.name for path in (tmp_path / "cut" / "requests").iterdir()]
    assert sorted(files) == ["part-000000.parquet", "part-000001.parquet"]
    accounts = {
        row["account_id"]: row for row in pq.read_table(tmp_path / "cut/accounts.parquet").to_pylist()
    }
    assert set(accounts) == {"early", "old", "silent", "closed at midnight"}
    for row in accounts.values():
        assert row["closed_at"] is None or row["closed_at"] < UNTIL
    assert accounts["early"]["closed_at"] is None
    assert accounts["early"]["email_domain"] == "x.test"
    assert accounts["silent"]["closed_at"] == hours(47.5)


def test_a_cut_at_the_end_is_the_whole_log(log: Path, tmp_path: Path) -> None:
    cut(log, tmp_path / "cut", hours(24 * 14))
    assert requests_of(tmp_path / "cut") == requests_of(log)
    seen = pq.read_table(log / "accounts.parquet").to_pylist()[:-1]
    assert pq.read_table(tmp_path / "cut/accounts.parquet").to_pylist() == seen


def test_campaigns_are_watched_by_their_hostile_accounts(log: Path) -> None:
    truth = Truth(
        {
            "early": {"kind": "distillation", "campaign": "one"},
            "late": {"kind": "distillation", "campaign": "one"},
            "old": {"kind": "reseller", "campaign": "one"},
            "silent": {"kind": "distillation", "campaign": "one"},
        },
        6,
    )
    (one,) = watched(log, truth).values()
    assert one.first == hours(1)
    assert one.active(UNTIL) == {"early"}
    assert one.active(hours(51)) == {"early", "late"}
    assert one.left(UNTIL) == pytest.approx(2 / 4)


def test_an_account_at_the_very_moment_is_not_yet_active() -> None:
    one = Watched({"a": [hours(48)]})
    assert one.active(UNTIL) == set()
    assert one.left(UNTIL) == 0.0


def test_days_count_from_the_first_exchange() -> None:
    assert days_to_scan(1, 14) == [1, 2, 3, 4, 5, 7, 10, 14]
    assert days_to_scan(3, 14) == [3, 4, 5, 6, 7, 9, 12]
    assert days_to_scan(14, 14) == [14]


def test_days_are_searched_in_order_and_no_longer_than_needed() -> None:
    asked: list[int] = []
    on = {"soon": 1, "later": 5, "never": 99}

    def found_on(day: int) -> set[str]:
        asked.append(day)
        return {name for name, first in on.items() if day >= first}

    wanted = {"soon": [1, 2, 3], "later": [2, 4, 7]}
    assert first_found(wanted, found_on) == {"soon": (1, None), "later": (7, 4)}
    assert asked == [1, 2, 4, 7]
    asked.clear()
    assert first_found({"never": [1, 4], "soon": [2]}, found_on) == {"soon": (2, None)}
    assert asked == [1, 2, 4]
    assert first_found({}, found_on) == {}


def test_the_table_tells_the_middle_log_and_those_that_were_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    delays = Delays(logs=4, scans=[2, 2, 5], missed=[1, 1, 4], left=[0.03, 0.04, 0.2])
    made = rows(scenario("letter"), Daily({"letter": delays}, honest=1000, accused=1, scans=17))
    value = {row.metric: row for row in made}
    assert value["logs in which it is found"].value == 0.75
    scan = value["daily scan on which half its active accounts are flagged"]
    assert (scan.value, scan.low, scan.high, scan.n) == (2, 2, 5, 3)
    written: list[str] = []
    monkeypatch.setattr(delay, "write_between", lambda name, lines: written.extend([name, *lines]))
    tell([vars(row) for row in made])
    assert [cell.strip() for cell in written[3].split("|")[1:-1]] == [
        "`letter`", "`letter`", "14", "3 of 4 logs", "2 (2–5)", "4.0% (3.0%–20.0%)", "1 of 1,000",
    ]  # fmt: skip
