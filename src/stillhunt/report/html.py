"""Renders the document as one HTML file that asks nothing of any network.

Account ids, artefacts and claims are strings that an attacker may have chosen. Three things keep them from acting:
templates escape every value, data for scripts is JSON without any markup character, and the page's own policy
(Content-Security-Policy) runs no script but ours, known by digest, and loads nothing from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from stillhunt.report import charts, wording
from stillhunt.report.charts import Chart
from stillhunt.report.document import Campaign, Document
from stillhunt.report.picture import Picture, draw

ROWS_WITHOUT_SCRIPT = 50
"""Rows of a campaign's members that stand in the page itself; a script adds the others on demand."""

MOST_ARTEFACTS = 100
"""Rows of a campaign's shared artefacts."""

_PICTURES_AT_FULL_SIZE = 20
_MOST_ACCOUNTS_AFTER = 90

_FILTERS = (
    *("label", "kind_label", "channel_label", "signal_label", "listed", "visible", "shortened"),
    *("count", "counted", "large", "number", "times", "money", "share", "scientific", "size"),
    *("odds", "chance", "q_in_words", "q_number", "sureness"),
    *("moment", "period", "duration", "unit_of_time"),
)
"""Functions of ``wording`` that templates use as filters."""


@dataclass(frozen=True)
class Drawn:
    """A campaign with what is drawn of it; ``charts`` by name."""

    campaign: Campaign
    charts: Mapping[str, Chart]
    picture: Picture | None


def render_html(document: Document) -> str:
    """The whole page. The same document gives the same bytes."""
    drawn = [_drawn(campaign) for campaign in document.campaigns]
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
            drawn=drawn,
            rows_without_script=ROWS_WITHOUT_SCRIPT,
            most_artefacts=MOST_ARTEFACTS,
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


def _drawn(campaign: Campaign) -> Drawn:
    shown: dict[str, Chart] = {}
    if campaign.when is not None:
        shown["rhythm"], shown["active"] = charts.timeline_charts(campaign.when.timeline)
        if campaign.when.hours is not None:
            shown["hours"] = charts.hours_chart(campaign.when.hours)
    standings = {m.account_id: (m.membership, m.standing) for m in campaign.members}
    full = campaign.rank <= _PICTURES_AT_FULL_SIZE
    picture = (
        draw(campaign.edges, standings) if full else draw(campaign.edges, standings, _MOST_ACCOUNTS_AFTER)
    )
    return Drawn(campaign, shown, picture)


def _data(drawn: list[Drawn], charted: bool) -> dict[str, Any]:
    """What the page's script needs: chart specifications once, their rows per campaign, and long member lists."""
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
        if len(one.campaign.members) > ROWS_WITHOUT_SCRIPT
    }
    return {
        "specs": charts.specs() if charted else {},
        "charts": {
            f"{one.campaign.anchor}-{name}": {"spec": chart.spec, "columns": asdict(chart)["columns"]}
            for one in drawn
            for name, chart in one.charts.items()
        },
        "members": members,
    }
