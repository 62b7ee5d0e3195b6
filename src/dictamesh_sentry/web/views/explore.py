"""The spans explorer: samples and figures of any spans, by any attribute."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dictamesh_sentry.eventstore.interface import QueryTimeoutError, StoreUnavailableError
from dictamesh_sentry.issues.actions import ActionError
from dictamesh_sentry.search.errors import FieldError, SearchError
from dictamesh_sentry.tracing.actions import SHARE_SCOPE, delete_query, save_query
from dictamesh_sentry.tracing.saved_queries import get_saved_query, saved_queries
from dictamesh_sentry.tracing.span_queries import SpanQuery
from dictamesh_sentry.web.pages import PageRequest, organization_page
from dictamesh_sentry.web.views.explore_data import PER_PAGE, ask, chart, plain, raw_rows, table
from dictamesh_sentry.web.views.explore_help import suggest
from dictamesh_sentry.web.views.explore_scope import (
    ALONE,
    MODES,
    OF_ANY,
    OF_FIELD,
    SAMPLES,
    ExploreScope,
    projects_of,
    question,
    read_explore_scope,
    saved_url,
    stored,
)
from dictamesh_sentry.web.views.issues_personal import layout
from dictamesh_sentry.web.views.issues_scope import filter_context

MOST_EXPORTED = 10_000
_UNSAFE = ("=", "+", "-", "@", "\t", "\r")


def _base(request: PageRequest) -> str:
    return f"/organizations/{request.organization.slug}/explore/spans/"


def _asked(request: PageRequest, scope: ExploreScope) -> SpanQuery:
    """The question's spans. Raises SearchError."""
    query = ask(request, scope)
    if query.functions and scope.mode == SAMPLES:
        span = query.functions[0].span
        raise SearchError("A function filters groups.", span.position, span.length, "Switch to Aggregates.")
    return query


@require_safe
@organization_page
def explore_spans(request: PageRequest) -> HttpResponse:
    """Samples, or figures by groups, and the chosen figure over time."""
    scope = read_explore_scope(request)
    if "function" in request.GET:
        return HttpResponseRedirect(f"{_base(request)}?{urlencode([*question(scope), *projects_of(scope)])}")
    complete = f"{_base(request)}complete/?{urlencode([*projects_of(scope), *scope.filters.parameters])}"
    context: dict[str, Any] = {
        **filter_context(request, scope.filters),
        "complete_url": complete,
        "base": _base(request),
        "explore": scope,
        "query_text": scope.filters.query,
        "modes": [{"value": value, "label": name, "current": value == scope.mode} for value, name in MODES],
        "kept": [*question(scope), *projects_of(scope)],
        "group_chips": _chips(scope, "groupBy", scope.groups),
        "figure_chips": _chips(scope, "aggregate", scope.aggregates),
        "column_chips": _chips(scope, "field", scope.fields),
        "functions_alone": ALONE,
        "functions_of_field": OF_FIELD,
        "functions_of_any": OF_ANY,
        "saved": [
            {"item": item, "url": saved_url(_base(request), item), "mine": item.owner_id == request.user.pk}
            for item in saved_queries(request.user, request.organization)
        ],
        "may_share": request.access.has_scope(SHARE_SCOPE),
        "save_query": urlencode([*question(scope), *projects_of(scope)]),
        "export_query": urlencode([*question(scope), *projects_of(scope)]),
        "problem": None,
    }
    context |= _results(request, scope)
    return render(request, "explore/spans.html", context, status=400 if context["problem"] else 200)


def _chips(scope: ExploreScope, key: str, names: Sequence[str]) -> list[dict[str, str]]:
    """The names, each with the question that leaves it out."""
    pairs = [*question(scope), *projects_of(scope)]
    return [{"name": name, "url": f"?{urlencode([pair for pair in pairs if pair != (key, name)])}"} for name in names]


def _results(request: PageRequest, scope: ExploreScope) -> dict[str, Any]:
    """Table and chart, or what is wrong."""
    try:
        query = _asked(request, scope)
        page = table(request, query, scope)
        found: dict[str, Any] = {
            "page": page,
            "heads": [(column, *_sort_link(column.name, scope.sort)) for column in page.columns],
            "next_offset": scope.offset + PER_PAGE if page.more else None,
            "previous_offset": max(0, scope.offset - PER_PAGE) if scope.offset else None,
            "first": scope.offset + 1,
            "last": scope.offset + len(page.rows),
        }
        if page.rows:
            found |= {"chart": chart(query, scope), "extrapolated": query.is_extrapolated}
        return found
    except SearchError as error:
        return {"problem": error}
    except FieldError as error:
        return {"field_problem": str(error)}
    except (StoreUnavailableError, QueryTimeoutError) as error:
        return {"down": "slow" if isinstance(error, QueryTimeoutError) else "down"}


def _sort_link(name: str, current: str) -> tuple[str, str]:
    """What clicking a head asks for, and how the column is sorted now."""
    if current.removeprefix("-") != name:
        return f"-{name}", ""
    return (name, "descending") if current.startswith("-") else (f"-{name}", "ascending")


@require_safe
@organization_page
def explore_complete(request: PageRequest) -> HttpResponse:
    """Suggestions for the word at ``at`` of ``q``; ``kind`` says whether it is a search, a field or a number."""
    text = request.GET.get("q", "")[:2000]
    at = request.GET.get("at", "")
    cursor = int(at) if at.isascii() and at.isdigit() and len(at) < 6 else len(text)
    found = suggest(request, read_explore_scope(request), text, cursor, request.GET.get("kind", ""))
    return render(request, "issues/completions.html", {"suggestions": found})


# Saved questions


@require_http_methods(["GET", "HEAD", "POST"])
@organization_page
def explore_save(request: PageRequest) -> HttpResponse:
    """Name the current question; for everyone only with ``org:write``. Its parameters are in the URL of the form."""
    scope = read_explore_scope(request)
    error = ""
    if request.method == "POST":
        try:
            saved = save_query(
                request.user,
                request.access,
                request.organization,
                name=request.POST.get("name", ""),
                query=stored(scope),
                project_ids=[project.pk for project in scope.filters.projects],
                shared=request.POST.get("shared") == "on",
            )
        except ActionError as problem:
            error = str(problem)
        else:
            messages.success(request, f"Saved “{saved.name}”.")
            return HttpResponseRedirect(saved_url(_base(request), saved))
    context = {
        "error": error,
        "explore": scope,
        "action": f"{_base(request)}save/?{urlencode([*question(scope), *projects_of(scope)])}",
        "may_share": request.access.has_scope(SHARE_SCOPE),
        "layout": layout(request),
    }
    return render(request, "explore/save.html", context, status=400 if error else 200)


@require_POST
@organization_page
def explore_delete(request: PageRequest, saved_query_id: int) -> HttpResponse:
    """Remove one's own question, or a shared one with ``org:write``."""
    saved = get_saved_query(request.user, request.organization, saved_query_id)
    delete_query(request.user, request.access, saved)
    messages.success(request, f"Removed “{saved.name}”.")
    return HttpResponseRedirect(_base(request))


# Export


@require_safe
@organization_page
def explore_export(request: PageRequest) -> HttpResponseBase:
    """The rows of the table, at most ``MOST_EXPORTED``, as ``format=csv`` or ``json``."""
    scope = read_explore_scope(request)
    try:
        query = _asked(request, scope)
        columns, rows = raw_rows(query, scope, MOST_EXPORTED)
    except (SearchError, FieldError) as error:
        return HttpResponse(str(error), status=400, content_type="text/plain; charset=utf-8")
    except QueryTimeoutError:
        return HttpResponse("This took too long. Choose a shorter period.", status=503, content_type="text/plain")
    except StoreUnavailableError:
        return HttpResponse("The event store does not answer.", status=503, content_type="text/plain")
    slugs = {project.pk: project.slug for project in query.projects}
    names = [column.name for column in columns]
    values = ([plain(column, raw, slugs) for column, raw in zip(columns, row, strict=True)] for row in rows)
    as_json = request.GET.get("format") == "json"
    body = _json(names, values) if as_json else _csv(names, values)
    kind = "application/json" if as_json else "text/csv; charset=utf-8"
    name = f"spans-{scope.mode}.{'json' if as_json else 'csv'}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return StreamingHttpResponse(body, content_type=kind, headers=headers)


def _csv(names: list[str], rows: Iterator[list[Any]]) -> Iterator[bytes]:
    """Lines in blocks. Texts that a spreadsheet would take for a formula get an apostrophe."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow([_safe(name) for name in names])
    for number, row in enumerate(rows, 1):
        writer.writerow([_safe(value) for value in row])
        if number % 500 == 0:
            yield buffer.getvalue().encode("utf-8", "backslashreplace")
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode("utf-8", "backslashreplace")


def _safe(value: Any) -> Any:
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(_UNSAFE):
        return f"'{value}"
    return "" if value is None else value


def _moment(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _json(names: list[str], rows: Iterator[list[Any]]) -> Iterator[bytes]:
    yield b"["
    for number, row in enumerate(rows):
        shown = [_moment(value) if isinstance(value, datetime) else value for value in row]
        yield (b",\n" if number else b"\n") + orjson.dumps(dict(zip(names, shown, strict=True)))
    yield b"\n]\n"
