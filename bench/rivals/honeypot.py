"""The scores that ``honeypotllm`` 0.1.3 gives each key, by its own scorer, replayed over the log.

It scores a key as requests come: rate, likeness of a prompt to the one before, gaps of less than half a second, volume;
the score falls while the key is idle. It reads the wall clock, so the replay gives it the log's, moved behind today so
that no idle time is negative. A key is an account here: what is banned, and what a pool spreads its load over.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from unittest import mock

import numpy as np
from bench.rivals.log import RivalLog, Scores
from honeypotllm import scoring
from honeypotllm.config import HoneypotConfig
from numpy.typing import NDArray

THRESHOLD = HoneypotConfig(secret_key="bench").suspicion_threshold
"""The package's own: from this score on a key is treated as hostile."""
_YEAR_S = 365 * 86_400.0


@dataclass(frozen=True)
class Options:
    """rates: by what the package's thresholds on requests a minute, hour and day are divided. similar: likeness from
    which two prompts count as one list read in order; None leaves the package's. reading: ``peak``, ``mean`` of the
    score or ``flagged``, the share of requests at or above its threshold."""

    rates: int = 1
    similar: float | None = None
    reading: str = "flagged"


GRID = tuple(
    Options(rates, similar, reading)
    for rates in (1, 20)
    for similar in (None, 0.15)
    for reading in ("peak", "mean", "flagged")
)


def key_score(log: RivalLog, options: Options) -> Scores:
    """The reading of the score over an account's requests; 0 without requests."""
    account, score = replayed(log, options.rates, options.similar)
    accounts = len(log.accounts)
    if options.reading == "peak":
        peak = np.zeros(accounts)
        np.maximum.at(peak, account, score)
        return peak
    value = score if options.reading == "mean" else score >= THRESHOLD
    return np.bincount(account, value, accounts) / np.maximum(1, np.bincount(account, minlength=accounts))


@lru_cache(maxsize=1)
def replayed(
    log: RivalLog, rates: int = 1, similar: float | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Of each request, in order of time: the row of its account and the score right after it.

    The last replay is kept: the options that differ in their reading alone follow each other.
    """
    config = HoneypotConfig(secret_key="bench")
    changed = {
        name: max(1, getattr(config.scoring, name) // rates)
        for name in (
            "requests_per_minute_threshold",
            "requests_per_hour_threshold",
            "requests_per_day_threshold",
        )
    }
    if similar is not None:
        changed["sequential_input_similarity_threshold"] = similar
    scorer = scoring.SuspicionScorer(config.scoring.model_copy(update=changed), config.suspicion_threshold)
    rows = log.table(
        "SELECT account, t_s, coalesce(prompt, '') AS prompt, coalesce(input_tokens, 0) AS tokens FROM log"
    )
    account, at = rows["account"].to_numpy().astype(np.int64), rows["t_s"].to_numpy()
    if len(at) == 0:
        return account, np.zeros(0)
    moved = (at - at[0] + time.time() + _YEAR_S).tolist()
    clock = SimpleNamespace(time=time.time)
    scores = []
    with mock.patch.object(scoring, "time", clock):
        for key, now, prompt, tokens in zip(
            account.tolist(), moved, rows["prompt"].to_pylist(), rows["tokens"].to_pylist(), strict=True
        ):
            clock.time = lambda now=now: now
            scores.append(scorer.score_request(str(key), prompt=prompt, input_tokens=tokens).score_after)
    return account, np.array(scores)
