"""The performance home: every transaction with its figures, and all of them together."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dictamesh_sentry.eventstore.interface import QueryTimeoutError, StoreUnavailableError
from dictamesh_sentry.tracing.transactions import SORTS, list_transactions, series, summarize
from dictamesh_sentry.web.pages import PageRequest, organization_page
from dictamesh_sentry.web.presenters.timeseries import Series
from dictamesh_sentry.web.views.issues_scope import filter_context
from dictamesh_sentry.web.views.performance_scope import PerformanceScope, chart, read_performance_scope, thresholds

PER_PAGE = 50
COLUMNS = (
    ("tpm", "TPM", "Transactions per minute"), ("p50", "p50", "Half are faster"),
    ("p75", "p75", "Three of four are faster"), ("p95", "p95", "19 of 20 are faster"),
    ("p99", "p99", "99 of 100 are faster"), ("failure", "Failures", "Share that failed"),
    ("apdex", "Apdex", "Satisfaction, from 0 to 1"), ("users", "Users", "Distinct users"),
    ("misery", "Misery", "Share of users who waited four times the threshold, smoothed"),
    ("trend", "Trend", "p95 against the period before"),
)  # fmt: skip
TABS = (("", "All"), ("backend", "Backend"), ("frontend", "Frontend"), ("mobile", "Mobile"))


@require_safe
@organization_page
def performance_home(request: PageRequest) -> HttpResponse:
    """Transactions of the chosen projects, environments and period, in the order asked for."""
    kind = request.GET.get("kind", "") if request.GET.get("kind") in dict(TABS) else ""
    asked = read_performance_scope(request, kind=kind)
    sort = request.GET.get("sort", "-tpm")
    name, descending = sort.removeprefix("-"), sort.startswith("-")
    if name not in SORTS:
        name, descending = "tpm", True
    offset = int(text) if (text := request.GET.get("offset", "")).isdigit() and len(text) < 7 else 0
    context: dict[str, Any] = {
        **filter_context(request, asked.filters),
        "complete_url": "",
        "problem": asked.problem,
        "query_text": asked.filters.query,
        "kind": kind,
        "tabs": [{"value": value, "label": label, "current": value == kind} for value, label in TABS],
        "columns": [(key, label, hint, _sort_link(key, name, descending)) for key, label, hint in COLUMNS],
        "sort": name,
        "descending": descending,
        "release": asked.scope.release,
    }
    if asked.problem is None:
        try:
            context |= _figures(asked, name, descending, offset)
        except (StoreUnavailableError, QueryTimeoutError) as error:
            context["down"] = "slow" if isinstance(error, QueryTimeoutError) else "down"
    return render(request, "performance/home.html", context, status=400 if asked.problem else 200)


def _figures(asked: PerformanceScope, sort: str, descending: bool, offset: int) -> dict[str, Any]:
    limits = thresholds(asked.projects)
    page = list_transactions(asked.scope, limits, sort=sort, descending=descending, limit=PER_PAGE, offset=offset)
    summary = summarize(asked.scope, limits)
    by_id = {project.pk: project for project in asked.projects}
    rows = [{"row": row, "project": by_id[row.project_id], "figures": row.figures} for row in page.rows]
    return {
        "rows": rows,
        "summary": summary,
        "total": page.total,
        "first": offset + 1,
        "last": offset + len(rows),
        "next_offset": offset + PER_PAGE if offset + len(rows) < page.total else None,
        "previous_offset": max(0, offset - PER_PAGE) if offset else None,
        "charts": charts(asked) if summary else [],
        "never": not summary and not any(project.first_transaction for project in asked.projects),
    }


def charts(asked: PerformanceScope, marks: list[tuple[int, str]] | None = None) -> list[dict[str, Any]]:
    """Throughput, durations and failures over time; ``marks``: releases."""
    points = series(asked.scope)
    rollup = asked.scope.period.rollup
    starts = [point.start for point in points]
    minutes = rollup / 60
    more: dict[str, Any] = {"marks": marks or []}
    return [
        chart(starts, [Series("p50", [p.p50 for p in points], "s1"), Series("p95", [p.p95 for p in points], "s2")],
              rollup, "Duration", "ms", **more),
        chart(starts, [Series("per minute", [p.count / minutes for p in points], "s3")], rollup,
              "Throughput per minute", "count", least_top=1.0, **more),
        chart(starts, [Series("failed", [p.failure_rate for p in points], "s4")], rollup, "Failure rate", "share",
              least_top=0.01, **more),
    ]  # fmt: skip


def _sort_link(key: str, current: str, descending: bool) -> str:
    """What clicking a head asks for: the other direction, or the worse first."""
    if key == current:
        return key if descending else f"-{key}"
    return key if key in ("name", "apdex") else f"-{key}"
