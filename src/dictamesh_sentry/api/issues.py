"""Issues: lists, one issue, changes to one or many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import prefetch_related_objects
from typing_extensions import TypedDict

from dictamesh_sentry.api.core import Call, Page, Reply, operation
from dictamesh_sentry.api.errors import bad_request
from dictamesh_sentry.api.issues_common import (
    cursor_text,
    issue_operation,
    optional_period,
    page_of,
    period_param,
    refused_cursors,
)
from dictamesh_sentry.api.issues_stats import series_of, stats_period_param, window_of
from dictamesh_sentry.api.issues_update import IssueUpdate, apply_update, require_issues
from dictamesh_sentry.api.pagination import limit_of
from dictamesh_sentry.api.serializers_issues import (
    IssueBody,
    IssueDetailBody,
    Numbers,
    load_personal,
    serialize_activities,
    serialize_issue,
)
from dictamesh_sentry.api.serializers_releases import serialize_releases
from dictamesh_sentry.api.serializers_users import UserBody, serialize_user
from dictamesh_sentry.feedback.queries import reports_of_issue
from dictamesh_sentry.issues import actions
from dictamesh_sentry.issues.event_queries import tag_keys
from dictamesh_sentry.issues.models import Issue, IssueSeen, IssueSubscription
from dictamesh_sentry.issues.queries import get_issue, issue_totals, search_issues, visible_issues
from dictamesh_sentry.issues.short_id import parse_short_id
from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.releases.models import Release
from dictamesh_sentry.search.period import Period

READ, WRITE, ADMIN = ("event:read",), ("event:write",), ("event:admin",)
DEFAULT_QUERY = "is:unresolved"
MAX_BULK = 1000
MAX_HITS = 1000
_RELATED = ("project__organization", "assigned_user", "assigned_team", "resolved_in_release")
_ACTIVITIES = 100


class ShortIdBody(TypedDict):
    organizationSlug: str
    projectSlug: str
    groupId: str
    group: IssueBody
    shortId: str


# Lists


@operation("GET", "/organizations/{organization}/issues/", scopes=READ, response=list[IssueBody], paginated=True)
def list_issues(call: Call) -> Page:
    """List an organization's issues.

    `query` is an issue search (default `is:unresolved`), `sort` one of date, new, freq, user; `statsPeriod` or `start`
    and `end` bound the events that are counted; `groupStatsPeriod` is 24h, 14d or auto; `collapse` leaves parts out.
    `shortIdLookup=1` answers a query that is just a short id with that issue and `X-Sentry-Direct-Hit: 1`.
    """
    direct = _direct_hit(call)
    return direct if direct is not None else _search(call, call.projects_param())


@operation("GET", "/projects/{organization}/{project}/issues/", scopes=READ, response=list[IssueBody], paginated=True)
def list_project_issues(call: Call) -> Page:
    """List a project's issues. Parameters as for an organization's issues."""
    direct = _direct_hit(call)
    return direct if direct is not None else _search(call, [call.project])


def _direct_hit(call: Call) -> Page | None:
    parameters = call.request.GET
    text = parameters.get("query", "").strip()
    if parameters.get("shortIdLookup") not in {"1", "true"} or parse_short_id(text) is None:
        return None
    try:
        issue = get_issue(call.user, call.organization, text)
    except NotVisibleError:
        return None
    page = Page([serialize_issue(issue, load_personal(call.user, [issue]))], hits=1, max_hits=MAX_HITS)
    page.headers["X-Sentry-Direct-Hit"] = "1"
    return page


def _search(call: Call, projects: Sequence[Project]) -> Page:
    parameters = call.request.GET
    query, sort = parameters.get("query", DEFAULT_QUERY), parameters.get("sort") or "date"
    period, environments = period_param(call), call.environments_param()
    with refused_cursors():
        found = search_issues(
            call.user,
            call.organization,
            query=query,
            projects=projects,
            environments=environments,
            period=period,
            sort=sort,
            cursor=cursor_text(call),
            limit=limit_of(parameters),
        )
    bodies = _serialize_rows(call, found.rows, query, period, environments)
    page = page_of(bodies, found.previous_cursor, found.next_cursor, hits=found.hits)
    page.max_hits = MAX_HITS
    return page


def _serialize_rows(
    call: Call, rows: Sequence[Any], query: str, period: Period, environments: Sequence[str]
) -> list[IssueBody]:
    """Rows of a search as JSON. A fixed number of queries, whatever their number."""
    issues = [row.issue for row in rows]
    prefetch_related_objects(issues, *_RELATED)
    collapse = _collapsed(call)
    name = stats_period_param(call)
    series = {}
    if name and "stats" not in collapse and issues:
        series = series_of(issues, environments, *window_of(name, period))
    personal = load_personal(call.user, issues)
    is_filtered = query.strip() not in {"", DEFAULT_QUERY}
    return [
        serialize_issue(
            row.issue,
            personal,
            Numbers(row.count, row.user_count, row.first_seen, row.last_seen, series.get(row.issue.pk, ())),
            stats_period=name,
            is_filtered=is_filtered,
            collapse=collapse,
        )
        for row in rows
    ]


def _collapsed(call: Call) -> set[str]:
    """Parts to leave out; unknown names are ignored."""
    return {part for value in call.request.GET.getlist("collapse") for part in value.split(",")}


# One issue


@issue_operation("GET", scopes=READ, response=IssueDetailBody)
def get_one(call: Call, issue: Issue) -> dict[str, Any]:
    """Retrieve an issue by id or short id, with its history, followers and most frequent tags."""
    return _detail(call, issue)


def _detail(call: Call, issue: Issue) -> dict[str, Any]:
    prefetch_related_objects([issue], *_RELATED, "first_release", "last_release")
    environments = call.environments_param()
    collapse = _collapsed(call)
    period = optional_period(call)
    totals = issue_totals(issue, environments, period)
    numbers = Numbers(issue.times_seen, totals.user_count, issue.first_seen, issue.last_seen)
    body: dict[str, Any] = dict(serialize_issue(issue, load_personal(call.user, [issue]), numbers))
    if "stats" not in collapse:
        body["stats"] = {
            name: [list(point) for point in series_of([issue], environments, *window_of(name))[issue.pk]]
            for name in ("24h", "30d")
        }
    if "tags" not in collapse:
        body["tags"] = _tags(issue, environments)
    return body | {
        "activity": serialize_activities(_activities(issue)),
        "seenBy": _seen_by(issue),
        "participants": _participants(issue),
        "userReportCount": reports_of_issue(issue).count(),
        "firstRelease": _release(issue.first_release, issue),
        "lastRelease": _release(issue.last_release, issue),
        "pluginActions": [],
        "pluginIssues": [],
        "pluginContexts": [],
        "integrationIssues": [],
        "sentryAppIssues": [],
        "openPeriods": [],
        "inbox": None,
        "owners": None,
    }


def _release(release: Release | None, issue: Issue) -> Any:
    return serialize_releases([release], [issue.project])[0] if release is not None else None


def _activities(issue: Issue) -> Any:
    return issue.activities.select_related("user").order_by("-datetime", "-pk")[:_ACTIVITIES]


def _tags(issue: Issue, environments: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"key": tag.key, "name": tag.key, "totalValues": tag.total, "uniqueValues": tag.unique}
        for tag in tag_keys([issue.project_id], issue=issue, environments=environments)
    ]


def _seen_by(issue: Issue) -> list[UserBody]:
    rows = IssueSeen.objects.filter(issue=issue).select_related("user").order_by("-last_seen")[:100]
    return [{**serialize_user(row.user), "lastSeen": row.last_seen} for row in rows]  # type: ignore[typeddict-item]


def _participants(issue: Issue) -> list[UserBody]:
    rows = IssueSubscription.objects.filter(issue=issue, is_active=True).select_related("user").order_by("pk")[:100]
    return [serialize_user(row.user) for row in rows]


@issue_operation("PUT", scopes=WRITE, response=IssueDetailBody)
def update_one(call: Call, issue: Issue, body: IssueUpdate) -> Any:
    """Update an issue: status, assignee, priority, bookmark, subscription, sharing."""
    changes = apply_update(call.access_to(issue.project.organization), [issue], body)
    return Reply(None, 204) if changes.get("discard") else _detail(call, issue)


@issue_operation("DELETE", scopes=ADMIN, status=202)
def delete_one(call: Call, issue: Issue) -> Reply:
    """Delete an issue and all its events, in the background."""
    actions.delete(call.user, [issue])
    return Reply({}, 202)


@operation("GET", "/organizations/{organization}/shortids/{short_id}/", scopes=READ, response=ShortIdBody)
def resolve_short_id(call: Call, short_id: str) -> dict[str, Any]:
    """Resolve a short id to its issue."""
    if parse_short_id(short_id) is None:
        raise NotVisibleError
    issue = get_issue(call.user, call.organization, short_id)
    prefetch_related_objects([issue], *_RELATED)
    body = serialize_issue(issue, load_personal(call.user, [issue]))
    return {
        "organizationSlug": call.organization.slug,
        "projectSlug": issue.project.slug,
        "groupId": str(issue.pk),
        "group": body,
        "shortId": body.get("shortId", ""),
    }


# Many issues


@operation("PUT", "/organizations/{organization}/issues/", scopes=WRITE)
def update_issues(call: Call, body: IssueUpdate) -> Any:
    """Update the issues named by `id` (repeatable), or all that match `query`. 204 when none does."""
    return _update(call, _chosen(call, call.projects_param()), body)


@operation("PUT", "/projects/{organization}/{project}/issues/", scopes=WRITE)
def update_project_issues(call: Call, body: IssueUpdate) -> Any:
    """Update issues of a project: those named by `id`, or all that match `query` and `status`."""
    return _update(call, _chosen(call, [call.project]), body)


def _update(call: Call, issues: Sequence[Issue], body: IssueUpdate) -> Any:
    if not issues:
        return Reply(None, 204)
    require_issues(issues, MAX_BULK)
    result = apply_update(call.access, issues, body)
    return Reply(None, 204) if result.get("discard") else result


@operation("DELETE", "/organizations/{organization}/issues/", scopes=ADMIN)
def delete_issues(call: Call) -> None:
    """Delete the issues named by `id` (repeatable), or all that match `query`."""
    _delete(call, call.projects_param())


@operation("DELETE", "/projects/{organization}/{project}/issues/", scopes=ADMIN)
def delete_project_issues(call: Call) -> None:
    """Delete issues of a project: those named by `id`, or all that match `query`."""
    _delete(call, [call.project])


def _delete(call: Call, projects: Sequence[Project]) -> None:
    if "id" not in call.request.GET and not call.request.GET.get("query"):
        raise bad_request("Name the issues to delete by id, or by a query.")
    issues = _chosen(call, projects)
    require_issues(issues, MAX_BULK)
    actions.delete(call.user, issues)


def _chosen(call: Call, projects: Sequence[Project]) -> list[Issue]:
    """The issues a bulk request means. Ids of other projects and organizations match nothing."""
    parameters = call.request.GET
    if "id" in parameters:
        ids = [int(value) for value in parameters.getlist("id") if value.isascii() and value.isdigit()][: MAX_BULK + 1]
        visible = visible_issues(call.user, call.organization).filter(pk__in=[pk for pk in ids if pk < 2**63])
        if "project" in parameters or call._project is not None:
            visible = visible.filter(project__in=projects)
        if parameters.get("status"):
            visible = visible.filter(status=parameters["status"])
        return list(visible.select_related(*_RELATED))
    query = parameters.get("query", "")
    if parameters.get("status"):
        query = f"{query} is:{parameters['status']}".strip()
    return _all_matching(call, projects, query)


def _all_matching(call: Call, projects: Sequence[Project], query: str) -> list[Issue]:
    """Every issue a query finds, up to one more than ``MAX_BULK``."""
    issues: list[Issue] = []
    cursor: str | None = None
    while True:
        found = search_issues(
            call.user,
            call.organization,
            query=query,
            projects=projects,
            environments=call.environments_param(),
            period=period_param(call),
            cursor=cursor,
            limit=100,
        )
        issues += [row.issue for row in found.rows]
        cursor = found.next_cursor
        if cursor is None or len(issues) > MAX_BULK:
            prefetch_related_objects(issues, *_RELATED)
            return issues


@operation("GET", "/organizations/{organization}/issues-count/", scopes=READ)
def count_issues(call: Call) -> dict[str, int]:
    """Count the issues that match each `query` (repeatable, at most 10)."""
    queries = call.request.GET.getlist("query")[:10]
    projects, period, environments = call.projects_param(), period_param(call), call.environments_param()
    return {
        query: search_issues(
            call.user,
            call.organization,
            query=query,
            projects=projects,
            environments=environments,
            period=period,
            limit=1,
        ).hits
        or 0
        for query in queries
    }


@operation("GET", "/organizations/{organization}/issues-stats/", scopes=READ, response=list[IssueBody])
def stats_of_issues(call: Call) -> list[IssueBody]:
    """Counts and series of the issues named by `groups` (repeatable, at most 100)."""
    parameters = call.request.GET
    ids = [value for value in parameters.getlist("groups") if value.isascii() and value.isdigit() and len(value) < 19]
    if not ids:
        raise bad_request("You must include `groups` with your request.")
    if len(ids) > 100:
        raise bad_request("Too many groups requested.")
    found = search_issues(
        call.user,
        call.organization,
        query=f"issue.id:[{','.join(ids)}] {parameters.get('query', '')}".strip(),
        projects=call.projects_param() if "project" in parameters else None,
        environments=call.environments_param(),
        period=period_param(call),
        limit=100,
    )
    rows = _serialize_rows(call, found.rows, parameters.get("query", ""), period_param(call), call.environments_param())
    kept = ("id", "count", "userCount", "firstSeen", "lastSeen", "isUnhandled", "stats", "lifetime", "filtered")
    return [{key: body[key] for key in kept if key in body} for body in rows]  # type: ignore[misc]
