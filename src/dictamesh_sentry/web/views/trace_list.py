"""The page of the latest traces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.search.errors import FieldError, SearchError
from dictamesh_sentry.tracing.span_queries import span_query
from dictamesh_sentry.tracing.trace_list import TracePage, TraceRow, find_traces
from dictamesh_sentry.web.issue_page import STORE_ERRORS
from dictamesh_sentry.web.pages import PageRequest, organization_page
from dictamesh_sentry.web.views.issues_scope import Scope, filter_context, read_scope

PAGE_SIZE = 50


@require_safe
@organization_page
def trace_list(request: PageRequest) -> HttpResponse:
    """Traces that have a span in the period that matches the search, newest first."""
    scope = read_scope(request)
    scope = replace(scope, query=request.GET.get("query", "").strip()[:2000])
    context = filter_context(request, scope)
    # What can be completed there are fields of issues.
    context |= {"query": scope.query, "problem": None, "rows": [], "next_cursor": None, "complete_url": ""}
    try:
        page = _find(request, scope)
    except SearchError as error:
        context["problem"] = error
    except STORE_ERRORS:
        context["down"] = True
    else:
        projects = {project.pk: project for project in scope.visible}
        context |= {
            "rows": [_line(row, projects) for row in page.rows],
            "next_cursor": page.next_cursor,
            "is_later": bool(scope.cursor),
        }
    return render(request, "traces/list.html", context, status=400 if context["problem"] else 200)


def _find(request: PageRequest, scope: Scope) -> TracePage:
    try:
        query = span_query(
            scope.searched,
            organization=request.organization,
            user=request.user,
            # Without a search it is enough to look at segments, of which there are fewer.
            dataset="spans" if scope.query else "transactions",
            query=scope.query,
            environments=scope.environments,
            period=scope.period,
        )
    except FieldError as error:
        raise SearchError(f"{error}") from None
    if query.functions:
        raise SearchError("Functions filter groups of spans; search traces by what their spans have.")
    ids = [project.pk for project in scope.visible]
    try:
        return find_traces(ids, query.where, query.parameters, query.period, cursor=scope.cursor or "", limit=PAGE_SIZE)
    except ValueError:
        # A cursor somebody edited: the first page is what they want.
        return find_traces(ids, query.where, query.parameters, query.period, limit=PAGE_SIZE)


def _line(row: TraceRow, projects: Mapping[int, Project]) -> dict[str, Any]:
    return {
        "row": row,
        "project": projects.get(row.root_project),
        "services": [projects[number] for number in row.project_ids if number in projects],
        "is_transaction": bool(row.root_name) and row.root_project in projects,
    }
