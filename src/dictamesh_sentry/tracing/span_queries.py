"""Reads of spans and transactions with a search, fields and functions: tables, charts, the same for API and pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.issues.search_context import OrganizationSearchContext
from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.projects.options import load_options
from dictamesh_sentry.search.ast import Filter
from dictamesh_sentry.search.columns import Column
from dictamesh_sentry.search.conditions import Binder
from dictamesh_sentry.search.having import compile_having, split_aggregates
from dictamesh_sentry.search.parser import parse_query
from dictamesh_sentry.search.period import Period
from dictamesh_sentry.search.select import Selection, fetch
from dictamesh_sentry.search.span_fields import Dataset
from dictamesh_sentry.search.span_functions import SpanReader
from dictamesh_sentry.search.spans import compile_spans

_TIME = "DateTime64(6, 'UTC')"
NEWEST = "timestamp DESC, span_id DESC"
_LAST_PARTS = (0.01, 0.1)


@dataclass(frozen=True)
class SpanQuery:
    """The spans a request is about: ``where`` and its parameters, and the filters on functions that are left.

    Projects are those the caller was authorised for.
    """

    dataset: Dataset
    projects: Sequence[Project]
    period: Period
    scope: str
    where: str
    parameters: dict[str, Any]
    functions: Sequence[Filter]
    now: datetime

    @cached_property
    def _weight(self) -> float:
        """The weight of any of the projects' spans in the period; 1 without any."""
        return self._any_weight("1", 1.0) or 1.0

    @cached_property
    def is_uneven(self) -> bool:
        """Whether spans differ in weight, so that percentiles must respect it."""
        return (
            self._any_weight("abs(sample_weight - {s_weight:Float64}) > 1e-6 * sample_weight", self._weight) is not None
        )

    @property
    def is_extrapolated(self) -> bool:
        """Whether any span stands for more than itself."""
        return abs(self._weight - 1.0) > 1e-6 or self.is_uneven

    def _any_weight(self, condition: str, weight: float) -> float | None:
        """The first weight found that fulfils the condition. Reads little more than the column of weights."""
        if not self.projects:
            return None
        rows = get_store().rows(
            f"SELECT sample_weight FROM spans PREWHERE {condition} WHERE {self.scope} LIMIT 1",
            {**self.parameters, "s_weight": weight},
        )
        return float(rows[0][0]) if rows else None

    def reader(self, seconds: float | None = None, prefix: str = "f") -> SpanReader:
        """Reads fields for this query; ``seconds`` is the length rates refer to, the period unless given."""
        thresholds = {
            project.pk: float(load_options(project.options).performance.apdex_threshold) for project in self.projects
        }
        length = self.period.seconds if seconds is None else seconds
        return SpanReader(self.dataset, length, self.where, lambda: self.is_uneven, thresholds, prefix)

    def selection(self) -> Selection:
        """The rows, and the groups that fulfil the filters on functions. Rates in them refer to the whole period."""
        if not self.functions:
            return Selection("spans", self.where, self.parameters, newest=NEWEST)
        reader = self.reader(prefix="h")
        having = compile_having(self.functions, reader.read, reader.binder, self.now)
        return Selection("spans", self.where, {**self.parameters, **reader.binder.parameters}, having, NEWEST)

    def rows(
        self, columns: Sequence[Column], parameters: dict[str, Any], order: str, limit: int, offset: int = 0
    ) -> Sequence[Sequence[Any]]:
        """Raw rows of a table in the order of ``order_by``. Raises SearchError, FieldError.

        The newest spans of a period are looked for in its last hundredth and tenth first: that reads far less.
        """
        if not self.projects:
            return []
        selection = self.selection()
        if order == f" ORDER BY {NEWEST}" and not any(column.is_aggregate for column in columns):
            for share in _LAST_PARTS:
                start = self.period.end - (self.period.end - self.period.start) * share
                recent = replace(
                    selection,
                    where=f"{selection.where} AND timestamp >= {{s_recent:{_TIME}}}",
                    parameters={**selection.parameters, "s_recent": start},
                )
                found = fetch(recent, columns, parameters, order, limit, offset)
                if len(found) == limit:
                    return found
        return fetch(selection, columns, parameters, order, limit, offset)


def span_query(
    projects: Sequence[Project],
    *,
    organization: Organization,
    user: object = None,
    dataset: Dataset = "spans",
    query: str = "",
    environments: Sequence[str] = (),
    period: Period,
) -> SpanQuery:
    """The spans of authorised projects that match. Raises SearchError.

    What is older than the retention is out even before the event store has deleted it.
    """
    ids = [project.pk for project in projects]
    context = OrganizationSearchContext(ids, organization, user)
    rows, functions = split_aggregates(parse_query(query))
    condition = compile_spans(rows, context, "q", dataset)
    binder = Binder("s")
    kept_since = datetime.now(UTC) - timedelta(days=get_settings().event_retention_days)
    conditions = [
        "is_segment = 1" if dataset == "transactions" else "is_segment IN (0, 1)",
        f"project_id IN {binder.bind(ids, 'Array(UInt64)')}",
        f"timestamp >= {binder.bind(max(period.start, kept_since), _TIME)}",
        f"timestamp < {binder.bind(period.end, _TIME)}",
    ]
    if environments:
        conditions.append(f"environment IN {binder.texts(environments)}")
    scope = " AND ".join(conditions)
    where = scope if condition.sql == "1" else f"{scope} AND {condition.sql}"
    return SpanQuery(
        dataset, projects, period, scope, where, {**binder.parameters, **condition.parameters}, functions, context.now
    )
