"""What users wrote about errors."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from dictamesh_sentry.api.core import Body, Call, Page, operation
from dictamesh_sentry.api.serializers_issues import UserReportBody, serialize_user_report
from dictamesh_sentry.feedback.actions import submit_report
from dictamesh_sentry.feedback.models import UserReport
from dictamesh_sentry.feedback.queries import reports_of_projects
from dictamesh_sentry.issues.event_queries import get_event
from dictamesh_sentry.issues.short_id import short_id
from dictamesh_sentry.projects.models import Project

_PATH = "/projects/{organization}/{project}/user-feedback/"


class ReportText(Body):
    """What a user wrote about an event."""

    event_id: str = Field(alias="event_id")
    name: str
    email: str
    comments: str


@operation("GET", _PATH, scopes=("project:read",), response=list[UserReportBody], tag="Events", paginated=True)
def list_user_feedback(call: Call) -> Page:
    """List what users wrote about a project's errors, newest first. `status=unresolved` leaves resolved issues out."""
    return _list(call, [call.project])


@operation(
    "GET",
    "/organizations/{organization}/user-feedback/",
    scopes=("org:read",),
    response=list[UserReportBody],
    tag="Events",
    paginated=True,
)
def list_organization_feedback(call: Call) -> Page:
    """List what users wrote about errors of an organization's projects, newest first."""
    return _list(call, call.projects_param())


def _list(call: Call, projects: list[Project]) -> Page:
    rows = reports_of_projects([project.pk for project in projects])
    if call.request.GET.get("status", "unresolved") == "unresolved":
        rows = rows.exclude(issue__status__in=("resolved", "ignored"))
    return call.paginate_by_time(rows, "date_created", lambda found: [_serialize(report) for report in found])


def _serialize(report: UserReport) -> UserReportBody:
    issue = report.issue
    if issue is None or issue.is_pending_deletion:
        return serialize_user_report(report)
    issue.project = report.project
    brief: dict[str, Any] = {
        "id": str(issue.pk),
        "shortId": short_id(issue),
        "title": issue.title,
        "status": issue.status,
    }
    return serialize_user_report(report, brief)


@operation("POST", _PATH, scopes=("project:write",), response=UserReportBody, tag="Events", accepts_client_key=True)
def create_user_feedback(call: Call, body: ReportText) -> UserReportBody:
    """Submit what a user wrote about an event; again from the same address replaces it.

    The project's DSN is enough (`Authorization: DSN <dsn>`).
    """
    event = get_event([call.project.pk], body.event_id)
    report = submit_report(
        call.project,
        body.event_id,
        name=body.name,
        email=body.email,
        comments=body.comments,
        issue_id=event.issue_id if event else None,
    )
    return serialize_user_report(report)
