"""Closed forms: how often an edited text is found, and how often an unrelated one is (spec/registry.md)."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import binom

from stillhunt.schema.requests import SKETCH_SLOTS
from stillhunt.trace.registry.index import NO_CODE, POSTED
from stillhunt.trace.registry.search import LEAST_SIMILARITY, least_share


def expected_false_matches(rows: int, false_match_rate: float) -> float:
    """How many of ``rows`` unrelated rows match at most, on average. Markov's bound: a score is the logarithm of an
    e-value, whose expectation under the null is 1, and a registry of N texts asks for the score log(N / rate)."""
    return rows * false_match_rate


def recall(jaccard: float) -> float:
    """Probability that a text is found whose shingles have this Jaccard similarity with a registered text's, where both
    fill every slot, slots are drawn independently, and similarity decides, not the score.

    Two of the ten posted slots must agree, and enough codes: those of equal slots, and of others by 1 in 63.
    """
    needed = math.ceil(least_share(LEAST_SIMILARITY) * SKETCH_SLOTS)
    either = jaccard + (1 - jaccard) / NO_CODE
    met = np.arange(2, POSTED + 1)
    # Of the posted slots that are not equal a few have equal codes; they are left out, which errs low.
    enough = binom.sf(needed - met - 1, SKETCH_SLOTS - POSTED, either)
    return float((binom.pmf(met, POSTED, jaccard) * enough).sum())
