"""Radioactivity: does a suspect model prefer what our key preferred? (design, section 6, rung A)

Two readings of a suspect, one table for both: distinct windows with a weight each.

- *closed*: answers that the suspect sampled to prompts of ours; a window's weight comes from how often it occurred;
- *open*: the suspect's probabilities after contexts; a window's weight is its probability.

And three ways to weigh it, each with what it assumes:

- a Chernoff bound over the exact moments of the key's words, and decoy keys: the words of the windows must not have
  played any part in what the suspect was shown, nor in which windows count. So nothing is filtered, texts that are
  read carry no mark, and where prompts do, contexts that stand in any of them are left out;
- an e-value on a grid that is fixed: windows may be filtered to contexts that we issued, and issued answers may be
  read, each context where it is met first. Then whether and how a window counts depends on the key through other
  contexts alone, its own words are fresh, and the e-value holds where the two others do not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from stillhunt.errors import SettingError
from stillhunt.marks.decoys import decoy_schemes, sum_of_scores
from stillhunt.marks.evalues import log_e_weighted
from stillhunt.marks.keys import SubKey, opens
from stillhunt.marks.profile import profile_from_json
from stillhunt.marks.schemes import scheme_of
from stillhunt.marks.windows import (
    ContextFrom,
    Documents,
    Windows,
    context_fingerprints,
    counted_windows,
    windows_from,
    windows_of,
)
from stillhunt.trace.issuance import IssuanceIndex

F64 = NDArray[np.float64]
U32 = NDArray[np.uint32]
WeightRule = Literal["once", "count"]
Material = Literal["unmarked prompts", "marked prompts", "unmarked texts", "marked texts"]
"""What the suspect is shown: prompts that it answers, or texts that it reads; a marked prompt must be the beginning of
an issued answer."""
_LN10 = float(np.log(10.0))


@dataclass(frozen=True)
class Plan:
    """What is fixed, and its digest published, before the suspect is asked anything.

    commitment: of the key. kind, material: what the suspect is shown, and its digest. filter: digest of the issuance
    index, or ``""``. weight, cap: each window counts once, or min(count, cap) / cap. decoys, seed: of the decoy-key
    test; 0 decoys for none.
    """

    commitment: str
    kind: Material
    material: str
    filter: str = ""
    weight: WeightRule = "count"
    cap: int = 16
    decoys: int = 9_999
    seed: str = ""

    def __post_init__(self) -> None:
        if self.weight not in ("once", "count") or self.cap < 1:
            raise SettingError(f"expected weight once or count, and a cap of at least 1, got {self}", "plan")
        if self.kind not in get_args(Material):
            raise SettingError(
                f"expected one of {', '.join(get_args(Material))}, got {self.kind!r}", "plan, kind"
            )
        if self.decoys and not self.free:
            raise SettingError(
                "decoy keys are exchangeable with the true one only where nothing depends on it",
                "plan, decoys",
                "Set decoys=0 with a filter or marked texts; the e-value stands for itself.",
            )
        if self.decoys and (
            len(self.seed) != 64 or any(digit not in "0123456789abcdef" for digit in self.seed)
        ):
            raise SettingError("expected a seed of 64 lower-case hexadecimal digits for decoys", "plan, seed")

    @property
    def free(self) -> bool:
        """Whether the windows that count, and their weights, have nothing to do with their words under the null."""
        return not self.filter and self.kind != "marked texts"

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` of the plan."""
        public = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(b"stillhunt-trace-plan/1\0" + public.encode()).hexdigest()


@dataclass(frozen=True)
class Result:
    """What the suspect showed.

    statistic: weighted sum of scores; windows: how many were weighed, filtered_out: how many the index did not hold.
    log10_p: the Chernoff bound, None where its assumption fails. log10_e: the e-value. decoy_p, decoy_floor: of the
    decoy-key test, None without one. plan: its digest.
    """

    statistic: float
    windows: int
    filtered_out: int
    log10_p: float | None
    log10_e: float
    decoy_p: float | None
    decoy_floor: float | None
    plan: str

    @property
    def log10_error(self) -> float:
        """The smallest bound that holds for the plan, 0 at most; doubled where two are compared."""
        if self.log10_p is None:
            return min(0.0, -self.log10_e)
        return min(0.0, min(self.log10_p, -self.log10_e) + float(np.log10(2)))


def material_digest(texts: Documents) -> str:
    """``sha256:<hex>`` over prompts and texts, as a plan fixes them."""
    content = hashlib.sha256(b"stillhunt-material/1\0")
    for part, kind in (
        (texts.tokens, "<u4"), (texts.offsets, "<i8"), (texts.prompts, "<u4"), (texts.prompt_offsets, "<i8"),
    ):  # fmt: skip
        content.update(len(part).to_bytes(8, "little") + part.astype(kind).tobytes())
    return "sha256:" + content.hexdigest()


def prompts_of(answers: Documents) -> Documents:
    """The same prompts with empty answers: what a plan for prompts fixes."""
    return Documents(
        answers.tokens[:0], np.zeros_like(answers.offsets), answers.prompts, answers.prompt_offsets
    )


def trace_answers(
    plan: Plan,
    published: str,
    opening: Mapping[str, Any],
    answers: Documents,
    index: IssuanceIndex | None = None,
) -> Result:
    """Closed reading: ``answers`` that the suspect gave to the prompts of the plan, which they carry.

    Null: the suspect's answers do not depend on the words of the windows that count. Windows of the prompts are left
    out, and with marked prompts also every context that stands in any prompt or is incomplete.
    Raises SettingError where anything differs from what was committed.
    """
    _must(plan.kind in ("unmarked prompts", "marked prompts"), f"the plan is for {plan.kind}", "plan, kind")
    asked = prompts_of(answers)
    _must(material_digest(asked) == plan.material, "the prompts are not those of the plan", "prompts")
    profile = profile_from_json(opening["profile"])
    pad = scheme_of(profile, SubKey(bytes(32))).pad
    marked = plan.kind == "marked prompts"
    context: ContextFrom = "skip" if marked else profile.context
    windows, counts = counted_windows(answers, profile.width, context=context, pad=pad)
    if marked:
        shown = Documents(asked.prompts, asked.prompt_offsets, asked.tokens, asked.offsets)
        used = windows_of(shown, profile.width, context="skip", unique="none").contexts
        fresh = ~np.isin(context_fingerprints(windows.contexts), context_fingerprints(used))
        windows, counts = windows.at(fresh), counts[fresh]
    weights = np.minimum(counts, plan.cap) / plan.cap if plan.weight == "count" else np.ones(len(windows))
    return _weigh(plan, published, opening, windows, weights, index)


def trace_probabilities(
    plan: Plan,
    published: str,
    opening: Mapping[str, Any],
    read: Documents,
    contexts: U32,
    candidates: U32,
    probabilities: F64,
    index: IssuanceIndex | None = None,
) -> Result:
    """Open reading: the suspect's ``probabilities`` (m, k) of ``candidates`` (m, k), distinct in each row, after
    ``contexts`` (m, width), each context once, where it is met first in the texts ``read``.

    Null: the suspect's probabilities after a context do not depend on the words of that context.
    """
    _must(plan.kind in ("unmarked texts", "marked texts"), f"the plan is for {plan.kind}", "plan, kind")
    _must(material_digest(read) == plan.material, "the texts are not those of the plan", "texts")
    if candidates.shape != probabilities.shape or len(contexts) != len(candidates):
        raise SettingError(
            f"expected as many candidates as probabilities, got {candidates.shape}, {probabilities.shape}",
            "candidates",
        )
    if (
        not np.isfinite(probabilities).all()
        or (probabilities < 0).any()
        or (probabilities.sum(axis=1) > 1.001).any()
    ):
        raise SettingError("expected probabilities of at least 0 that add up to at most 1", "probabilities")
    if len(np.unique(contexts, axis=0)) != len(contexts):
        raise SettingError("expected each context once, where it is met first", "contexts")
    ordered = np.sort(candidates, axis=1)
    if (ordered[:, 1:] == ordered[:, :-1]).any():
        raise SettingError("expected distinct candidates after each context", "candidates")
    windows = windows_from(np.repeat(contexts, candidates.shape[1], axis=0), candidates.ravel())
    return _weigh(plan, published, opening, windows, np.minimum(probabilities.ravel(), 1.0), index)


def _weigh(
    plan: Plan,
    published: str,
    opening: Mapping[str, Any],
    windows: Windows,
    weights: F64,
    index: IssuanceIndex | None,
) -> Result:
    _must(plan.digest == published, "the plan is not the one whose digest was published", "plan")
    _must(opens(opening), "the opening does not give its commitment", "opening")
    _must(opening["commitment"] == plan.commitment, "the opening is of another commitment", "opening")
    _must(
        ("" if index is None else index.digest) == plan.filter, "the filter is not that of the plan", "filter"
    )
    profile = profile_from_json(opening["profile"])
    scheme = scheme_of(profile, SubKey(bytes.fromhex(opening["subkey"])))
    before = len(windows)
    if index is not None:
        _must(index.width == profile.width, f"the index has contexts of {index.width} tokens", "filter")
        kept = index.count_of(windows.contexts) > 0
        windows, weights = windows.at(kept), weights[kept]
    process = log_e_weighted(scheme, scheme.scores(windows), weights)
    if process is None:
        raise SettingError("SynthID has no e-value; trace with a Gumbel or green mark", "profile")
    own = sum_of_scores(scheme, windows, weights)
    decoy_p = None
    if plan.decoys:
        above = sum(
            sum_of_scores(decoy, windows, weights) >= own
            for decoy in decoy_schemes(plan.seed, plan.decoys, profile)
        )
        decoy_p = (1 + above) / (plan.decoys + 1)
    return Result(
        own,
        len(windows),
        before - len(windows),
        scheme.log_p(windows, weights)[1] / _LN10 if plan.free else None,
        float(process[-1]) / _LN10 if len(process) else 0.0,
        decoy_p,
        1 / (plan.decoys + 1) if plan.decoys else None,
        plan.digest,
    )


def _must(holds: bool, problem: str, where: str) -> None:
    if not holds:
        raise SettingError(problem, where, "Commit to what you test before you test it.")
