"""The same prompt, letter by letter, on several accounts. Accounts of one organisation count as one."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from bench.rivals.log import RivalLog, Scores


@dataclass(frozen=True)
class Options:
    """most: prompts of more strangers are popular and count for nothing. shortest: characters below which two people
    may well write the same. share: rank by the share of an account's prompts that are shared, not by their number."""

    most: int
    shortest: int
    share: bool


GRID = tuple(Options(*each) for each in itertools.product((5, 50, 10_000), (1, 40, 120), (False, True)))


def shared_prompts(log: RivalLog, options: Options) -> Scores:
    """Distinct prompts of an account that strangers sent too, or their share of its prompts.

    A share is drawn towards nothing by two more prompts, so that an account of one prompt does not come first.
    """
    per = "/ (count(*) + 2)" if options.share else ""
    return log.scores(
        f"SELECT account, count(*) FILTER (n BETWEEN 2 AND {options.most} AND length(prompt) >= {options.shortest}) "
        f"{per} FROM (SELECT DISTINCT account, prompt FROM log WHERE prompt IS NOT NULL) "
        "JOIN (SELECT prompt, count(DISTINCT stranger) AS n FROM log JOIN people USING (account) GROUP BY prompt) "
        "USING (prompt) GROUP BY account"
    )
