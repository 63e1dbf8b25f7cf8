"""The model is a list. A changed signal or family is a new version; old ones stay while stored findings cite them."""

from __future__ import annotations

from stillhunt.campaigns.signals.hands_off_after_refusal import hands_off_after_refusal
from stillhunt.campaigns.signals.moves_to_model_together import moves_to_model_together
from stillhunt.campaigns.signals.prompts_share_template import prompts_share_template
from stillhunt.campaigns.signals.replaces_banned_account import replaces_banned_account
from stillhunt.campaigns.signals.replays_reasoning_signature import replays_reasoning_signature
from stillhunt.campaigns.signals.shares_address import shares_address
from stillhunt.campaigns.signals.shares_client_stack import shares_client_stack
from stillhunt.campaigns.signals.shares_device import shares_device
from stillhunt.campaigns.signals.shares_parameters import shares_parameters
from stillhunt.campaigns.signals.shares_payment import shares_payment
from stillhunt.campaigns.signals.shares_registration import shares_registration
from stillhunt.campaigns.signals.shares_system_prompt import shares_system_prompt
from stillhunt.campaigns.signals.signal import Signal
from stillhunt.campaigns.signals.signs_up_together import signs_up_together
from stillhunt.campaigns.signals.starts_together import starts_together

MODEL = "v1"

SIGNALS_V1 = (
    Signal(prompts_share_template, "client", "sent prompts filled from one template"),
    Signal(shares_system_prompt, "client", "sent one system prompt"),
    Signal(shares_client_stack, "client", "called with one pair of user agent and TLS fingerprint"),
    Signal(shares_parameters, "client", "asked with one combination of token cap, temperature and tools"),
    Signal(moves_to_model_together, "client", "turned to one model within one hour"),
    Signal(shares_address, "network", "called or signed up from one address"),
    Signal(shares_device, "network", "sent one device or installation id"),
    Signal(shares_payment, "payment", "were paid for with one instrument"),
    Signal(
        shares_registration,
        "payment",
        "registered with one combination of mail domain, issuer and card country",
    ),
    Signal(signs_up_together, "life_cycle", "were registered within one hour or day"),
    Signal(starts_together, "life_cycle", "made their first exchange within one hour"),
    Signal(
        replaces_banned_account,
        "life_cycle",
        "were closed or registered about one hour of closures",
    ),
    Signal(
        hands_off_after_refusal,
        "hand_off",
        "passed on one prompt within ten minutes of its failure",
        weighs=False,
    ),
    Signal(replays_reasoning_signature, "hand_off", "carried one signed reasoning block"),
)
"""Families, not channels, are what must agree: one client program fixes templates, agents and parameters at once."""
