"""Reads of user feedback."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from dictamesh_sentry.feedback.models import UserReport
from dictamesh_sentry.issues.models import Issue


def reports_of_issue(issue: Issue) -> QuerySet[UserReport]:
    """What people wrote about an issue's events, newest first."""
    return UserReport.objects.filter(issue=issue).order_by("-date_created", "-pk")


def reports_of_projects(project_ids: Iterable[int]) -> QuerySet[UserReport]:
    """What people wrote about events of the projects, newest first, with its issue loaded."""
    return (
        UserReport.objects.filter(project_id__in=list(project_ids))
        .select_related("issue", "project")
        .order_by("-date_created", "-pk")
    )


def report_of_event(project_id: int, event_id: str) -> UserReport | None:
    """The newest report about one event."""
    return UserReport.objects.filter(project_id=project_id, event_id=event_id).order_by("-pk").first()
