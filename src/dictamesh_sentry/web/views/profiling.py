"""The profiling pages: what was profiled, one profile, and one flame graph of many."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dictamesh_sentry.eventstore.interface import QueryTimeoutError, StoreUnavailableError
from dictamesh_sentry.profiling import queries
from dictamesh_sentry.profiling.aggregate import aggregate
from dictamesh_sentry.profiling.flamegraph import call_tree
from dictamesh_sentry.profiling.function_queries import ORDERS, slowest_functions
from dictamesh_sentry.profiling.queries import Filters
from dictamesh_sentry.web.pages import PageRequest, organization_page
from dictamesh_sentry.web.views.issues_scope import Scope, filter_context, read_scope
from dictamesh_sentry.web.views.profiling_state import function_lines, read_state, sandwich, tree_lines, zoomable

PER_PAGE = 20
ORDER_LABELS = {
    "self": "Own time",
    "total": "Total time",
    "p95": "Own time, 95th percentile",
    "profiles": "Profiles it was in",
}
VIEWS = ("tree", "function")


def read_filters(request: PageRequest) -> tuple[Scope, Filters]:
    """Projects, environments and period of the request, and the transaction and release it names."""
    scope = read_scope(request)
    filters = Filters(
        [project.pk for project in scope.searched],
        scope.period,
        scope.environments,
        request.GET.get("transaction", "")[:200],
        request.GET.get("release", "")[:250],
    )
    return scope, filters


def down(error: Exception) -> str:
    """What the page says about an event store that does not answer."""
    return "slow" if isinstance(error, QueryTimeoutError) else "down"


@require_safe
@organization_page
def profiling_home(request: PageRequest) -> HttpResponse:
    """Transactions with profiles, the slowest functions, and the newest profiles."""
    scope, filters = read_filters(request)
    order = request.GET.get("order", "") if request.GET.get("order") in ORDERS else "self"
    text = request.GET.get("function", "").strip()[:200]
    everything = request.GET.get("libraries") == "1"
    offset = int(value) if (value := request.GET.get("offset", "")).isdigit() and len(value) < 6 else 0
    context: dict[str, Any] = {
        **filter_context(request, scope),
        "transaction": filters.transaction,
        "release": filters.release,
        "order": order,
        "orders": list(ORDER_LABELS.items()),
        "function_text": text,
        "libraries": everything,
    }
    try:
        context |= _home(filters, scope, order=order, text=text, everything=everything, offset=offset)
    except (StoreUnavailableError, QueryTimeoutError) as error:
        context["down"] = down(error)
    return render(request, "profiling/home.html", context)


def _home(filters: Filters, scope: Scope, *, order: str, text: str, everything: bool, offset: int) -> dict[str, Any]:
    projects = {project.pk: project for project in scope.searched}
    functions = slowest_functions(filters, in_app=None if everything else True, order=order, text=text, limit=25)
    recent = queries.recent_profiles(filters, limit=PER_PAGE + 1, offset=offset)
    transactions = queries.profiled_transactions(filters)
    profilers = queries.recent_profilers(filters, limit=10) if not filters.transaction else []
    anything = bool(transactions or functions or recent or profilers)
    return {
        "transactions": [(row, projects[row.project_id]) for row in transactions],
        "functions": [(row, projects[row.project_id]) for row in functions],
        "profiles": [(row, projects[row.project_id]) for row in recent[:PER_PAGE]],
        "profilers": [(row, projects[row.project_id]) for row in profilers],
        "anything": anything or bool(text),
        "never": not anything and not queries.has_profiles(list(projects)),
        "next_offset": offset + PER_PAGE if len(recent) > PER_PAGE else None,
        "previous_offset": max(0, offset - PER_PAGE) if offset else None,
    }


@require_safe
@organization_page
def flamegraph(request: PageRequest) -> HttpResponse:
    """One flame graph of the profiles of a transaction, or of everything, in the period."""
    scope, filters = read_filters(request)
    state = read_state(request, VIEWS)
    context: dict[str, Any] = {
        **filter_context(request, scope),
        "state": state,
        "transaction": filters.transaction,
        "release": filters.release,
        "views": [("tree", "Call tree"), ("function", "One function")],
    }
    try:
        context |= _graph(filters, scope, state)
    except (StoreUnavailableError, QueryTimeoutError) as error:
        context["down"] = down(error)
    return render(request, "profiling/flamegraph.html", context)


def _graph(filters: Filters, scope: Scope, state: Any) -> dict[str, Any]:
    result = aggregate(filters, in_app_only=state.in_app_only)
    projects = {project.pk: project for project in scope.searched}
    tree = call_tree(result.functions, result.chains)
    lines, count = function_lines(state, result.functions, result.chains)
    return {
        "available": result.available,
        "used": [(source.row, projects[source.row.project_id]) for source in reversed(result.used)],
        "total_ns": tree.total,
        "tree": tree if len(tree) else None,
        "drawing": zoomable(state, tree, "Flame graph") if state.view == "tree" else None,
        "is_zoomed": state.view == "tree" and state.clamped(tree.total) != (0, tree.total),
        "sandwich": sandwich(state, result.functions, result.chains) if state.view == "function" else None,
        "lines": lines,
        "line_count": count,
        "tree_lines": tree_lines(tree),
    }
