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
            SELECT account, time, identity_of(prompt_sketch, prompt_chars) AS artefact, ({failure(log)}) AS failed
            FROM exchanges WHERE prompt_sketch IS NOT NULL
        ), failing AS (SELECT DISTINCT artefact FROM sent WHERE failed),
        popular AS (
            SELECT artefact, count(*) AS accounts
            FROM (SELECT DISTINCT artefact, account FROM sent SEMI JOIN failing USING (artefact))
            GROUP BY artefact HAVING accounts > 1
        ), followed AS (
            SELECT artefact, account, time, failed, count(*) OVER soon > count(*) OVER own AS moves
            FROM sent SEMI JOIN popular USING (artefact)
            WINDOW soon AS (PARTITION BY artefact ORDER BY time RANGE BETWEEN CURRENT ROW AND {WITHIN} FOLLOWING),
                own AS (PARTITION BY artefact, account ORDER BY time
                        RANGE BETWEEN CURRENT ROW AND {WITHIN} FOLLOWING)
        ), telling AS (
            SELECT artefact FROM followed GROUP BY artefact
            HAVING bool_or(moves AND failed) AND NOT bool_or(moves AND NOT failed)
        ), told AS (
            SELECT *, time_bucket({WITHIN}, time) AS bin FROM followed SEMI JOIN telling USING (artefact)
        ), handed AS (
            SELECT a.artefact, a.account AS giver, b.account AS taker
            FROM (SELECT *, unnest([bin, bin + {WITHIN}]) AS near FROM told WHERE moves) AS a
            JOIN told AS b ON a.artefact = b.artefact AND a.near = b.bin
            WHERE b.time >= a.time AND b.time <= a.time + {WITHIN} AND a.account <> b.account
        ), uses AS (
            SELECT giver AS account, artefact FROM handed UNION ALL SELECT taker, artefact FROM handed
        )
        SELECT account, artefact, count(*) AS n, min(accounts) AS accounts
        FROM uses JOIN popular USING (artefact) GROUP BY account, artefact
        """
    ).cast(LINKS)
    names = "SELECT artefact, 'one handed-off prompt' AS name FROM wanted"
    return Artefacts(links, names)
