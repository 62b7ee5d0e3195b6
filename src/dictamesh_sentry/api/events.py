"""Single events and lists of events, of a project or of an issue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typing_extensions import TypedDict

from dictamesh_sentry.api.core import Call, Page, Reply, operation
from dictamesh_sentry.api.issues_common import (
    cursor_text,
    issue_operation,
    optional_period,
    page_of,
    refused_cursors,
)
from dictamesh_sentry.api.pagination import limit_of
from dictamesh_sentry.api.serializers_events import (
    EventBody,
    EventSummaryBody,
    serialize_event,
    serialize_event_summary,
)
from dictamesh_sentry.api.serializers_issues import permalink, serialize_user_report
from dictamesh_sentry.api.serializers_releases import serialize_releases
from dictamesh_sentry.feedback.queries import report_of_event
from dictamesh_sentry.issues.event_queries import Event, get_event, issue_event, list_events, neighbours
from dictamesh_sentry.issues.markdown import event_markdown
from dictamesh_sentry.issues.models import Issue, IssueHash
from dictamesh_sentry.issues.queries import get_issue
from dictamesh_sentry.issues.short_id import short_id
from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.releases.models import Release
from dictamesh_sentry.search.period import Period
from dictamesh_sentry.tracing.transaction_events import transaction_event

ISSUE_READ, PROJECT_READ, ORGANIZATION_READ = ("event:read",), ("project:read", "event:read"), ("org:read",)


class EventLocationBody(TypedDict):
    organizationSlug: str
    projectSlug: str
    groupId: str
    eventId: str
    event: EventBody


class MarkdownBody(TypedDict):
    markdown: str


# Lists


@issue_operation("GET", "events/", scopes=ISSUE_READ, response=list[EventSummaryBody], paginated=True)
def list_issue_events(call: Call, issue: Issue) -> Page:
    """List an issue's events, newest first. `query` is an event search; `full=true` adds the interfaces."""
    return _list(call, [issue.project], issue)


@operation(
    "GET",
    "/projects/{organization}/{project}/events/",
    scopes=PROJECT_READ,
    response=list[EventSummaryBody],
    paginated=True,
)
def list_project_events(call: Call) -> Page:
    """List a project's events, newest first. `query` is an event search; `full=true` adds the interfaces."""
    return _list(call, [call.project], None)


def _list(call: Call, projects: Sequence[Project], issue: Issue | None) -> Page:
    parameters = call.request.GET
    with refused_cursors():
        found = list_events(
            [project.pk for project in projects],
            issue=issue,
            query=parameters.get("query", ""),
            environments=call.environments_param(),
            period=optional_period(call),
            cursor=cursor_text(call),
            limit=limit_of(parameters),
        )
    if parameters.get("full") in {"1", "true"}:
        bodies: list[Any] = [serialize_event(event, issue=issue) for event in found.events]
    else:
        bodies = [serialize_event_summary(event) for event in found.events]
    return page_of(bodies, found.previous_cursor, found.next_cursor)


# One event


@issue_operation("GET", "events/{event_id}/", scopes=ISSUE_READ, response=EventBody)
def get_issue_event(call: Call, issue: Issue, event_id: str) -> dict[str, Any]:
    """Retrieve an event of an issue: an event id, `latest`, `oldest` or `recommended`."""
    environments, period = call.environments_param(), optional_period(call)
    event = issue_event(issue, event_id.lower(), environments, period)
    if event is None:
        raise NotVisibleError
    return _serialize(event, issue, environments, period)


@operation("GET", "/projects/{organization}/{project}/events/{event_id}/", scopes=PROJECT_READ, response=EventBody)
def get_project_event(call: Call, event_id: str) -> dict[str, Any]:
    """Retrieve an event with its interfaces. A transaction has its spans as an entry, and no issue."""
    event = _event(call, event_id)
    return _serialize(event, _issue_of(call, event), call.environments_param(), None)


@operation("GET", "/projects/{organization}/{project}/events/{event_id}/json/", scopes=PROJECT_READ)
def get_event_json(call: Call, event_id: str) -> Reply:
    """Download an event as it is stored: normalized, scrubbed, with `_meta`."""
    event = _event(call, event_id)
    return Reply(event.data, headers={"Content-Disposition": f'attachment; filename="{event.id}.json"'})


@operation(
    "GET",
    "/projects/{organization}/{project}/events/{event_id}/markdown/",
    scopes=PROJECT_READ,
    response=MarkdownBody,
)
def get_event_markdown(call: Call, event_id: str) -> MarkdownBody:
    """Retrieve an event as Markdown, to paste into a ticket or a prompt."""
    event = _event(call, event_id)
    issue = _issue_of(call, event)
    name, url = (short_id(issue), f"{permalink(issue)}events/{event.id}/") if issue else ("", "")
    return {"markdown": event_markdown(event, short_id=name, project=call.project.slug, url=url)}


@operation(
    "GET", "/organizations/{organization}/eventids/{event_id}/", scopes=ORGANIZATION_READ, response=EventLocationBody
)
def find_event(call: Call, event_id: str) -> dict[str, Any]:
    """Find the project and issue of an event id. The issue of a transaction is `0`."""
    projects = {project.pk: project for project in call.visible_projects()}
    event = get_event(list(projects), event_id) or transaction_event(list(projects), event_id)
    if event is None:
        raise NotVisibleError
    issue = _issue_of(call, event)
    return {
        "organizationSlug": call.organization.slug,
        "projectSlug": projects[event.project_id].slug,
        "groupId": str(issue.pk if issue else event.issue_id),
        "eventId": event.id,
        "event": _serialize(event, issue, (), None),
    }


def _event(call: Call, event_id: str) -> Event:
    """An error or a transaction."""
    event = get_event([call.project.pk], event_id) or transaction_event([call.project.pk], event_id)
    if event is None:
        raise NotVisibleError
    return event


def _issue_of(call: Call, event: Event) -> Issue | None:
    """The event's issue; None for a transaction, and while it is being deleted."""
    if not event.issue_id:
        return None
    try:
        return get_issue(call.user, call.organization, event.issue_id)
    except NotVisibleError:
        return None


def _serialize(event: Event, issue: Issue | None, environments: Sequence[str], period: Period | None) -> dict[str, Any]:
    report = report_of_event(event.project_id, event.id)
    fingerprint = release = None
    if issue is not None:
        fingerprint = _fingerprint(event)
        release = _release(event, issue)
    return serialize_event(
        event,
        neighbours=neighbours(issue, event, environments, period) if issue is not None else None,
        release=release,
        fingerprint=fingerprint,
        user_report=serialize_user_report(report) if report else None,
        issue=issue,
    )


def _release(event: Event, issue: Issue) -> dict[str, Any] | None:
    if not event.release:
        return None
    organization = issue.project.organization
    found = Release.objects.filter(organization=organization, version=event.release).first()
    return dict(serialize_releases([found], [issue.project])[0]) if found is not None else None


def _fingerprint(event: Event) -> IssueHash | None:
    """The fingerprint the event was grouped by."""
    return IssueHash.objects.filter(project_id=event.project_id, hash=event.primary_hash).first()
