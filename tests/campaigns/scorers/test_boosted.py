"""The learned scorer: what it learns, that it repeats itself, and what it refuses."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from graphs import csr
from numpy.typing import NDArray
from scipy.stats import rankdata

from stillhunt.campaigns.scorers.boosted import Settings, fit
from stillhunt.campaigns.scorers.sign import sign_features
from stillhunt.errors import InputError, MissingExtraError, SettingError

QUICK = Settings(rounds=60, rate=0.1)


def auroc(hostile: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    ranks, positives = rankdata(scores), int(hostile.sum())
    return float((ranks[hostile].sum() - positives * (positives + 1) / 2) / (positives * (~hostile).sum()))


def easy(seed: int) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float32]]:
    """Accounts of whom a sixth are hostile: a weak trace in themselves, strong ties among each other."""
    generator = np.random.default_rng(seed)
    hostile = np.arange(600) < 100
    raw = generator.normal(size=(600, 4))
    raw[:, 0] += hostile
    alike = hostile[:, None] == hostile[None, :]
    upper = np.triu(generator.random((600, 600)) < np.where(alike, 0.03, 0.005), k=1).astype(float)
    return hostile, raw, sign_features(raw, *csr(upper + upper.T))


def half(hostile: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Labels of every other account."""
    return np.where(np.arange(len(hostile)) % 2 == 0, hostile, -1).astype(np.int64)


def test_neighbours_tell_what_an_account_alone_does_not() -> None:
    hostile, raw, around = easy(1)
    labels = half(hostile)
    unseen = labels < 0
    alone = fit(raw, labels, QUICK, threads=1).predict(raw)[unseen]
    told = fit(around, labels, QUICK, threads=1).predict(around)[unseen]
    assert auroc(hostile[unseen], told) > 0.97
    assert auroc(hostile[unseen], told) > auroc(hostile[unseen], alone) + 0.1


def test_says_probabilities() -> None:
    hostile, _, around = easy(2)
    labels = half(hostile)
    scores = fit(around, labels, QUICK, threads=1).predict(around)
    assert scores.shape == (600,)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert scores[labels < 0].mean() == pytest.approx(1 / 6, abs=0.04)


def test_labels_of_unknown_accounts_have_no_say() -> None:
    hostile, _, around = easy(3)
    labels = half(hostile)
    known = labels >= 0
    whole = fit(around, labels, QUICK, threads=1).predict(around)
    part = fit(around[known], labels[known], QUICK, threads=1).predict(around)
    np.testing.assert_array_equal(whole, part)


def test_the_seed_decides_and_the_threads_do_not() -> None:
    hostile, _, around = easy(4)
    labels = half(hostile)
    scores = fit(around, labels, QUICK, seed=1, threads=1).predict(around)
    np.testing.assert_array_equal(scores, fit(around, labels, QUICK, seed=1, threads=1).predict(around))
    np.testing.assert_allclose(scores, fit(around, labels, QUICK, seed=1, threads=2).predict(around))
    assert not np.array_equal(scores, fit(around, labels, QUICK, seed=2, threads=1).predict(around))


def test_a_dozen_judgements_are_enough_to_learn_from() -> None:
    labels = np.array([1] * 6 + [0] * 6)
    features = labels[:, None] + np.random.default_rng(0).normal(size=(12, 2)) / 10
    scores = fit(features, labels, QUICK, threads=1).predict(features)
    assert scores[:6].min() > scores[6:].max()


def test_no_accounts_have_no_scores() -> None:
    scorer = fit([[0.0], [1.0]] * 20, [0, 1] * 20, QUICK, threads=1)
    assert scorer.predict(np.zeros((0, 1))).shape == (0,)


@pytest.mark.parametrize(
    ("features", "labels", "told"),
    [
        ([1.0, 2.0], [0, 1], "features: .*2 dimensions"),
        ([[1.0], [np.inf]], [0, 1], "features: expected finite numbers, got inf in row 1"),
        ([[1.0], [2.0]], [0, 1, 0], "labels: expected one label for each of 2 accounts"),
        ([[1.0], [2.0]], [0, 2], "labels: expected labels 1 .*, got 2"),
        ([[1.0], [2.0]], [0.5, 1], "labels: expected labels 1 .*, got 0.5"),
        ([[1.0], [2.0]], [0, 0], "labels: .*got 0 hostile and 2 honest"),
        ([[1.0], [2.0]], [1, -1], "labels: .*got 1 hostile and 0 honest"),
        ([[1.0], [2.0]], [-1, -1], "labels: .*got 0 hostile and 0 honest"),
        ([[], []], [0, 1], "features: expected at least one"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(features: object, labels: object, told: str) -> None:
    with pytest.raises(InputError, match=told):
        fit(features, labels, QUICK)  # type: ignore[arg-type]


def test_features_of_another_making_are_refused() -> None:
    scorer = fit([[0.0], [1.0]] * 20, [0, 1] * 20, QUICK, threads=1)
    with pytest.raises(InputError, match="expected 1 features per account, as in training, got 2"):
        scorer.predict([[0.0, 1.0]])


@pytest.mark.parametrize(
    "settings",
    [Settings(rounds=0), Settings(leaves=1), Settings(least=0), Settings(rate=0), Settings(columns=1.5)],
)
def test_settings_out_of_range_are_refused(settings: Settings) -> None:
    with pytest.raises(SettingError, match="settings: expected"):
        fit([[0.0], [1.0]], [0, 1], settings)


def test_without_lightgbm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(MissingExtraError, match=r"stillhunt\[learned\]"):
        fit([[0.0], [1.0]], [0, 1])
