"""Which columns each signal needs, so that a run can say which signals it could not feed.

Lives here because both ends read it: ``sources`` reports on a log before any scan, ``campaigns`` switches signals
off by it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Need:
    """What a signal needs. Every name in ``requests`` and ``accounts`` must be there; of each group in
    ``any_of`` (columns of ``requests``), one."""

    channel: str
    requests: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    any_of: tuple[tuple[str, ...], ...] = ()


_PROMPT = ("prompt_sketch", "prompt")
_SYSTEM = ("system_sketch", "system_prompt")
_FAILURE = ("status", "finish_reason")

SIGNAL_NEEDS: Mapping[str, Need] = {
    "prompts_share_template": Need("content", any_of=(_PROMPT,)),
    "shares_system_prompt": Need("content", any_of=(_SYSTEM,)),
    "takes_turns": Need("timing", requests=("time",)),
    "starts_together": Need("life_cycle", requests=("time",)),
    "signs_up_together": Need("life_cycle", accounts=("created_at",)),
    "replaces_banned_account": Need("life_cycle", accounts=("created_at", "closed_at")),
    "moves_to_model_together": Need("shocks", requests=("model",)),
    "hands_off_after_refusal": Need("hand_off", any_of=(_PROMPT, _FAILURE)),
    "replays_reasoning_signature": Need("hand_off", requests=("reasoning_signature",)),
    "shares_address": Need("infrastructure", requests=("client_ip",)),
    "shares_device": Need("infrastructure", requests=("device_id",)),
    "shares_client_stack": Need("infrastructure", requests=("user_agent", "tls_fingerprint")),
    "shares_payment": Need("payment", accounts=("payment_fingerprint",)),
    "shares_registration": Need("payment", accounts=("email_domain",)),
    "shares_parameters": Need("parameters", requests=("max_tokens", "temperature")),
}


@dataclass(frozen=True)
class Coverage:
    """What one log can feed. ``missing`` says, per signal that is off, which columns would switch it on."""

    active: tuple[str, ...]
    missing: Mapping[str, tuple[str, ...]]
    filled: Mapping[str, float]
    """Share of rows, in [0, 1], in which each column that was seen is not null."""


def coverage(filled: Mapping[str, float], account_columns: Collection[str]) -> Coverage:
    """Which signals a log can feed, from the share of non-null rows per column of ``requests`` and the non-empty
    columns of ``accounts``."""
    seen = {name for name, share in filled.items() if share > 0}
    active: list[str] = []
    missing: dict[str, tuple[str, ...]] = {}
    for signal, need in SIGNAL_NEEDS.items():
        lacking = [name for name in need.requests if name not in seen]
        lacking += [" or ".join(group) for group in need.any_of if not seen.intersection(group)]
        lacking += [f"accounts.{name}" for name in need.accounts if name not in account_columns]
        if lacking:
            missing[signal] = tuple(lacking)
        else:
            active.append(signal)
    return Coverage(tuple(active), missing, dict(filled))
