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
from dictamesh_sentry.search.conditions import Binder
from dictamesh_sentry.search.having import compile_having, split_aggregates
from dictamesh_sentry.search.parser import parse_query
from dictamesh_sentry.search.percentiles import uneven
from dictamesh_sentry.search.period import Period
from dictamesh_sentry.search.select import Selection
from dictamesh_sentry.search.span_fields import Dataset
from dictamesh_sentry.search.span_functions import SpanReader
from dictamesh_sentry.search.spans import compile_spans

_TIME = "DateTime64(6, 'UTC')"
NEWEST = "timestamp DESC, span_id DESC"


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
    def weights(self) -> tuple[float, float]:
        """The least and the greatest weight of the projects' spans in the period; (1, 1) without any."""
        if not self.projects:
            return 1.0, 1.0
        sql = f"SELECT min(sample_weight), max(sample_weight), count() FROM spans WHERE {self.scope}"
        least, most, found = get_store().rows(sql, self.parameters)[0]
        return (float(least), float(most)) if found else (1.0, 1.0)

    def is_uneven(self) -> bool:
        """Whether percentiles must respect weights."""
        return uneven(*self.weights)

    @property
    def is_extrapolated(self) -> bool:
        """Whether any span stands for more than itself."""
        return any(abs(weight - 1.0) > 1e-6 for weight in self.weights)

    def reader(self, seconds: float | None = None, prefix: str = "f") -> SpanReader:
        """Reads fields for this query; ``seconds`` is the length rates refer to, the period unless given."""
        thresholds = {
            project.pk: float(load_options(project.options).performance.apdex_threshold) for project in self.projects
        }
        length = self.period.seconds if seconds is None else seconds
        return SpanReader(self.dataset, length, self.where, self.is_uneven, thresholds, prefix)

    def selection(self) -> Selection:
        """The rows, and the groups that fulfil the filters on functions. Rates in them refer to the whole period."""
        if not self.functions:
            return Selection("spans", self.where, self.parameters, newest=NEWEST)
        reader = self.reader(prefix="h")
        having = compile_having(self.functions, reader.read, reader.binder, self.now)
        return Selection("spans", self.where, {**self.parameters, **reader.binder.parameters}, having, NEWEST)

    def narrowed(self, condition: str, parameters: dict[str, Any]) -> SpanQuery:
        """The same spans with one more condition."""
        return replace(self, where=f"{self.where} AND {condition}", parameters={**self.parameters, **parameters})


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
