"""Accounts joined by any shared payment, network of addresses or TLS fingerprint: the public rule of unions.

Everything hangs together once something popular is shared, so the rule needs either a size below which a component is
let go, or a number of carriers above which an artefact joins nobody. Both are tried.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bench.rivals.log import RivalLog, Scores, ties
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

RULE = ("payment", "address", "tls")


@dataclass(frozen=True)
class Options:
    """most: artefacts of more strangers join nobody; None joins all. floor: accounts that a component needs. by_kinds:
    rank by how many kinds of artefact tie the component together, then by its size; else by its size alone. rule: what
    joins."""

    most: int | None
    floor: int
    by_kinds: bool
    rule: tuple[str, ...] = RULE


GRID = tuple(
    Options(most, floor, by_kinds, rule)
    for rule in (RULE, RULE[:2], RULE[:1])
    for most in (None, 5, 10, 30, 100)
    for floor in ((2, 50) if most is None else (2, 4, 8))
    for by_kinds in ((False, True) if len(rule) > 1 else (False,))
)


def component_size(log: RivalLog, options: Options) -> Scores:
    """Size of the component of each account, 0 below the floor; with ``by_kinds`` the number of kinds that tie it
    together, and its size as a fraction below one."""
    pairs = ties(log, options.rule, most=options.most)
    people, things = len(log.accounts), len(pairs.carriers)
    graph = coo_array(
        (np.ones(len(pairs.account)), (pairs.account, people + pairs.artefact)), (people + things,) * 2
    )
    parts, part = connected_components(graph, directed=False)
    size = np.bincount(part[:people], minlength=parts)
    score = size.astype(np.float64)
    if options.by_kinds:
        kinds = np.zeros((parts, len(options.rule)), dtype=bool)
        kinds[part[pairs.account], pairs.kind] = True
        score = kinds.sum(axis=1) + size / (size + 100.0)
    return np.where(size >= options.floor, score, 0.0)[part[:people]]
