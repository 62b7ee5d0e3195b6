"""Event queries with fields and functions: tables of an organization's errors, transactions and spans."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from dictamesh_sentry.api.core import Call, Page, Reply, operation
from dictamesh_sentry.api.errors import bad_request
from dictamesh_sentry.api.events_query import EVIDENCE, EventQuery, confidence, named_rows, read_query, table_meta
from dictamesh_sentry.api.pagination import Cursor, cursor_of, limit_of
from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.search.columns import Column, order_by
from dictamesh_sentry.search.errors import FieldError
from dictamesh_sentry.search.select import fetch

READ = ("org:read",)
_DEFAULT_FIELDS = {
    "errors": ("title", "event.type", "project", "user.display", "timestamp"),
    "spans": ("id", "span.op", "span.description", "span.duration", "transaction", "trace", "project", "timestamp"),
    "transactions": ("id", "transaction", "project", "transaction.duration", "trace", "timestamp"),
}
#: Columns that rows without functions may be sorted by, selected or not.
_SORTABLE = ("timestamp",)


class TableBody(TypedDict):
    data: list[dict[str, Any]]
    meta: dict[str, Any]


@operation(
    "GET", "/organizations/{organization}/events/", scopes=READ, response=TableBody, tag="Explore", paginated=True
)
def query_events(call: Call) -> Reply:
    """Query events as a table.

    `field` (repeatable, at most 20) names columns, functions such as `count()`, `p95(span.duration)` and
    `equation|count() / 2`, tags and attributes; with a function, rows are grouped by the other fields. `sort` is a
    field or function, `-` for descending. Filters on functions in `query` choose among groups. Datasets: errors,
    transactions, spans; discover means errors, or transactions where the search says `event.type:transaction`.
    """
    query = read_query(call)
    columns, parameters, order = _table(call, query)
    aggregated = query.spans is not None and any(column.is_aggregate for column in columns)
    cursor, limit = cursor_of(call.request.GET) or Cursor(), limit_of(call.request.GET, 50)
    start = max(0, cursor.offset - limit) if cursor.is_prev else cursor.offset
    if start > 1_000_000:
        raise bad_request("Invalid cursor parameter.")
    selected = [*columns, *EVIDENCE] if aggregated else columns
    if query.spans is not None:
        rows = query.spans.rows(selected, parameters, order, limit + 1, start)
    else:
        rows = fetch(query.selection, selected, parameters, order, limit + 1, start) if query.projects else []
    page = Page([], str(Cursor(0, start, True)), str(Cursor(0, start + limit)), start > 0, len(rows) > limit)
    data = named_rows(columns, rows[:limit], query.projects)
    body: dict[str, Any] = {"data": data, "meta": table_meta(columns, query.dataset)}
    if aggregated:
        body["confidence"] = [
            {column.name: confidence(column, row[len(columns) :]) for column in columns} for row in rows[:limit]
        ]
    return Reply(body, headers=page.response_headers(call.request))


def _table(call: Call, query: EventQuery) -> tuple[list[Column], dict[str, Any], str]:
    """The columns asked for, their parameters and the order. Raises ApiError and FieldError (400)."""
    reader = query.reader()
    columns = reader.read_all(call.request.GET.getlist("field") or list(_DEFAULT_FIELDS[query.dataset]))
    sort = call.request.GET.get("sort") or call.request.GET.get("orderby", "")
    order = order_by(sort, columns, query.selection.newest, _SORTABLE)
    if query.selection.having and not any(column.is_aggregate for column in columns):
        raise FieldError("A filter on a function needs a function among the fields.")
    return columns, reader.binder.parameters, order


@operation("GET", "/organizations/{organization}/events-meta/", scopes=READ, tag="Explore")
def count_events(call: Call) -> dict[str, int]:
    """Count the events, transactions or spans that match, as they are stored."""
    query = read_query(call, grouped=False)
    sql = f"SELECT count() FROM {query.selection.table} WHERE {query.selection.where}"  # noqa: S608 - values are bound
    return {"count": get_store().rows(sql, query.selection.parameters)[0][0] if query.projects else 0}


@operation("GET", "/organizations/{organization}/events/validate/", scopes=READ, tag="Explore")
def validate_query(call: Call) -> dict[str, Any]:
    """Check the parameters of an event query: 400 with the reason, or 200."""
    columns, _, _ = _table(call, read_query(call))
    return {"valid": True, "fields": {column.name: column.type for column in columns}}
