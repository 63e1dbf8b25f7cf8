"""A graph network that learns what to take from neighbours, to hold against trees on plain averages.

Source: Hamilton, Ying and Leskovec, "Inductive Representation Learning on Large Graphs" (2017), with weighted means and
the whole graph in every step. Needs the extra ``gnn``; nothing else of the package imports this file.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch_geometric.nn.models import GraphSAGE

from stillhunt.campaigns.scorers.labels import labelled
from stillhunt.campaigns.scorers.sign import graph_of, sign_features, steps_of, table_of_numbers
from stillhunt.errors import InputError, SettingError


@dataclass(frozen=True)
class Settings:
    """Of the network. width: numbers per account in a layer. layers: hops that it sees. steps: of training, each on the
    whole graph. rate: of Adam. dropout: share of numbers left out in a step."""

    width: int = 64
    layers: int = 2
    steps: int = 300
    rate: float = 0.01
    dropout: float = 0.2


@dataclass(frozen=True)
class GraphScorer:
    """A network that was fitted to accounts of ``columns`` features each; mean and spread standardise them."""

    network: Any
    columns: int
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]

    def predict(
        self, features: ArrayLike, indptr: ArrayLike, indices: ArrayLike, weights: ArrayLike
    ) -> NDArray[np.float64]:
        """The probability that each account of a graph is hostile, shape (n,). Arguments as for ``sign_features``; the
        same caution as for ``Scorer.predict``. Raises InputError where they do not fit."""
        given = table_of_numbers(features).shape[1]
        if given != self.columns:
            raise InputError(
                f"expected {self.columns} features per account, as in training, got {given}",
                "features",
                "Make them as they were made for training.",
            )
        table, graph = _tensors(features, indptr, indices, weights)
        self.network.eval()
        with torch.no_grad():
            odds = self.network((table - torch.from_numpy(self.mean)) / torch.from_numpy(self.spread), graph)
        return np.asarray(torch.sigmoid(odds[:, 0]).double().numpy())


def fit(
    features: ArrayLike,
    indptr: ArrayLike,
    indices: ArrayLike,
    weights: ArrayLike,
    labels: ArrayLike,
    settings: Settings | None = None,
    *,
    seed: int = 0,
) -> GraphScorer:
    """Fits a network to the accounts of a graph whose label is known; the others are seen as neighbours only.

    features, indptr, indices, weights: as for ``sign_features``, whose block 0 the network starts from. labels: as for
    ``boosted.fit``. Equal arguments give equal networks on one machine and number of threads. Raises InputError for
    shapes and labels that do not fit, SettingError for settings out of range.
    """
    chosen = settings or Settings()
    if min(chosen.width, chosen.layers, chosen.steps) < 1 or chosen.rate <= 0 or not 0 <= chosen.dropout < 1:
        raise SettingError(
            f"expected width, layers and steps of at least 1, a rate above 0 and dropout below 1, got {chosen}",
            "settings",
        )
    given, known, truth = labelled(features, labels)
    table, graph = _tensors(features, indptr, indices, weights)
    rows = torch.from_numpy(known)
    mean, spread = table[rows].mean(dim=0), table[rows].std(dim=0, correction=0).clamp_min(1e-6)
    table = (table - mean) / spread
    wanted = torch.from_numpy(truth).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = GraphSAGE(
            table.shape[1],
            chosen.width,
            chosen.layers,
            1,
            dropout=chosen.dropout,
            norm="LayerNorm",
            norm_kwargs={"mode": "node"},
            aggr="sum",
        )
        adam = torch.optim.Adam(network.parameters(), lr=chosen.rate)
        for _ in range(chosen.steps):
            network.train()
            adam.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                network(table, graph)[rows, 0], wanted
            )
            loss.backward()
            adam.step()
    return GraphScorer(network, given.shape[1], mean.numpy(), spread.numpy())


def _tensors(
    features: ArrayLike, indptr: ArrayLike, indices: ArrayLike, weights: ArrayLike
) -> tuple[torch.Tensor, torch.Tensor]:
    """Own and degree features, and the graph with each row's weights divided by their sum."""
    own = sign_features(features, indptr, indices, weights, hops=0)
    step = steps_of(graph_of(len(own), indptr, indices, weights))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        graph = torch.sparse_csr_tensor(
            torch.from_numpy(step.indptr.astype(np.int64)),
            torch.from_numpy(step.indices.astype(np.int64)),
            torch.from_numpy(step.data),
            size=step.shape,
            check_invariants=True,
        )
    return torch.from_numpy(own), graph
