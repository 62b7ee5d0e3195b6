"""Events over time, for charts: one or many axes, in all or for the top groups."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from typing_extensions import TypedDict

from dictamesh_sentry.api.core import Call, operation
from dictamesh_sentry.api.events_chart import Chart, Group, read_chart
from dictamesh_sentry.api.events_query import table_meta

READ = ("org:read",)


@operation("GET", "/organizations/{organization}/events-stats/", scopes=READ, tag="Explore")
def chart_events(call: Call) -> dict[str, Any]:
    """Chart functions of events over time.

    `yAxis` (repeatable) names functions, `interval` the width of a point (such as `1h`). With `topEvents` (1 to 10)
    and `field`, there is a series for each of the top groups, and one for the others unless `excludeOther=1`.
    Points are `[epoch seconds, [{"count": number}]]`, zero where nothing happened. Datasets as for events.
    """
    chart = read_chart(call)
    if not chart.has_groups:
        return _axes_body(chart, chart.groups[0])
    if not chart.groups:
        empty = _axes_body(chart, Group())
        return empty if len(chart.axes) == 1 else {"": {**empty, "order": 0}}
    return {group.label: {**_axes_body(chart, group), "order": position} for position, group in enumerate(chart.groups)}


def _axes_body(chart: Chart, group: Group) -> dict[str, Any]:
    """One axis: its series. Several: a series for each, by name."""
    bodies = {axis.name: _axis_body(chart, group, position) for position, axis in enumerate(chart.axes)}
    if len(chart.axes) == 1:
        return bodies[chart.axes[0].name]
    return {name: {**body, "order": position} for position, (name, body) in enumerate(bodies.items())}


def _axis_body(chart: Chart, group: Group, position: int) -> dict[str, Any]:
    body = {
        "data": [[at, [{"count": chart.value(group.points, at, position) or 0}]] for at in chart.starts],
        "start": int(chart.query.period.start.timestamp()),
        "end": int(chart.query.period.end.timestamp()),
        "isMetricsData": False,
        "meta": table_meta([chart.axes[position]], chart.query.dataset),
    }
    if chart.query.spans is not None:
        body["confidence"] = [[at, [{"count": chart.confidence(group.points, at, position)}]] for at in chart.starts]
    return body


class TimeSeriesBody(TypedDict):
    meta: dict[str, Any]
    timeSeries: list[dict[str, Any]]


@operation(
    "GET", "/organizations/{organization}/events-timeseries/", scopes=READ, response=TimeSeriesBody, tag="Explore"
)
def chart_time_series(call: Call) -> dict[str, Any]:
    """Chart functions of events over time, as a list of series.

    Parameters as for events-stats; groups are named by `groupBy` or `field`. Times are milliseconds. A value that is
    unknown is null: an average without events, for example.
    """
    chart = read_chart(call, "groupBy")
    period = chart.query.period
    meta = {
        "dataset": chart.query.dataset,
        "start": int(period.start.timestamp() * 1000),
        "end": int(period.end.timestamp() * 1000),
    }
    groups = chart.groups or [Group()]
    return {
        "meta": meta,
        "timeSeries": [
            _time_series(chart, group, position, order)
            for order, group in enumerate(groups)
            for position in range(len(chart.axes))
        ],
    }


def _time_series(chart: Chart, group: Group, position: int, order: int) -> dict[str, Any]:
    axis = chart.axes[position]
    now = datetime.now(UTC).timestamp()
    values: list[dict[str, Any]] = []
    for at in chart.starts:
        value = {
            "timestamp": at * 1000,
            "value": chart.value(group.points, at, position),
            "incomplete": at + chart.width > now,
        }
        evidence = chart.evidence(group.points, at)
        if evidence:
            rows, spans = int(evidence[0]), float(evidence[1])
            value |= {
                "sampleCount": rows,
                "sampleRate": rows / spans if spans else None,
                "confidence": chart.confidence(group.points, at, position),
            }
        values.append(value)
    meta: dict[str, Any] = {
        "interval": chart.width * 1000,
        "valueType": axis.type,
        "valueUnit": axis.unit,
        "dataScanned": "full",
    }
    if chart.has_groups:
        meta |= {"order": order, "isOther": group.is_other}
    by = [{"key": key, "value": value} for key, value in group.values.items()] if group.values is not None else None
    return {"yAxis": axis.name, "groupBy": by, "values": values, "meta": meta}
