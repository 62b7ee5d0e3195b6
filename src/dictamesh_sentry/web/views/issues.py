"""The issue list and the small endpoints around it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.db.models import prefetch_related_objects
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from dictamesh_sentry.eventstore.interface import QueryTimeoutError, StoreUnavailableError
from dictamesh_sentry.issues.models import Issue, IssueBookmark, IssueSeen, SavedSearch
from dictamesh_sentry.issues.queries import search_issues, short_id, visible_issues
from dictamesh_sentry.search.errors import SearchError
from dictamesh_sentry.web.pages import PageRequest, organization_page
from dictamesh_sentry.web.search_help import suggest
from dictamesh_sentry.web.views.issues_personal import saved_searches
from dictamesh_sentry.web.views.issues_scope import (
    DEFAULT_QUERY,
    SORTS,
    Scope,
    filter_context,
    owners,
    read_scope,
    rights,
)

PAGE_SIZE = 25
MOST_COUNTED = 100
MOST_FOUND = 8


@require_GET
@organization_page
def issue_list(request: PageRequest) -> HttpResponse:
    """Issues that match the filters of the URL."""
    scope = read_scope(request)
    page, problem = _search(request, scope)
    rows = page.rows if page else []
    context = {
        **filter_context(request, scope),
        **rights(request),
        "rows": _decorate(request, rows),
        "page": page,
        "problem": problem,
        "summary": _summary(page),
        "owners": owners(request) if rows else [],
        "sorts": SORTS,
        "sort_label": dict(SORTS)[scope.sort],
        "searches": saved_searches(request),
        "views": _views(request, scope),
        "loaded_at": f"{timezone.now().timestamp():.3f}",
        "poll_query": _poll_query(request),
        "no_project": not scope.visible,
        "waiting": not rows and bool(scope.visible) and not any(project.first_event for project in scope.searched),
    }
    return render(request, "issues/list.html", context, status=400 if isinstance(problem, SearchError) else 200)


def _search(request: PageRequest, scope: Scope) -> tuple[Any, Exception | None]:
    """The page of results, or what is wrong with the query or the store."""
    try:
        page = search_issues(
            request.user,
            request.organization,
            query=scope.query,
            projects=list(scope.searched),
            environments=scope.environments,
            period=scope.period,
            sort=scope.sort,
            cursor=scope.cursor,
            limit=PAGE_SIZE,
        )
    except (SearchError, StoreUnavailableError, QueryTimeoutError) as error:
        return None, error
    except ValueError:
        # A cursor somebody edited: the first page is what they want.
        return _search(request, Scope(**{**scope.__dict__, "cursor": None})) if scope.cursor else (None, None)
    return page, None


def _decorate(request: PageRequest, rows: Sequence[Any]) -> Sequence[Any]:
    """Load what the rows show in a constant number of queries."""
    issues = [row.issue for row in rows]
    if not issues:
        return []
    prefetch_related_objects(issues, "project", "assigned_user", "assigned_team")
    ids = [issue.pk for issue in issues]
    marked = set(IssueBookmark.objects.filter(user=request.user, issue__in=ids).values_list("issue_id", flat=True))
    seen = dict(IssueSeen.objects.filter(user=request.user, issue__in=ids).values_list("issue_id", "last_seen"))
    for issue in issues:
        issue.shown_id = short_id(issue)
        issue.is_bookmarked = issue.pk in marked
        issue.is_unseen = issue.pk not in seen
        issue.badges = status_badges(issue)
    return rows


def status_badges(issue: Issue) -> list[tuple[str, str]]:
    """(text, colour) of what is special about an issue's state."""
    badges = {
        "new": [("New", "accent")],
        "regressed": [("Regressed", "red")],
        "escalating": [("Escalating", "amber")],
    }.get(issue.substatus, [])
    if issue.status == "resolved":
        badges = [("Resolved", "green")]
    elif issue.status == "ignored":
        badges = [("Archived", "")]
    if issue.is_unhandled:
        badges = [*badges, ("Unhandled", "red outline")]
    return badges


def _summary(page: Any) -> str:
    if page is None or page.hits is None:
        return ""
    return f"{page.hits:,} issue{'' if page.hits == 1 else 's'}"


def _views(request: PageRequest, scope: Scope) -> list[dict[str, Any]]:
    """The searches everybody needs, as tabs that keep the other filters."""
    views = (
        ("Unresolved", DEFAULT_QUERY), ("For review", "is:unresolved is:for_review"), ("Regressed", "is:regressed"),
        ("Escalating", "is:escalating"), ("Mine", "is:unresolved assigned:[me, my_teams]"), ("Resolved", "is:resolved"),
        ("Archived", "is:archived"), ("All", ""),
    )  # fmt: skip
    kept = [(key, value) for key, values in request.GET.lists() for value in values if key not in {"query", "cursor"}]
    return [
        {"label": label, "url": f"?{urlencode([*kept, ('query', query)])}", "current": scope.query == query}
        for label, query in views
    ]


def _poll_query(request: PageRequest) -> str:
    kept = [
        (key, value) for key, values in request.GET.lists() for value in values if key in {"project", "environment"}
    ]
    return urlencode(kept)


@require_GET
@organization_page
def new_count(request: PageRequest) -> HttpResponse:
    """How many issues are new or have new events since the page was loaded; nothing when there are none.

    Two counts over an index of the metadata store, each at most ``MOST_COUNTED``; the event store is not asked.
    """
    try:
        since = dt.datetime.fromtimestamp(float(request.GET.get("since", "")), dt.UTC)
    except (ValueError, OverflowError, OSError):
        return HttpResponse(status=204)
    scope = read_scope(request)
    found = visible_issues(request.user, request.organization).filter(project__in=scope.searched, status="unresolved")
    if scope.environments:
        found = found.filter(issue_environments__environment__name__in=scope.environments).distinct()
    fresh = found.filter(first_seen__gt=since)[:MOST_COUNTED].count()
    active = found.filter(last_seen__gt=since)[:MOST_COUNTED].count()
    return render(request, "issues/new_count.html", {"fresh": fresh, "active": active, "most": MOST_COUNTED})


@require_GET
@organization_page
def complete(request: PageRequest) -> HttpResponse:
    """Suggestions for the word at ``at`` of the query ``q``."""
    query = request.GET.get("q", "")[:2000]
    at = request.GET.get("at", "")
    cursor = int(at) if at.isdigit() and len(at) < 6 else len(query)
    return render(
        request, "issues/completions.html", {"suggestions": suggest(request, read_scope(request), query, cursor)}
    )


@require_GET
@organization_page
def palette(request: PageRequest) -> HttpResponse:
    """What the command palette offers for ``q``: pages, projects, issues by short id or title, saved searches."""
    text = request.GET.get("q", "").strip()[:200]
    wanted = text.lower()
    base = f"/organizations/{request.organization.slug}/"
    settings = f"/settings/{request.organization.slug}/"
    pages = [
        ("Issues", f"{base}issues/", "issues"), ("Projects", f"{base}projects/", "projects"),
        ("New project", f"{base}projects/new/", "plus"), ("Statistics", f"{base}stats/", "stats"),
        ("Organization settings", settings, "settings"), ("Members", f"{settings}members/", "users"),
        ("Teams", f"{settings}teams/", "team"), ("Account", "/settings/account/", "user"),
    ]  # fmt: skip
    entries = [
        {"label": name, "url": url, "icon": icon, "hint": "Page"} for name, url, icon in pages if wanted in name.lower()
    ]
    scope = read_scope(request)
    projects = [
        project for project in scope.visible if wanted in project.slug.lower() or wanted in project.name.lower()
    ]
    entries += [
        {"label": project.slug, "url": f"{base}issues/?project={project.pk}", "icon": "projects", "hint": "Project"}
        for project in projects[:MOST_FOUND]
    ]
    if wanted:
        entries = [*_found_issues(request, text, base), *entries]
        named = SavedSearch.objects.filter(
            pk__in=[search.pk for search in saved_searches(request)], name__icontains=text
        )
        entries += [
            {
                "label": search.name,
                "url": f"{base}issues/?{urlencode({'query': search.query, 'sort': search.sort})}",
                "icon": "search",
                "hint": "Saved search",
            }
            for search in named[:MOST_FOUND]
        ]
    return render(request, "components/palette_results.html", {"entries": entries, "text": text})


def _found_issues(request: PageRequest, text: str, base: str) -> list[dict[str, str]]:
    from dictamesh_sentry.issues.short_id import parse_short_id

    found = visible_issues(request.user, request.organization).select_related("project")
    parsed = parse_short_id(text)
    exact = list(found.filter(project__slug=parsed[0], short_number=parsed[1])[:1]) if parsed else []
    titled = found.filter(title__icontains=text).order_by("-last_seen")[:MOST_FOUND] if len(text) > 2 else []
    issues = {issue.pk: issue for issue in [*exact, *titled]}.values()
    return [
        {"label": issue.title, "url": f"{base}issues/{issue.pk}/", "icon": "issues", "hint": short_id(issue)}
        for issue in issues
    ]
