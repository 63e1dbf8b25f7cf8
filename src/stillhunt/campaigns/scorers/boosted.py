"""Trees on account features: learnt from labels, they say how likely each account is hostile.

Source: Ke, Meng, Finley, Wang, Chen, Ma, Ye and Liu, "LightGBM" (2017). Needs the extra ``learned``.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stillhunt.campaigns.scorers.labels import labelled
from stillhunt.campaigns.scorers.sign import table_of_numbers
from stillhunt.errors import InputError, MissingExtraError, SettingError

FEWEST_LEAVES_FROM = 20
"""A leaf holds at most one in so many of the labelled accounts, however few these are."""


@dataclass(frozen=True)
class Settings:
    """Of the trees. rounds: trees. leaves: at most, of a tree. rate: share of each tree's correction that is taken.
    least: labelled accounts in a leaf. columns: share of features that a split may choose from. rows: share of
    accounts that a tree sees."""

    rounds: int = 400
    leaves: int = 31
    rate: float = 0.02
    least: int = 10
    columns: float = 0.4
    rows: float = 0.7


@dataclass(frozen=True)
class Scorer:
    """Trees that were fitted to accounts of ``columns`` features each."""

    booster: Any
    columns: int

    def predict(self, features: ArrayLike) -> NDArray[np.float64]:
        """The probability that each account is hostile, shape (n,), from features of shape (n, columns).

        It is a probability among accounts as the labelled ones were drawn: where every campaign was labelled and few
        honest accounts were, it is too high. Raises InputError where the features do not fit.
        """
        table = table_of_numbers(features)
        if table.shape[1] != self.columns:
            raise InputError(
                f"expected {self.columns} features per account, as in training, got {table.shape[1]}",
                "features",
                "Make them as they were made for training.",
            )
        if not len(table):
            return np.zeros(0)
        return np.asarray(self.booster.predict(table), dtype=np.float64)


def fit(
    features: ArrayLike,
    labels: ArrayLike,
    settings: Settings | None = None,
    *,
    seed: int = 0,
    threads: int = 0,
) -> Scorer:
    """Fits trees to the accounts whose label is known.

    features: shape (n, d), finite, those of ``sign_features`` for one. labels: shape (n,), 1 hostile, 0 honest, -1
    unknown: judgements, or campaigns injected into honest traffic. seed, settings and the labelled rows decide the
    result; threads (0: one per core) do not. Raises InputError for shapes and labels that do not fit or that lack one
    of both sides, SettingError for settings out of range, MissingExtraError without LightGBM.
    """
    lightgbm = _lightgbm()
    table, known, truth = labelled(features, labels)
    parameters = _parameters(settings or Settings(), len(known), seed, threads)
    data = lightgbm.Dataset(table[known], truth, params=parameters)
    booster = lightgbm.train(parameters, data)
    return Scorer(booster, table.shape[1])


def _parameters(settings: Settings, labelled: int, seed: int, threads: int) -> dict[str, object]:
    """LightGBM's names for them."""
    if min(settings.rounds, settings.leaves - 1, settings.least) < 1:
        raise SettingError(
            f"expected at least 1 round, 2 leaves and 1 account in a leaf, got {settings}", "settings"
        )
    if not all(0 < share <= 1 for share in (settings.rate, settings.columns, settings.rows)):
        raise SettingError(
            f"expected rate, columns and rows above 0 and at most 1, got {settings}", "settings"
        )
    return {
        "objective": "binary",
        "num_iterations": settings.rounds,
        "num_leaves": settings.leaves,
        "learning_rate": settings.rate,
        "min_data_in_leaf": max(1, min(settings.least, labelled // FEWEST_LEAVES_FROM)),
        "feature_fraction_bynode": settings.columns,
        "bagging_fraction": settings.rows,
        "bagging_freq": 1 if settings.rows < 1 else 0,
        "seed": seed,
        "num_threads": threads,
        "deterministic": True,
        "force_row_wise": True,
        "feature_pre_filter": False,
        "verbosity": -1,
    }


def _lightgbm() -> ModuleType:
    try:
        return import_module("lightgbm")
    except (ImportError, OSError) as error:  # OSError: its wheel leaves OpenMP's runtime to the system
        raise MissingExtraError(
            f"the learned scorer needs LightGBM, which cannot be loaded ({error})",
            "campaigns/scorers",
            "Run: pip install 'stillhunt[learned]'; on Debian also: apt-get install libgomp1.",
        ) from error
