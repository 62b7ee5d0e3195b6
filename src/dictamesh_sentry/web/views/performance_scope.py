"""What the URL of a performance page asks for, and the figures' wording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dictamesh_sentry.issues.search_context import OrganizationSearchContext
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.projects.options import load_options
from dictamesh_sentry.search.errors import SearchError
from dictamesh_sentry.search.parser import parse_query
from dictamesh_sentry.search.spans import compile_spans
from dictamesh_sentry.tracing.transactions import KINDS, Scope
from dictamesh_sentry.web.pages import PageRequest
from dictamesh_sentry.web.presenters.timeseries import Series, chart_table, line_chart
from dictamesh_sentry.web.timefmt import compact, elapsed
from dictamesh_sentry.web.views import issues_scope


@dataclass(frozen=True)
class PerformanceScope:
    """``filters`` is what the filter bar shows; ``scope`` what is asked; ``problem`` what is wrong with the search."""

    filters: issues_scope.Scope
    scope: Scope
    problem: SearchError | None

    @property
    def projects(self) -> Sequence[Project]:
        return self.filters.searched


def read_performance_scope(
    request: PageRequest, *, project: Project | None = None, transaction: str | None = None, kind: str = ""
) -> PerformanceScope:
    """Projects, environments, period, release and search of the request; ``project`` fixes the project."""
    filters = issues_scope.read_scope(request, projects=[project] if project else None)
    filters = replace(filters, query=request.GET.get("query", "").strip()[:2000])
    ids = [one.pk for one in filters.searched]
    condition, parameters, problem = "", {}, None
    if filters.query:
        context = OrganizationSearchContext(ids, request.organization, request.user)
        try:
            found = compile_spans(parse_query(filters.query), context, dataset="transactions")
            condition, parameters = found.sql, dict(found.parameters)
        except SearchError as error:
            problem, condition = error, "0"
    if kind in KINDS:
        condition = f"({condition or '1'}) AND ({KINDS[kind]})"
    return PerformanceScope(
        filters,
        Scope(
            ids,
            filters.period,
            tuple(filters.environments),
            request.GET.get("release", "")[:250],
            transaction,
            condition,
            parameters,
        ),
        problem,
    )


def thresholds(projects: Sequence[Project]) -> dict[int, int]:
    """Project → Apdex threshold in milliseconds."""
    return {project.pk: load_options(project.options).performance.apdex_threshold for project in projects}


def chart(
    starts: Sequence[int], series: Sequence[Series], rollup: int, label: str, unit: str, **more: Any
) -> dict[str, Any]:
    """A chart and its table. ``unit``: ms, share, or count."""
    show = {
        "ms": elapsed,
        "share": lambda value: f"{value * 100:.3g}%",
        "count": lambda value: compact(round(value)) if value >= 10 else f"{value:.3g}",
    }[unit]
    return {
        "label": label,
        "svg": line_chart(starts, series, show, label=label, rollup=rollup, **more),
        "table": chart_table(starts, series, show, rollup),
        "series": series,
    }
