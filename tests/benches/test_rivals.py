"""Each rival finds what it looks for in a log made by hand, and nothing else; recall at equal harm, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from bench import rivals_table
from bench.rivals import mmd
from bench.rivals.components import Options as Unions
from bench.rivals.components import component_size
from bench.rivals.dense import Options as Blocks
from bench.rivals.dense import block_density, peel
from bench.rivals.duplicates import Options as Copies
from bench.rivals.duplicates import shared_prompts
from bench.rivals.forest import Options as Forest
from bench.rivals.forest import features, isolation
from bench.rivals.honeypot import THRESHOLD, key_score, replayed
from bench.rivals.honeypot import Options as Keys
from bench.rivals.log import RivalLog, Scores, opened
from bench.rivals.mmd import DIMENSIONS, account_shift, embed
from bench.rivals.mmd import Options as Shift
from bench.rivals.mmd_windows import FRACTIONS, window_rates
from bench.rivals.rate import busiest_day
from bench.rivals.recall import Caught, caught
from bench.rivals.roster import RIVALS, Rival, scored
from bench.rivals_table import Marked, beside, tell

from stillhunt.schema.accounts import ACCOUNTS
from stillhunt.schema.requests import REQUESTS

START = datetime(2026, 4, 20, tzinfo=UTC)


def made(requests: Sequence[dict[str, Any]], accounts: Sequence[dict[str, Any]] = ()) -> RivalLog:
    """A log of requests, each with ``account_id`` and ``after`` (seconds since START), and of accounts."""
    rows = [
        {"time": START + timedelta(seconds=row.get("after", 0.0)), "request_id": f"r{number}", **row}
        for number, row in enumerate(requests)
    ]
    return opened(
        pa.Table.from_pylist(rows, schema=REQUESTS), pa.Table.from_pylist(list(accounts), schema=ACCOUNTS)
    )


def by_account(log: RivalLog, scores: Scores) -> dict[str, float]:
    return dict(zip(log.accounts, scores.tolist(), strict=True))


def asked(
    account: str, prompts: Sequence[str], every_s: float = 3600.0, **fields: Any
) -> list[dict[str, Any]]:
    return [
        {"account_id": account, "after": number * every_s, "prompt": prompt, **fields}
        for number, prompt in enumerate(prompts)
    ]


def test_the_rate_is_that_of_the_busiest_day() -> None:
    bursts = asked("burst", ["x"] * 30, every_s=60.0)
    log = made([*bursts, *asked("steady", ["x"] * 40, every_s=43_200.0)], [{"account_id": "silent"}])
    assert by_account(log, busiest_day(log)) == {"burst": 30.0, "silent": 0.0, "steady": 2.0}


UNIONS = [
    {"account_id": "a", "client_ip": "203.0.113.1", "tls_fingerprint": "common"},
    {"account_id": "b", "client_ip": "198.51.100.7", "tls_fingerprint": "common"},
    {"account_id": "c", "client_ip": "198.51.100.99", "tls_fingerprint": "common"},
    {"account_id": "d", "client_ip": "192.0.2.1", "tls_fingerprint": "common"},
    {"account_id": "e", "client_ip": "2001:db8:1::5", "tls_fingerprint": "e"},
    {"account_id": "f", "client_ip": "2001:db8:1:9::6", "tls_fingerprint": "f"},
]
CARDS = [
    {"account_id": "a", "payment_fingerprint": "card"},
    {"account_id": "b", "payment_fingerprint": "card"},
]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (Unions(most=3, floor=2, by_kinds=False), [3, 3, 3, 0, 2, 2]),
        (Unions(most=3, floor=3, by_kinds=False), [3, 3, 3, 0, 0, 0]),
        (Unions(most=None, floor=2, by_kinds=False), [4, 4, 4, 4, 2, 2]),
        (Unions(most=3, floor=2, by_kinds=True), [2 + 3 / 103] * 3 + [0] + [1 + 2 / 102] * 2),
    ],
)
def test_components_join_over_cards_networks_and_fingerprints(options: Unions, expected: list[float]) -> None:
    log = made(UNIONS, CARDS)
    assert component_size(log, options).tolist() == pytest.approx(expected)


def test_accounts_of_one_organisation_are_no_strangers() -> None:
    fields = {"client_ip": "203.0.113.1", "prompt": "the nightly job of our own"}
    people = [
        {"account_id": name, "org_id": "firm", "payment_fingerprint": "card", "created_at": START}
        for name in "ab"
    ]
    log = made([{"account_id": name, **fields} for name in "ab"], people)
    assert component_size(log, Unions(most=None, floor=2, by_kinds=False)).tolist() == [0, 0]
    assert block_density(log, Blocks(("payment", "address"), blocks=1)).tolist() == [0, 0]
    assert shared_prompts(log, Copies(most=50, shortest=1, share=False)).tolist() == [0, 0]


def test_duplicates_are_equal_prompts_on_several_accounts_but_not_popular_ones() -> None:
    log = made(
        [
            *asked("a", ["prove this lemma", "write a sonnet", "hello"]),
            *asked("b", ["prove this lemma", "prove this lemma", "hello"]),
            *asked("c", ["prove this lemmas", "hello"]),
        ]
    )
    few = shared_prompts(log, Copies(most=2, shortest=1, share=False))
    assert by_account(log, few) == {"a": 1.0, "b": 1.0, "c": 0.0}
    every = shared_prompts(log, Copies(most=10_000, shortest=1, share=False))
    assert by_account(log, every) == {"a": 2.0, "b": 2.0, "c": 1.0}
    share = shared_prompts(log, Copies(most=10_000, shortest=6, share=True))
    assert by_account(log, share) == pytest.approx({"a": 1 / 5, "b": 1 / 4, "c": 0.0})


def test_peeling_keeps_the_densest_set() -> None:
    # Nodes 0-2 and 3-4 are all joined by edges of weight 1; node 5 hangs on node 3 by an edge of weight 0.1.
    edges = np.array([[0, 0, 1, 1, 2, 2, 5], [3, 4, 3, 4, 3, 4, 3]], dtype=np.int32)
    density, reached = peel(edges, np.array([1, 1, 1, 1, 1, 1, 0.1]), 7)
    assert density == pytest.approx(6 / 5)
    assert reached[:5].tolist() == pytest.approx([6 / 5] * 5)
    assert reached[5] == pytest.approx(6.1 / 6)
    assert reached[6] == 0.0


def test_a_block_of_shared_artefacts_is_dense_and_a_popular_network_is_not() -> None:
    crowd = [
        {"account_id": f"crowd{number:02d}", "client_ip": "203.0.113.1", "device_id": f"own{number}"}
        for number in range(40)
    ]
    pool = [
        {"account_id": f"pool{number}", "client_ip": f"198.51.{device}.1", "device_id": f"d{device}"}
        for number in range(6)
        for device in range(4)
    ]
    log = made([*crowd, *pool])
    found = by_account(log, block_density(log, Blocks(("address", "device"), blocks=1)))
    assert min(found[name] for name in found if name.startswith("pool")) > 1.0
    assert max(found[name] for name in found if name.startswith("crowd")) < 1.0


def test_the_forest_sets_apart_the_account_unlike_the_others() -> None:
    usual = [
        row
        for number in range(60)
        for row in asked(
            f"usual{number:02d}",
            [f"question {number} {part}" for part in range(5 + number % 3)],
            input_tokens=100 + number,
            output_tokens=200 + number,
            cached_input_tokens=0,
            reasoning=False,
        )
    ]
    odd = asked(
        "odd", ["step by step"] * 90, every_s=30.0, input_tokens=9_000, output_tokens=30_000, reasoning=True
    )
    log = made([*usual, *odd], [{"account_id": "silent"}])
    options = Forest(("volume", "rhythm", "shape", "outcome", "origin", "sharing"), 256, False)
    found = by_account(log, isolation(log, options))
    assert max(found, key=found.__getitem__) == "odd"
    assert min(found, key=found.__getitem__) == "silent"


def test_features_are_numbers_of_one_account() -> None:
    log = made(asked("a", ["x", "x", "yy"], every_s=100.0), [{"account_id": "silent"}])
    values = features(log, ("volume", "sharing"))
    assert values[0, :3].tolist() == pytest.approx([np.log(4), 1.0, np.log(4)])
    assert np.isnan(values[1, :5]).all()
    assert values[:, 5:].tolist() == [[0.0] * 3] * 2


def test_honeypotllm_scores_a_list_read_fast_and_not_a_person() -> None:
    lists = asked(
        "list", [f"what is the capital city of country {number}" for number in range(40)], every_s=0.1
    )
    person = asked("person", [f"{word} {word} today" for word in ("alpha", "beta", "gamma", "delta", "eta")])
    log = made([*lists, *person])
    for reading in ("peak", "mean", "flagged"):
        found = by_account(log, key_score(log, Keys(reading=reading)))
        assert found["person"] == 0.0
        assert found["list"] > 0.5
    account, score = replayed(log)
    first = score[account == log.accounts.index("list")]
    assert first[:3].tolist() == [0.0, 0.0, 0.0], (
        "the first requests of a key have no history to be judged by"
    )
    assert first[-1] >= THRESHOLD


def test_honeypotllm_forgives_while_a_key_is_idle() -> None:
    fast = asked(
        "list", [f"what is the capital city of country {number}" for number in range(8)], every_s=0.1
    )
    log = made([*fast, {"account_id": "list", "after": 10 * 3600.0, "prompt": "unrelated words here"}])
    score = replayed(log)[1]
    assert score[-1] == pytest.approx(max(0.0, score[-2] - 0.05 * 10), abs=0.01)


WORDS = ("garden", "recipe", "holiday", "letter", "music", "weather", "football", "history")


def _chat(number: int) -> str:
    rng = np.random.default_rng(number)
    return " ".join(rng.choice(WORDS, 6))


def test_embeddings_are_of_unit_length_and_equal_for_equal_texts() -> None:
    vectors = embed(pa.chunked_array([["a garden in spring", "ab", "a garden in spring"]]))
    assert vectors.shape == (3, DIMENSIONS)
    assert np.linalg.norm(vectors, axis=1).tolist() == pytest.approx([1.0, 0.0, 1.0], abs=1e-6)
    assert (vectors[0] == vectors[2]).all()


def _chat_and_drill() -> RivalLog:
    """Thirty people who talk all day, and an account that drills in the last hour."""
    chat = [
        row
        for person in range(30)
        for row in asked(f"p{person:02d}", [_chat(100 * person + k) for k in range(20)])
    ]
    drill = [
        {
            "account_id": "drill",
            "after": 19 * 3600.0 + number,
            "prompt": f"prove lemma {number}: x^{number} mod 7",
        }
        for number in range(20)
    ]
    return made([*chat, *drill], [{"account_id": "silent"}])


@pytest.mark.parametrize("reading", ["window", "witness", "own"])
def test_mmd_finds_the_account_whose_prompts_are_of_another_kind(
    reading: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mmd, "WINDOW", 62)
    log = _chat_and_drill()
    found = by_account(log, account_shift(log, Shift(reading)))
    ranked = sorted(found, key=found.__getitem__)
    assert ranked[-1] == "drill"
    assert ranked[0] == "silent"
    assert found["drill"] > 2 * found[ranked[-2]]


def test_fourier_features_stand_in_for_the_kernel() -> None:
    vectors = embed(pa.chunked_array([[_chat(number) for number in range(40)]]))
    width = mmd.bandwidth(vectors)
    rng = np.random.default_rng(1)
    spread = rng.normal(0, np.sqrt(2 / width), (DIMENSIONS, mmd.FEATURES)).astype(np.float32)
    found = mmd.fourier(vectors, spread, rng.uniform(0, 2 * np.pi, mmd.FEATURES).astype(np.float32))
    exact = mmd.kernel(vectors, vectors, width)
    squared = ((vectors[:, None] - vectors[None]) ** 2).sum(axis=2)
    assert exact == pytest.approx(np.exp(-squared / width), abs=1e-5)
    assert float(np.abs(found @ found.T - exact).mean()) < 0.05


def test_windows_of_attackers_are_flagged_and_benign_ones_are_not() -> None:
    benign = embed(pa.chunked_array([[_chat(number) for number in range(1200)]]))
    attackers = embed(pa.chunked_array([[f"prove lemma {number} for every prime" for number in range(300)]]))
    apart = window_rates(benign[:900], attackers, size=150, windows=60)
    assert [*apart.mixed] == sorted(FRACTIONS)
    assert [*apart.mixed.values()] == sorted(apart.mixed.values())
    assert apart.mixed[0.25] == apart.mixed[1.0] == 1.0
    same = window_rates(benign[:900], benign[900:], size=150, windows=60)
    assert max(apart.benign, *same.mixed.values()) <= 0.1
    with pytest.raises(ValueError, match="at least 600 benign"):
        window_rates(benign[:500], attackers, size=150)


HOSTILE = np.array([True, True, True, False, False, False, False, False])
HONEST = np.array([False, False, False, True, True, True, True, False])


@pytest.mark.parametrize(
    ("scores", "allowed", "expected"),
    [
        ([9, 8, 1, 7, 2, 0, 0, 99], 0, Caught(2, 3, 0)),
        ([9, 8, 1, 8.5, 2, 0, 0, 99], 0, Caught(1, 3, 0)),
        ([9, 8, 1, 8.5, 2, 0, 0, 99], 1, Caught(2, 3, 1)),
        ([9, 9, 1, 9, 2, 0, 0, 0], 0, Caught(0, 3, 0)),
        ([5, 5, 5, 5, 5, 5, 5, 5], 3, Caught(0, 3, 0)),
        ([5, 5, 5, 5, 5, 5, 5, 5], 4, Caught(3, 3, 4)),
        ([5, -np.inf, 5, -np.inf, -np.inf, -np.inf, -np.inf, 0], 0, Caught(2, 3, 0)),
    ],
)
def test_recall_at_so_many_honest_accounts(scores: list[float], allowed: int, expected: Caught) -> None:
    assert caught(np.array(scores, dtype=np.float64), HOSTILE, HONEST, allowed) == expected


def test_a_licensed_account_comes_last() -> None:
    log = made(
        [*asked("licensed", ["x"] * 50, every_s=1.0), *asked("other", ["x"] * 3, every_s=1.0)],
        [{"account_id": "licensed", "authorised_use": "synthetic_data"}],
    )
    rate = replace(RIVALS[0], score=busiest_day)
    assert scored(rate, log).tolist() == [-np.inf, 3.0]


@pytest.mark.parametrize("rival", RIVALS, ids=[rival.name for rival in RIVALS])
def test_options_in_use_are_among_those_that_were_tried(rival: Rival) -> None:
    assert rival.chosen in rival.grid
    assert len(set(rival.grid)) == len(rival.grid)


def test_the_table_says_who_is_ahead() -> None:
    kind = np.array(["distillation"] * 2 + ["individual"] * 100 + ["reseller"])
    flagged = np.zeros(103, dtype=bool)
    flagged[0] = True
    ahead, behind = np.zeros(103), np.zeros(103)
    ahead[:2], ahead[102] = 2.0, 9.0
    behind[2], behind[0] = 5.0, 4.0
    rows = {row.metric: row for row in beside("p", Marked(kind, flagged), {"good": ahead, "bad": behind})}
    assert rows["Stillhunt: recall"].value == 0.5
    assert rows["Stillhunt: honest accounts flagged"].value == 0.0
    good, bad = (rows[f"{name}: recall at Stillhunt's rate"] for name in ("good", "bad"))
    assert (good.value, good.baseline) == (1.0, "ahead of Stillhunt")
    assert (bad.value, bad.baseline) == (0.0, "behind Stillhunt")
    assert rows["bad: recall at 1 % of honest accounts"].value == 0.5


def test_the_page_marks_rivals_that_the_scan_does_not_beat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- made: rivals -->\nold\n<!-- end -->\nafter\n", encoding="utf-8")
    monkeypatch.setattr(rivals_table, "PAGE", page)
    kind = np.array(["distillation"] * 2 + ["individual"] * 100)
    flagged = np.arange(102) == 0
    level = {
        rival.name: np.where(np.arange(102) == number % 3, 1.0, 0.0) for number, rival in enumerate(RIVALS)
    }
    tell([asdict(row) for row in beside("letter", Marked(kind, flagged), level)])
    before, begin, head, _, line, end, after = page.read_text(encoding="utf-8").splitlines()
    assert (before, begin, end, after) == ("before", "<!-- made: rivals -->", "<!-- end -->", "after")
    assert [cell.strip() for cell in head.split("|")[5:-1]] == [rival.name for rival in RIVALS]
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert cells[:4] == ["`letter`", "2", "0.50 (0.01–0.99)", "0.0000% of 100"]
    assert cells[4].startswith("**0.50 (0.01–0.99)**; ")
    assert cells[6].startswith("0.00 (0.00–0.84); ")
