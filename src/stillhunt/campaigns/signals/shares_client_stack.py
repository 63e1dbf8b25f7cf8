from __future__ import annotations

from stillhunt.campaigns.log import Log
from stillhunt.campaigns.signals.signal import Artefacts, shared


def shares_client_stack(log: Log) -> Artefacts:
    """Accounts call with the same rare pair of user agent and TLS fingerprint.

    A pair is taken as a whole, because a pool that rewrites its headers produces pairs that no real client has: an
    agent string that names one program over the handshake of another.

    Null: an account uses a pair in proportion to the pair's popularity in this log and to how many pairs the account
    uses, independently of every other account.

    Unit: accounts that carry a pair. Misleads when an organisation builds its own client. Belongs to the family of
    the client program, with templates and parameters, because one program fixes them all.
    Source: JA3 and JA4 client fingerprints.
    """
    pair = "user_agent || ' over ' || tls_fingerprint"
    return shared(log, pair, f"'client ' || {pair}")
