"""At least two of n."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import gamma
from super_uniform import excess

from stillhunt.stats.conjunction import beyond_the_strongest


@given(arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(1, 6)), elements=st.floats(0, 1e6)))
def test_is_the_sum_of_all_but_the_largest(evidence: NDArray[np.float64]) -> None:
    by_hand = [sum(sorted(row)[:-1]) for row in evidence.tolist()]
    np.testing.assert_allclose(beyond_the_strongest(evidence), by_hand, rtol=1e-9, atol=1e-6)


def test_one_family_proves_nothing() -> None:
    assert beyond_the_strongest(np.array([[500.0, 0.0, 0.0], [500.0, 0.0, 2.0]])) == pytest.approx([0.0, 2.0])
    assert beyond_the_strongest(np.zeros((3, 0))) == pytest.approx([0.0, 0.0, 0.0])


def test_fishers_law_holds_with_one_family_beyond_doubt() -> None:
    """The partial conjunction null: one family speaks as loudly as it likes, the others are uniform. The sum of the
    other n - 1 is then at most a gamma(n - 1) variable (Fisher), so its upper tail is super-uniform."""
    random = np.random.default_rng(30)
    evidence = random.exponential(1.0, (20_000, 5))
    evidence[:, 2] = random.exponential(50.0, 20_000)
    assert excess(gamma.sf(beyond_the_strongest(evidence), 4)) == {}
