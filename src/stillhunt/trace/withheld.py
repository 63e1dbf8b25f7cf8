"""Issued versus withheld: of several equally good answers one was issued by a coin flip. Does the suspect prefer it?

Null: the suspect never saw which answer was issued. Then the issued one's place among the candidates, by the suspect's
own preference, is uniform, for every suspect and whatever the candidates are. No mark is needed.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stillhunt.errors import SettingError
from stillhunt.marks.keys import SubKey
from stillhunt.stats.exact import log_lattice_sf

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass(frozen=True)
class RankResult:
    """statistic: candidates that the issued answers beat, summed. log10_p: exact. prompts, candidates: sample size."""

    statistic: int
    log10_p: float
    prompts: int
    candidates: int


def issued_choice(subkey: SubKey, prompt_id: str, candidates: int) -> int:
    """Which of ``candidates`` answers to issue for a prompt: HMAC-SHA256 under the committed subkey, 256 bits, modulo
    their number (the bias is below 2**-240)."""
    if candidates < 2:
        raise SettingError(f"expected at least 2 candidates, got {candidates}", "candidates")
    message = b"stillhunt-issued/1\0" + prompt_id.encode("utf-8")
    return int.from_bytes(hmac.digest(subkey.secret, message, hashlib.sha256), "big") % candidates


def rank_test(preferences: F64, issued: I64) -> RankResult:
    """The exact test: preferences (prompts, candidates), such as log-probabilities per token, issued (prompts,).

    Ties count against the claim. Raises SettingError on NaN or an index out of range.
    """
    if preferences.ndim != 2 or preferences.shape[1] < 2 or len(issued) != len(preferences):
        raise SettingError(
            f"expected a table of prompts by candidates, got shape {preferences.shape}", "preferences"
        )
    if np.isnan(preferences).any() or (issued < 0).any() or (issued >= preferences.shape[1]).any():
        raise SettingError(
            "expected preferences without NaN and issued candidates in range", "preferences, issued"
        )
    prompts, candidates = preferences.shape
    own = preferences[np.arange(prompts), issued]
    beaten = int((preferences < own[:, None]).sum())
    if prompts == 0:
        return RankResult(0, 0.0, 0, candidates)
    log_p = log_lattice_sf(beaten, np.full(candidates, 1 / candidates), prompts)
    return RankResult(beaten, log_p / float(np.log(10)), prompts, candidates)
