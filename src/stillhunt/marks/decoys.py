"""The decoy-key test: the true key's statistic among those of K random keys, after committing to everything
(spec/marks.md, section 5.7)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stillhunt.errors import SettingError
from stillhunt.marks.keys import SubKey, opens
from stillhunt.marks.profile import Profile, profile_from_json
from stillhunt.marks.schemes import Scheme, scheme_of, schemes_of
from stillhunt.marks.windows import Windows

F64 = NDArray[np.float64]
Statistic = Callable[[Scheme, Windows, F64 | None], float]


@dataclass(frozen=True)
class DecoyPlan:
    """Everything that a result could be bent by, fixed before it is known.

    commitment: of the key under test. windows: digest of windows and weights. statistic: name of what is compared.
    decoys: K. seed: where the decoys come from, 64 hexadecimal digits; best somebody else's, or a public beacon's.
    """

    commitment: str
    windows: str
    statistic: str
    decoys: int
    seed: str

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` of the plan: publish it before :func:`run_plan`."""
        public = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(b"stillhunt-decoy-plan/1\0" + public.encode()).hexdigest()


@dataclass(frozen=True)
class DecoyResult:
    """p = (1 + #{decoys at or above}) / (K + 1); it cannot be smaller than ``floor`` = 1 / (K + 1)."""

    p_value: float
    floor: float
    statistic: float
    decoys_at_or_above: int
    decoys: int
    plan: str


def sum_of_scores(scheme: Scheme, windows: Windows, weights: F64 | None) -> float:
    """The statistic that all schemes share: scores added, times weights where there are any."""
    scores = scheme.scores(windows)
    return float(scores.sum() if weights is None else weights @ scores)


STATISTICS: dict[str, Statistic] = {"sum_of_scores": sum_of_scores}


def make_plan(
    commitment: str,
    windows: Windows,
    *,
    decoys: int = 9_999,
    seed: str,
    weights: F64 | None = None,
    statistic: str = "sum_of_scores",
) -> DecoyPlan:
    """A plan for ``windows``, which the key under test was not applied to yet."""
    if decoys < 1:
        raise SettingError(f"expected at least 1 decoy, got {decoys}", "decoys")
    if statistic not in STATISTICS:
        raise SettingError(f"expected one of {', '.join(STATISTICS)}, got {statistic!r}", "statistic")
    if len(seed) != 64 or any(digit not in "0123456789abcdef" for digit in seed):
        raise SettingError("expected a seed of 64 lower-case hexadecimal digits", "seed")
    return DecoyPlan(commitment, windows_digest(windows, weights), statistic, decoys, seed)


def run_plan(
    plan: DecoyPlan,
    published: str,
    opening: Mapping[str, Any],
    windows: Windows,
    weights: F64 | None = None,
) -> DecoyResult:
    """Runs a plan whose digest was ``published``.

    Null: the text was chosen without the key, so true key and decoys are exchangeable. That holds on windows that carry
    no mark of ours to begin with; a text copied from our answers fails it without any training.
    Raises SettingError where plan, opening or windows differ from what was committed.
    """
    _must(plan.digest == published, "the plan is not the one whose digest was published", "plan")
    _must(opens(opening), "the opening does not give its commitment", "opening")
    _must(opening["commitment"] == plan.commitment, "the opening is of another commitment", "opening")
    _must(windows_digest(windows, weights) == plan.windows, "windows or weights changed", "windows")
    profile = profile_from_json(opening["profile"])
    compare = STATISTICS[plan.statistic]
    own = compare(scheme_of(profile, SubKey(bytes.fromhex(opening["subkey"]))), windows, weights)
    above = sum(
        compare(scheme, windows, weights) >= own for scheme in decoy_schemes(plan.seed, plan.decoys, profile)
    )
    floor = 1 / (plan.decoys + 1)
    return DecoyResult((1 + above) * floor, floor, own, above, plan.decoys, plan.digest)


def decoy_schemes(seed: str, decoys: int, profile: Profile) -> Iterator[Scheme]:
    """``decoys`` schemes under subkeys SHA-256(``"stillhunt-decoy/1"`` 0x00 ‖ seed ‖ number as 8 bytes big-endian)."""
    head = b"stillhunt-decoy/1\0" + bytes.fromhex(seed)
    rekeyed = schemes_of(profile)
    for number in range(decoys):
        yield rekeyed(SubKey(hashlib.sha256(head + number.to_bytes(8, "big")).digest()))


def windows_digest(windows: Windows, weights: F64 | None = None) -> str:
    """``sha256:<hex>`` over width, contexts, tokens and weights, little-endian."""
    content = hashlib.sha256(b"stillhunt-windows/1\0")
    content.update(windows.contexts.shape[1].to_bytes(4, "little"))
    content.update(np.ascontiguousarray(windows.contexts, dtype="<u4").tobytes())
    content.update(np.ascontiguousarray(windows.tokens, dtype="<u4").tobytes())
    if weights is not None:
        content.update(np.ascontiguousarray(weights, dtype="<f8").tobytes())
    return "sha256:" + content.hexdigest()


def _must(holds: bool, problem: str, where: str) -> None:
    if not holds:
        raise SettingError(problem, where, "Commit to what you test before you test it.")
