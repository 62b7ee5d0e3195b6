"""The other tabs of an issue: events, tags, activity, feedback, attachments, grouping."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dictamesh_sentry.issues.activity import FIRST_SEEN, view_activities
from dictamesh_sentry.issues.event_queries import list_events, tag_keys, tag_values
from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.issues.presentation import present_grouping
from dictamesh_sentry.issues.queries import short_id, visible_issues
from dictamesh_sentry.search.errors import SearchError
from dictamesh_sentry.web.issue_page import STORE_ERRORS, frame
from dictamesh_sentry.web.pages import PageRequest, organization_page
from dictamesh_sentry.web.views.issues_scope import load_issue

PAGE_SIZE = 50
MOST_ENTRIES = 200
MOST_SIMILAR = 10
MOST_HASHES = 200


@require_safe
@organization_page
def events(request: PageRequest, issue_id: str) -> HttpResponse:
    """All events of the issue that match a search."""
    issue = load_issue(request, issue_id)
    context = frame(request, issue, "events")
    query = request.GET.get("query", "").strip()[:2000]
    context |= {"query": query, "problem": None, "page": None}
    try:
        context["page"] = _find(issue, query, context["scope"])
    except SearchError as error:
        context["problem"] = error
    except STORE_ERRORS:
        context["store_down"] = True
    return render(request, "issues/events.html", context, status=400 if context["problem"] else 200)


def _find(issue: Issue, query: str, scope: Any) -> Any:
    def read(cursor: str | None) -> Any:
        return list_events(
            [issue.project_id], issue=issue, query=query, environments=scope.environments,
            period=scope.period, cursor=cursor, limit=PAGE_SIZE,
        )  # fmt: skip

    try:
        return read(scope.cursor)
    except SearchError:
        raise
    except ValueError:
        # A cursor somebody edited: the first page is what they want.
        return read(None)


@require_safe
@organization_page
def tags(request: PageRequest, issue_id: str) -> HttpResponse:
    """Every tag with the distribution of its values."""
    issue = load_issue(request, issue_id)
    context = frame(request, issue, "tags")
    scope = context["scope"]
    try:
        context["tags"] = tag_keys(
            [issue.project_id], issue=issue, environments=scope.environments, period=scope.period
        )
    except STORE_ERRORS:
        context["store_down"] = True
    return render(request, "issues/tags.html", context)


@require_safe
@organization_page
def tag_detail(request: PageRequest, issue_id: str, key: str) -> HttpResponse:
    """All values of one tag."""
    issue = load_issue(request, issue_id)
    context = frame(request, issue, "tags")
    scope = context["scope"]
    text = request.GET.get("q", "")[:200]
    context |= {"key": key, "text": text, "values": [], "previous": None, "following": None, "total": 0}
    filters: dict[str, Any] = {"issue": issue, "environments": scope.environments, "period": scope.period}
    try:
        found = tag_keys([issue.project_id], key=key, **filters)
        context["total"] = found[0].total if found else 0
        try:
            result = tag_values([issue.project_id], key, query=text, cursor=scope.cursor, **filters)
        except ValueError:
            result = tag_values([issue.project_id], key, query=text, **filters)
        context["values"], context["following"], context["previous"] = result
    except STORE_ERRORS:
        context["store_down"] = True
    return render(request, "issues/tag_detail.html", context)


@require_safe
@organization_page
def activity(request: PageRequest, issue_id: str) -> HttpResponse:
    """History and comments, newest first."""
    issue = load_issue(request, issue_id)
    context = frame(request, issue, "activity")
    entries = issue.activities.select_related("user").order_by("-datetime", "-pk")[:MOST_ENTRIES]
    views = view_activities(entries)
    context |= {
        "entries": views,
        "has_first": any(entry.type == FIRST_SEEN for entry in views),
        "may_moderate": request.access.has_scope("event:admin"),
    }
    return render(request, "issues/activity.html", context)


@require_safe
@organization_page
def feedback(request: PageRequest, issue_id: str) -> HttpResponse:
    """What affected people wrote."""
    issue = load_issue(request, issue_id)
    context = frame(request, issue, "feedback")
    context["reports"] = issue.user_reports.order_by("-date_created")[:MOST_ENTRIES]
    return render(request, "issues/feedback.html", context)


@require_safe
@organization_page
def attachments(request: PageRequest, issue_id: str) -> HttpResponse:
    """Files that came with the events."""
    issue = load_issue(request, issue_id)
    context = frame(request, issue, "attachments")
    context["attachments"] = issue.attachments.order_by("-date_created")[:MOST_ENTRIES]
    return render(request, "issues/attachments.html", context)


@require_safe
@organization_page
def grouping(request: PageRequest, issue_id: str) -> HttpResponse:
    """Why these events are one issue, its fingerprints, and issues that may be the same."""
    issue = load_issue(request, issue_id)
    context = frame(request, issue, "grouping")
    rows = list(issue.hashes.order_by("-last_seen")[:MOST_HASHES])
    context["fingerprints"] = [
        {
            "row": row,
            "view": present_grouping(row.hash, row.algorithm, row.explanation),
            "merged": merged_label(row.merged_from),
        }
        for row in rows
    ]
    context["similar"] = _similar(request, issue)
    return render(request, "issues/grouping.html", context)


def merged_label(snapshot: Any) -> str:
    """Short id or title of the issue a fingerprint was merged out of."""
    if not isinstance(snapshot, dict):
        return ""
    return str(snapshot.get("shortId") or snapshot.get("short_id") or snapshot.get("title") or "another issue")[:120]


def _similar(request: PageRequest, issue: Issue) -> list[Issue]:
    """Issues of the project with the same kind of error or the same place in the code."""
    kind = issue.metadata.get("type") if isinstance(issue.metadata, dict) else None
    alike = Q(culprit=issue.culprit) if issue.culprit else Q(pk=None)
    if kind:
        alike |= Q(metadata__type=kind)
    found = visible_issues(request.user, request.organization).filter(alike, project=issue.project).exclude(pk=issue.pk)
    similar = list(found.select_related("project").order_by("-last_seen")[:MOST_SIMILAR])
    for item in similar:
        item.shown_id = short_id(item)  # type: ignore[attr-defined]
    return similar
