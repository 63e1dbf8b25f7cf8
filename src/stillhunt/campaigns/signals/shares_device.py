from __future__ import annotations

from stillhunt.campaigns.log import Log
from stillhunt.campaigns.signals.signal import Artefacts, shared


def shares_device(log: Log) -> Artefacts:
    """Accounts send the same device, installation or repository id.

    Null: an account uses a device in proportion to the number of accounts seen on it and to how many devices the
    account uses, independently of every other account.

    Unit: accounts that carry an id. Misleads on shared machines, continuous-integration runners and images that were
    cloned with their installation id. Source: own; such ids survive a change of account.
    """
    return shared(log, "device_id", "'device ' || device_id")
