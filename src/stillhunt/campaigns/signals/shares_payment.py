from __future__ import annotations

from stillhunt.campaigns.log import Log
from stillhunt.campaigns.signals.signal import Artefacts, shared


def shares_payment(log: Log) -> Artefacts:
    """Accounts were paid for with the same instrument.

    Null: an account uses an instrument in proportion to the number of accounts that it pays for in this log,
    independently of every other account.

    Unit: accounts that carry a payment fingerprint. Misleads for agencies, universities and parents, who pay for
    others: they agree in payment and perhaps in address, not in what is asked. Source: own.
    """
    return shared(log, "payment_fingerprint", "'payment instrument ' || payment_fingerprint", "accounts")
