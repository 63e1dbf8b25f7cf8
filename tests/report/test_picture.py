"""The account graph as a picture: what is drawn, and that it can be read."""

from __future__ import annotations

from itertools import combinations
from math import dist

import numpy as np
import pytest

from stillhunt.report.document import Edge, Standing
from stillhunt.report.picture import MOST_ACCOUNTS, PAIRS_PER_ACCOUNT, Picture, draw

MEMBERS: dict[str, tuple[float, Standing]] = {}


def _clique(names: list[str], weight: float = 5.0, channels: tuple[str, ...] = ("content",)) -> list[Edge]:
    return [Edge(a, b, weight, channels) for a, b in combinations(names, 2)]


def _names(prefix: str, n: int) -> list[str]:
    return [f"{prefix}{at:04}" for at in range(n)]


def _drawn(edges: list[Edge]) -> Picture:
    picture = draw(edges, MEMBERS)
    assert picture is not None
    return picture


def _ring(n: int, rng: np.random.Generator) -> list[Edge]:
    names = _names("a", n)
    return [
        Edge(names[at], names[(at + step) % n], float(rng.gamma(4, 3)), ("content", "timing"))
        for at in range(n)
        for step in (1, 2, 7)
    ]


def test_nothing_to_draw_is_no_picture() -> None:
    assert draw([], MEMBERS) is None
    assert draw([Edge("a", "a", 1.0, ("content",))], MEMBERS) is None


def test_the_same_edges_give_the_same_picture_in_any_order() -> None:
    edges = _ring(60, np.random.default_rng(1))
    assert draw(edges, MEMBERS) == draw(edges[::-1], MEMBERS)


@pytest.mark.parametrize("n", [2, 3, 12, 60, 220])
def test_every_account_lies_within_the_picture_and_apart_from_the_others(n: int) -> None:
    picture = _drawn(_ring(n, np.random.default_rng(n)) if n > 12 else _clique(_names("a", n)))
    assert len(picture.dots) == n
    for dot in picture.dots:
        assert dot.radius <= dot.x <= picture.width - dot.radius
        assert dot.radius <= dot.y <= picture.height - dot.radius
    nearest = min(dist((a.x, a.y), (b.x, b.y)) for a, b in combinations(picture.dots, 2))
    assert nearest > 6.0, "dots would cover one another"


def test_accounts_with_the_same_ties_do_not_cover_one_another() -> None:
    leaves = _names("leaf", 40)
    picture = _drawn([Edge(hub, leaf, 5.0, ("content",)) for hub in ("hub1", "hub2") for leaf in leaves])
    nearest = min(dist((a.x, a.y), (b.x, b.y)) for a, b in combinations(picture.dots, 2))
    assert nearest > 2 * max(dot.radius for dot in picture.dots)


def test_every_account_stays_tied_to_its_part() -> None:
    edges = _clique(_names("a", 30)) + _clique(_names("b", 10)) + [Edge("x", "y", 0.1, ("payment",))]
    picture = _drawn(edges)
    places = {(dot.x, dot.y): dot.account_id for dot in picture.dots}
    assert len(places) == 42
    tied = {places.get((s.x1, s.y1)) for s in picture.strands} | {
        places.get((s.x2, s.y2)) for s in picture.strands
    }
    assert tied == set(places.values())
    assert picture.all_pairs == len(edges)
    assert picture.pairs < len(edges)


def test_equal_ties_make_no_hub() -> None:
    picture = _drawn(_clique(_names("a", 60)))
    ends: dict[tuple[float, float], int] = {}
    for strand in picture.strands:
        for end in ((strand.x1, strand.y1), (strand.x2, strand.y2)):
            ends[end] = ends.get(end, 0) + 1
    assert max(ends.values()) < 5 * PAIRS_PER_ACCOUNT


def test_a_large_campaign_is_shown_by_an_excerpt_that_hangs_together() -> None:
    edges = _ring(3000, np.random.default_rng(3))
    picture = _drawn(edges)
    assert len(picture.dots) == MOST_ACCOUNTS
    strongest = max(edges, key=lambda edge: edge.weight)
    assert {strongest.account_a, strongest.account_b} <= {dot.account_id for dot in picture.dots}
    assert picture.pairs >= len(picture.dots) - 1


def test_separate_pools_each_get_their_share_of_an_excerpt() -> None:
    picture = _drawn(_clique(_names("a", 300)) + _clique(_names("b", 100), weight=1.0))
    pools = [dot.account_id[0] for dot in picture.dots]
    assert pools.count("a") == pytest.approx(MOST_ACCOUNTS * 0.75, abs=2)
    assert pools.count("b") == pytest.approx(MOST_ACCOUNTS * 0.25, abs=2)


def test_ties_by_several_channels_are_parallel_strands() -> None:
    picture = _drawn([Edge("a", "b", 3.0, ("timing", "content", "payment"))])
    assert sorted(strand.channel for strand in picture.strands) == ["content", "payment", "timing"]
    heights = [strand.y1 for strand in picture.strands]
    assert len(set(heights)) == 3
    assert picture.channels == {"content": 1, "payment": 1, "timing": 1}


def test_stronger_ties_are_wider_and_stronger_accounts_larger() -> None:
    picture = _drawn([Edge("a", "b", 9.0, ("content",)), Edge("b", "c", 1.0, ("content",))])
    assert picture.strands[0].width > picture.strands[1].width
    radius = {dot.account_id: dot.radius for dot in picture.dots}
    assert radius["b"] > radius["a"] > radius["c"]


def test_faint_and_licensed_accounts_are_told_apart() -> None:
    members: dict[str, tuple[float, Standing]] = {
        "a": (0.9, "flagged"),
        "b": (0.2, "below"),
        "c": (0.2, "licensed"),
    }
    picture = draw(
        [Edge("a", "b", 1.0, ("content",)), Edge("b", "c", 1.0, ("content",)), *_clique(["a", "d"])], members
    )
    assert picture is not None
    faint = {dot.account_id: dot.faint for dot in picture.dots}
    assert faint == {"a": False, "b": True, "c": False, "d": True}
