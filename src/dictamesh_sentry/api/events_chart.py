"""A chart of a request: axes over time, in all or for the top groups. What both chart operations answer from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dictamesh_sentry.api.core import Call
from dictamesh_sentry.api.errors import bad_request
from dictamesh_sentry.api.events_query import EVIDENCE, EventQuery, Reader, confidence, named_rows, read_query
from dictamesh_sentry.search.columns import NUMERIC, Column, aliases
from dictamesh_sentry.search.period import Period
from dictamesh_sentry.search.select import OTHER, Points, buckets, label, series, top_groups

MAX_TOP = 10
MAX_AXES = 10
MAX_POINTS = 10_000
_INTERVAL = re.compile(r"(\d{1,5})([smhdw])\Z")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True)
class Group:
    """One series: of everything (no ``values``), of a top group, or of all other groups."""

    label: str = ""
    values: dict[str, Any] | None = None
    points: Points | None = None
    is_other: bool = False


@dataclass(frozen=True)
class Chart:
    """The series of a request. ``has_groups`` when the top groups were asked for, however many there are."""

    query: EventQuery
    axes: Sequence[Column]
    width: int
    groups: Sequence[Group]
    has_groups: bool

    @property
    def starts(self) -> range:
        """Where the points start, in epoch seconds."""
        return buckets(self.query.period, self.width)

    def value(self, points: Points | None, start: int, position: int) -> Any:
        """An axis at a point; None where it is unknown."""
        axis = self.axes[position]
        if points is None or start not in points:
            return 0 if axis.zero else None
        return axis.convert(points[start][position])

    def evidence(self, points: Points | None, start: int) -> Sequence[Any]:
        """Rows behind a point and how many spans they stand for; nothing for errors."""
        if self.query.spans is None:
            return ()
        return points[start][len(self.axes) :] if points and start in points else (0, 0.0)

    def confidence(self, points: Points | None, start: int, position: int) -> str | None:
        """How sure an axis is at a point."""
        return confidence(self.axes[position], self.evidence(points, start))


def read_chart(call: Call, group_by: str = "field") -> Chart:
    """The chart a request asks for. Raises ApiError, FieldError, SearchError (400)."""
    top = _top(call.request.GET.get("topEvents", ""))
    query = read_query(call, grouped=bool(top))
    width = _width(call.request.GET.get("interval", ""), query.period)
    reader = query.reader(width)
    axes = reader.read_all(call.request.GET.getlist("yAxis") or ["count()"])
    for axis in axes:
        if not axis.is_aggregate or axis.type not in NUMERIC:
            raise bad_request(f"{axis.name[:100]} is not a numeric function and cannot be charted")
    if len(axes) > MAX_AXES:
        raise bad_request(f"At most {MAX_AXES} yAxis are allowed.")
    if top:
        return _top_chart(call, query, reader, axes, width, top, group_by)
    points = _series(query, reader, axes, width).get(0)
    return Chart(query, axes, width, [Group(points=points)], False)


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
    reader: Reader,
    axes: Sequence[Column],
    width: int,
    by: str = "0",
    parameters: dict[str, Any] | None = None,
) -> dict[int, Points]:
    if not query.projects:
        return {}
    selected = [*axes, *EVIDENCE] if query.spans is not None else axes
    return series(query.selection, selected, {**reader.binder.parameters, **(parameters or {})}, width, by)


def _top_chart(
    call: Call, query: EventQuery, reader: Reader, axes: Sequence[Column], width: int, top: int, group_by: str
) -> Chart:
    """The top groups by the sort function (the first axis unless named), and the others.

    Filters on functions leave groups out, so that nothing can be said of the others then.
    """
    asked = call.request.GET.getlist(group_by) or call.request.GET.getlist("field")
    fields = reader.read_all(asked)
    columns = [field for field in fields if not field.is_aggregate]
    if not columns:
        raise bad_request("topEvents needs at least one field to group by.")
    sort = call.request.GET.get("sort") or call.request.GET.get("orderby", "")
    rankings = [*axes, *(field for field in fields if field.is_aggregate)]
    ranking = next((axis for axis in rankings if sort.removeprefix("-") in aliases(axis.name)), axes[0])
    rows: list[Sequence[Any]] = []
    hashes: list[int] = []
    if query.projects:
        ascending = bool(sort) and not sort.startswith("-")
        rows, hashes = top_groups(query.selection, columns, ranking, reader.binder.parameters, top, ascending=ascending)
    by, parameters = label(columns, hashes)
    found = _series(query, reader, axes, width, by, parameters)
    values = named_rows(columns, rows, query.projects)
    groups = [
        Group(name, body, found.get(position))
        for position, (name, body) in enumerate(zip(_labels(values), values, strict=True))
    ]
    wanted = call.request.GET.get("excludeOther") not in {"1", "true"} and not query.selection.having
    if groups and wanted and OTHER in found:
        groups.append(Group("Other", None, found[OTHER], True))
    return Chart(query, axes, width, groups, True)


def _labels(values: Sequence[dict[str, Any]]) -> list[str]:
    """Values of the grouping fields joined by a comma. No label may be a key that clients read as a series."""
    labels: list[str] = []
    for body in values:
        text = ",".join("" if value is None else str(value) for value in body.values())
        while text in labels or text in {"data", "order", "Other"}:
            text += " "
        labels.append(text)
    return labels
