"""The page docs/reference/profiles.md, from the profiles themselves: ``python -m stillhunt.simulate.reference``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from stillhunt.simulate.operators import Operator
from stillhunt.simulate.pools import Discipline
from stillhunt.simulate.scenarios import EVASION, KINDS, PROFILES, SCENARIOS

_HEAD = """# Profiles of `stillhunt simulate`

This page is made from the profiles: `python -m stillhunt.simulate.reference > docs/reference/profiles.md`. What the
kinds and shapes stand for, and what is assumed, is in [the simulator](../explanation/simulator.md).

Every profile covers {days} days from {start} (UTC). A log keeps {thin:.0%} of all traffic, {demo:.0%} in
`demo` and {adaptive:.0%} in `adaptive`, honest and hostile alike: an account with 100 requests a day shows about
{thinned:.0f}. `--scale X` multiplies the accounts of every kind and pool.
"""

_LARGE = """
Besides, `{one.name}`: {one.about}. It covers {one.days} days from {one.start} and
keeps {one.thin:.1%} of honest traffic; {pool.accounts:,} accounts of the pool are in use at a time. `--scale
0.01` makes a hundredth of it. Texts are made as in every other profile and become sketches at once; the lake has no
full sketches, which take 256 bytes for each distinct text.
"""


def page() -> str:
    """The page, in Markdown."""
    honest, demo, full = SCENARIOS["honest"], SCENARIOS["demo"], PROFILES["letter-full"]
    parts = [
        _HEAD.format(
            days=honest.days,
            start=honest.start,
            thin=honest.thin,
            demo=demo.thin,
            adaptive=SCENARIOS["adaptive"].thin,
            thinned=100 * honest.thin,
        ),
        "## Profiles\n",
        _table(("profile", "accounts in pools", "what the log holds"), _profiles()),
        _LARGE.format(one=full, pool=full.operators[0]),
        "\n## Who is in every profile\n",
        _table(("kind", "accounts", "what they do"), _kinds()),
        f"\nBesides, {honest.relays} hobby relays of 3 to 22 accounts each. `demo` has fewer accounts of each kind.\n",
        "\n## Pools\n",
        "What differs from an ordinary pool; rates are exchanges per account and day before thinning.\n",
        _table(("profile", "pool", "settings"), _pools()),
        "\n## One knob of evasion at a time\n",
        "For the cost of each way of evasion. `reusing` hides nothing; every other row changes what it names.\n",
        _table(("knob", "settings that differ from `reusing`"), _knobs()),
    ]
    return "\n".join(parts)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def _profiles() -> list[tuple[str, ...]]:
    return [
        (f"`{one.name}`", str(sum(pool.accounts for pool in one.operators)), one.about)
        for one in SCENARIOS.values()
    ]


def _kinds() -> list[tuple[str, ...]]:
    people = SCENARIOS["honest"].accounts
    return [(f"`{name}`", str(people[name]), _said(str(kind.__doc__))) for name, kind in KINDS.items()]


def _said(doc: str) -> str:
    return " ".join(doc.split())


def _pools() -> list[tuple[str, ...]]:
    return [
        (f"`{one.name}`", f"`{pool.name}`", _differences(pool, Operator(name=pool.name)))
        for one in SCENARIOS.values()
        for pool in one.operators
    ]


def _knobs() -> list[tuple[str, ...]]:
    base = EVASION["reusing"].operators[0]
    return [
        (f"`{name}`", "; ".join(_differences(pool, base) for pool in one.operators) or "none")
        for name, one in EVASION.items()
    ]


def _differences(pool: Operator, other: Operator) -> str:
    """Settings of ``pool`` that are not ``other``'s, its discipline's included."""
    found = [
        f"{field.name} {_value(getattr(pool, field.name))}"
        for field in fields(Operator)
        if field.name != "discipline" and getattr(pool, field.name) != getattr(other, field.name)
    ]
    found += [
        f"{field.name} {_value(getattr(pool.discipline, field.name))}"
        for field in fields(Discipline)
        if getattr(pool.discipline, field.name) != getattr(other.discipline, field.name)
    ]
    return ", ".join(found)


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{name} {share:g}" for name, share in value.items()) + ")"
    if isinstance(value, tuple):
        return "(" + ", ".join(str(item) for item in value) + ")"
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    print(page(), end="")
