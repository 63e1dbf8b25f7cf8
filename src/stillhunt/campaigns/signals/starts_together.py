from __future__ import annotations

from stillhunt.campaigns.log import Log
from stillhunt.campaigns.signals.signal import Artefacts, shared


def starts_together(log: Log) -> Artefacts:
    """Accounts make their first exchange of the window within the same hour.

    Accounts that were already active in the first day of the window are left out: their start lies before it.

    Null: an account starts in an hour in proportion to how many accounts of this log start in it, independently of
    every other account.

    Unit: accounts that start in a bin of one hour. Misleads after a launch, which makes an hour popular. Belongs to the
    family of the life cycle, with registration, because new accounts start soon after they are registered.
    Source: CopyCatch (Beutel et al. 2013) for lockstep starts.
    """
    starts = """
        (SELECT account, time_bucket(INTERVAL 1 HOUR, first_seen) AS bin
         FROM (SELECT account, min(time) AS first_seen FROM exchanges GROUP BY account)
         WHERE first_seen > (SELECT min(time) + INTERVAL 1 DAY FROM exchanges))
    """
    return shared(log, "bin", "'first seen in the hour ' || strftime(bin, '%Y-%m-%d %H:00')", starts)
