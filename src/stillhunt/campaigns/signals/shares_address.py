from __future__ import annotations

from stillhunt.campaigns.log import Log
from stillhunt.campaigns.signals.signal import Artefacts, shared


def shares_address(log: Log) -> Artefacts:
    """Accounts call from the same address, or sign up from an address that another account calls from.

    Null: an account uses an address in proportion to the address's popularity in this log and to how many addresses
    the account uses, independently of every other account.

    Unit: accounts that carry an address. Misleads when strangers share an exit (a VPN, a carrier, a campus, an
    office): such an address is popular among accounts that agree in nothing else, and alone it proves nothing.
    Source: own; accounts of one pool are bound to few exits because exits cost money.
    """
    addresses = """
        (SELECT account, client_ip AS address FROM exchanges
         UNION ALL SELECT account, signup_ip AS address FROM accounts)
    """
    return shared(log, "address", "'address ' || address", addresses)
