"""Features of accounts of a log; and a scorer that learns from an injected campaign finds the next one."""

from __future__ import annotations

import numpy as np
import pytest
from bench.independent import open_population
from logs import at, ids, make_log
from numpy.typing import NDArray
from planted import FIRM, Pool, planted

from stillhunt.campaigns.evidence import weigh
from stillhunt.campaigns.neighbours import neighbours
from stillhunt.campaigns.pipeline import collect
from stillhunt.campaigns.scorers.accounts import COLUMNS, account_features, scan_features
from stillhunt.campaigns.scorers.boosted import Settings, fit
from stillhunt.campaigns.signals.model import SIGNALS_V1
from stillhunt.campaigns.summarise import countries, summarise
from stillhunt.engines.duckdb import DuckDB

ROWS = [
    {"account_id": "a", "time": at(0), "status": 200, "input_tokens": 300, "output_tokens": 100,
     "cached_input_tokens": 100, "reasoning": True, "capability": "mathematics"},
    {"account_id": "a", "time": at(49), "status": 429, "input_tokens": 100, "reasoning": False},
    {"account_id": "b", "time": at(1)},
]  # fmt: skip


def test_shares_and_volumes_of_an_account(engine: DuckDB) -> None:
    log = make_log(engine, ROWS)
    found = account_features(summarise(log))
    assert found.shape == (2, len(COLUMNS))
    a = dict(zip(COLUMNS, found[ids(log).index("a")], strict=True))
    assert a["log requests"] == pytest.approx(np.log(3))
    assert a["failed per exchange"] == 0.5
    assert a["labelled per exchange"] == 0.5
    assert a["harvested per labelled exchange"] == 1.0
    assert a["elicited per labelled exchange"] == 0.0
    assert a["reasoning tokens per output token"] == 1.0
    assert a["cached tokens per input token"] == 0.25
    assert a["log output tokens per exchange"] == pytest.approx(np.log(51))
    assert a["active days per day"] == pytest.approx(2 / 3)
    assert a["hours per day"] == pytest.approx(2 / 24)
    assert a["log exchanges per active day"] == pytest.approx(np.log(2))


def test_what_a_log_does_not_tell_is_zero(engine: DuckDB) -> None:
    log = make_log(engine, ROWS)
    b = dict(zip(COLUMNS, account_features(summarise(log))[ids(log).index("b")], strict=True))
    assert {name for name, value in b.items() if value} == {
        "log requests",
        "active days per day",
        "hours per day",
        "log exchanges per active day",
    }


def scan(seed: int, pool: Pool) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features of every account of a log with this pool and an honest firm, and who is of the pool."""
    with DuckDB(memory="1GB", threads=1) as engine:
        log, seen = open_population(engine, planted(seed, 400, (pool, FIRM)))
        evidence = weigh(collect(log, seen, SIGNALS_V1), countries(log))
        features = scan_features(summarise(log), neighbours(evidence))
        return features, np.isin(ids(log), pool.ids).astype(np.int64)


def test_learns_from_one_campaign_what_the_next_looks_like() -> None:
    features, injected = scan(1, Pool("hv", 20))
    scorer = fit(features, injected, Settings(rounds=80, rate=0.1), threads=1)
    others, hostile = scan(2, Pool("hv", 26, hour=31.0))
    scores = scorer.predict(others)
    assert (scores[hostile == 1] > 0.5).mean() > 0.9
    assert (scores[hostile == 0] > 0.5).mean() < 0.005
