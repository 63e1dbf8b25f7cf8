"""What a signal is: a function on a log with a null, in a channel and a family."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from stillhunt.campaigns.log import Log
from stillhunt.schema.coverage import SIGNAL_NEEDS

LINKS = pa.schema(
    [("account", pa.int32()), ("artefact", pa.int64()), ("n", pa.int64()), ("accounts", pa.int64())]
)
"""Account–artefact links: ``n`` exchanges (or events) of the account carry the artefact, which ``accounts`` accounts
of the whole log carry, whether or not each of them has a link."""


@dataclass(frozen=True)
class Artefacts:
    """What one signal found. ``links`` has the schema LINKS; ``names`` is an SQL SELECT that gives ``artefact`` and
    ``name``, words for people, for the artefacts listed in the registered table ``wanted``."""

    links: pa.Table
    names: str


@dataclass(frozen=True)
class Signal:
    """A function on a log, and what may cause its artefacts.

    family: signals of one family can have one honest cause (a client program fixes the system prompt, the user
    agent and the parameters at once), so they count once when a group is judged. claim: words for a finding,
    ``{members}`` of ``{size}`` accounts of the group, ``{accounts}`` of the log. weighs: false where the links only
    propose groups and a group test weighs them.
    """

    collect: Callable[[Log], Artefacts]
    family: str
    claim: str
    version: str = "1"
    weighs: bool = True

    @property
    def name(self) -> str:
        return self.collect.__name__

    @property
    def channel(self) -> str:
        return SIGNAL_NEEDS[self.name].channel

    @property
    def null(self) -> str:
        """The null hypothesis, as the docstring states it after ``Null:``."""
        return stated_null(self.collect)


def stated_null(function: Callable[..., object]) -> str:
    """The paragraph of a docstring that begins with ``Null:``, in one line. Raises ValueError without one."""
    found = re.search(r"Null: (.+?)(?:\n\s*\n|$)", inspect.getdoc(function) or "", flags=re.DOTALL)
    if found is None:
        raise ValueError(f"{function.__name__} states no null")
    return " ".join(found.group(1).split())


def shared(log: Log, key: str, name: str, source: str = "exchanges") -> Artefacts:
    """Links from each account to each value of an SQL expression.

    key: expression over ``source``; null where a row carries no artefact. name: expression, words for the artefact.
    Artefacts of a single account tie nobody and are left out.
    """
    links = log.engine.table(
        f"""
        WITH uses AS (
            SELECT account, identity_of({key}) AS artefact, count(*) AS n
            FROM {source} WHERE ({key}) IS NOT NULL GROUP BY account, artefact
        )
        SELECT account, artefact, n, count(*) OVER (PARTITION BY artefact) AS accounts
        FROM uses QUALIFY accounts > 1
        """
    ).cast(LINKS)
    names = f"""
        SELECT identity_of({key}) AS artefact, min({name}) AS name
        FROM {source} WHERE identity_of({key}) IN (SELECT artefact FROM wanted) GROUP BY ALL
    """
    return Artefacts(links, names)
