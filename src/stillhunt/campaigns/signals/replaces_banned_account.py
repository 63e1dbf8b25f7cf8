from __future__ import annotations

from stillhunt.campaigns.log import Log
from stillhunt.campaigns.signals.signal import Artefacts, shared


def replaces_banned_account(log: Log) -> Artefacts:
    """An account was registered, or first used, within an hour after another was closed.

    Null: closures and new accounts fall into hours independently of each other, in proportion to how many accounts of
    this log were closed, registered or first used in that hour.

    Unit: accounts tied to an hour of closures. Misleads when accounts move for an honest reason, such as a change of
    keys or of the paying company. Source: own; pools replace what is banned to keep their throughput.
    """
    bins = """
        (WITH events AS (
            SELECT account, closed_at AS moment, TRUE AS closure FROM accounts WHERE closed_at IS NOT NULL
            UNION ALL SELECT account, created_at, FALSE FROM accounts WHERE created_at IS NOT NULL
         ), closures AS (
            SELECT account, time_bucket(INTERVAL 1 HOUR, moment) AS bin FROM events WHERE closure
         ), arrivals AS (
            SELECT account, time_bucket(INTERVAL 1 HOUR, moment) AS bin FROM events WHERE NOT closure
            UNION
            SELECT account, time_bucket(INTERVAL 1 HOUR, moment - INTERVAL 1 HOUR) AS bin FROM events WHERE NOT closure
         )
         SELECT account, bin FROM closures
         UNION SELECT account, bin FROM arrivals WHERE bin IN (SELECT bin FROM closures))
    """
    return shared(log, "bin", "'closed or replaced about ' || strftime(bin, '%Y-%m-%d %H:00')", bins)
