"""What an account is like, and what its neighbours are like: features for a learned scorer, made once, no training.

Source: Frasca, Rossi, Eynard, Chamberlain, Bronstein and Monti, "SIGN: Scalable Inception Graph Neural Networks"
(2020): powers of one diffusion operator, computed ahead, in place of layers that pass messages. Tang, Hua, Gao, Zhao
and Li, "GADBench" (2023), found trees on such averages ahead of graph networks made for fraud.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix

from stillhunt.errors import InputError, SettingError

HOPS = 2


def sign_features(
    features: ArrayLike, indptr: ArrayLike, indices: ArrayLike, weights: ArrayLike, hops: int = HOPS
) -> NDArray[np.float32]:
    """Own features, those of a graph's degrees, and the weighted means of all of these over the neighbours, hop by hop.

    features: shape (n, d), finite. indptr, indices, weights: the graph in CSR form, shapes (n + 1,), (m,), (m,), rows
    being accounts; weights are finite and at least 0. Returns shape (n, (d + 2) (hops + 1)): block 0 is ``features``,
    ``log(1 + neighbours)`` and ``log(1 + sum of weights)``; block ``k`` is ``P`` times block ``k - 1``, with ``P`` the
    weights divided by their row's sum. So the mean over two hops counts walks, those back to the account among them.
    An account without neighbours has zeros in every block but the first. One sparse product a hop.

    Raises InputError where shapes or values do not fit, SettingError for a number of hops below 0.
    """
    if hops < 0:
        raise SettingError(f"expected 0 or more hops, got {hops}", "hops", "2 serves most graphs.")
    own = table_of_numbers(features)
    graph = graph_of(len(own), indptr, indices, weights)
    degrees = np.column_stack((np.diff(graph.indptr), _totals(graph)))
    blocks = [np.hstack((own, np.log1p(degrees))).astype(np.float32)]
    step = steps_of(graph)
    for _ in range(hops):
        blocks.append(np.asarray(step @ blocks[-1]))
    return np.hstack(blocks)


def table_of_numbers(features: ArrayLike) -> NDArray[np.float64]:
    """``features`` as an array of shape (n, d). Raises InputError where they are none, or not finite."""
    table = np.asarray(features, dtype=np.float64)
    if table.ndim != 2:
        raise InputError(
            f"expected one row of features per account, an array of 2 dimensions, got {table.ndim}",
            "features",
        )
    wrong = np.argwhere(~np.isfinite(table))
    if len(wrong):
        row, column = wrong[0]
        raise InputError(
            f"expected finite numbers, got {table[row, column]} in row {row}, column {column}",
            "features",
            "Put a number where one is missing.",
        )
    return table


def steps_of(graph: csr_matrix) -> csr_matrix:
    """``P``: the weights divided by their row's sum, float32."""
    total = _totals(graph)
    share = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    data = graph.data * np.repeat(share, np.diff(graph.indptr))
    return csr_matrix((data.astype(np.float32), graph.indices, graph.indptr), shape=graph.shape)


def _totals(graph: csr_matrix) -> NDArray[np.float64]:
    return np.asarray(graph.sum(axis=1), dtype=np.float64).ravel()


def graph_of(accounts: int, indptr: ArrayLike, indices: ArrayLike, weights: ArrayLike) -> csr_matrix:
    """The graph, weights as float64. Raises InputError where its parts do not fit each other."""
    pointers, ends = np.asarray(indptr), np.asarray(indices)
    weight = np.asarray(weights, dtype=np.float64)
    if pointers.shape != (accounts + 1,):
        raise InputError(
            f"expected {accounts + 1} pointers for {accounts} rows of features, got shape {pointers.shape}",
            "indptr",
            "Give the features of every account of the graph.",
        )
    if ends.ndim != 1 or ends.shape != weight.shape:
        raise InputError(
            f"expected one weight per link, got {weight.shape} for {ends.shape} links", "weights"
        )
    if pointers[0] != 0 or pointers[-1] != len(ends) or (np.diff(pointers) < 0).any():
        raise InputError(f"expected pointers that rise from 0 to {len(ends)}, the number of links", "indptr")
    if len(ends) and not (ends.min() >= 0 and ends.max() < accounts):
        raise InputError(
            f"expected neighbours from 0 to {accounts - 1}, got {ends.min()} to {ends.max()}", "indices"
        )
    if not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise InputError("expected finite weights of at least 0", "weights")
    return csr_matrix((weight, ends, pointers), shape=(accounts, accounts))
