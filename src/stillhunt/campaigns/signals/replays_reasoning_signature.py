from __future__ import annotations

from stillhunt.campaigns.log import Log
from stillhunt.campaigns.signals.signal import Artefacts, shared


def replays_reasoning_signature(log: Log) -> Artefacts:
    """A signed reasoning block that one account was given comes back in a request of another.

    Null: a signature is carried only by the account that it was issued to; two accounts carry the same one in
    proportion to how many signatures they carry, independently of each other.

    Unit: accounts that carry a signature. Misleads when one customer continues a conversation under a second key of
    their own. Source: own; relays that forward sessions over many accounts cannot change a signed block.
    """
    return shared(log, "reasoning_signature", "'reasoning signature ' || left(reasoning_signature, 12)")
