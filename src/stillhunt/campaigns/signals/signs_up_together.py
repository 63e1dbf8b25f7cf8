from __future__ import annotations

from stillhunt.campaigns.log import Log
from stillhunt.campaigns.signals.signal import Artefacts, shared


def signs_up_together(log: Log) -> Artefacts:
    """Accounts were registered within the same hour, or on the same day.

    Null: an account is registered in an hour in proportion to how many accounts of this log were registered in it,
    independently of every other account.

    Unit: accounts registered in a bin of one hour or one day. Misleads after a launch or a newspaper article, which
    bring many strangers at once: such a bin is popular. Source: SynchroTrap (Cao et al. 2014) for bursts.
    """
    bins = """
        (SELECT account, 'hour ' || strftime(time_bucket(INTERVAL 1 HOUR, created_at), '%Y-%m-%d %H:00') AS bin
         FROM accounts
         UNION ALL
         SELECT account, 'day ' || strftime(time_bucket(INTERVAL 1 DAY, created_at), '%Y-%m-%d') AS bin
         FROM accounts)
    """
    return shared(log, "bin", "'signed up in the ' || bin", bins)
