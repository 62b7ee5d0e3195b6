"""What users wrote about errors."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from dictamesh_sentry.api.core import ANYONE, ApiError, Body, Call, Page, operation
from dictamesh_sentry.api.errors import INVALID_TOKEN, NO_CREDENTIALS
from dictamesh_sentry.api.serializers_issues import UserReportBody, serialize_user_report
from dictamesh_sentry.feedback.actions import submit_report
from dictamesh_sentry.feedback.models import UserReport
from dictamesh_sentry.feedback.queries import reports_of_projects
from dictamesh_sentry.issues.event_queries import get_event
from dictamesh_sentry.issues.short_id import short_id
from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.organizations.queries import by_id_or_slug, get_organization
from dictamesh_sentry.projects.models import Project, ProjectKey
from dictamesh_sentry.projects.queries import get_project
from dictamesh_sentry.protocol.auth import AuthError, parse_basic_header
from dictamesh_sentry.protocol.dsn import DsnError, parse_dsn

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


@operation("POST", _PATH, scopes=ANYONE, response=UserReportBody, tag="Events")
def create_user_feedback(call: Call, organization: str, project: str, body: ReportText) -> UserReportBody:
    """Submit what a user wrote about an event; again from the same address replaces it.

    Authenticate with a token that has `project:write`, or with the project's DSN (`Authorization: DSN <dsn>`).
    """
    target = _project_of_key(call, organization, project) or _project_of_caller(call, organization, project)
    event = get_event([target.pk], body.event_id)
    report = submit_report(
        target,
        body.event_id,
        name=body.name,
        email=body.email,
        comments=body.comments,
        issue_id=event.issue_id if event else None,
    )
    return serialize_user_report(report)


def _project_of_key(call: Call, organization: str, project: str) -> Project | None:
    """The project of the path when the request carries one of its active keys; None when it carries none."""
    header = call.request.headers.get("Authorization", "")
    scheme, _, rest = header.partition(" ")
    if scheme.lower() not in {"dsn", "basic"}:
        return None
    try:
        auth = parse_basic_header(header) if scheme.lower() == "basic" else None
        public_key = auth.public_key if auth else parse_dsn(rest.strip()).public_key
    except (AuthError, DsnError) as error:
        raise ApiError(401, INVALID_TOKEN) from error
    found = (
        ProjectKey.objects.filter(public_key=public_key, is_active=True, project__is_pending_deletion=False)
        .select_related("project__organization")
        .first()
    )
    same = found is not None and (
        Project.objects.filter(by_id_or_slug(project), pk=found.project_id)  # pyright: ignore[reportAttributeAccessIssue]
        .filter(organization__in=Organization.objects.filter(by_id_or_slug(organization)))
        .exists()
    )
    if found is None or not same:
        raise ApiError(401, INVALID_TOKEN)
    return found.project


def _project_of_caller(call: Call, organization: str, project: str) -> Project:
    if call.user_or_none is None:
        raise ApiError(401, NO_CREDENTIALS)
    access = call.access_to(get_organization(call.user, organization))
    found = get_project(call.user, access.organization, project, access)
    access.require_team(found.teams.values_list("pk", flat=True), "project:write")
    return found
