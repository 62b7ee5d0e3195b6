"""Event counts over time, for charts: one or many axes, in all or for the top groups."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from dictamesh_sentry.api.core import Call, operation
from dictamesh_sentry.api.errors import bad_request
from dictamesh_sentry.api.events_explore import EventQuery, named_rows, read_query, table_meta
from dictamesh_sentry.api.events_fields import Column, FieldReader
from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.search.period import Period

READ = ("org:read",)
MAX_TOP = 10
MAX_AXES = 10
MAX_POINTS = 10_000
_INTERVAL = re.compile(r"(\d{1,5})([smhdw])\Z")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
Points = dict[int, list[Any]]


@operation("GET", "/organizations/{organization}/events-stats/", scopes=READ, tag="Explore")
def chart_events(call: Call) -> dict[str, Any]:
    """Count events over time.

    `yAxis` (repeatable) names functions, `interval` the width of a point (such as `1h`). With `topEvents` (1 to 10)
    and `field`, there is a series for each of the top groups, and one for the others unless `excludeOther=1`.
    Points are `[epoch seconds, [{"count": number}]]`, zero where nothing happened.
    """
    query = read_query(call)
    width = _width(call.request.GET.get("interval", ""), query.period)
    reader = FieldReader(width)
    axes = reader.read_all(call.request.GET.getlist("yAxis") or ["count()"])
    for axis in axes:
        if not axis.is_aggregate or axis.type not in {"integer", "number", "rate"}:
            raise bad_request(f"{axis.name[:100]} is not a numeric function and cannot be charted")
    if len(axes) > MAX_AXES:
        raise bad_request(f"At most {MAX_AXES} yAxis are allowed.")
    top = _top(call.request.GET.get("topEvents", ""))
    if top:
        return _top_series(call, query, reader, axes, width, top)
    points = _series(query, reader, axes, width).get("", {})
    return _axes_body(axes, points, query.period, width)


def _width(text: str, period: Period) -> int:
    """Seconds per point; the server's choice when the interval is missing, broken, or gives too many points."""
    found = _INTERVAL.match(text)
    width = int(found[1]) * _UNITS[found[2]] if found else 0
    return width if width and period.seconds / width <= MAX_POINTS else period.rollup


def _top(text: str) -> int:
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= MAX_TOP:
        raise bad_request(f"topEvents must be between 1 and {MAX_TOP}")
    return int(text)


def _series(
    query: EventQuery,
    reader: FieldReader,
    axes: Sequence[Column],
    width: int,
    label: str = "''",
) -> dict[str, Points]:
    """Label → bucket → a value for each axis. ``label`` is an SQL expression over the events."""
    if not query.projects:
        return {}
    selected = ", ".join(axis.sql for axis in axes)
    bucket = "intDiv(toUnixTimestamp(timestamp), {width:UInt32}) AS bucket"
    rows = get_store().rows(
        f"SELECT {label} AS label, {bucket}, {selected} FROM events "  # noqa: S608 - values are bound
        f"WHERE {query.where} GROUP BY label, bucket",
        {**query.parameters, **reader.binder.parameters, "width": width},
    )
    result: dict[str, Points] = {}
    for name, bucket, *values in rows:
        result.setdefault(str(name), {})[int(bucket) * width] = values
    return result


def _buckets(period: Period, width: int) -> range:
    first, last = int(period.start.timestamp()) // width, int(period.end.timestamp() - 0.001) // width
    return range(first * width, (last + 1) * width, width)


def _axes_body(axes: Sequence[Column], points: Points, period: Period, width: int) -> dict[str, Any]:
    """One axis: its series. Several: a series for each, by name."""
    bodies = {axis.name: _axis_body(axis, position, points, period, width) for position, axis in enumerate(axes)}
    if len(axes) == 1:
        return bodies[axes[0].name]
    return {name: {**body, "order": position} for position, (name, body) in enumerate(bodies.items())}


def _axis_body(axis: Column, position: int, points: Points, period: Period, width: int) -> dict[str, Any]:
    buckets = _buckets(period, width)
    return {
        "data": [[at, [{"count": points[at][position] if at in points else 0}]] for at in buckets],
        "start": int(period.start.timestamp()),
        "end": int(period.end.timestamp()),
        "isMetricsData": False,
        "meta": table_meta([axis]),
    }


def _top_series(
    call: Call, query: EventQuery, reader: FieldReader, axes: Sequence[Column], width: int, top: int
) -> dict[str, Any]:
    """The series of the top groups by the sort function (the first axis unless named), and of the others."""
    groups = [column for column in reader.read_all(call.request.GET.getlist("field")) if not column.is_aggregate]
    if not groups:
        raise bad_request("topEvents needs at least one field to group by.")
    best = _best(call, query, reader, axes, groups, top)
    names = _labels(groups, best, query)
    key = f"tuple({', '.join(f'toString({column.sql})' for column in groups)})"
    keys = [[str(value) for value in row] for row in best]
    cases = "".join(
        f"{key} = tuple({', '.join(reader.binder.text(value) for value in row)}), '{position}', "
        for position, row in enumerate(keys)
    )
    found = _series(query, reader, axes, width, f"multiIf({cases}'other')" if cases else "'other'")
    result: dict[str, Any] = {}
    for position, name in enumerate(names):
        body = _axes_body(axes, found.get(str(position), {}), query.period, width)
        result[name] = {**body, "order": position}
    if not result:
        empty = _axes_body(axes, {}, query.period, width)
        return empty if len(axes) == 1 else {"": {**empty, "order": 0}}
    if call.request.GET.get("excludeOther") not in {"1", "true"} and "other" in found:
        result["Other"] = {**_axes_body(axes, found["other"], query.period, width), "order": len(names)}
    return result


def _best(
    call: Call, query: EventQuery, reader: FieldReader, axes: Sequence[Column], groups: Sequence[Column], top: int
) -> Sequence[Sequence[Any]]:
    """The values of the top groups."""
    if not query.projects:
        return []
    sort = call.request.GET.get("sort") or call.request.GET.get("orderby", "")
    ranking = next((axis for axis in axes if sort.lstrip("-") == axis.name), axes[0])
    direction = "ASC" if sort and not sort.startswith("-") else "DESC"
    selected = ", ".join(f"{column.sql} AS g{position}" for position, column in enumerate(groups))
    grouped = ", ".join(f"g{position}" for position in range(len(groups)))
    return get_store().rows(
        f"SELECT {selected} FROM events WHERE {query.where} GROUP BY {grouped} "  # noqa: S608 - values are bound
        f"ORDER BY {ranking.sql} {direction}, {grouped} LIMIT {{top:UInt8}}",
        {**query.parameters, **reader.binder.parameters, "top": top},
    )


def _labels(groups: Sequence[Column], rows: Sequence[Sequence[Any]], query: EventQuery) -> list[str]:
    """Values of the grouping fields joined by a comma. No label may be a key that clients read as a series."""
    labels: list[str] = []
    for body in named_rows(groups, rows, query.projects):
        label = ",".join("" if value is None else str(value) for value in body.values())
        while label in labels or label in {"data", "order", "Other"}:
            label += " "
        labels.append(label)
    return labels
