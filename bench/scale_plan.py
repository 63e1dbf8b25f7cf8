"""Ten billion requests a day, on paper: what the measured costs of one row and one account come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

from bench.page import table
from bench.result import Row

REQUESTS_A_DAY = 10e9
ACCOUNTS = 100e6
WINDOW_DAYS = 14
CORES = 64
CORE_HOUR_USD = 0.04
GB_MONTH_USD = 0.02
"""Assumed prices, and cores of one machine."""
READING = ("open", "summarise", "candidates")
"""Stages that go through rows; the others go through accounts and their links."""
SHUFFLES: Mapping[str, tuple[str, int]] = {
    "exchanges by account (sessions, distinct values)": ("rows", 40),
    "exchanges by prompt (moves, hand-offs)": ("prompts", 29),
    "account–artefact links, by artefact and by account": ("links", 2 * 20),
}
"""Bytes that each shuffle carries per row, or per link: keys, times and counts at their width."""


@dataclass(frozen=True)
class Costs:
    """Of one size of log. bytes_row: of the lake. floor_us, reading_us: CPU microseconds per row, of DuckDB's scan and
    of the stages that read. account_ms: CPU milliseconds per account of the others. links: template links per
    account."""

    rows: float
    accounts: float
    bytes_row: float
    floor_us: float
    reading_us: float
    account_ms: float
    links: float


def costs(rows: Sequence[Row]) -> list[Costs]:
    """The costs in a bench's rows, smallest log first."""
    found = []
    for case in dict.fromkeys(row.case for row in rows):
        value = {row.metric: row.value for row in rows if row.case == case}
        if "accounts" not in value or "scan: CPU" not in value:
            continue
        stages = {
            metric.removeprefix("stage ").removesuffix(": CPU"): seconds
            for metric, seconds in value.items()
            if metric.startswith("stage ") and metric.endswith(": CPU")
        }
        reading = sum(stages[name] for name in READING)
        found.append(
            Costs(
                value["requests"],
                value["accounts"],
                value["lake: bytes per row"],
                value["DuckDB: CPU per row"],
                reading / value["requests"] * 1e6,
                (sum(stages.values()) - reading) / value["accounts"] * 1e3,
                value["links: templates per account"],
            )
        )
    return sorted(found, key=lambda one: one.rows)


def plan(known: Sequence[Costs]) -> list[str]:
    """The plan as a table, from the costs of the largest log, taken to grow with rows and with accounts; of what grows
    faster with accounts than that, also as it grew between the two largest logs."""
    one = known[-1]
    day_gb = REQUESTS_A_DAY * one.bytes_row / 1e9
    window = REQUESTS_A_DAY * WINDOW_DAYS
    links = ACCOUNTS * one.links
    counts = {"rows": window, "prompts": window, "links": links}
    lines = [
        ["lake, a day", f"{day_gb / 1e3:,.1f} TB"],
        [f"lake, {WINDOW_DAYS} days", f"{day_gb * WINDOW_DAYS / 1e3:,.0f} TB"],
        ["account–template links", f"{links / 1e9:,.0f} billion, {links * 32 / 1e12:,.1f} TB in memory"],
    ]
    lines.append(["graph of 32 neighbours kept", f"{ACCOUNTS * 64 * 16 / 1e9:,.0f} GB at most"])
    lines += [
        [f"shuffle: {name}", f"{counts[what] * width / 1e12:,.1f} TB"]
        for name, (what, width) in SHUFFLES.items()
    ]
    hours = {
        "DuckDB's scan of a day": REQUESTS_A_DAY * one.floor_us / 3.6e9,
        "stages that read, one day": REQUESTS_A_DAY * one.reading_us / 3.6e9,
        f"stages that read, {WINDOW_DAYS} days": window * one.reading_us / 3.6e9,
        "stages that weigh and judge, if they grew with accounts": ACCOUNTS * one.account_ms / 3.6e6,
    }
    if len(known) > 1:
        power = log(one.account_ms / known[-2].account_ms) / log(one.accounts / known[-2].accounts)
        hours["the same, as they grew between the two largest logs"] = (
            ACCOUNTS * one.account_ms / 3.6e6 * (ACCOUNTS / one.accounts) ** power
        )
    lines += [
        [
            name,
            f"{spent:,.0f} core-hours: {spent / 24 / CORES:,.2f} machines for a day, {spent * CORE_HOUR_USD:,.2f} USD",
        ]
        for name, spent in hours.items()
    ]
    lines.append(["keeping the window", f"{day_gb * WINDOW_DAYS * GB_MONTH_USD / 30:,.0f} USD a day"])
    return table(["what", "how much"], lines)


def measured(rows: Sequence[Costs]) -> list[str]:
    """Costs of each size as a table."""
    return table(
        [
            "rows",
            "accounts",
            "bytes a row",
            "DuckDB's scan",
            "stages that read",
            "stages that weigh and judge",
            "links",
        ],
        [
            [
                f"{one.rows / 1e6:.3g} million",
                f"{one.accounts:,.0f}",
                f"{one.bytes_row:.0f}",
                f"{one.floor_us:.2f} µs a row",
                f"{one.reading_us:.2f} µs a row",
                f"{one.account_ms:,.1f} ms an account",
                f"{one.links:,.0f} an account",
            ]
            for one in rows
        ],
    )
