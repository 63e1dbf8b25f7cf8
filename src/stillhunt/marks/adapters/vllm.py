"""A logits processor for vLLM's version-1 interface: green lists under one key per account bucket.

vLLM marks with Gumbel-max itself (``--watermark-config``), under one key per engine; detect those with the profile
``vllm``. This processor is for what that cannot do: a key per account bucket. It is loaded by name,
``--logits-processors stillhunt.marks.adapters.vllm:BucketMark``, and reads its settings from ``--additional-config``:

    {"stillhunt_mark": {"key_file": "/etc/stillhunt/mark.key", "purpose": "answers", "epoch": "2026-11",
                        "width": 1, "gamma": 0.25, "delta": 2.0}}

A gateway names the bucket in the request's extra argument ``stillhunt_bucket``: the ticket of
:func:`stillhunt.marks.tickets.bucket_ticket`, which a client cannot make. Without a valid ticket the request is marked
under the bucket ``""``: nobody opts out by leaving it away.

What this interface cannot carry is refused, never ignored: see :func:`refuse`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor, MoveDirectionality

from stillhunt.errors import SettingError
from stillhunt.marks.keys import KeyPath, MasterKey, load_key
from stillhunt.marks.profile import Profile, profile_from_json
from stillhunt.marks.schemes import Green, scheme_of
from stillhunt.marks.tickets import TICKET, bucket_of_ticket
from stillhunt.marks.words import PAD

ARGUMENT = "stillhunt_bucket"


class BucketMark(LogitsProcessor):
    """Adds the green bias of each request's bucket to its logits."""

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """Refuses a request whose ticket has the wrong form (ValueError, as the interface asks)."""
        ticket = (sampling_params.extra_args or {}).get(ARGUMENT)
        if ticket is not None and (not isinstance(ticket, str) or TICKET.fullmatch(ticket) is None):
            raise ValueError(f"expected {ARGUMENT} to be a bucket ticket, such as 17.<32 hexadecimal digits>")

    def __init__(self, vllm_config: Any, device: torch.device, is_pin_memory: bool) -> None:
        settings = (getattr(vllm_config, "additional_config", None) or {}).get("stillhunt_mark")
        if not isinstance(settings, dict):
            raise SettingError(
                "expected the settings of the mark, got none", "--additional-config, stillhunt_mark"
            )
        profile = _profile(settings)
        refuse(vllm_config, profile)
        self._key: MasterKey = load_key(Path(settings["key_file"]))
        self._purpose, self._epoch = str(settings["purpose"]), str(settings["epoch"])
        self._profile = profile
        self._schemes: dict[str, Green] = {}
        self._rows: dict[int, tuple[str, list[int]]] = {}
        self._scheme("")

    def is_argmax_invariant(self) -> bool:
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        if batch_update is None:
            return
        for index in batch_update.removed:
            self._rows.pop(index, None)
        for index, params, _, output_ids in batch_update.added:
            ticket = (params.extra_args or {}).get(ARGUMENT)
            self._rows[index] = (bucket_of_ticket(self._key, self._epoch, ticket), output_ids)
        for one, other, direction in batch_update.moved:
            moved, kept = self._rows.pop(one, None), self._rows.pop(other, None)
            if moved is not None:
                self._rows[other] = moved
            if direction == MoveDirectionality.SWAP and kept is not None:
                self._rows[one] = kept

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        missing = [row for row in range(len(logits)) if row not in self._rows]
        if missing:
            raise SettingError(f"row {missing[0]} of the batch was never announced", "BucketMark.apply")
        for row, (bucket, output_ids) in self._rows.items():
            scheme = self._scheme(bucket)
            last = output_ids[-scheme.width :]
            if any(token < 0 for token in last):
                raise SettingError(
                    "the answer so far holds placeholders instead of tokens", "BucketMark.apply", _ASYNC
                )
            context = np.full((1, scheme.width), PAD, dtype=np.uint32)
            if last:
                context[0, scheme.width - len(last) :] = last
            green = scheme.words.table(context, logits.shape[1])[0] < scheme.threshold
            logits[row] += scheme.delta * torch.from_numpy(green).to(logits)
        return logits

    def _scheme(self, bucket: str) -> Green:
        if bucket not in self._schemes:
            made = scheme_of(self._profile, self._key.subkey(KeyPath(self._purpose, self._epoch, bucket)))
            assert isinstance(made, Green)
            self._schemes[bucket] = made
        return self._schemes[bucket]


def refuse(vllm_config: Any, profile: Profile) -> None:
    """Raises SettingError where the engine's settings make a mark through this interface false or absent.

    Gumbel-max and SynthID need the law after temperature, top-k and top-p; custom processors run before these.
    Speculative decoding drops custom processors. Asynchronous scheduling puts placeholders where the last tokens
    belong. Model runner V2 never calls custom processors.
    """
    if profile.scheme != "green":
        raise SettingError(
            f"{profile.scheme} must choose after top-p, and a custom logits processor runs before it",
            "stillhunt_mark, scheme",
            "Use the engine's own --watermark-config for Gumbel-max, or the scheme green.",
        )
    if profile.context != "answer":
        raise SettingError("this interface marks with context answer alone", "stillhunt_mark, context")
    if getattr(vllm_config, "speculative_config", None):
        raise SettingError(
            "speculative decoding does not run custom logits processors",
            "--speculative-config",
            "Switch it off, or mark with --watermark-config and the algorithm dual_key_gumbel.",
        )
    if getattr(getattr(vllm_config, "scheduler_config", None), "async_scheduling", False):
        raise SettingError("asynchronous scheduling hides the last tokens", "--async-scheduling", _ASYNC)
    if getattr(vllm_config, "use_v2_model_runner", False):
        raise SettingError(
            "model runner V2 does not run custom logits processors",
            "VLLM_USE_V2_MODEL_RUNNER",
            "Set it to 0.",
        )


def _profile(settings: dict[str, Any]) -> Profile:
    own = {"key_file", "purpose", "epoch"}
    lacking = sorted(own - settings.keys())
    if lacking:
        raise SettingError(f"expected {', '.join(lacking)}", "--additional-config, stillhunt_mark")
    parameters = {name: value for name, value in settings.items() if name not in own}
    return profile_from_json({"scheme": "green", "width": 1, **parameters})


_ASYNC = "Start the engine with --no-async-scheduling."
