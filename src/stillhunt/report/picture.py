"""The account graph as a picture: a deterministic layout of a campaign's strongest ties.

Accounts stand so that their distances on paper follow their distances in the graph (stress majorisation: Gansner,
Koren and North, "Graph drawing by stress majorization", 2004). Only what can be read is drawn: the maximum
spanning forest, which keeps every account tied, and the few strongest pairs of each account.
"""

from __future__ import annotations

import heapq
import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components, shortest_path
from scipy.spatial.distance import cdist

from stillhunt.report.document import Edge, Standing
from stillhunt.schema.campaigns import FLAG_MEMBERSHIP

MOST_ACCOUNTS = 220
PAIRS_PER_ACCOUNT = 3
"""Beyond the spanning forest, a pair is drawn while one of its accounts has fewer ties than this."""
_LEAST_PART = 3

_WIDTH = 760.0
_HEIGHTS = (150.0, 520.0)
_MARGIN = 16.0
_LONGEST_TIE = 70.0
_STRETCH = 1.5
"""A picture is wider than high; so much wider may it be drawn than the layout is."""
_NEAREST = 0.42
"""Least distance between two accounts, as a share of the length of a tie."""
_ROUNDS = 150
_STILL = 1e-3
_RADII = (4.0, 7.5)
_STROKES = (1.2, 2.6)
_STRAND_GAP = 2.6

Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Dot:
    """An account. Coordinates and radius are in units of the picture. ``faint``: its membership is below the
    threshold, or it is no member."""

    account_id: str
    x: float
    y: float
    radius: float
    membership: float | None
    standing: Standing | None

    @property
    def faint(self) -> bool:
        return self.standing != "licensed" and (self.membership is None or self.membership < FLAG_MEMBERSHIP)


@dataclass(frozen=True)
class Strand:
    """One channel of one tie; ties by several channels have parallel strands."""

    channel: str
    x1: float
    y1: float
    x2: float
    y2: float
    width: float


@dataclass(frozen=True)
class Picture:
    """What is drawn, and how much of what there is. ``channels``: drawn ties by channel, the most common first."""

    width: float
    height: float
    dots: tuple[Dot, ...]
    strands: tuple[Strand, ...]
    pairs: int
    all_pairs: int
    channels: Mapping[str, int]


def draw(
    edges: Sequence[Edge],
    members: Mapping[str, tuple[float, Standing]],
    most_accounts: int = MOST_ACCOUNTS,
) -> Picture | None:
    """Draws ``edges``, the strongest first; ``members`` gives membership and standing by account. None where
    there is nothing to draw."""
    names, pairs = _chosen(edges, most_accounts)
    if not pairs:
        return None
    ties = np.array([(a, b) for a, b, _ in pairs])
    places, height = _placed(ties, len(names))
    weights = np.array([max(edge.weight, 0.0) for _, _, edge in pairs])
    strength = np.zeros(len(names))
    np.add.at(strength, ties.ravel(), np.repeat(weights, 2))
    radii = _between(np.sqrt(strength), _RADII)
    strokes = _between(weights, _STROKES)
    counts: dict[str, int] = {}
    for _, _, edge in pairs:
        for channel in edge.channels:
            counts[channel] = counts.get(channel, 0) + 1
    return Picture(
        width=_WIDTH,
        height=height,
        dots=tuple(
            Dot(name, *_rounded(places[at]), round(float(radii[at]), 1), *members.get(name, (None, None)))
            for at, name in enumerate(names)
        ),
        strands=tuple(
            strand
            for (a, b, edge), stroke in zip(pairs, strokes, strict=True)
            for strand in _strands(places[a], places[b], edge.channels, float(stroke))
        ),
        pairs=len(pairs),
        all_pairs=len(edges),
        channels=dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
    )


def _chosen(edges: Sequence[Edge], most_accounts: int) -> tuple[list[str], list[tuple[int, int, Edge]]]:
    """The accounts to show and the pairs to draw, as indices into them."""
    ranked = sorted((edge for edge in edges if edge.account_a != edge.account_b), key=_rank)
    shown = _excerpt(ranked, most_accounts)
    index: dict[str, int] = {}
    drawn: list[tuple[int, int, Edge]] = []
    parts = _Parts()
    degree: Counter[str] = Counter()
    for edge in ranked:
        a, b = edge.account_a, edge.account_b
        if a not in shown or b not in shown:
            continue
        joins = parts.join(a, b)
        if joins or min(degree[a], degree[b]) < PAIRS_PER_ACCOUNT:
            degree.update((a, b))
            drawn.append((index.setdefault(a, len(index)), index.setdefault(b, len(index)), edge))
    return list(index), drawn


def _rank(edge: Edge) -> tuple[float, int]:
    """The strongest first; equals in an order that favours no account, or the first by name would look like a hub."""
    return -edge.weight, zlib.crc32(f"{edge.account_a}\0{edge.account_b}".encode(errors="surrogatepass"))


def _excerpt(ranked: Sequence[Edge], most_accounts: int) -> set[str]:
    """At most so many accounts. Each connected part of the graph gives its share, grown from its strongest pair
    along the strongest pairs, so that what is shown hangs together."""
    neighbours: dict[str, list[tuple[int, str]]] = defaultdict(list)
    parts = _Parts()
    for at, edge in enumerate(ranked):
        neighbours[edge.account_a].append((at, edge.account_b))
        neighbours[edge.account_b].append((at, edge.account_a))
        parts.join(edge.account_a, edge.account_b)
    if len(neighbours) <= most_accounts:
        return set(neighbours)
    sizes = Counter(parts.root(account) for account in neighbours)
    starts: dict[str, str] = {}
    for edge in ranked:
        starts.setdefault(parts.root(edge.account_a), edge.account_a)
    shown: set[str] = set()
    for part, size in sizes.most_common():
        quota = min(round(most_accounts * size / len(neighbours)), most_accounts - len(shown))
        if quota >= _LEAST_PART:
            shown |= _grown(starts[part], neighbours, quota)
    return shown


def _grown(start: str, neighbours: Mapping[str, Sequence[tuple[int, str]]], quota: int) -> set[str]:
    """Prim's algorithm until there are ``quota`` accounts."""
    grown: set[str] = set()
    border = [(-1, start)]
    while border and len(grown) < quota:
        _, account = heapq.heappop(border)
        if account not in grown:
            grown.add(account)
            for step in neighbours[account]:
                heapq.heappush(border, step)
    return grown


class _Parts:
    """Disjoint sets of accounts."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def root(self, account: str) -> str:
        parent = self._parent
        while parent.setdefault(account, account) != account:
            parent[account] = parent[parent[account]]
            account = parent[account]
        return account

    def join(self, a: str, b: str) -> bool:
        """Whether they were apart before."""
        one, other = self.root(a), self.root(b)
        self._parent[one] = other
        return one != other


def _placed(ties: npt.NDArray[np.int64], n: int) -> tuple[Points, float]:
    """Coordinates in the picture, shape (n, 2), and the picture's height."""
    ones = np.ones(len(ties))
    graph = csr_matrix((ones, (ties[:, 0], ties[:, 1])), shape=(n, n))
    count, label = connected_components(graph, directed=False)
    blocks = [np.flatnonzero(label == at) for at in range(count)]
    blocks.sort(key=lambda block: (-len(block), int(block[0])))
    layouts = [
        _component(shortest_path(graph[block][:, block], directed=False, unweighted=True)) for block in blocks
    ]
    corners, size = _packed(np.array([np.ptp(layout, axis=0) + 1.0 for layout in layouts]))
    places = np.empty((n, 2))
    for block, layout, corner in zip(blocks, layouts, corners, strict=True):
        places[block] = layout - layout.min(axis=0) + 0.5 + corner
    inner_width, inner_height = _WIDTH - 2 * _MARGIN, _HEIGHTS[1] - 2 * _MARGIN
    even = min(inner_width / size[0], inner_height / size[1], _LONGEST_TIE)
    scale = np.array([min(inner_width / size[0], even * _STRETCH), even])
    height = float(np.clip(size[1] * even + 2 * _MARGIN, *_HEIGHTS))
    shift = (np.array([_WIDTH, height]) - size * scale) / 2
    return places * scale + shift, round(height, 1)


def _component(distance: Points) -> Points:
    """Lays out one connected graph from its distances, shape (n, n); its long side lies flat."""
    n = len(distance)
    if n == 1:
        return np.zeros((1, 2))
    if n == 2:
        return np.array([[0.0, 0.0], [1.0, 0.0]])
    places = _majorised(distance)
    places = _apart(places)
    places -= places.mean(axis=0)
    _, axes = np.linalg.eigh(places.T @ places)
    axes = axes[:, ::-1]
    axes *= np.where(axes[np.abs(axes).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    return np.asarray(places @ axes)


def _majorised(distance: Points) -> Points:
    """Minimises the stress Σ d⁻² (‖x_i − x_j‖ − d)² from a start on a spiral."""
    n = len(distance)
    order = np.arange(n)
    angle = order * 2.399963  # the golden angle
    places = np.sqrt(order + 0.5)[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]) * 0.5
    weight = np.where(distance > 0, np.maximum(distance, 1e-9), np.inf) ** -2.0
    laplacian = np.diag(weight.sum(axis=1)) - weight
    inverse = np.linalg.pinv(laplacian)
    for _ in range(_ROUNDS):
        apart = cdist(places, places)
        pull = np.divide(weight * distance, apart, out=np.zeros_like(apart), where=apart > 1e-9)
        before, places = places, inverse @ (pull.sum(axis=1)[:, None] * places - pull @ places)
        if np.abs(places - before).max() < _STILL:
            break
    return np.asarray(places)


def _apart(places: Points) -> Points:
    """Moves accounts that would cover one another until all are ``_NEAREST`` from the next."""
    places = places.copy()
    for _ in range(60):
        away = places[:, None] - places[None]
        gap = cdist(places, places)
        np.fill_diagonal(gap, np.inf)
        short = np.maximum(0.0, _NEAREST - gap)
        if not short.any():
            break
        step = np.divide(away, gap[..., None], out=np.zeros_like(away), where=(gap > 1e-9)[..., None])
        places += (step * short[..., None]).sum(axis=1) * 0.5
    return places


def _packed(sizes: Points) -> tuple[Points, Points]:
    """Shelves for boxes of ``sizes`` (largest first): the corner of each, and the size of all."""
    widest = max(float(sizes[:, 0].max()), float(np.sqrt(sizes.prod(axis=1).sum() * 1.7)))
    corners = np.zeros_like(sizes)
    x = y = shelf = 0.0
    for at, (width, height) in enumerate(sizes):
        if x > 0 and x + width > widest:
            x, y, shelf = 0.0, y + shelf, 0.0
        corners[at] = x, y
        x, shelf = x + float(width), max(shelf, float(height))
    return corners, np.array([float((corners[:, 0] + sizes[:, 0]).max()), y + shelf])


def _strands(a: Points, b: Points, channels: Sequence[str], width: float) -> list[Strand]:
    along = b - a
    length = float(np.hypot(*along))
    normal = np.array([-along[1], along[0]]) / length if length else np.zeros(2)
    strands = []
    for at, channel in enumerate(sorted(channels)):
        offset = normal * (at - (len(channels) - 1) / 2) * _STRAND_GAP
        strands.append(Strand(channel, *_rounded(a + offset), *_rounded(b + offset), round(width, 1)))
    return strands


def _between(values: Points, ends: tuple[float, float]) -> Points:
    spread = float(np.ptp(values))
    part = (values - values.min()) / spread if spread else np.full(len(values), 0.5)
    return np.asarray(ends[0] + part * (ends[1] - ends[0]))


def _rounded(place: Points) -> tuple[float, float]:
    return round(float(place[0]), 1), round(float(place[1]), 1)
