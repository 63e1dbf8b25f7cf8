from __future__ import annotations

from stillhunt.campaigns.log import Log
from stillhunt.campaigns.signals.signal import Artefacts, shared


def moves_to_model_together(log: Log) -> Artefacts:
    """Accounts turn to another model within the same hour.

    An account turns to a model when it uses it for the first time, a day or more after its own first exchange, and
    sends it at least half of what it sends in the 24 hours from then. Who merely tries a model turns to none.

    Null: an account turns to a model in an hour in proportion to how many accounts of this log turn to that model in
    it, independently of every other account.

    Unit: accounts that turn to a model in a bin of one hour. Misleads when a service, or a program's new version, moves
    its users at once, so it belongs to the family of the client program. The day of a release moves many strangers:
    its hours are popular, and weigh little.
    Source: own; pools are pointed at a new model by one hand.
    """
    turns = """
        (WITH firsts AS (
            SELECT account, model, min(time) AS turned, min(min(time)) OVER (PARTITION BY account) AS began
            FROM exchanges GROUP BY account, model
         ), later AS (
            SELECT * FROM firsts WHERE turned >= began + INTERVAL 1 DAY
         )
         SELECT account, later.model || ' in the hour ' || strftime(time_bucket(INTERVAL 1 HOUR, turned),
                '%Y-%m-%d %H:00') AS bin
         FROM later JOIN exchanges USING (account)
         WHERE exchanges.time >= turned AND exchanges.time < turned + INTERVAL 1 DAY
         GROUP BY account, later.model, turned
         HAVING 2 * count(*) FILTER (exchanges.model = later.model) >= count(*))
    """
    return shared(log, "bin", "'turned to ' || bin", turns)
