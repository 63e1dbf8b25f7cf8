"""Isolation forest (Liu et al., 2008) over numbers of one account each."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from bench.rivals.log import RivalLog, Scores, ties
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.ensemble import IsolationForest

_SEED = 1
_LOG = "ln(1 + {})".format

PER_REQUEST = {
    "volume": {
        "requests": _LOG("count(*)"),
        "days": "count(DISTINCT floor(t_s / 86400))",
        "a day": _LOG("count(*) / count(DISTINCT floor(t_s / 86400))"),
        "sessions": _LOG("count(DISTINCT session_id)"),
        "a session": _LOG("count(*) / greatest(1, count(DISTINCT session_id))"),
    },
    "rhythm": {
        "hours": "count(DISTINCT floor(t_s / 3600) % 24)",
        "night": "avg(CASE WHEN floor(t_s / 3600) % 24 < 6 THEN 1 ELSE 0 END)",
        "weekend": "avg(CASE WHEN (floor(t_s / 86400) + 4) % 7 IN (0, 6) THEN 1 ELSE 0 END)",
        "gap": _LOG("median(gap)"),
        "burst": "stddev(gap) / avg(gap)",
    },
    "shape": {
        "prompt": _LOG("avg(length(prompt))"),
        "input": _LOG("avg(input_tokens)"),
        "output": _LOG("avg(output_tokens)"),
        "cached": "sum(cached_input_tokens) / sum(input_tokens)",
        "cap": _LOG("avg(max_tokens)"),
        "temperature": "avg(temperature)",
        "reasoning": "avg(reasoning::INTEGER)",
        "stream": "avg(stream::INTEGER)",
        "tools": "avg(tools)",
        "same prompt": "count(DISTINCT prompt) / count(*)",
        "system prompts": _LOG("count(DISTINCT system_prompt)"),
        "models": "count(DISTINCT model)",
    },
    "outcome": {
        "limited": "avg(CASE WHEN status = 429 THEN 1 ELSE 0 END)",
        "forbidden": "avg(CASE WHEN status = 403 THEN 1 ELSE 0 END)",
        "failed": "avg(CASE WHEN status >= 500 THEN 1 ELSE 0 END)",
        "refused": "avg(CASE WHEN finish_reason = 'refusal' THEN 1 ELSE 0 END)",
        "cut": "avg(CASE WHEN finish_reason = 'length' THEN 1 ELSE 0 END)",
    },
    "origin": {
        "networks": _LOG("count(DISTINCT network)"),
        "systems": "count(DISTINCT asn)",
        "countries": "count(DISTINCT country)",
        "agents": "count(DISTINCT user_agent)",
        "fingerprints": "count(DISTINCT tls_fingerprint)",
        "devices": "count(DISTINCT device_id)",
    },
}
_SHARING = ("payment", "address", "device")


@dataclass(frozen=True)
class Options:
    """groups: of features, of PER_REQUEST and ``sharing``. sample: accounts a tree sees. ranked: features by rank, so
    that their scale plays no part."""

    groups: tuple[str, ...]
    sample: int
    ranked: bool
    trees: int = 300


_EVERY = (*PER_REQUEST, "sharing")
GRID = tuple(
    Options(*each)
    for each in itertools.product(
        (
            _EVERY,
            ("volume", "rhythm"),
            ("shape", "outcome"),
            ("origin", "sharing"),
            ("shape", "outcome", "sharing"),
            ("rhythm", "shape", "outcome", "sharing"),
        ),
        (256,),
        (False, True),
    )
)


def isolation(log: RivalLog, options: Options) -> Scores:
    """How few cuts at random set an account apart; an account without requests lies with the most common."""
    values = features(log, options.groups)
    seen = ~np.isnan(values).all(axis=1)
    middle = np.nanmedian(np.where(np.isnan(values[seen]).all(axis=0), 0.0, values[seen]), axis=0)
    known = np.where(np.isnan(values[seen]), middle, values[seen])
    if options.ranked:
        known = rankdata(known, axis=0) / len(known)
    forest = IsolationForest(
        n_estimators=options.trees, max_samples=min(options.sample, len(known)), random_state=_SEED, n_jobs=1
    )
    score = np.full(len(log.accounts), -1.0)
    score[seen] = -forest.fit(known).score_samples(known)
    return score


def features(log: RivalLog, groups: tuple[str, ...]) -> NDArray[np.float64]:
    """(accounts, features) of the groups; NaN where an account has no such number."""
    wanted = [
        expression for group in groups if group in PER_REQUEST for expression in PER_REQUEST[group].values()
    ]
    columns = []
    if wanted:
        account, *numbers = log.columns(
            f"SELECT account, {', '.join(f'({each})::DOUBLE' for each in wanted)} FROM (SELECT *, greatest(0, "
            "t_s - lag(t_s) OVER (PARTITION BY account ORDER BY t_s)) AS gap FROM log) GROUP BY account"
        )
        for number in numbers:
            column = np.full(len(log.accounts), np.nan)
            column[account] = number
            columns.append(np.where(np.isfinite(column), column, np.nan))
    if "sharing" in groups:
        for kind in _SHARING:
            pairs = ties(log, (kind,))
            most = np.zeros(len(log.accounts))
            np.maximum.at(most, pairs.account, np.log1p(pairs.carriers[pairs.artefact]))
            columns.append(most)
    return np.stack(columns, axis=1)
