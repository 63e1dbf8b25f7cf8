"""The stages that link and cluster accounts, on two real logs of coordinated sharing. Needs ../shared/data.

    python -m bench.coordination [--scale small|full]

Accounts that share one object (a post, an address, a hashtag, a domain, a picture) within some seconds of each other,
again and again, are the public model of coordination; no account is labelled. The logs hold account, object and time,
and are read in two ways:

- Stillhunt's: ``open_log``, then links, ``weigh``, ``neighbours`` and ``clusters``. One thing is bridged here: an
  artefact is a value, and "within W seconds" is none. So each share opens a window of W seconds on its object, and the
  window is the artefact. Two accounts share a window exactly when they shared the object at most W seconds apart. Each
  kind of object is a signal and a family of its own.
- Independently, here, from the same shares: account by window matrices, their products A·Aᵀ one popularity at a time
  (the rarest window that a pair shares), plain label propagation, and connected components of scipy.

Compared: links; pairs of accounts, by Jaccard's index, at equal cuts of the weight in nats, as kept (32 neighbours an
account) and with every neighbour kept; clusters, by the adjusted Rand index, with label propagation written anew here
(in the same order of accounts, and in other orders, which says how much of a difference is mere order) and with
connected components; and what becomes of pairs that meet over at least two objects, the usual rule. Exit status 1 when
links differ, or edges with every neighbour kept, or clusters in the same order by more than 0.01.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from bench.exchanges import DATA
from bench.result import Row, show, write
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, triu
from scipy.sparse.csgraph import connected_components

from stillhunt.campaigns.clusters import SMALLEST, clusters
from stillhunt.campaigns.evidence import Evidence, weigh
from stillhunt.campaigns.log import Log, open_log
from stillhunt.campaigns.neighbours import Graph, neighbours
from stillhunt.campaigns.signals.signal import Artefacts, Signal, shared
from stillhunt.campaigns.summarise import countries
from stillhunt.engines.duckdb import DuckDB
from stillhunt.schema.requests import LAKE_REQUESTS, TIMESTAMP

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

LOGS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "russian_coord_tweets": ("timestamp_share", ("object_id",)),
    "german_elections": ("timestamp", ("url_id", "hashtag_id", "domain_id", "phash_id")),
}
"""Per log, its column of time (seconds) and its kinds of object."""
WINDOWS_S = {"small": (60,), "full": (10, 60)}
CUTS = (0.3, 0.6, 1.0)
"""Least weights of an edge, as multiples of ``log(accounts)``: three of the strengths of ``clusters``."""
LINKS, EDGES, CLUSTERS = "links", "edges with every neighbour kept, Jaccard", "clusters as written anew"
"""Figures on which both computations must agree."""
ORDERS = 5
ROUNDS = 20


@dataclass(frozen=True)
class Shares:
    """account (ids), time (whole seconds) and, per kind, the object's number (-1: none), all of one length."""

    account: pa.Array
    time: I64
    objects: Mapping[str, I64]


@dataclass(frozen=True)
class Pairs:
    """A graph: ``key`` is ``low * accounts + high`` of each pair, ascending; weight in nats."""

    key: I64
    weight: F64

    def above(self, cut: float) -> Pairs:
        return Pairs(self.key[self.weight >= cut], self.weight[self.weight >= cut])


def read(name: str) -> Shares:
    """One of the logs."""
    time, kinds = LOGS[name]
    table = pq.read_table(DATA / "coordination" / f"{name}.parquet")

    def numbered(column: str) -> I64:
        values = pc.cast(table[column], pa.string()).combine_chunks().dictionary_encode()
        return values.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)

    return Shares(
        pc.cast(table["account_id"], pa.string()).combine_chunks(),
        table[time].to_numpy().astype(np.int64),
        {kind: numbered(kind) for kind in kinds},
    )


# Stillhunt's own stages.


def window_signal(kind: str, window_s: int) -> Signal:
    """The bridge: links from accounts to the windows that shares of this kind open."""

    def shares_within(log: Log) -> Artefacts:
        together = f"""
            (SELECT later.account, opens.share FROM shares AS opens JOIN shares AS later
             ON opens."{kind}" = later."{kind}"
             AND later.second BETWEEN opens.second AND opens.second + {window_s}
             WHERE opens."{kind}" >= 0)
        """
        return shared(log, "share", "share::VARCHAR", together)

    return Signal(shares_within, kind, f"shared one {kind} within {window_s} s of each other")


def stages(engine: DuckDB, shares: Shares, window_s: int) -> tuple[Evidence, Graph, I64]:
    """Evidence and graph of the log, and per share the number of its account."""
    rows = len(shares.time)
    columns = {field.name: pa.nulls(rows, field.type) for field in LAKE_REQUESTS}
    columns["account_id"] = shares.account
    columns["time"] = pa.array(shares.time * 1_000_000).cast(TIMESTAMP)
    engine.register("given", pa.table(columns))
    log = open_log(engine, "given", None)
    told = {"account_id": shares.account, "second": shares.time, "share": np.arange(rows), **shares.objects}
    engine.register("told", pa.table(told))
    engine.execute(
        "CREATE TEMP TABLE shares AS SELECT * FROM told JOIN account_numbers USING (account_id) ORDER BY share"
    )
    account = engine.table("SELECT account FROM shares ORDER BY share")["account"].to_numpy()
    signals = [window_signal(kind, window_s) for kind in shares.objects]
    evidence = weigh([(signal, signal.collect(log)) for signal in signals], countries(log))
    return evidence, neighbours(evidence), account.astype(np.int64)


def pairs_of(graph: Graph) -> Pairs:
    """Each edge once."""
    accounts = len(graph.indptr) - 1
    source = np.repeat(np.arange(accounts), np.diff(graph.indptr))
    once = source < graph.neighbour
    key = source[once] * accounts + graph.neighbour[once]
    order = np.argsort(key)
    return Pairs(key[order], graph.weight[once][order].astype(np.float64))


# The independent computation: arrays and scipy only.


def windows(account: I64, accounts: int, item: I64, time: I64, window_s: int) -> csr_matrix:
    """Which account is in which window, of 0 and 1, shape (accounts, windows of at least two accounts)."""
    held = np.flatnonzero(item >= 0)
    span = int(np.ptp(time)) + window_s + 1
    place = item[held] * span + time[held] - time.min()
    order = np.argsort(place, kind="stable")
    place, who = place[order], account[held][order]
    first, last = np.searchsorted(place, place), np.searchsorted(place, place + window_s, side="right")
    size = last - first
    inside = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size) + np.repeat(first, size)
    column = np.repeat(np.arange(len(place)), size)
    matrix = csr_matrix((np.ones(len(inside)), (who[inside], column)), shape=(accounts, len(place)))
    matrix.data[:] = 1.0
    return matrix[:, np.asarray(matrix.sum(axis=0)).ravel() >= 2].tocsr()


def weights(matrix: csr_matrix) -> csr_matrix:
    """Nats per pair (upper triangle): the mean surprise of both accounts at the rarest window that they share."""
    popularity = np.asarray(matrix.sum(axis=0)).ravel()
    activity = np.asarray(matrix.sum(axis=1)).ravel()
    found = csr_matrix((matrix.shape[0], matrix.shape[0]))
    for size in np.unique(popularity):
        part = matrix[:, popularity == size]
        meet = triu(part @ part.T, k=1).tocsr()
        fresh = coo_matrix(meet - meet.multiply(found > 0))
        fresh.eliminate_zeros()
        chance = -np.expm1(-activity * size / matrix.nnz)
        nats = -0.5 * (np.log(chance[fresh.row]) + np.log(chance[fresh.col]))
        found = found + csr_matrix((nats, (fresh.row, fresh.col)), shape=found.shape)
    return found


def occurrences(account: I64, accounts: int, shares: Shares, window_s: int) -> tuple[Pairs, int]:
    """Pairs over all kinds of object, their nats added; and the number of links."""
    total, links = csr_matrix((accounts, accounts)), 0
    for item in shares.objects.values():
        matrix = windows(account, accounts, item, shares.time, window_s)
        links += matrix.nnz
        total = total + weights(matrix)
    held = coo_matrix(total)
    key = held.row.astype(np.int64) * accounts + held.col
    order = np.argsort(key)
    return Pairs(key[order], held.data[order]), links


def repeated(account: I64, accounts: int, shares: Shares, window_s: int) -> I64:
    """Pairs that share at least two objects of one kind, each within the window: step by step through each object's
    shares in order of time, the next one, the one after it, and so on."""
    found = []
    for item in shares.objects.values():
        order = np.lexsort((shares.time, item))
        order = order[item[order] >= 0]
        who, what, when = account[order], item[order], shares.time[order]
        meetings = []
        for step in range(1, len(order)):
            near = (what[step:] == what[:-step]) & (when[step:] - when[:-step] <= window_s)
            if not near.any():
                break
            low = np.minimum(who[step:], who[:-step])[near]
            high = np.maximum(who[step:], who[:-step])[near]
            meetings.append(np.column_stack((low * accounts + high, what[step:][near]))[low != high])
        pair, objects = np.unique(np.unique(np.concatenate(meetings), axis=0)[:, 0], return_counts=True)
        found.append(pair[objects >= 2])
    return np.unique(np.concatenate(found))


def components(keys: I64, accounts: int) -> list[NDArray[np.int32]]:
    """Connected components of at least SMALLEST accounts."""
    low, high = keys // accounts, keys % accounts
    graph = csr_matrix((np.ones(len(keys)), (low, high)), shape=(accounts, accounts))
    _, label = connected_components(graph, directed=False)
    sizes = np.bincount(label)
    return [np.flatnonzero(label == each).astype(np.int32) for each in np.flatnonzero(sizes >= SMALLEST)]


def propagate(edges: Pairs, accounts: int, order: I64) -> list[NDArray[np.int32]]:
    """Label propagation: each account in turn takes the label that weighs most among its neighbours, the least of equal
    ones, until none changes. Groups of at least SMALLEST accounts."""
    near: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for key, weight in zip(edges.key.tolist(), edges.weight.tolist(), strict=True):
        near[key // accounts].append((key % accounts, weight))
        near[key % accounts].append((key // accounts, weight))
    label = {account: account for account in near}
    for _ in range(ROUNDS):
        before = dict(label)
        for account in order.tolist():
            votes: dict[int, float] = defaultdict(float)
            for other, weight in near.get(account, ()):
                votes[label[other]] += weight
            if votes:
                most = max(votes.values())
                label[account] = min(each for each, vote in votes.items() if vote > most - 1e-4)
        if label == before:
            break
    groups: dict[int, list[int]] = defaultdict(list)
    for account, each in sorted(label.items()):
        groups[each].append(account)
    return [np.array(group, dtype=np.int32) for group in groups.values() if len(group) >= SMALLEST]


# How far both agree.


def jaccard(one: I64, other: I64) -> float:
    """Common members over all; 1 where both are empty."""
    every = len(np.union1d(one, other))
    return len(np.intersect1d(one, other)) / every if every else 1.0


def agreement(
    ours: Sequence[NDArray[np.int32]], theirs: Sequence[NDArray[np.int32]], accounts: int
) -> tuple[float, float, float]:
    """Adjusted Rand index over accounts in a group on either side; of the pairs together on our side, the share
    together on theirs; and the reverse. Accounts without a group stand alone."""
    labels = []
    for groups in (ours, theirs):
        label = np.arange(accounts) + accounts
        for number, group in enumerate(groups):
            label[group] = number
        labels.append(label)
    used = np.flatnonzero((labels[0] < accounts) | (labels[1] < accounts))
    if not len(used):
        return 1.0, 1.0, 1.0
    numbers = [np.unique(label[used], return_inverse=True)[1] for label in labels]
    table = coo_matrix((np.ones(len(used)), tuple(numbers))).tocsr()

    def couples(counts: F64) -> float:
        return float((counts * (counts - 1) / 2).sum())

    both = couples(table.data)
    one, other = (couples(np.asarray(table.sum(axis=axis)).ravel()) for axis in (1, 0))
    expected = one * other / (len(used) * (len(used) - 1) / 2)
    most = (one + other) / 2
    rand = (both - expected) / (most - expected) if most > expected else 1.0
    return rand, both / one if one else 1.0, both / other if other else 1.0


def measure(name: str, window_s: int) -> list[Row]:
    """The figures of one log and window."""
    shares = read(name)
    with DuckDB(memory="2GB") as engine:
        evidence, graph, account = stages(engine, shares, window_s)
    accounts = evidence.accounts
    ours = pairs_of(graph)
    theirs, links = occurrences(account, accounts, shares, window_s)
    twice = repeated(account, accounts, shares, window_s)
    most = int(np.bincount(np.concatenate((theirs.key // accounts, theirs.key % accounts))).max(initial=1))
    whole = pairs_of(neighbours(evidence, kept=most))
    case = f"{name}, {window_s} s"
    rows = [
        Row(case, "accounts", accounts, "accounts"),
        Row(case, LINKS, len(evidence.artefact), "links", f"{links:,}"),
        Row(case, "edges", len(ours.key), "pairs", f"{len(theirs.key):,}"),
        Row(case, "edges, Jaccard", jaccard(ours.key, theirs.key), "share", n=len(theirs.key)),
        Row(
            case, EDGES, jaccard(whole.key, theirs.key), "share", f"up to {most} an account", len(theirs.key)
        ),
        Row(case, "largest difference of a weight", _apart(ours, theirs), "nats", n=len(ours.key)),
        Row(case, "pairs that meet over two objects: edges", _held(twice, ours.key), "share", n=len(twice)),
    ]
    for cut in CUTS:
        rows += at_cut(case, cut, graph, theirs, twice)
    return rows


def at_cut(case: str, cut: float, graph: Graph, every: Pairs, twice: I64) -> list[Row]:
    """The figures of edges of some weight; none where there is no edge."""
    accounts = len(graph.indptr) - 1
    least = cut * np.log(accounts)
    at, ours, theirs = f"at {cut:g}", pairs_of(graph).above(least), every.above(least)
    if not len(ours.key) + len(theirs.key):
        return []
    mine, same = clusters(graph, (cut,)), propagate(theirs, accounts, np.arange(accounts))
    orders = [np.random.default_rng(seed).permutation(accounts) for seed in range(ORDERS)]
    others = [propagate(theirs, accounts, order) for order in orders]
    mixed = [agreement(mine, other, accounts)[0] for other in others]
    parts = components(theirs.key, accounts)
    rand, held, _ = agreement(mine, parts, accounts)
    label = np.full(accounts, -1)
    for number, group in enumerate(mine):
        label[group] = number
    strong = twice[np.isin(twice, theirs.key)]
    low, high = label[strong // accounts], label[strong % accounts]
    both = (low == high) & (low >= 0)
    return [
        Row(case, f"{at}: edges, Jaccard", jaccard(ours.key, theirs.key), "share", n=len(theirs.key)),
        Row(case, f"{at}: clusters", len(mine), "clusters", f"{len(same):,} anew"),
        Row(
            case, f"{at}: largest cluster", _largest(mine), "accounts", f"{_largest(parts):,} in a component"
        ),
        Row(case, f"{at}: {CLUSTERS}", agreement(mine, same, accounts)[0], "adj. Rand", "same order"),
        Row(case, f"{at}: clusters as anew", float(np.mean(mixed)), "adj. Rand", "other orders", ORDERS),
        Row(case, f"{at}: clusters as components", rand, "adj. Rand", f"{len(parts):,} components"),
        Row(case, f"{at}: pairs of a cluster in one component", held, "share", f"{len(parts):,} components"),
        Row(
            case,
            f"{at}: pairs that meet over two objects in one cluster",
            float(both.mean()) if len(both) else 1.0,
            "share",
            n=len(both),
        ),
    ]


def _largest(groups: Sequence[NDArray[np.int32]]) -> int:
    return max(map(len, groups), default=0)


def _held(some: I64, edges: I64) -> float:
    return float(np.isin(some, edges).mean()) if len(some) else 1.0


def _apart(ours: Pairs, theirs: Pairs) -> float:
    """Over pairs that both have."""
    _, i, j = np.intersect1d(ours.key, theirs.key, return_indices=True)
    return float(np.abs(ours.weight[i] - theirs.weight[j]).max(initial=0.0))


def agrees(row: Row) -> bool:
    """False where a figure that must agree does not."""
    if row.metric == LINKS:
        return f"{row.value:,}" == row.baseline
    if row.metric == EDGES:
        return row.value == 1.0
    return not row.metric.endswith(CLUSTERS) or row.value >= 0.99


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(prog="python -m bench.coordination", description=__doc__)
    parser.add_argument("--scale", choices=sorted(WINDOWS_S), default="full")
    given = parser.parse_args(arguments)
    rows = [row for name in LOGS for window_s in WINDOWS_S[given.scale] for row in measure(name, window_s)]
    show(rows)
    print(f"written to {write('coordination', rows)}")
    return 0 if all(map(agrees, rows)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
