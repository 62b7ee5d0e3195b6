"""The public summary of an issue. It shows code and messages, never data about people or machines."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dictamesh_sentry.issues.event_queries import LATEST, issue_event
from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.issues.presentation import present_event
from dictamesh_sentry.issues.queries import short_id
from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.projects.options import load_organization_options
from dictamesh_sentry.web.issue_page import STORE_ERRORS


@require_safe
def shared_issue(request: HttpRequest, share_id: str) -> HttpResponse:
    """Title, stack trace without variables, and counts, for whoever has the link."""
    issue = (
        Issue.objects.filter(share_id=share_id, is_pending_deletion=False)
        .select_related("project__organization")
        .first()
    )
    if issue is None or not load_organization_options(issue.project.organization.options).allow_shared_issues:
        raise NotVisibleError("The requested resource does not exist")
    view = None
    try:
        event = issue_event(issue, LATEST)
        view = present_event(event) if event is not None else None
    except STORE_ERRORS:
        pass
    response = render(
        request, "share/issue.html", {"issue": issue, "shown_id": short_id(issue), "view": view, "is_public": True}
    )
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response
