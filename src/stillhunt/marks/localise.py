"""Which stretches of a long text carry a mark."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stillhunt.errors import SettingError
from stillhunt.marks.schemes import Scheme
from stillhunt.marks.windows import Windows

F64 = NDArray[np.float64]
_TILTS = (0.1, 0.3, 0.5)
_LN10 = float(np.log(10.0))


@dataclass(frozen=True)
class Stretch:
    """A stretch of one document: token positions ``start`` to ``end`` (exclusive), windows scored in it, and the bound
    on the probability that unmarked text has any such stretch."""

    document: int
    start: int
    end: int
    scored: int
    log10_p: float


def localise(windows: Windows, scheme: Scheme, *, level: float = 1e-3) -> list[Stretch]:
    """Disjoint stretches that are marked, at family-wise error ``level`` over everything in ``windows``.

    For each of three tilts the logarithms of e-factors are summed; a stretch's excess y has
    P(any stretch reaches y) <= n exp(-y), by Ville's inequality from each of n starts. The strongest is taken, cut at
    any gap that speaks as strongly against the mark, then the rest left and right of it, down to ``level``. A stretch
    never spans two documents.
    """
    if not 0 < level < 1:
        raise SettingError(f"expected a level between 0 and 1, got {level}", "level")
    paths = []
    scores = scheme.scores(windows)
    for tilt in _TILTS:
        factors = scheme.log_factors(scores, tilt)
        if factors is None:
            raise SettingError("this scheme has no e-values, so it cannot be localised", "scheme")
        paths.append(factors)
    needed = float(np.log(len(windows) * len(_TILTS) / level)) if len(windows) else 0.0
    edges = np.flatnonzero(np.diff(windows.document, prepend=-1, append=-1))
    found = []
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        found += _split(paths, windows, low, high, needed, level)
    return sorted(found, key=lambda one: (one.document, one.start))


def _split(
    paths: list[F64], windows: Windows, low: int, high: int, needed: float, level: float
) -> list[Stretch]:
    found: list[Stretch] = []
    spans = [(low, high)]
    while spans:
        a, b = spans.pop()
        best, start, end = max(_heaviest(path[a:b]) for path in paths) if b > a else (0.0, 0, 0)
        if best < needed:
            continue
        gain, gap, gap_end = _heaviest(-paths[-1][a + start : a + end])
        if gain >= needed:  # a gap this unmarked does not belong to the stretch
            spans += [(a, a + start + gap), (a + start + gap_end, b)]
            continue
        bound = (needed - best + float(np.log(level))) / _LN10
        found.append(
            Stretch(
                int(windows.document[a]),
                int(windows.position[a + start]),
                int(windows.position[a + end - 1]) + 1,
                end - start,
                min(0.0, bound),
            )
        )
        spans += [(a, a + start), (a + end, b)]
    return found


def _heaviest(values: F64) -> tuple[float, int, int]:
    # The contiguous run with the largest sum, in one pass (Kadane), vectorised.
    sums = np.concatenate([[0.0], np.cumsum(values)])
    lowest = np.minimum.accumulate(sums)
    end = int(np.argmax(sums - lowest))
    start = int(np.argmin(sums[: end + 1]))
    return float(sums[end] - sums[start]), start, end
