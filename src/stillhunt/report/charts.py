"""Charts: Altair specifications, compiled once per kind of chart, and the rows that each campaign puts into them.

Colours are CSS variables of the page, so that a chart follows the light or dark scheme as the text does. Every
chart fills the width of its box; titles, legends and units stand in the page, where they wrap and are read out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import altair as alt
import vl_convert as vlc

from stillhunt.report.document import Hours, Timeline
from stillhunt.report.wording import moment

ROWS = "rows"
"""Name of the data set that the page fills with a campaign's rows."""

_CAMPAIGN = "var(--campaign)"
_BACKGROUND = "var(--background)"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
_LEFT_AXIS_PX = 44
_WHOLE = "datum.value === floor(datum.value) ? format(datum.value, ',') : ''"

Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Chart:
    """One chart of a campaign: ``spec`` names its kind, ``columns`` are its rows as equally long lists, ``label``
    says to a screen reader what it shows. The column ``when`` heads a tooltip."""

    spec: str
    columns: Columns
    label: str


def specs() -> dict[str, dict[str, Any]]:
    """The compiled Vega specification of each kind of chart, by name."""
    charts = {"rhythm": _rhythm(), "active": _active(), "hours": _hours()}
    return {name: vlc.vegalite_to_vega(_styled(chart)) for name, chart in charts.items()}


def program() -> str:
    """The JavaScript that draws them, as one script that needs nothing else: it defines ``drawChart``, which is
    Vega-Embed. The libraries are BSD-3-Clause."""
    bundle: str = vlc.javascript_bundle("window.drawChart = vegaEmbed;")
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def timeline_charts(timeline: Timeline) -> tuple[Chart, Chart]:
    """Requests over time as multiples of each side's own average, and the accounts active at once."""
    n = len(timeline.requests)
    starts = [timeline.start + timedelta(seconds=timeline.step_s) * at for at in range(n)]
    lengths_s = [timeline.step_s] * (n - 1) + [timeline.last_step_s]
    time = [round(start.timestamp() * 1000) for start in starts]
    said = [moment(start) for start in starts]
    rhythm: Columns = {
        "t": time,
        "when": said,
        "requests": timeline.requests,
        "campaign": _over_own_average(timeline.requests, lengths_s),
        "background_requests": timeline.background_requests,
        "background": _over_own_average(timeline.background_requests, lengths_s),
    }
    end = time[-1] + lengths_s[-1] * 1000
    active: Columns = {  # The last step is drawn to its end by a point that repeats it.
        "t": [*time, end],
        "when": [*said, said[-1]],
        "accounts": [*timeline.active_accounts, timeline.active_accounts[-1]],
    }
    return (
        Chart(
            "rhythm",
            rhythm,
            "Line chart of requests over time: the campaign beside all accounts in no campaign.",
        ),
        Chart("active", active, "Area chart of the campaign's accounts that were active over time."),
    )


def hours_chart(hours: Hours) -> Chart:
    """Share of requests by hour of the day, in percent."""
    background = hours.background or (None,) * 24
    columns: Columns = {
        "hour": list(range(24)),
        "when": [f"{hour:02}:00 – {(hour + 1) % 24:02}:00" for hour in range(24)],
        "campaign": [round(part * 100, 2) for part in hours.campaign],
        "background": [None if part is None else round(part * 100, 2) for part in background],
    }
    return Chart("hours", columns, "Bar chart of the share of requests in each hour of the day.")


def _over_own_average(counts: Sequence[int], lengths_s: Sequence[int]) -> list[float | None]:
    """Rate in each bin over the rate of the whole; all None where nothing was counted."""
    total = sum(counts)
    if total == 0:
        return [None] * len(counts)
    average = total / sum(lengths_s)
    return [round(n / length / average, 3) for n, length in zip(counts, lengths_s, strict=True)]


def _rhythm() -> alt.LayerChart:
    rows = alt.Chart(alt.NamedData(ROWS))
    near = _nearest("t")
    time, times = _time_axis(), alt.Y("campaign:Q", axis=alt.Axis(title=None, tickCount=5, format="~g"))
    background = rows.mark_area(
        color=_BACKGROUND, fillOpacity=0.22, line={"color": _BACKGROUND, "strokeWidth": 1}
    ).encode(x=time, y=alt.Y("background:Q"))
    campaign = rows.mark_line(color=_CAMPAIGN, strokeWidth=1.75).encode(x=time, y=times)
    tips = [
        alt.Tooltip("requests:Q", title="Requests of the campaign", format=","),
        alt.Tooltip("campaign:Q", title="… times its average", format=".2f"),
        alt.Tooltip("background_requests:Q", title="Requests of all others", format=","),
        alt.Tooltip("background:Q", title="… times their average", format=".2f"),
    ]
    return alt.LayerChart(layer=[background, campaign, *_pointer(rows, near, time, times, tips)], height=180)


def _active() -> alt.LayerChart:
    rows = alt.Chart(alt.NamedData(ROWS))
    near = _nearest("t")
    time = _time_axis()
    accounts = alt.Y("accounts:Q", axis=alt.Axis(title=None, tickCount=3, labelExpr=_WHOLE))
    area = rows.mark_area(
        color=_CAMPAIGN,
        fillOpacity=0.25,
        interpolate="step-after",
        line={"color": _CAMPAIGN, "strokeWidth": 1.5},
    ).encode(x=time, y=accounts)
    tips = [alt.Tooltip("accounts:Q", title="Active accounts", format=",")]
    return alt.LayerChart(layer=[area, *_pointer(rows, near, time, accounts, tips)], height=120)


def _hours() -> alt.LayerChart:
    rows = alt.Chart(alt.NamedData(ROWS))
    hour = alt.X(
        "hour:O",
        axis=alt.Axis(
            title=None, labelAngle=0, ticks=False, labelExpr="datum.value % 3 == 0 ? datum.label : ''"
        ),
        scale=alt.Scale(paddingInner=0.25),
    )
    percent = alt.Axis(title=None, tickCount=4, labelExpr="datum.label + '%'")
    tips = [
        alt.Tooltip("campaign:Q", title="Share of the campaign's requests, %", format=".1f"),
        alt.Tooltip("background:Q", title="Share of all others' requests, %", format=".1f"),
    ]
    bars = rows.mark_bar(color=_CAMPAIGN, fillOpacity=0.85).encode(
        x=hour, y=alt.Y("campaign:Q", axis=percent), tooltip=tips
    )
    ticks = rows.mark_tick(color="var(--ink)", thickness=2.5, orient="horizontal").encode(
        x=hour, y=alt.Y("background:Q", axis=percent), tooltip=tips
    )
    return alt.LayerChart(layer=[bars, ticks], height=120)


def _time_axis() -> alt.X:
    return alt.X(
        "t:T",
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(
            title=None, grid=False, tickCount=alt.ExprRef("max(2, ceil(width / 110))"), format="%-d %b"
        ),
    )


def _nearest(field: str) -> alt.Parameter:
    return alt.selection_point(
        name="near", nearest=True, on="pointermove", clear="pointerout", fields=[field], empty=False
    )


def _pointer(
    rows: alt.Chart, near: alt.Parameter, x: alt.X, y: alt.Y, tips: Sequence[alt.Tooltip]
) -> tuple[alt.Chart, alt.Chart]:
    """A line at the bin next to the pointer, and unseen points that carry the tooltip."""
    rule = rows.mark_rule(color="var(--ink)", strokeWidth=1).encode(
        x=x, opacity=alt.condition(near, alt.value(0.5), alt.value(0))
    )
    points = (
        rows.mark_point(color=_CAMPAIGN, filled=True, size=45)
        .encode(x=x, y=y, opacity=alt.condition(near, alt.value(1), alt.value(0)), tooltip=list(tips))
        .add_params(near)
    )
    return rule, points


def _styled(chart: alt.LayerChart) -> dict[str, Any]:
    room = {"left": 0, "right": 6, "top": 6, "bottom": 3}
    styled: dict[str, Any] = (
        chart.properties(width="container", background="transparent", padding=room)
        .configure(font=_FONT)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor="var(--muted)",
            labelFontSize=12,
            gridColor="var(--line)",
            domainColor="var(--line-strong)",
            tickColor="var(--line-strong)",
        )
        .configure_axisLeft(
            domain=False, ticks=False, labelPadding=6, minExtent=_LEFT_AXIS_PX, maxExtent=_LEFT_AXIS_PX
        )
        .to_dict()
    )
    return styled
