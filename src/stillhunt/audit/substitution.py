"""Do paired answers of the named model and of the service come from one law? Weak evidence, reported as such.

Null: for each prompt, which answer came from which side is a coin's fall. Statistic: squared length of the mean
difference of the answers' features (hashed character 4-grams of unit length, and log length). The null is enumerated by
flipping the signs of pairs at random: exact, p = (1 + flips at least as far) / (1 + flips).

It cannot tell a swapped model from another system prompt, other sampling settings or a later snapshot.
Source: the paired sign-flip permutation test; Gretton et al. (2012) for the distance between mean embeddings.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stillhunt.errors import InputError
from stillhunt.sources.record_files import Unreadable, read_records

LEAST_PAIRS = 20
_GRAM = 4
_WIDTH = 2048
_BATCH = 1024


@dataclass(frozen=True)
class Substitution:
    """``statistic`` over its mean under the null: 1 where nothing differs."""

    pairs: int
    statistic: float
    p_value: float
    flips: int


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Pairs ``named``, ``service`` of answers to one prompt each. Raises InputError where there are too few."""
    if not path.is_file():
        raise InputError("expected a file of paired answers; nothing is there", str(path), "Check the path.")
    pairs = []
    for item in read_records(path):
        if isinstance(item, Unreadable):
            raise InputError(f"row {item.row}: {item.reason}", str(path), "Mend the file.")
        named, service = item[1].get("named"), item[1].get("service")
        if not isinstance(named, str) or not isinstance(service, str):
            raise InputError(
                f"row {item[0]}: expected texts in `named` and `service`",
                str(path),
                "See docs/howto/audit-a-vendor.md.",
            )
        pairs.append((named, service))
    if len(pairs) < LEAST_PAIRS:
        raise InputError(
            f"expected at least {LEAST_PAIRS} pairs, got {len(pairs)}", str(path), "Ask more prompts."
        )
    return pairs


def substitution_test(pairs: Sequence[tuple[str, str]], *, flips: int = 9999, seed: int = 0) -> Substitution:
    """The permutation test; equal seeds give equal results."""
    differences = np.stack([_features(named) - _features(service) for named, service in pairs])
    gram = differences @ differences.T
    seen = float(gram.sum())
    rng = np.random.default_rng(seed)
    far, done = 0, 0
    while done < flips:
        signs = rng.choice([-1.0, 1.0], size=(min(_BATCH, flips - done), len(pairs)))
        far += int((np.einsum("bi,ij,bj->b", signs, gram, signs, optimize=True) >= seen * (1 - 1e-12)).sum())
        done += len(signs)
    usual = float(np.trace(gram))
    return Substitution(len(pairs), seen / usual if usual > 0 else 1.0, (1 + far) / (1 + flips), flips)


def _features(text: str) -> NDArray[np.float64]:
    vector = np.zeros(_WIDTH + 1)
    data = text.lower().encode()
    for at in range(max(len(data) - _GRAM + 1, 0)):
        vector[zlib.crc32(data[at : at + _GRAM]) % _WIDTH] += 1
    length = float(np.linalg.norm(vector))
    if length > 0:
        vector /= length
    vector[_WIDTH] = np.log1p(len(data))
    return vector
