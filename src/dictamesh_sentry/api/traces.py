"""Traces: the tree of spans with errors on them, its counts, the logs, and single items of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from typing_extensions import TypedDict

from dictamesh_sentry.api.core import Call, Page, Reply, operation
from dictamesh_sentry.api.errors import bad_request
from dictamesh_sentry.api.issues_common import optional_period
from dictamesh_sentry.api.pagination import Cursor, cursor_of, limit_of
from dictamesh_sentry.api.responses import iso
from dictamesh_sentry.api.serializers_traces import (
    attributes_body,
    log_attributes_body,
    log_body,
    span_bodies,
    transaction_bodies,
)
from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.projects.queries import projects_by_reference
from dictamesh_sentry.tracing.logs import get_log, logs_of_trace
from dictamesh_sentry.tracing.trace_spans import span_details, trace_counts, transactions_of_trace
from dictamesh_sentry.tracing.trace_store import Trace, load_trace, parse_trace_id

READ = ("org:read",)
MAX_SPANS = 10_000


class TraceMetaBody(TypedDict):
    logs: int
    errors: int
    performance_issues: int
    span_count: int
    transaction_child_count_map: list[dict[str, Any]]
    span_count_map: dict[str, int]
    logsCount: int
    errorsCount: int
    performanceIssuesCount: int
    spansCount: int
    metricsCount: int
    uptimeCount: int
    transactionChildCountMap: list[dict[str, Any]]
    spansCountMap: dict[str, int]


class LogsBody(TypedDict):
    data: list[dict[str, Any]]
    meta: dict[str, Any]


def _projects(call: Call) -> dict[int, Project]:
    """The named projects, else every visible one: a trace crosses services."""
    named = [value for value in call.request.GET.getlist("project") if value]
    if named:
        found: Iterable[Project] = projects_by_reference(call.user, call.organization, named, call.access)
    else:
        found = call.visible_projects()
    return {project.pk: project for project in found}


def _trace(call: Call, trace_id: str) -> tuple[Trace | None, dict[int, Project]]:
    if parse_trace_id(trace_id) is None:
        raise bad_request("trace_id: expected 32 hexadecimal digits")
    projects = _projects(call)
    return load_trace(list(projects), trace_id), projects


@operation(
    "GET", "/organizations/{organization}/trace/{trace_id}/", scopes=READ, response=list[dict[str, Any]], tag="Traces"
)
def get_trace(call: Call, trace_id: str) -> list[dict[str, Any]]:
    """Retrieve a trace as a tree of spans, with the errors and performance issues that happened in them.

    `limit` bounds the spans (at most 10000); `additional_attributes` (repeatable) adds attributes by name.
    """
    trace, projects = _trace(call, trace_id)
    if trace is None:
        return []
    wanted = call.request.GET.getlist("additional_attributes")[:20]
    return span_bodies(trace, projects, _limit(call), wanted)


def _limit(call: Call) -> int:
    text = call.request.GET.get("limit", "")
    if not text:
        return MAX_SPANS
    if not text.isdigit() or not int(text):
        raise bad_request("limit: expected a positive number")
    return min(int(text), MAX_SPANS)


@operation(
    "GET", "/organizations/{organization}/trace-meta/{trace_id}/", scopes=READ, response=TraceMetaBody, tag="Traces"
)
def get_trace_meta(call: Call, trace_id: str) -> dict[str, Any]:
    """Count what a trace holds: spans by operation and by transaction, errors, performance issues, logs."""
    return _meta(call, trace_id)


@operation("GET", "/organizations/{organization}/events-trace-meta/{trace_id}/", scopes=READ, tag="Traces")
def get_events_trace_meta(call: Call, trace_id: str) -> dict[str, Any]:
    """As trace-meta, under its older address."""
    found = _meta(call, trace_id)
    return {
        **found,
        "projects": len(_projects(call)),
        "transactions": len(found["transaction_child_count_map"]),
    }


def _meta(call: Call, trace_id: str) -> dict[str, Any]:
    trace, projects = _trace(call, trace_id)
    pins = [pin for found in trace.pins.values() for pin in found] if trace else []
    problems = sum(pin.is_performance for pin in pins)
    logs = sum(trace.logs.values()) if trace else 0
    counts = trace_counts(list(projects), trace_id)
    children = [{"transaction.event_id": event_id, "count()": number} for event_id, number in counts.by_transaction]
    return {
        "logs": logs,
        "errors": len(pins) - problems,
        "performance_issues": problems,
        "span_count": counts.spans,
        "transaction_child_count_map": children,
        "span_count_map": counts.by_op,
        "logsCount": logs,
        "errorsCount": len(pins) - problems,
        "performanceIssuesCount": problems,
        "spansCount": counts.spans,
        "metricsCount": 0,
        "uptimeCount": 0,
        "transactionChildCountMap": children,
        "spansCountMap": counts.by_op,
    }


@operation("GET", "/organizations/{organization}/events-trace/{trace_id}/", scopes=READ, tag="Traces")
def get_events_trace(call: Call, trace_id: str) -> dict[str, Any]:
    """Retrieve a trace as a tree of transactions, with errors that belong to none of them apart."""
    trace, projects = _trace(call, trace_id)
    if trace is None:
        return {"transactions": [], "orphan_errors": []}
    return transaction_bodies(trace, transactions_of_trace(list(projects), trace_id), projects)


@operation("GET", "/organizations/{organization}/events-trace-light/{trace_id}/", scopes=READ, tag="Traces")
def get_events_trace_light(call: Call, trace_id: str) -> dict[str, Any]:
    """As events-trace, without what is below the transactions next to `event_id`."""
    found = get_events_trace(call, trace_id)
    wanted = call.request.GET.get("event_id", "").replace("-", "").lower()
    return {**found, "transactions": _around(found["transactions"], wanted) if wanted else found["transactions"]}


def _around(nodes: list[dict[str, Any]], wanted: str) -> list[dict[str, Any]]:
    """The transaction of this id with its parent and its children, as a list of one tree; empty when not found."""
    stack: list[tuple[dict[str, Any], dict[str, Any] | None]] = [(node, None) for node in nodes]
    while stack:
        node, parent = stack.pop()
        if node["event_id"] == wanted:
            here = {**node, "children": [{**child, "children": []} for child in node["children"]]}
            return [{**parent, "children": [here]}] if parent else [here]
        stack += [(child, node) for child in node["children"]]
    return []


# Logs and items


@operation(
    "GET", "/organizations/{organization}/trace-logs/", scopes=READ, response=LogsBody, tag="Traces", paginated=True
)
def list_trace_logs(call: Call) -> Reply:
    """List the logs of a trace (`traceId`), newest first (`sort=timestamp`: oldest). `query` is looked for in them."""
    parameters = call.request.GET
    trace_id = parameters.get("traceId", "")
    if parse_trace_id(trace_id) is None:
        raise bad_request("traceId: expected 32 hexadecimal digits")
    projects = _projects(call)
    cursor, limit = cursor_of(parameters) or Cursor(), limit_of(parameters)
    start = max(0, cursor.offset - limit) if cursor.is_prev else cursor.offset
    rows = logs_of_trace(
        list(projects),
        trace_id,
        period=optional_period(call),
        text=parameters.get("query", "")[:1000],
        limit=limit + 1,
        offset=start,
        newest_first=parameters.get("sort", "-timestamp").startswith("-"),
    )
    page = Page([], str(Cursor(0, start, True)), str(Cursor(0, start + limit)), start > 0, len(rows) > limit)
    data = [log_body(row, projects[row.project_id].slug) for row in rows[:limit]]
    return Reply({"data": data, "meta": {"fields": {}, "units": {}}}, headers=page.response_headers(call.request))


@operation("GET", "/projects/{organization}/{project}/trace-items/{item_id}/", scopes=("project:read",), tag="Traces")
def get_trace_item(call: Call, item_id: str) -> dict[str, Any]:
    """Retrieve a span (`item_type=spans` with `trace_id`) or a log (`item_type=logs`) with all its attributes."""
    kind = call.request.GET.get("item_type", "spans")
    if kind == "logs":
        log = get_log([call.project.pk], item_id)
        if log is None:
            raise NotVisibleError
        return _item(item_id, log.timestamp, log_attributes_body(log))
    if kind != "spans":
        raise bad_request("item_type: expected spans or logs")
    span_id = item_id.lower()[-16:]
    try:
        number = int(span_id, 16)
    except ValueError:
        raise bad_request("expected a span id of 16 hexadecimal digits") from None
    row = span_details([call.project.pk], call.request.GET.get("trace_id", ""), number)
    if row is None:
        raise NotVisibleError
    return _item(span_id, row["timestamp"], attributes_body(row))


def _item(item_id: str, moment: datetime, attributes: list[dict[str, Any]]) -> dict[str, Any]:
    return {"itemId": item_id, "timestamp": iso(moment), "attributes": attributes, "meta": {}, "links": None}
