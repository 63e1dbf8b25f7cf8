"""Features of neighbourhoods against dense matrices, and against a path that a hand can follow."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import csr
from numpy.typing import NDArray

from stillhunt.campaigns.scorers.sign import sign_features
from stillhunt.errors import InputError, SettingError


def random_graph(seed: int, accounts: int, density: float) -> NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    upper = np.triu(generator.random((accounts, accounts)) < density, k=1) * generator.uniform(
        0.1, 9, (accounts, accounts)
    )
    return upper + upper.T


def densely(features: NDArray[np.float64], dense: NDArray[np.float64], hops: int) -> NDArray[np.float64]:
    """The same, row by row."""
    block = np.array(
        [
            [*own, np.log1p((row > 0).sum()), np.log1p(row.sum())]
            for own, row in zip(features, dense, strict=True)
        ]
    )
    blocks = [block]
    for _ in range(hops):
        blocks.append(
            np.array(
                [row @ blocks[-1] / row.sum() if row.sum() else np.zeros(block.shape[1]) for row in dense]
            )
        )
    return np.hstack(blocks)


@pytest.mark.parametrize("hops", [0, 1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_dense_matrices(seed: int, hops: int) -> None:
    dense = random_graph(seed, 40, 0.08)
    dense[:, 7] = dense[7] = 0.0
    features = np.random.default_rng(seed).normal(size=(40, 5))
    found = sign_features(features, *csr(dense), hops)
    assert found.shape == (40, 7 * (hops + 1))
    np.testing.assert_allclose(found, densely(features, dense, hops), rtol=1e-5, atol=1e-5)


def test_a_path_of_three_by_hand() -> None:
    """0 -1- 1 -3- 2, with features 10, 20, 40."""
    dense = np.array([[0, 1, 0], [1, 0, 3], [0, 3, 0.0]])
    found = sign_features([[10], [20], [40]], *csr(dense), 2)
    assert found[:, 0].tolist() == [10, 20, 40]
    np.testing.assert_allclose(found[:, 1], np.log([2, 3, 2]), rtol=1e-6)
    np.testing.assert_allclose(found[:, 2], np.log([2, 5, 4]), rtol=1e-6)
    np.testing.assert_allclose(found[:, 3], [20, 10 / 4 + 3 * 40 / 4, 20], rtol=1e-6)
    np.testing.assert_allclose(found[:, 6], [32.5, 20, 32.5], rtol=1e-6)


def test_no_weight_is_no_neighbourhood() -> None:
    found = sign_features([[1.0], [2.0]], [0, 1, 2], [1, 0], [0.0, 0.0], 1)
    assert found[:, 3:].tolist() == [[0, 0, 0], [0, 0, 0]]


def test_no_accounts() -> None:
    assert sign_features(np.zeros((0, 4)), [0], [], []).shape == (0, 18)


def test_arguments_stay_as_they_were() -> None:
    dense = random_graph(1, 10, 0.3)
    features, graph = np.ones((10, 2)), csr(dense)
    before = [each.copy() for each in (features, *graph)]
    sign_features(features, *graph)
    for old, new in zip(before, (features, *graph), strict=True):
        np.testing.assert_array_equal(old, new)


GOOD = {"features": [[1.0], [2.0]], "indptr": [0, 1, 2], "indices": [1, 0], "weights": [1.0, 1.0]}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"features": [1.0, 2.0]}, "features: .*2 dimensions, got 1"),
        ({"features": [[1.0], [np.nan]]}, "features: .*got nan in row 1, column 0"),
        ({"indptr": [0, 2]}, "indptr: expected 3 pointers for 2 rows"),
        ({"indptr": [0, 1, 1]}, "indptr: .*rise from 0 to 2"),
        ({"indptr": [0, 3, 2]}, "indptr: .*rise from 0 to 2"),
        ({"indices": [1, 2]}, "indices: expected neighbours from 0 to 1, got 1 to 2"),
        ({"indices": [-1, 0]}, "indices: .*got -1 to 0"),
        ({"weights": [1.0]}, "weights: expected one weight per link"),
        ({"weights": [1.0, -1.0]}, "weights: .*at least 0"),
        ({"weights": [1.0, np.inf]}, "weights: expected finite"),
    ],
)
def test_what_does_not_fit_is_refused(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        sign_features(**{**GOOD, **wrong})  # type: ignore[arg-type]


def test_hops_below_zero_are_refused() -> None:
    with pytest.raises(SettingError, match="0 or more hops, got -1"):
        sign_features(**GOOD, hops=-1)  # type: ignore[arg-type]
