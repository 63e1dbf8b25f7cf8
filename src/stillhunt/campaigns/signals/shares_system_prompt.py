from __future__ import annotations

from stillhunt.campaigns.log import Log
from stillhunt.campaigns.signals.signal import Artefacts, shared


def shares_system_prompt(log: Log) -> Artefacts:
    """Accounts send the same system prompt, or one with small changes.

    Null: an account takes up a system prompt in proportion to its popularity in this log and to how many different
    system prompts the account uses, independently of every other account.

    Unit: accounts that carry a band of the system prompt's keyed sketch. Misleads when a popular agent or
    development kit brings its own system prompt: such a prompt is popular, and so it weighs little.
    Source: as for prompts that share a template.
    """
    return shared(log, "system_sketch", "'system prompt ' || lower(hex(system_sketch))")
