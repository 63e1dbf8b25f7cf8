"""A picture of how often something is true against how often it was said to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

SIDE, MARGIN = 320, 48
_COLOURS = ("#1d5fa8", "#b3541e")


@dataclass(frozen=True)
class Point:
    """Of ``n`` statements of one series that were said with confidence ``said``, on average, the share that is true,
    and its interval."""

    series: str
    said: float
    true: float
    low: float
    high: float
    n: int


def reliability(points: Sequence[Point]) -> str:
    """The picture, as SVG. Points on the diagonal are right as often as they say; larger ones stand for more."""
    series = list(dict.fromkeys(point.series for point in points))
    most = max((point.n for point in points), default=1)
    width, height = SIDE + 2 * MARGIN + 140, SIDE + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<rect x="{MARGIN}" y="{MARGIN}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#666"/>',
        f'<line x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}" stroke="#999" stroke-dasharray="4 4"/>',
    ]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(f'<text x="{_x(tick)}" y="{_y(0) + 18}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text x="{_x(0) - 8}" y="{_y(tick) + 4}" text-anchor="end">{tick:g}</text>')
    middle = MARGIN + SIDE / 2
    parts.append(f'<text x="{middle}" y="{height - 10}" text-anchor="middle">confidence said</text>')
    parts.append(
        f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">share that is true</text>'
    )
    for number, name in enumerate(series):
        colour = _COLOURS[number % len(_COLOURS)]
        at = MARGIN + 12 + 20 * number
        parts.append(f'<circle cx="{_x(1) + 20}" cy="{at}" r="6" fill="{colour}" fill-opacity="0.7"/>')
        parts.append(f'<text x="{_x(1) + 32}" y="{at + 4}">{name}</text>')
        for point in (each for each in points if each.series == name):
            x = _x(point.said)
            parts.append(
                f'<line x1="{x}" y1="{_y(point.low)}" x2="{x}" y2="{_y(point.high)}" stroke="{colour}"/>'
            )
            radius = 3.0 + 9.0 * sqrt(point.n / most)
            parts.append(
                f'<circle cx="{x}" cy="{_y(point.true)}" r="{radius:.1f}" fill="{colour}" fill-opacity="0.7">'
                f"<title>{name}: {point.said:.2f} said, {point.true:.2f} true, of {point.n}</title></circle>"
            )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _x(share: float) -> float:
    return round(MARGIN + SIDE * share, 1)


def _y(share: float) -> float:
    return round(MARGIN + SIDE * (1.0 - share), 1)
