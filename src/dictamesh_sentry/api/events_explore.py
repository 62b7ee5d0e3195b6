"""Event queries with fields and functions: tables and charts of an organization's errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from typing_extensions import TypedDict

from dictamesh_sentry.api.core import Call, Page, Reply, operation
from dictamesh_sentry.api.errors import bad_request
from dictamesh_sentry.api.events_fields import Column, FieldReader
from dictamesh_sentry.api.issues_common import period_param
from dictamesh_sentry.api.pagination import Cursor, cursor_of, limit_of
from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.issues.event_queries import Conditions, scope
from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.issues.search_context import OrganizationSearchContext
from dictamesh_sentry.issues.short_id import short_id
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.search.events import compile_events
from dictamesh_sentry.search.parser import parse_query
from dictamesh_sentry.search.period import Period

READ = ("org:read",)
ERROR_DATASETS = frozenset({"", "errors", "discover", "error-events", "issue"})
_DEFAULT_FIELDS = ("title", "event.type", "project", "user.display", "timestamp")


class TableBody(TypedDict):
    data: list[dict[str, Any]]
    meta: dict[str, Any]


@dataclass(frozen=True)
class EventQuery:
    """The part of a request that says which events are meant."""

    projects: Sequence[Project]
    period: Period
    where: str
    parameters: dict[str, Any]


def read_query(call: Call) -> EventQuery:
    """Projects, window, environments and search of a request. Raises ApiError, SearchError, PeriodError (400)."""
    dataset = call.request.GET.get("dataset", "")
    if dataset not in ERROR_DATASETS:
        raise bad_request(f"dataset: {dataset[:40]!r} is not available on this server; use errors")
    projects, period = call.projects_param(), period_param(call)
    ids = [project.pk for project in projects]
    context = OrganizationSearchContext(ids, call.organization, call.user)
    condition = compile_events(parse_query(call.request.GET.get("query", "")), context)
    where, parameters = scope(
        ids,
        environments=call.environments_param(),
        period=period,
        extra=Conditions([condition.sql], condition.parameters),
    )
    return EventQuery(projects, period, where, parameters)


# Tables


@operation(
    "GET", "/organizations/{organization}/events/", scopes=READ, response=TableBody, tag="Explore", paginated=True
)
def query_events(call: Call) -> Reply:
    """Query events as a table.

    `field` (repeatable, at most 20) names columns and functions such as `title`, `issue`, `count()`, `last_seen()`,
    `count_unique(user)` or any tag; with a function, rows are grouped by the other fields. `sort` is a field or
    function, `-` for descending. Datasets: errors.
    """
    query = read_query(call)
    fields = call.request.GET.getlist("field") or list(_DEFAULT_FIELDS)
    reader = FieldReader(query.period.seconds)
    columns = reader.read_all(fields)
    order = _order(call.request.GET.get("sort") or call.request.GET.get("orderby", ""), columns)
    cursor, limit = cursor_of(call.request.GET) or Cursor(), limit_of(call.request.GET, 50)
    start = max(0, cursor.offset - limit) if cursor.is_prev else cursor.offset
    if start > 1_000_000:
        raise bad_request("Invalid cursor parameter.")
    rows = _select(query, columns, reader, order, limit + 1, start)
    page = Page([], str(Cursor(0, start, True)), str(Cursor(0, start + limit)), start > 0, len(rows) > limit)
    data = named_rows(columns, rows[:limit], query.projects)
    return Reply({"data": data, "meta": table_meta(columns)}, headers=page.response_headers(call.request))


def _select(
    query: EventQuery, columns: Sequence[Column], reader: FieldReader, order: str, limit: int, offset: int
) -> Sequence[Sequence[Any]]:
    if not query.projects:
        return []
    selected = ", ".join(f"{column.sql} AS c{position}" for position, column in enumerate(columns))
    grouped = [f"c{position}" for position, column in enumerate(columns) if not column.is_aggregate]
    has_aggregates = any(column.is_aggregate for column in columns)
    group = f" GROUP BY {', '.join(grouped)}" if has_aggregates and grouped else ""
    sql = (
        f"SELECT {selected} FROM events WHERE {query.where}{group}{order} "  # noqa: S608 - values are bound
        "LIMIT {limit:UInt32} OFFSET {offset:UInt32}"
    )
    return get_store().rows(sql, {**query.parameters, **reader.binder.parameters, "limit": limit, "offset": offset})


def _order(sort: str, columns: Sequence[Column]) -> str:
    """ORDER BY for a field among the columns, named as asked for or by alias (``-count`` for ``count()``)."""
    positions = {name: position for position, column in enumerate(columns) for name in _aliases(column.name)}
    aggregates = [position for position, column in enumerate(columns) if column.is_aggregate]
    ties = "".join(f", c{position}" for position, column in enumerate(columns) if not column.is_aggregate)
    name, direction = sort.lstrip("-"), "DESC" if sort.startswith("-") else "ASC"
    if not sort:
        return f" ORDER BY c{aggregates[0]} DESC{ties}" if aggregates else " ORDER BY timestamp DESC, event_id DESC"
    if name in positions:
        return f" ORDER BY c{positions[name]} {direction}{ties}"
    if name == "timestamp" and not aggregates:
        return f" ORDER BY timestamp {direction}, event_id {direction}"
    raise bad_request(f"Cannot sort by a field that is not selected: {name[:100]}")


def _aliases(name: str) -> set[str]:
    """The spellings clients use for a function: ``count_unique(user)``, ``count_unique_user``, ``count``."""
    flat = name.replace("()", "").replace("(", "_").replace(")", "").replace(",", "_").replace(".", "_")
    return {name, flat.replace(" ", "")}


def named_rows(
    columns: Sequence[Column], rows: Sequence[Sequence[Any]], projects: Sequence[Project]
) -> list[dict[str, Any]]:
    """Rows keyed by the fields as requested; projects by slug, issues by short id. One query for all issues."""
    slugs = {str(project.pk): project.slug for project in projects}
    issue_columns = [position for position, column in enumerate(columns) if column.reference == "issue"]
    ids = {int(row[position]) for row in rows for position in issue_columns}
    found = Issue.objects.filter(pk__in=ids, project__in=list(projects)).select_related("project") if ids else ()
    names = {str(issue.pk): short_id(issue) for issue in found}
    result: list[dict[str, Any]] = []
    for row in rows:
        body: dict[str, Any] = {}
        for column, raw in zip(columns, row, strict=True):
            value = column.convert(raw) if raw is not None else None
            if column.reference == "project":
                value = slugs.get(str(value))
            elif column.reference == "issue":
                value = names.get(str(value), "unknown")
            body[column.name] = value
        result.append(body)
    return result


def table_meta(columns: Sequence[Column]) -> dict[str, Any]:
    """Types and units of the columns."""
    return {
        "fields": {column.name: column.type for column in columns},
        "units": {column.name: column.unit for column in columns},
        "isMetricsData": False,
        "isMetricsExtractedData": False,
        "tips": {},
        "datasetReason": "unchanged",
        "dataset": "errors",
        "dataScanned": "full",
    }


@operation("GET", "/organizations/{organization}/events-meta/", scopes=READ, tag="Explore")
def count_events(call: Call) -> dict[str, int]:
    """Count the events that match."""
    query = read_query(call)
    sql = f"SELECT count() FROM events WHERE {query.where}"  # noqa: S608 - values are bound
    return {"count": get_store().rows(sql, query.parameters)[0][0] if query.projects else 0}


@operation("GET", "/organizations/{organization}/events/validate/", scopes=READ, tag="Explore")
def validate_query(call: Call) -> dict[str, Any]:
    """Check the parameters of an event query: 400 with the reason, or 200."""
    query = read_query(call)
    columns = FieldReader(query.period.seconds).read_all(call.request.GET.getlist("field") or list(_DEFAULT_FIELDS))
    _order(call.request.GET.get("sort") or call.request.GET.get("orderby", ""), columns)
    return {"valid": True, "fields": {column.name: column.type for column in columns}}
