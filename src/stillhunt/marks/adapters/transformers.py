"""A logits processor for ``transformers``' ``generate``. Needs the extra ``marks``.

``generate`` appends custom processors after temperature, top-k and top-p, so what arrives here is the law that is
sampled from, and any scheme is exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import LogitsProcessor

from stillhunt.errors import SettingError
from stillhunt.marks.embed import Marker
from stillhunt.marks.schemes import Green, Scheme
from stillhunt.marks.windows import ContextFrom
from stillhunt.marks.words import PAD


class MarkProcessor(LogitsProcessor):
    """Marks every row of one ``generate`` call. Green lists add a bias; other schemes choose the token and leave it as
    the only one that can be sampled.

    Raises SettingError when used for a second call, and when the tokens that come back are not those that it chose:
    beam search, or a processor that stands after this one.
    """

    def __init__(self, scheme: Scheme, *, context: ContextFrom = "answer", seed: int | None = None) -> None:
        self._scheme = scheme
        self._context = context
        self._rng = np.random.default_rng(seed)
        self._marker: Marker | None = None
        self._prompt = 0
        self._expected: Sequence[int] | None = None
        self._length = 0

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        rows, length = input_ids.shape
        if self._marker is None:
            prompts = input_ids.tolist() if self._context == "prompt" else None
            self._marker = Marker(self._scheme, rows, context=self._context, prompts=prompts)
            self._prompt = length
        elif length != self._length + 1:
            raise SettingError(
                "expected one token after another of one generate call", "MarkProcessor", _ONCE
            )
        self._length = length
        if isinstance(self._scheme, Green):
            return self._biased(input_ids, scores, self._scheme)
        if self._expected is not None and input_ids[:, -1].tolist() != self._expected:
            raise SettingError(
                "the tokens that came back are not those that the mark chose",
                "MarkProcessor",
                "Use sampling or greedy search without beams, and put this processor last.",
            )
        logits = scores.detach().float().cpu().numpy()
        chosen = self._marker.choose(logits, self._rng)
        self._expected = chosen.tolist()
        forced = torch.full_like(scores, float("-inf"))
        index = torch.as_tensor(chosen, device=scores.device, dtype=torch.long)
        return forced.scatter_(1, index[:, None], 0.0)

    def _biased(
        self, input_ids: torch.LongTensor, scores: torch.FloatTensor, scheme: Green
    ) -> torch.FloatTensor:
        start = 0 if self._context == "prompt" else self._prompt
        tails = input_ids[:, start:].tolist()
        contexts = np.full((len(tails), scheme.width), PAD, dtype=np.uint32)
        for row, tail in enumerate(tails):
            last = tail[-scheme.width :]
            if last:
                contexts[row, scheme.width - len(last) :] = last
        green = scheme.words.table(contexts, scores.shape[1]) < scheme.threshold
        return scores + scheme.delta * torch.from_numpy(green).to(scores)


_ONCE = "Make a new MarkProcessor for every generate call."
