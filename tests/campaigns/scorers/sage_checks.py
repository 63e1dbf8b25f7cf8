"""Run by test_sage.py in the environment that has torch; prints one JSON object of results."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import torch
from graphs import csr

from stillhunt.campaigns.scorers.sage import Settings, fit
from stillhunt.errors import InputError, SettingError, StillhuntError

torch.set_num_threads(1)
QUICK = Settings(width=16, steps=60)


def clusters(seed: int) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """200 accounts of whom every fourth is hostile, known by ties alone; the features say nothing."""
    generator = np.random.default_rng(seed)
    hostile = np.arange(200) % 4 == 0
    alike = hostile[:, None] & hostile[None, :]
    upper = np.triu(generator.random((200, 200)) < np.where(alike, 0.3, 0.02), k=1).astype(float)
    return hostile, (generator.normal(size=(200, 3)), *csr(upper + upper.T))


def refusal(call: Callable[[], object], expected: type[StillhuntError]) -> str:
    try:
        call()
    except expected as error:
        return str(error)
    return "nothing was refused"


def differs_from_dense() -> float:
    """One layer is ``W (P x) + b + V x``, x standardised; P by hand, with weights that differ."""
    _, (features, indptr, indices, _) = clusters(5)
    weights = np.random.default_rng(5).uniform(0.1, 5, len(indices))
    scorer = fit(features, indptr, indices, weights, np.arange(200) % 2, Settings(layers=1, steps=20))
    dense = np.zeros((200, 200))
    dense[np.repeat(np.arange(200), np.diff(indptr)), indices] = weights
    x = np.column_stack((features, np.log1p((dense > 0).sum(axis=1)), np.log1p(dense.sum(axis=1))))
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    means = dense @ x / np.maximum(dense.sum(axis=1, keepdims=True), 1e-9)
    (layer,) = scorer.network.convs
    w, b, v = (each.detach().numpy() for each in (layer.lin_l.weight, layer.lin_l.bias, layer.lin_r.weight))
    odds = (means @ w.T + b + x @ v.T)[:, 0]
    scores = scorer.predict(features, indptr, indices, weights)
    return float(np.abs(scores - 1 / (1 + np.exp(-odds))).max())


def main() -> None:
    hostile, graph = clusters(1)
    labels = np.where(np.arange(200) < 120, hostile, -1)
    scorer = fit(*graph, labels, QUICK, seed=3)
    scores = scorer.predict(*graph)
    unseen = labels < 0
    other_hostile, other = clusters(2)
    before = torch.random.get_rng_state()
    again = fit(*graph, labels, QUICK, seed=3).predict(*graph)
    features, indptr, indices, weights = graph
    print(
        json.dumps(
            {
                "shape": scores.shape,
                "range": [float(scores.min()), float(scores.max())],
                "right_unseen": float(((scores > 0.5) == hostile)[unseen].mean()),
                "right_other_graph": float(((scorer.predict(*other) > 0.5) == other_hostile).mean()),
                "repeats": bool(np.array_equal(scores, again)),
                "other_seed_differs": not np.array_equal(
                    scores, fit(*graph, labels, QUICK, seed=4).predict(*graph)
                ),
                "leaves_torch_s_state": bool(torch.equal(before, torch.random.get_rng_state())),
                "differs_from_dense": differs_from_dense(),
                "one_side": refusal(lambda: fit(*graph, np.zeros(200), QUICK), InputError),
                "short_labels": refusal(lambda: fit(*graph, labels[:9], QUICK), InputError),
                "pointers": refusal(
                    lambda: fit(features, indptr[:-1], indices, weights, labels, QUICK), InputError
                ),
                "columns": refusal(
                    lambda: scorer.predict(features[:, :2], indptr, indices, weights), InputError
                ),
                "settings": refusal(lambda: fit(*graph, labels, Settings(layers=0)), SettingError),
            }
        )
    )


if __name__ == "__main__":
    main()
