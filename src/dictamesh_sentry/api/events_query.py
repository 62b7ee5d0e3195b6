"""What event queries share: which dataset a request means, its rows, and how values are answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dictamesh_sentry.api.core import Call
from dictamesh_sentry.api.errors import bad_request
from dictamesh_sentry.api.events_fields import FieldReader
from dictamesh_sentry.api.issues_common import period_param
from dictamesh_sentry.api.responses import iso
from dictamesh_sentry.issues.event_queries import Conditions, scope
from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.issues.search_context import OrganizationSearchContext
from dictamesh_sentry.issues.short_id import short_id
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.search.ast import Filter, terms
from dictamesh_sentry.search.columns import Column, number
from dictamesh_sentry.search.errors import SearchError
from dictamesh_sentry.search.events import compile_events
from dictamesh_sentry.search.having import compile_having, split_aggregates
from dictamesh_sentry.search.parser import parse_query
from dictamesh_sentry.search.period import Period
from dictamesh_sentry.search.select import Selection
from dictamesh_sentry.search.span_fields import Dataset
from dictamesh_sentry.search.span_functions import SpanReader
from dictamesh_sentry.tracing.span_queries import SpanQuery, span_query

ERROR_DATASETS = frozenset({"", "errors", "discover", "error-events", "issue"})
SPAN_DATASETS: dict[str, Dataset] = {
    "spans": "spans", "spansIndexed": "spans", "spansMetrics": "spans", "transactions": "transactions",
    "metricsEnhanced": "transactions", "metrics": "transactions",
}  # fmt: skip
Reader = FieldReader | SpanReader
#: How sure an extrapolated value is: with so many rows behind it, it is.
ENOUGH_ROWS = 100
#: Beside the functions over spans, to tell how sure they are.
EVIDENCE = (Column("", "count()", "integer", True), Column("", "sum(sample_weight)", "number", True))


@dataclass(frozen=True)
class EventQuery:
    """The part of a request that says which rows are meant. ``spans`` is None for errors."""

    dataset: str
    projects: Sequence[Project]
    period: Period
    selection: Selection
    spans: SpanQuery | None = None

    def reader(self, seconds: float | None = None) -> Reader:
        """Reads the fields of the dataset; ``seconds`` is what rates refer to, the period unless given."""
        if self.spans is not None:
            return self.spans.reader(seconds)
        return FieldReader(self.period.seconds if seconds is None else seconds)


def read_query(call: Call, *, grouped: bool = True) -> EventQuery:
    """Projects, window, environments and search of a request. Raises ApiError, SearchError, PeriodError (400).

    ``grouped`` says whether filters on functions can be fulfilled: they choose among groups.
    """
    name = call.request.GET.get("dataset", "")
    if name not in ERROR_DATASETS and name not in SPAN_DATASETS:
        raise bad_request(f"dataset: {name[:40]!r} is not available on this server; use errors, transactions or spans")
    text = call.request.GET.get("query", "")
    node = parse_query(text)
    functions = [term for term in terms(node) if isinstance(term, Filter) and term.key.kind == "aggregate"]
    if functions and not grouped:
        span = functions[0].span
        raise SearchError("A function filters groups, and there are none here.", span.position, span.length)
    dataset = SPAN_DATASETS.get(name)
    if name in {"", "discover"} and any(_asks_for_transactions(term) for term in terms(node)):
        dataset = "transactions"
    if dataset is None:
        return _errors(call, text)
    period = period_param(call)
    spans = span_query(
        call.projects_param(),
        organization=call.organization,
        user=call.user,
        dataset=dataset,
        query=text,
        environments=call.environments_param(),
        period=period,
    )
    return EventQuery(dataset, spans.projects, period, spans.selection(), spans)


def _asks_for_transactions(term: object) -> bool:
    return (
        isinstance(term, Filter)
        and term.key.name in {"event.type", "type"}
        and term.effective_operator == "="
        and [value.text for value in term.values] == ["transaction"]
    )


def _errors(call: Call, text: str) -> EventQuery:
    projects, period = call.projects_param(), period_param(call)
    ids = [project.pk for project in projects]
    context = OrganizationSearchContext(ids, call.organization, call.user)
    rows, functions = split_aggregates(parse_query(text))
    condition = compile_events(rows, context)
    where, parameters = scope(
        ids,
        environments=call.environments_param(),
        period=period,
        extra=Conditions([condition.sql], condition.parameters),
    )
    reader = FieldReader(period.seconds, "h")
    having = compile_having(functions, reader.read, reader.binder, context.now)
    selection = Selection("events", where, {**parameters, **reader.binder.parameters}, having)
    return EventQuery("errors", projects, period, selection)


# Answers


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
        for column, raw in zip(columns, row, strict=False):
            value = column.convert(raw) if raw is not None else None
            if column.reference == "project":
                value = slugs.get(str(value))
            elif column.reference == "issue":
                value = names.get(str(value), "unknown")
            body[column.name] = iso(value) if isinstance(value, datetime) else value
        result.append(body)
    return result


def table_meta(columns: Sequence[Column], dataset: str = "errors") -> dict[str, Any]:
    """Types and units of the columns."""
    return {
        "fields": {column.name: column.type for column in columns},
        "units": {column.name: column.unit for column in columns},
        "isMetricsData": False,
        "isMetricsExtractedData": False,
        "tips": {},
        "datasetReason": "unchanged",
        "dataset": dataset,
        "dataScanned": "full",
    }


def confidence(column: Column, evidence: Sequence[Any]) -> str | None:
    """``high``, or ``low`` for a value extrapolated from a few rows; None for what is not extrapolated.

    ``evidence`` is the number of rows and the number of spans they stand for.
    """
    if not column.extrapolated or len(evidence) != len(EVIDENCE):
        return None
    rows, spans = int(evidence[0]), number(evidence[1]) or 0.0
    return "low" if rows < ENOUGH_ROWS and abs(spans - rows) > 1e-6 * max(spans, 1.0) else "high"
