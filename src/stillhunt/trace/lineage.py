"""Which family of models taught a suspect, by texts alone: rung B, weighed against control models.

The suspect takes its rank among controls, candidate by candidate. Null: the suspect is as close to the candidate as the
controls are (exchangeable with them). It misleads where the suspect shares with a candidate what the controls do not:
a base model, training data, or another teacher in common. It is descriptive and never by itself conclusive.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stillhunt.errors import SettingError
from stillhunt.trace.likeness import own_share

F64 = NDArray[np.float64]
Word = Literal["established", "leading candidate", "not established"]
LEVEL = 0.05


@dataclass(frozen=True)
class Candidate:
    """One family.

    score: the largest own share of its models. p: conformal, over ``controls`` control models, no smaller than
    ``floor``.
    p_holm: corrected over the candidates, or p for a teacher named beforehand. shares_base: the suspect and a model of
    the family have one base, so likeness cannot tell teacher from base.
    """

    family: str
    rank: int
    score: float
    p: float
    p_holm: float
    floor: float
    controls: int
    shares_base: bool
    word: Word


def attribute(
    alike: F64,
    models: Sequence[str],
    suspect: str,
    families: Mapping[str, Sequence[str]],
    controls: Collection[str],
    *,
    bases: Mapping[str, str] | None = None,
    named: str | None = None,
) -> list[Candidate]:
    """Candidates, the closest first. alike: :func:`likeness.likeness` over ``models``.

    controls: models held not to have learnt from the candidates; those of a candidate's own family, and the suspect,
    are left out for it. A control of another family is explained without that family, as a suspect whose family
    is no candidate is. bases: model to its base, where known. named: the one family that was named before any
    answer was seen; only it is tested without correction. Raises SettingError for a model or family that is not there.
    """
    place = {model: i for i, model in enumerate(models)}
    _check(place, suspect, families, controls, named)
    members = [(f, m) for f, group in families.items() for m in group if m != suspect]
    pool = [suspect, *(m for m in controls if m != suspect)]
    owner = np.array([family for family, _ in members])
    own = [{suspect}, *({f for f, group in families.items() if m in group} for m in pool[1:])]
    left_out = np.array([[f in kin or m in kin for f, m in members] for kin in own])
    shares = own_share(alike, [place[m] for m in pool], [place[m] for _, m in members], left_out)
    score, p, count = {}, {}, {}
    for family in dict.fromkeys(owner.tolist()):
        best = np.max(np.where(np.isnan(shares), -np.inf, shares)[:, owner == family], axis=1)
        kept = [i for i, m in enumerate(pool) if i and m not in families[family]]
        score[family], count[family] = float(best[0]), len(kept)
        p[family] = (1 + int(np.sum(best[kept] >= best[0]))) / (len(kept) + 1)
    corrected = holm(np.array(list(p.values())))
    holms = dict(zip(p, corrected.tolist(), strict=True))
    if named is not None:
        holms[named] = p[named]
    base = (bases or {}).get(suspect)
    found = []
    for rank, family in enumerate(sorted(score, key=lambda f: -score[f]), 1):
        shared = base is not None and any((bases or {}).get(m) == base for m in families[family])
        word = _word(rank, p[family], holms[family], shared)
        floor = 1 / (count[family] + 1)
        found.append(
            Candidate(
                family, rank, score[family], p[family], holms[family], floor, count[family], shared, word
            )
        )
    return found


def holm(p: F64) -> F64:
    """Holm's adjusted p-values, shape (n,) to (n,); family-wise error under any dependence. Source: Holm (1979)."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    result = np.empty(len(p))
    result[order] = np.minimum(stepped, 1.0)
    return result


def _word(rank: int, p: float, p_holm: float, shares_base: bool) -> Word:
    if rank > 1 or p > LEVEL or shares_base:
        return "not established"
    return "established" if p_holm <= LEVEL else "leading candidate"


def _check(
    place: Mapping[str, int],
    suspect: str,
    families: Mapping[str, Sequence[str]],
    controls: Collection[str],
    named: str | None,
) -> None:
    wanted = [suspect, *controls, *(m for group in families.values() for m in group)]
    missing = sorted({m for m in wanted if m not in place})
    if missing:
        raise SettingError(f"no answers of {', '.join(missing)}", "models", f"There are: {', '.join(place)}.")
    if not any(m != suspect for group in families.values() for m in group):
        raise SettingError("expected a candidate besides the suspect", "families", "Name one.")
    if named is not None and named not in families:
        raise SettingError(
            f"expected one of {', '.join(families)}, got {named!r}", "named", "Name a candidate."
        )
