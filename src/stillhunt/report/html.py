"""Renders the document as one HTML file that asks nothing of any network.

Account ids, artefacts and claims are strings that an attacker may have chosen. Three things keep them from acting:
templates escape every value, data for scripts is JSON without any markup character, and the page's own policy
(Content-Security-Policy) runs no script but ours, known by digest, and loads nothing from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from stillhunt.report import charts, wording
from stillhunt.report.charts import Chart
from stillhunt.report.document import Campaign, Document
from stillhunt.report.picture import MOST_ACCOUNTS, Picture, draw

ROWS_WITHOUT_SCRIPT = 50
"""Rows of a campaign's members that stand in the page itself; a script adds the others on demand."""

MOST_ARTEFACTS = 100
"""Rows of a campaign's shared artefacts."""

MOST_LOSSES = 8
"""Rows of what left, by capability and model; the others are added up in one."""

MOST_INFERENCES = 5
"""Scored inferences that stand open; the weaker ones are folded."""

MOST_FULL = 25
"""Distillation campaigns that have a section of their own. All other campaigns are folded, by kind."""
MOST_FOLDED = 60
"""Folded campaigns that hold their evidence; the others are one line each."""
MOST_LINES = 100
"""Folded campaigns of one kind that have a line; the others are counted."""

_FOLDED = {"rows": 20, "artefacts": 8, "accounts": 60}
"""The same bounds for a folded campaign, and the accounts that its picture shows."""

_FILTERS = (
    *("label", "kind_label", "channel_label", "signal_label", "listed", "visible", "shortened", "told"),
    *("count", "counted", "large", "number", "times", "money", "share", "scientific", "size"),
    *("odds", "chance", "q_in_words", "q_number", "sureness"),
    *("moment", "period", "duration", "unit_of_time"),
)
"""Functions of ``wording`` that templates use as filters."""


@dataclass(frozen=True)
class Drawn:
    """A campaign with what is drawn of it; ``charts`` by name. ``told``: its evidence stands in the page. ``rows``,
    ``artefacts``: how many of its members and artefacts stand in the page."""

    campaign: Campaign
    charts: Mapping[str, Chart]
    picture: Picture | None
    told: bool
    rows: int
    artefacts: int


@dataclass(frozen=True)
class Group:
    """Folded campaigns of one kind. ``campaigns``, ``accounts``: how many there are, drawn or not."""

    kind: str
    meaning: str
    drawn: tuple[Drawn, ...]
    campaigns: int
    accounts: int


def render_html(document: Document) -> str:
    """The whole page. The same document gives the same bytes."""
    hostile = [campaign for campaign in document.campaigns if campaign.kind == "distillation"]
    full = [_full(campaign) for campaign in hostile[:MOST_FULL]]
    others = _groups([*hostile[MOST_FULL:], *document.campaigns[len(hostile) :]])
    drawn = [*full, *(one for group in others for one in group.drawn)]
    charted = any(one.charts for one in drawn)
    style = _asset("report.css")
    scripts = [_asset("report.js")]
    if charted:
        scripts.insert(0, charts.program())
    early = _asset("early.js")
    return (
        _environment()
        .get_template("report.html")
        .render(
            document=document,
            hostile=hostile,
            full=full,
            others=others,
            untold=sum(not one.told for one in drawn),
            most_inferences=MOST_INFERENCES,
            most_losses=MOST_LOSSES,
            policy=_policy(style, [early, *scripts]),
            style=Markup(style),
            early=Markup(early),
            scripts=[Markup(script) for script in scripts],
            script_bytes=sum(len(script.encode()) for script in scripts),
            data=htmlsafe_json_dumps(
                _data(drawn, charted), separators=(",", ":"), ensure_ascii=False, allow_nan=False
            ),
        )
    )


def _full(campaign: Campaign) -> Drawn:
    return Drawn(campaign, _charts(campaign), _picture(campaign), True, ROWS_WITHOUT_SCRIPT, MOST_ARTEFACTS)


def _groups(campaigns: Sequence[Campaign]) -> list[Group]:
    """By kind; the kind of the strongest campaign first."""
    kinds: dict[str, list[Campaign]] = {}
    for campaign in campaigns:
        kinds.setdefault(campaign.kind, []).append(campaign)
    told = {campaign.anchor for campaign in campaigns[:MOST_FOLDED]}
    return [
        Group(
            kind=kind,
            meaning=wording.KIND_MEANINGS.get(kind, ""),
            drawn=tuple(_folded(campaign, campaign.anchor in told) for campaign in alike[:MOST_LINES]),
            campaigns=len(alike),
            accounts=len({member.account_id for campaign in alike for member in campaign.members}),
        )
        for kind, alike in kinds.items()
    ]


def _folded(campaign: Campaign, told: bool) -> Drawn:
    rows, artefacts = _FOLDED["rows"], _FOLDED["artefacts"]
    if not told:
        return Drawn(campaign, {}, None, False, rows, artefacts)
    picture = _picture(campaign, _FOLDED["accounts"])
    return Drawn(campaign, _charts(campaign), picture, True, rows, artefacts)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("stillhunt.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({name: getattr(wording, name) for name in _FILTERS})
    return environment


def _asset(name: str) -> str:
    return files("stillhunt.report").joinpath("assets", name).read_text(encoding="utf-8")


def _policy(style: str, scripts: list[str]) -> str:
    allowed = " ".join(_source(script) for script in scripts)
    return f"default-src 'none'; script-src {allowed}; style-src {_source(style)}; base-uri 'none'; form-action 'none'"


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _charts(campaign: Campaign) -> dict[str, Chart]:
    shown: dict[str, Chart] = {}
    if campaign.when is not None:
        shown["rhythm"], shown["active"] = charts.timeline_charts(campaign.when.timeline)
        if campaign.when.hours is not None:
            shown["hours"] = charts.hours_chart(campaign.when.hours)
    return shown


def _picture(campaign: Campaign, most_accounts: int = MOST_ACCOUNTS) -> Picture | None:
    standings = {m.account_id: (m.membership, m.standing) for m in campaign.members}
    return draw(campaign.edges, standings, most_accounts)


def _data(drawn: Sequence[Drawn], charted: bool) -> dict[str, Any]:
    """What the page's script needs: chart specifications once, their rows per campaign, and long member lists.

    Charts name their columns by number, so that what campaigns have in common, such as time and the background,
    stands in the page once.
    """
    members = {
        one.campaign.anchor: [
            [
                wording.visible(m.account_id),
                round(m.membership, 3),
                m.standing,
                m.authorised_use or "",
                list(m.also_in),
            ]
            for m in one.campaign.members
        ]
        for one in drawn
        if one.told and len(one.campaign.members) > one.rows
    }
    columns: dict[tuple[Any, ...], int] = {}
    placed = {
        f"{one.campaign.anchor}-{name}": {
            "spec": chart.spec,
            "columns": {
                title: columns.setdefault(tuple(values), len(columns))
                for title, values in chart.columns.items()
            },
        }
        for one in drawn
        for name, chart in one.charts.items()
    }
    return {
        "specs": charts.specs() if charted else {},
        "columns": list(columns),
        "charts": placed,
        "members": members,
    }
