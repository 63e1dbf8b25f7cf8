"""Is this text marked? Exact p-values and e-values over windows (spec/marks.md, section 5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stillhunt.errors import SettingError
from stillhunt.marks.evalues import log_e_value
from stillhunt.marks.schemes import Scheme
from stillhunt.marks.windows import ContextFrom, Documents, Scope, Unique, Windows, windows_of

F64 = NDArray[np.float64]
_LN10 = float(np.log(10.0))


@dataclass(frozen=True)
class Detection:
    """What a test found.

    statistic: the scheme's sum over the scored windows. log10_p: base-10 logarithm of p, exact for distinct windows and
    an upper bound where weights were given. log10_e: of the e-value over all windows, NaN where the scheme has none.
    scored, seen, repeated, in_prompt, without_context: windows scored, met, and left out, by reason.
    """

    statistic: float
    log10_p: float
    log10_e: float
    scored: int
    seen: int
    repeated: int
    in_prompt: int
    without_context: int

    @property
    def p_value(self) -> float:
        """p as a number; 0.0 below 1e-308, where ``log10_p`` still tells."""
        return float(10.0**self.log10_p)


def detect(
    texts: Documents,
    scheme: Scheme,
    *,
    context: ContextFrom = "answer",
    unique: Unique = "tuple",
    scope: Scope = "corpus",
) -> Detection:
    """Tests all of ``texts`` together for the mark of ``scheme``.

    Null: the texts were chosen without the key. Raises SettingError for ``unique="none"``: repeats are not independent,
    and the p-value would be false.
    """
    _distinct(unique)
    found = windows_of(texts, scheme.width, context=context, unique=unique, scope=scope, pad=scheme.pad)
    return detect_windows(found, scheme)


def detect_windows(windows: Windows, scheme: Scheme, weights: F64 | None = None) -> Detection:
    """The test over distinct ``windows``.

    weights: (n,), at least 0, such as how often a window occurred or how uncertain the text was there. They must not
    depend on the key, and they must be fixed before the result is seen.
    """
    if weights is not None and (len(weights) != len(windows) or not np.all(np.isfinite(weights))):
        raise SettingError(f"expected {len(windows)} finite weights, got {len(weights)}", "weights")
    statistic, log_p = scheme.log_p(windows, weights)
    log_e = None if weights is not None else log_e_value(scheme, windows)
    return Detection(
        statistic,
        log_p / _LN10,
        float("nan") if log_e is None else log_e / _LN10,
        len(windows),
        windows.seen,
        windows.repeated,
        windows.in_prompt,
        windows.without_context,
    )


def detect_each(
    texts: Documents, scheme: Scheme, *, context: ContextFrom = "answer", unique: Unique = "tuple"
) -> list[Detection]:
    """One test per document, each with its own first occurrences. The tests share a key, so they are not independent
    where documents share windows; a decision over many must correct for their number."""
    _distinct(unique)
    found = windows_of(texts, scheme.width, context=context, unique=unique, scope="document", pad=scheme.pad)
    return [detect_windows(part, scheme) for part in found.split()]


def _distinct(unique: Unique) -> None:
    if unique == "none":
        raise SettingError(
            "a test scores distinct windows only; repeats reuse one random value",
            "unique",
            "Use tuple or context.",
        )
