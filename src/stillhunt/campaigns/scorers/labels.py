"""What is known of accounts: judgements, or campaigns that were injected into honest traffic."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stillhunt.campaigns.scorers.sign import table_of_numbers
from stillhunt.errors import InputError

UNKNOWN, HONEST, HOSTILE = -1, 0, 1
"""Labels of accounts."""


def labelled(
    features: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """The features as an array; the rows whose label is known, and these labels. Raises InputError where they do not
    fit each other, or one of both sides is missing."""
    table, label = table_of_numbers(features), np.asarray(labels)
    if label.shape != (len(table),):
        raise InputError(
            f"expected one label for each of {len(table)} accounts, got shape {label.shape}", "labels"
        )
    if table.shape[1] == 0:
        raise InputError("expected at least one feature per account, got none", "features")
    other = np.setdiff1d(label, (UNKNOWN, HONEST, HOSTILE))
    if len(other):
        raise InputError(f"expected labels 1 (hostile), 0 (honest) or -1 (unknown), got {other[0]}", "labels")
    known = np.flatnonzero(label != UNKNOWN)
    truth = label[known].astype(np.int64)
    hostile = int((truth == HOSTILE).sum())
    if hostile == 0 or hostile == len(truth):
        raise InputError(
            f"expected hostile and honest accounts, got {hostile} hostile and {len(truth) - hostile} honest",
            "labels",
            "Judge some of the other side, or inject campaigns; until then, score without labels.",
        )
    return table, known, truth
