from __future__ import annotations

from stillhunt.campaigns.log import Log
from stillhunt.campaigns.signals.signal import Artefacts, shared


def shares_registration(log: Log) -> Artefacts:
    """Accounts registered with the same rare combination of mail domain, card issuer and card country.

    Null: an account has a combination in proportion to its popularity in this log, independently of every other
    account.

    Unit: accounts that carry a combination. Misleads when a company registers its staff: their domain is rare and
    their card is one. Source: own; disposable mail and virtual cards are bought in batches.
    """
    combination = """
        email_domain || coalesce(', issuer ' || payment_issuer, '') || coalesce(', card from ' || payment_country, '')
    """
    return shared(log, combination, f"'registered with ' || {combination}", "accounts")
