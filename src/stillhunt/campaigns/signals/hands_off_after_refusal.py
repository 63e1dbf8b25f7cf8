from __future__ import annotations

from stillhunt.campaigns.log import Log
from stillhunt.campaigns.moves import WITHIN, failure
from stillhunt.campaigns.signals.signal import LINKS, Artefacts


def hands_off_after_refusal(log: Log) -> Artefacts:
    """A prompt that failed on one account is sent again, unchanged, on another within ten minutes.

    A failure is a status of 403, 429 or 5xx, or an answer that ended in a refusal. A prompt that also moved from
    account to account within ten minutes of an answer that did not fail is left out: it moves anyway, as items of
    a benchmark and greetings do.

    Null: whether a prompt is sent on another account within ten minutes does not depend on whether it has just failed;
    a prompt is met on two accounts in proportion to how many accounts send it in this log.

    Unit: accounts tied to a prompt that was handed off. The ties propose groups; whether a group hands off more than
    chance would is weighed over all its moves by ``hands_off``. Misleads for routers with several keys of one
    customer, which fail over by design. Source: own; pools cool an account down after a failure and go on with the
    next.
    """
    links = log.engine.table(
        f"""
        WITH sent AS (
            SELECT account, time, hash(prompt_sketch, prompt_chars) AS artefact, ({failure(log)}) AS failed
            FROM exchanges WHERE prompt_sketch IS NOT NULL
        ), popular AS (
            SELECT artefact, count(DISTINCT account) AS accounts FROM sent
            WHERE artefact IN (SELECT artefact FROM sent WHERE failed) GROUP BY artefact HAVING accounts > 1
        ), moved AS (
            SELECT a.artefact, a.account AS giver, b.account AS taker, a.failed
            FROM sent AS a JOIN sent AS b
              ON a.artefact = b.artefact AND b.time >= a.time AND b.time <= a.time + {WITHIN}
            WHERE a.account <> b.account AND a.artefact IN (SELECT artefact FROM popular)
        ), handed AS (
            SELECT * FROM moved
            WHERE failed AND artefact NOT IN (SELECT artefact FROM moved WHERE NOT failed)
        ), uses AS (
            SELECT giver AS account, artefact FROM handed UNION ALL SELECT taker, artefact FROM handed
        )
        SELECT account, artefact, count(*) AS n, any_value(accounts) AS accounts
        FROM uses JOIN popular USING (artefact) GROUP BY account, artefact
        """
    ).cast(LINKS)
    names = "SELECT artefact, 'one handed-off prompt' AS name FROM wanted"
    return Artefacts(links, names)
