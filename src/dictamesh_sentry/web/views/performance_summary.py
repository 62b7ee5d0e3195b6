"""One transaction: how long it takes and why, and whose it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dictamesh_sentry.eventstore.interface import QueryTimeoutError, StoreUnavailableError
from dictamesh_sentry.issues.queries import visible_issues
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.projects.queries import visible_to
from dictamesh_sentry.releases.models import ReleaseProject
from dictamesh_sentry.tracing import transaction_summary as summaries
from dictamesh_sentry.tracing.transactions import Scope, summarize
from dictamesh_sentry.web.pages import PageRequest, organization_page
from dictamesh_sentry.web.views.issues_scope import filter_context
from dictamesh_sentry.web.views.performance import charts
from dictamesh_sentry.web.views.performance_scope import PerformanceScope, read_performance_scope, thresholds

PER_PAGE = 50
MOST_RELEASES = 20
VITAL_NAMES = {
    "lcp": "Largest Contentful Paint", "fcp": "First Contentful Paint", "inp": "Interaction to Next Paint",
    "cls": "Cumulative Layout Shift", "ttfb": "Time to First Byte",
}  # fmt: skip
ORDERS = (("slowest", "Slowest"), ("newest", "Newest"), ("fastest", "Fastest"), ("random", "A random few"))


@require_safe
@organization_page
def transaction_summary(request: PageRequest) -> HttpResponse:
    """The summary of ``transaction`` in ``project``; ``min`` and ``max`` narrow it down to a range of durations."""
    project = _project(request)
    name = request.GET.get("transaction", "")
    asked = read_performance_scope(request, project=project, transaction=name)
    tab = request.GET.get("tab", "") if request.GET.get("tab") in ("spans", "events") else ""
    context: dict[str, Any] = {
        **filter_context(request, asked.filters),
        "complete_url": "",
        "problem": asked.problem,
        "query_text": asked.filters.query,
        "project": project,
        "transaction": name,
        "tab": tab,
        "tabs": [("", "Overview"), ("spans", "Spans"), ("events", "Events")],
        "range": _range(request),
    }
    if asked.problem is None:
        try:
            context |= _content(request, asked, tab)
        except (StoreUnavailableError, QueryTimeoutError) as error:
            context["down"] = "slow" if isinstance(error, QueryTimeoutError) else "down"
    return render(request, "performance/summary.html", context, status=400 if asked.problem else 200)


def _project(request: PageRequest) -> Project:
    wanted = request.GET.get("project", "")
    for project in visible_to(request.user, request.organization, request.access):
        if wanted in (str(project.pk), project.slug):
            return project
    raise Http404


def _range(request: PageRequest) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name in ("min", "max"):
        try:
            value = float(request.GET.get(name, ""))
        except ValueError:
            found[name] = None
        else:
            found[name] = value if 0 <= value < 1e12 else None
    return found


def _content(request: PageRequest, asked: PerformanceScope, tab: str) -> dict[str, Any]:
    chosen = _range(request)
    scope = summaries.narrowed(asked.scope, chosen["min"], chosen["max"])
    figures = summarize(scope, thresholds(asked.projects))
    if figures is None:
        return {"summary": None}
    if tab == "spans":
        return {"summary": figures, "suspects": summaries.suspects(scope, 100)}
    if tab == "events":
        return {"summary": figures, **_events(request, scope)}
    buckets = summaries.histogram(asked.scope)
    issues = dict(summaries.related_issues(scope))
    found = {issue.pk: issue for issue in visible_issues(request.user, request.organization).filter(pk__in=issues)}
    narrowed = PerformanceScope(asked.filters, scope, None)
    return {
        "summary": figures,
        "charts": charts(narrowed, _releases(asked)),
        "bars": _bars(buckets, chosen),
        "suspects": summaries.suspects(scope, 8),
        "breakdown": summaries.breakdown(scope),
        "tags": summaries.slow_tags(scope),
        "vitals": [(one, VITAL_NAMES[one.name]) for one in summaries.vitals(scope)],
        "samples": summaries.samples(scope, limit=8),
        "others": summaries.samples(scope, order="random", limit=5),
        "profiles": summaries.profiled(scope),
        "issues": [(found[pk], count) for pk, count in issues.items() if pk in found],
    }


def _events(request: PageRequest, scope: Scope) -> dict[str, Any]:
    order = request.GET.get("order", "") if request.GET.get("order") in dict(ORDERS) else "slowest"
    offset = int(text) if (text := request.GET.get("offset", "")).isdigit() and len(text) < 7 else 0
    rows = summaries.samples(scope, order=order, limit=PER_PAGE + 1, offset=offset)
    return {
        "samples": rows[:PER_PAGE],
        "order": order,
        "orders": ORDERS,
        "next_offset": offset + PER_PAGE if len(rows) > PER_PAGE else None,
        "previous_offset": max(0, offset - PER_PAGE) if offset else None,
    }


def _releases(asked: PerformanceScope) -> list[tuple[int, str]]:
    """When the releases of the project were first seen, for the marks of the charts."""
    period = asked.filters.period
    rows = (
        ReleaseProject.objects.filter(
            project__in=asked.projects, first_event__gte=period.start - timedelta(0), first_event__lt=period.end
        )
        .order_by("-first_event")
        .values_list("first_event", "release__version")[:MOST_RELEASES]
    )
    return [(int(moment.timestamp()), version) for moment, version in rows]


def _bars(buckets: list[summaries.Bucket], chosen: dict[str, float | None]) -> list[dict[str, Any]]:
    """The histogram as bars of an SVG of 640 by 120."""
    most = max((bucket.count for bucket in buckets), default=0) or 1
    step = 640 / max(1, len(buckets))
    low, high = chosen["min"], chosen["max"]
    return [
        {
            "bucket": bucket,
            "x": f"{index * step + 0.5:.1f}",
            "width": f"{max(1.0, step - 1):.1f}",
            "height": f"{max(1.5, 118 * bucket.count / most) if bucket.count else 0:.1f}",
            "y": f"{120 - (max(1.5, 118 * bucket.count / most) if bucket.count else 0):.1f}",
            "hit_x": f"{index * step:.1f}",
            "step": f"{step:.1f}",
            "inside": (low is None or bucket.high > low) and (high is None or bucket.low < high),
        }
        for index, bucket in enumerate(buckets)
    ]
